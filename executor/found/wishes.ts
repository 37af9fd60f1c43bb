/** What a request file says of VMs that run: wishes, put beside what they are. */

import { InputError, show } from '../../src/errors.js'
import { parseRequest } from '../../src/request.js'
import type { HostCpu, Request, RequestCell, RequestVm } from '../../src/types.js'
import { formatBytes } from '../../src/units.js'

/** A running VM for a request. */
export interface Facts {
  readonly name: string
  /** What others call it, too, where `name` has its pid. */
  readonly calledAlso: string
  /** Fields that are as they are. */
  readonly fixed: {
    readonly vcpus: number
    readonly memory: string
    readonly pageSize: string
    readonly cells: unknown
    readonly iothreads: number
  }
  /** Fields that hold where the file says nothing. */
  readonly usual: object
}

/** The content of a request file with what runs in it. */
export interface Wishes {
  /** VMs of the file, at their places, and after them what runs and is not in it; each with the facts where it runs. */
  readonly vms: readonly { readonly fields: Record<string, unknown>; readonly facts: Facts | null }[]
  /** What the file says of the host. */
  readonly host: Record<string, unknown>
  /** The same, read; `null`: there is no VM at all. */
  readonly parsed: Request | null
}

/**
 * @param content of the file; `undefined`: there is none
 * @throws {InputError} with the place in the file, also where it contradicts what runs
 */
export function readWishes(content: unknown, running: readonly Facts[]): Wishes {
  const { vms = [], ...host } = isObject(content) ? content : {}
  // Says what is wrong with a file that is not like a request.
  if ((content !== undefined && !isObject(content)) || !Array.isArray(vms)) parseRequest(content)
  const factsOf = new Map(running.map((facts) => [facts.name, facts]))
  const named = (vms as unknown[]).map((fields, at) => {
    if (!isObject(fields)) return { fields: fields as Record<string, unknown>, facts: null }
    const facts = factsOf.get(String(fields.name)) ?? null
    if (facts === null) requireOne(fields.name, running, `vms[${at}].name`)
    else requirePlain(fields, facts, `vms[${at}]`)
    return { fields, facts }
  })
  const rest = running.filter((one) => named.every(({ facts }) => facts !== one))
  const all = [...named, ...rest.map((facts) => ({ fields: { name: facts.name }, facts }))]
  if (all.length === 0) return { vms: [], host, parsed: null }
  const parsed = parseRequest({ ...host, vms: all.map(withFacts) })
  for (const [at, { facts, fields }] of named.entries()) {
    if (facts !== null) requireAsItRuns(parsed.vms[at]!, fields, facts, `vms[${at}]`)
  }
  return { vms: all, host, parsed }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** With the file's own word on what is fixed: it is held against the facts afterwards. */
function withFacts({ fields, facts }: Wishes['vms'][number]): unknown {
  if (facts === null) return fields
  const { vcpus, memory, iothreads } = facts.fixed
  return { ...facts.usual, vcpus, memory, iothreads, ...fields }
}

function requireOne(name: unknown, running: readonly Facts[], where: string): void {
  const same = running.filter(({ calledAlso }) => calledAlso === name)
  if (same.length === 0) return
  const names = same.map((one) => show(one.name)).join(' or ')
  throw new InputError(where, `${names}: several VMs with this name run`, show(name))
}

/** Before the file is read as a request, whose rules would blame other fields. */
function requirePlain(fields: Record<string, unknown>, { fixed, name }: Facts, where: string): void {
  const { current, vcpus = fixed.vcpus } = fields
  if (current !== undefined) {
    throw new InputError(`${where}.current`, `nothing: ${name} runs, and where it is is looked up`, show(current))
  }
  if (vcpus !== fixed.vcpus) throw new InputError(`${where}.vcpus`, `${fixed.vcpus}, as ${name} runs`, show(vcpus))
}

function requireAsItRuns(wanted: RequestVm, given: Record<string, unknown>, facts: Facts, where: string): void {
  const { fixed, name } = facts
  const [real] = parseRequest({ vms: [{ name, ...fixed }] }).vms
  const refuse = (field: string, is: string, got: string) => {
    throw new InputError(`${where}.${field}`, `${is}, as ${name} runs`, got)
  }
  if (wanted.iothreads !== fixed.iothreads) refuse('iothreads', `${fixed.iothreads}`, `${wanted.iothreads}`)
  if (wanted.memory !== real!.memory) refuse('memory', formatBytes(real!.memory), formatBytes(wanted.memory))
  if (given.pageSize !== undefined && wanted.pageSize !== 'any' && wanted.pageSize !== real!.pageSize) {
    refuse('pageSize', fixed.pageSize, show(given.pageSize))
  }
  const { cells } = wanted
  if (cells === 'auto') return
  const realCells = cellsOf(real!)
  const isSame =
    typeof cells === 'number' ? cells === realCells.length : JSON.stringify(cells) === JSON.stringify(realCells)
  if (!isSame) refuse('cells', realCells.length === 1 ? '1' : 'its guest nodes', show(given.cells))
}

function cellsOf({ cells, vcpus, memory }: RequestVm): readonly RequestCell[] {
  return Array.isArray(cells) ? cells : [{ vcpus: Array.from({ length: vcpus }, (_, at) => at), memory }]
}

/** Whether the CPUs that VMs may have are fewer than the threads that want one of their own. */
export function isShortOfCpus({ reserve, vms }: Request, cpus: readonly HostCpu[]): boolean {
  const isReserved = ({ id }: HostCpu) =>
    'allBut' in reserve.cpus ? !reserve.cpus.allBut.includes(id) : reserve.cpus.includes(id)
  const usable = cpus.filter((cpu) => cpu.online && cpu.allowed && !isReserved(cpu)).length
  const wanted = vms.map(({ cpuPolicy, vcpus, dedicatedVcpus, emulator, iothreads }) => {
    const own = cpuPolicy === 'dedicated' ? vcpus : dedicatedVcpus.length
    return own + (emulator === 'dedicated' ? 1 + iothreads : 0)
  })
  return wanted.reduce((sum, threads) => sum + threads, 0) > usable
}
