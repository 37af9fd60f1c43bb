/** The VMs that run here as a request: read once, for commands that plan them. */

import { nameIn, type RunningRequest, requestOf } from '../../executor/found/as-request.js'
import { findVms } from '../../executor/found/find.js'
import type { Found } from '../../executor/found/types.js'
import { parseRequest } from '../request.js'
import type { Host, Request } from '../types.js'
import { CommandError, EXIT } from './errors.js'
import { readThisHost } from './host-source.js'
import { inFile, nameOf, readJson } from './input.js'
import { count } from './table.js'

export interface RunningSource {
  readonly connect?: string
  /** A file with wishes. */
  readonly request?: string
  /** A file with rules. */
  readonly policy?: string
  /** A file with what was measured of this machine. */
  readonly measured?: string
}

/** What is here now. */
export interface Here {
  readonly found: Found
  readonly host: Host
}

export async function lookHere(source: Pick<RunningSource, 'connect' | 'measured'>): Promise<Here> {
  const { connect } = source
  const host = await readThisHost(source)
  return { found: await findVms(connect === undefined ? {} : { connect }), host }
}

/** What runs here, and a request for it. */
export interface Asked extends Here {
  readonly asked: RunningRequest
  readonly request: Request
}

/**
 * @param wishes of the file, by its content
 * @throws {InputError} with the file's name and the place in it
 * @throws {CommandError} where there is nothing to plan
 */
export async function askFor(
  { found, host }: Here,
  source: RunningSource,
  wishes: unknown,
  isMeant: (name: string) => boolean = () => true,
): Promise<Asked> {
  return inFile(hereName(source), () => {
    const all = requestOf(found.vms, host, wishes, isMeant)
    const asked = { ...all, left: all.left.filter(({ vm }) => isMeant(nameIn(found.vms, vm))) }
    if ((asked.request as { readonly vms: readonly unknown[] }).vms.length === 0) {
      throw nothingToPlan(found, leftText(asked.left))
    }
    return { found, host, asked, request: parseRequest(asked.request) }
  })
}

/** What messages call such a request. */
export function hereName({ request }: RunningSource): string {
  return request === undefined ? 'what runs here' : nameOf(request)
}

/** The content of the file with wishes; `undefined`: there is none. */
export async function readWishes({ request }: RunningSource): Promise<unknown> {
  return request === undefined ? undefined : readJson(request)
}

/** @param left texts on the VMs that are left out */
export function nothingToPlan({ vms, missing }: Found, left: readonly string[]): CommandError {
  if (left.length > 0) return new CommandError(`nothing to plan: ${left.join('; ')}`, EXIT.failed)
  if (vms.length > 0) {
    const names = vms.map((vm) => nameIn(vms, vm)).join(', ')
    return new CommandError(`no VM of the plan runs here: what runs is ${names}`, EXIT.failed)
  }
  const notSeen = missing.map(({ what, why }) => ` (not seen: ${what}: ${why})`).join('')
  return new CommandError(`no VM runs here${notSeen}`, EXIT.failed)
}

/** `db: where its memory is is not known`; with as whom to run to know it. */
export function leftText(left: RunningRequest['left']): string[] {
  return left.map(({ vm, why }) => {
    const users = [...new Set(vm.missing.flatMap(({ runAs }) => runAs ?? []))]
    return `${vm.name.value}: ${why}${users.length === 0 ? '' : ` (known to ${users.join(', ')})`}`
  })
}

/** Names of the running VMs, as requests and plans have them. */
export function namesOf({ vms }: Found): string[] {
  return vms.map((vm) => nameIn(vms, vm))
}

const MOST_NOTES = 8

/** What people have to know of what was left out. */
export function noteLeft({ asked }: Pick<Asked, 'asked'>): void {
  note(leftText(asked.left).map((text) => `left as it is: ${text}`))
}

/** On standard error, a line each; of many only the first. */
export function note(texts: readonly string[]): void {
  for (const text of texts.slice(0, MOST_NOTES)) console.error(text)
  if (texts.length > MOST_NOTES) console.error(`and ${texts.length - MOST_NOTES} more like this`)
}

/** `3 VMs run here`. */
export function countRunning({ asked }: Pick<Asked, 'asked'>): string {
  const running = asked.running.length
  return `${count(running, 'VM')} ${running === 1 ? 'runs' : 'run'} here`
}
