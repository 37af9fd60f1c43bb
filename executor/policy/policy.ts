/** The content of a policy file -> Policy. */

import { InputError, show } from '../../src/errors.js'
import { freezeDeep } from '../../src/freeze.js'
import { parseWith } from '../../src/schema.js'
import { type Match, policyFormat, type RuleSet } from './schema.js'

/** What is said of the VMs that it matches. */
export interface Rule {
  /** As it is called in answers: its own, or its place. */
  readonly name: string
  /** All of it has to fit. */
  readonly match: Match
  /** What it says of them. */
  readonly set: RuleSet
  /** The same as it is written in the file. */
  readonly given: Readonly<Record<string, unknown>>
}

/** Rules for VMs that run. Of two that say something of the same field the later one counts. */
export interface Policy {
  /** Of the times of its rules; `null`: that of this system. */
  readonly timeZone: string | null
  /** In the order of the file. */
  readonly rules: readonly Rule[]
}

/**
 * @param content of a file, as parsed JSON or YAML
 * @throws {InputError} that names the place, such as `rules[2].match.vcpus`
 */
export function parsePolicy(content: unknown): Policy {
  const { timeZone = null, rules } = parseWith(policyFormat, content)
  const given = (content as { readonly rules: readonly { readonly set: Record<string, unknown> }[] }).rules
  const places = new Map<string, number>()
  const named = rules.map(({ name, match, set }, at): Rule => {
    const called = name ?? `rules[${at}]`
    const earlier = places.get(called)
    if (earlier !== undefined) {
      const got = `${show(called)}, the name of rules[${earlier}] too`
      throw new InputError(`rules[${at}].name`, 'a name of its own', got)
    }
    places.set(called, at)
    return { name: called, match, set, given: structuredClone(given[at]!.set) }
  })
  return freezeDeep({ timeZone, rules: named })
}
