/** `homenode rank`: which of several hosts a VM had best go to. */

import { basename } from 'node:path'
import { InputError, PlanError, show } from '../errors.js'
import { parseHostState } from '../fleet/host-state.js'
import { type RankedHost, rank as rankHosts } from '../fleet/rank.js'
import type { PlanOptions } from '../planner/planner.js'
import { parseRequest } from '../request.js'
import { verifyPlan } from '../verify.js'
import { CommandError, EXIT } from './errors.js'
import { inFile, nameOf, readJson, requireOneStdin } from './input.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { showRanking } from './rank-view.js'

interface RankCommandOptions extends PlanOptions {
  readonly request: string
  readonly vm: string
  readonly hostFile: readonly string[]
  readonly moves: boolean
  readonly json?: true
  readonly color: ColorWhen
}

export async function rank(options: RankCommandOptions): Promise<void> {
  const { request: file, vm: name, hostFile, moves, steps, seed } = options
  requireOneStdin({ '-f': file, ...Object.fromEntries(hostFile.map((host, at) => [`--host-file (${at + 1})`, host])) })
  requireOwnNames(hostFile)
  const { vm, flavours, settings } = await readAsked(file, name)
  const there = await Promise.all(hostFile.map(readState))
  const placed = Object.fromEntries(there.map((state) => [state.name, state.placed ?? { ...settings, vms: [] }]))
  const search = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
  const ranked = await inFile(nameOf(file), () => rankHosts(there, placed, vm, { moves, flavours, ...search }))
  for (const one of ranked) verify(there.find((state) => state.name === one.host)!.host, one)
  const hosts = ranked.map(({ request: _, ...rest }) => rest)
  if (options.json) printJson({ schemaVersion: 1, kind: 'Ranking', vm: name, hosts })
  else print(showRanking(name, ranked, styleOf(process.stdout, options.color)))
  if (ranked.every(({ plan }) => plan === null)) process.exitCode = EXIT.unfit
}

/** The VM, those like the ones still to come, and what a host gets that says nothing of its own. */
export async function readAsked(file: string, name: string) {
  const content = await readJson(file)
  return inFile(nameOf(file), () => {
    const { vms } = parseRequest(content)
    const at = vms.findIndex((vm) => vm.name === name)
    if (at < 0) {
      const names = vms.map((vm) => show(vm.name)).join(', ')
      throw new InputError('vm', `the name of a VM of the request (${names})`, show(name))
    }
    const { vms: given, ...settings } = content as { readonly vms: readonly object[] }
    const flavours = given.filter((_, other) => other !== at).map((vm) => ({ ...vm, near: [], separateFrom: [] }))
    return { vm: given[at]!, flavours, settings }
  })
}

async function readState(file: string) {
  const content = await readJson(file)
  const state = await inFile(nameOf(file), () => parseHostState(content))
  return { name: nameOfHost(file), ...state }
}

function nameOfHost(file: string): string {
  return basename(file).replace(/\.json$/, '')
}

function requireOwnNames(files: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const file of files) {
    const name = nameOfHost(file)
    const other = seen.get(name)
    if (name === '') throw new InputError('--host-file', 'a file that names a host, as NAME.json', show(file))
    if (other !== undefined) {
      throw new InputError('--host-file', `files that name a host each, unlike ${show(other)}`, show(file))
    }
    seen.set(name, file)
  }
}

/** @throws {CommandError} where the verifier does not agree: a defect of the planner */
function verify(host: Parameters<typeof verifyPlan>[0], { host: name, plan, request }: RankedHost): void {
  if (plan === null) return
  try {
    verifyPlan(host, request, plan)
  } catch (error) {
    if (!(error instanceof PlanError)) throw error
    throw new CommandError(`${name}: the planner's plan does not pass the verifier: ${error.message}`, EXIT.failed)
  }
}
