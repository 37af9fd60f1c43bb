/** What the rules say of each VM, and which of them said so. Pure: the same VMs, rules and time give the same. */

import { requireInstance, requireObject } from '../../src/checks.js'
import { requireFoundVms } from '../found/arguments.js'
import { nameIn } from '../found/as-request.js'
import type { FoundVm } from '../found/types.js'
import { matchesGlob } from './glob.js'
import { matches, type Subject, subjectOf } from './match.js'
import { PLACEMENT } from './schema.js'
import { isWithin, minuteOfWeek } from './times.js'
import type { Policy, PolicyOrders, Rule } from './types.js'

/** What the rules say of a field of a VM. */
export interface Said {
  /** As in a rule's `set`; of a label `labels.NAME`. */
  readonly field: string
  /** As written in the file; `null`: as if nothing had been said. */
  readonly value: unknown
  /** The rule that counts. */
  readonly rule: string
  /** Those before it that said something else or the same, the last first. */
  readonly over: readonly string[]
}

/** What the rules say of a VM. */
export interface Ruling {
  /** Its name, as `requestOf` gives it. */
  readonly name: string
  /** Fields of a VM in a request file; `near` and `separateFrom` have the names of VMs that there are. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Whether anything of it may be moved or pinned anew, now. */
  readonly mayMove: boolean
  /** Why not, as a sentence; `null`: it may. */
  readonly why: string | null
  /** Its memory stays where it is. */
  readonly memoryStays: boolean
  /** The most that may be copied for it in one plan; `null`: any. */
  readonly maxBytes: number | null
  /** Given by rules, and by the metadata of its domain. */
  readonly labels: Readonly<Record<string, string>>
  /** By field, in the order in which they were said first. */
  readonly said: readonly Said[]
}

const LABELS = 'urn:homenode:labels'

/**
 * One for each VM, in their order.
 * @param at the time that counts for the rules' times
 */
export function rulingsOf(policy: Policy, vms: readonly FoundVm[], at: Date): Ruling[] {
  requireObject('policy', policy)
  requireFoundVms('vms', vms)
  requireInstance('at', at, 'Date', Date)
  const subjects = vms.map((vm) => subjectOf(nameIn(vms, vm), vm))
  return rulingsFor(policy, subjects, at)
}

/** The same for VMs of which less is known. */
export function rulingsFor(policy: Policy, subjects: readonly Subject[], at: Date): Ruling[] {
  const minute = minuteOfWeek(at, policy.timeZone)
  const names = subjects.map((subject) => subject.names[0]!)
  return subjects.map((subject) => rulingFor(policy.rules, subject, names, minute))
}

/** Whom a rule is about. */
export interface RuleAbout {
  /** Its name. */
  readonly rule: string
  /** Names of VMs, as `requestOf` gives them. */
  readonly vms: readonly string[]
  /** What it says of them, as written in the file. */
  readonly sets: Readonly<Record<string, unknown>>
}

/** Each rule with the VMs that it is about, in the order of the file. */
export function rulesAbout({ rules }: Policy, vms: readonly FoundVm[]): RuleAbout[] {
  const about = rules.map((): string[] => [])
  for (const vm of vms) {
    const subject = subjectOf(nameIn(vms, vm), vm)
    for (const rule of rulesOf(rules, subject)) about[rules.indexOf(rule)]!.push(subject.names[0]!)
  }
  return rules.map(({ name, given }, at) => ({ rule: name, vms: about[at]!, sets: given }))
}

/** The rules that are about a VM; labels that one gives are there for the next. */
function rulesOf(rules: readonly Rule[], subject: Subject): Rule[] {
  let labels = labelsOf(subject)
  return rules.filter(({ match, set }) => {
    const isAbout = matches(match, subject, labels)
    if (isAbout) labels = withLabels(labels, set.labels ?? {})
    return isAbout
  })
}

interface Statement {
  readonly rule: Rule
  readonly value: unknown
}

function rulingFor(rules: readonly Rule[], subject: Subject, names: readonly string[], minute: number): Ruling {
  const name = subject.names[0]!
  const about = rulesOf(rules, subject)
  const labels = about.reduce((sum, { set }) => withLabels(sum, set.labels ?? {}), labelsOf(subject))
  const statements = new Map<string, Statement[]>()
  for (const rule of about) {
    const { labels: given = {}, ...fields } = rule.given as { labels?: Record<string, string | null> }
    for (const [field, value] of Object.entries(fields)) say(statements, field, { rule, value })
    for (const [label, value] of Object.entries(given)) say(statements, `labels.${label}`, { rule, value })
  }
  const last = <Field extends keyof PolicyOrders>(field: Field) => {
    const rule = statements.get(field)?.at(-1)?.rule
    return { rule, value: rule?.set[field] ?? null }
  }
  const others = names.filter((other) => other !== name)
  const related = (field: 'near' | 'separateFrom') => {
    const globs = last(field).value
    return globs === null ? [] : [[field, others.filter((other) => globs.some((glob) => matchesGlob(glob, other)))]]
  }
  const plain = PLACEMENT.flatMap((field) => {
    const value = statements.get(field)?.at(-1)?.value ?? null
    return value === null ? [] : [[field, value]]
  })
  const why = whyNot(last('moves'), last('moveTimes'), statements, minute)
  return {
    name,
    fields: Object.fromEntries([...plain, ...related('near'), ...related('separateFrom')]),
    mayMove: why === null,
    why,
    memoryStays: last('memory').value === 'stay',
    maxBytes: last('moveBytes').value,
    labels,
    said: [...statements].map(([field, list]) => saidOf(field, list)),
  }
}

function say(statements: Map<string, Statement[]>, field: string, statement: Statement): void {
  const list = statements.get(field)
  if (list === undefined) statements.set(field, [statement])
  else list.push(statement)
}

function saidOf(field: string, list: readonly Statement[]): Said {
  const { rule, value } = list.at(-1)!
  const earlier = list.slice(0, -1).map((one) => one.rule.name)
  return { field, value, rule: rule.name, over: earlier.reverse() }
}

interface Last<Value> {
  readonly rule: Rule | undefined
  readonly value: Value
}

function whyNot(
  moves: Last<'never' | null>,
  times: Last<PolicyOrders['moveTimes'] | null>,
  statements: ReadonlyMap<string, readonly Statement[]>,
  minute: number,
): string | null {
  if (moves.value === 'never') return `rule ${moves.rule!.name}: it never moves`
  if (times.value === null || times.value === undefined || isWithin(times.value.flat(), minute)) return null
  const texts = (statements.get('moveTimes')!.at(-1)!.value as string[]).join(', ')
  return `rule ${times.rule!.name}: it moves only in these times: ${texts}`
}

/** Those of its metadata: `<labels xmlns="urn:homenode:labels" tier="gold"/>`. */
function labelsOf({ metadata }: Subject): Record<string, string> {
  const own = metadata.filter(({ namespace, path }) => namespace === LABELS && path.startsWith('labels@'))
  return Object.fromEntries(own.map(({ path, value }) => [path.slice('labels@'.length), value]))
}

function withLabels(
  labels: Record<string, string>,
  given: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const all = Object.entries({ ...labels, ...given })
  return Object.fromEntries(all.filter((one): one is [string, string] => one[1] !== null))
}
