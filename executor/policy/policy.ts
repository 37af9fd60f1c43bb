/** The content of a policy file -> Policy. */

import * as z from 'zod'
import { InputError, show } from '../../src/errors.js'
import { freezeDeep } from '../../src/freeze.js'
import { parseWith } from '../../src/schema.js'
import { policyFormat } from './schema.js'
import type { Policy, Rule } from './types.js'

/**
 * The rules of a policy file: `homenode policy` and docs/policies.md have its format.
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

/** What holds without a policy. */
export const NO_RULES: Policy = { timeZone: null, rules: [] }

/** JSON Schema of a policy file, for editors and other languages. */
export function policySchema(): object {
  return z.toJSONSchema(policyFormat, { io: 'input' })
}
