/** `homenode policy`: what the rules of a file say, and of whom. */

import { nameIn } from '../../executor/found/as-request.js'
import { findVms } from '../../executor/found/find.js'
import type { FoundVm } from '../../executor/found/types.js'
import { subjectNamed, subjectOf } from '../../executor/policy/match.js'
import { type Ruling, rulesAbout, rulingsFor, rulingsOf } from '../../executor/policy/rulings.js'
import { InputError, show } from '../errors.js'
import { nameOf } from './input.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { readPolicy } from './policy-source.js'
import { showCheck, showExplanation } from './policy-view.js'

interface PolicyOptions {
  readonly connect?: string
  readonly json?: true
  readonly color: ColorWhen
}

/** Where guest memory is does not matter to rules. */
async function vmsHere({ connect }: PolicyOptions): Promise<readonly FoundVm[]> {
  const { vms } = await findVms({ memory: false, ...(connect === undefined ? {} : { connect }) })
  return vms
}

export async function check(options: PolicyOptions, file: string): Promise<void> {
  const policy = await readPolicy(file)
  const rules = rulesAbout(policy, await vmsHere(options))
  if (options.json) printJson({ schemaVersion: 1, kind: 'PolicyCheck', rules })
  else print(showCheck(nameOf(file), rules, styleOf(process.stdout, options.color)))
}

interface ExplainOptions extends PolicyOptions {
  readonly at?: string
}

export async function explain(options: ExplainOptions, file: string, name: string): Promise<void> {
  const at = timeOf(options.at)
  const policy = await readPolicy(file)
  const vms = await vmsHere(options)
  const named = vms.flatMap((vm, place) => {
    const isMeant = vm.name.value === name || nameIn(vms, vm) === name || String(vm.pid) === name
    return isMeant ? [place] : []
  })
  const isHere = named.length > 0
  const rulings: readonly Ruling[] = isHere
    ? named.map((place) => rulingsOf(policy, vms, at)[place]!)
    : rulingsFor(policy, [...vms.map((vm) => subjectOf(nameIn(vms, vm), vm)), subjectNamed(name)], at).slice(-1)
  if (!isHere)
    console.error(`no VM of the name ${show(name)} runs here: rules that look at more than the name are left out`)
  if (options.json) printJson({ schemaVersion: 1, kind: 'PolicyExplanation', at: at.toISOString(), vms: rulings })
  else print(rulings.map((ruling) => showExplanation(ruling, styleOf(process.stdout, options.color))).join('\n\n'))
}

/** @throws {InputError} */
function timeOf(text: string | undefined): Date {
  const at = text === undefined ? new Date() : new Date(text)
  if (Number.isNaN(at.getTime())) throw new InputError('--at', 'a time such as "2026-07-01T23:00"', show(text))
  return at
}
