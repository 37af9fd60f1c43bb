/** Where a domain's threads may run and its memory has to be, as libvirt has it: part of undo files. */

import * as z from 'zod'

/** How strict libvirt is with the nodes of a domain's memory. */
export type NumaMode = 'strict' | 'preferred' | 'interleave' | 'restrictive'

/** `virDomainNumatuneMemMode`, from 0. */
export const NUMA_MODES: readonly NumaMode[] = ['strict', 'preferred', 'interleave', 'restrictive']

/** Of a domain that runs: what holds, for each of its threads. Of its config: what that says, no more. CPUs and nodes are cpulists. */
export interface Pins {
  /** By number. */
  readonly vcpus: readonly { readonly vcpu: number; readonly cpus: string }[]
  /** `null`: the config says nothing. */
  readonly emulator: string | null
  /** By libvirt's number, from 1. */
  readonly iothreads: readonly { readonly id: number; readonly cpus: string }[]
  /** `null`: libvirt has not been told. */
  readonly numatune: { readonly mode: NumaMode; readonly nodes: string | null } | null
}

/** What is brought back later. */
export interface DomainState {
  /** Of the domain. */
  readonly uuid: string
  /** The daemon that was asked; `null`: the system's. */
  readonly uri: string | null
  /** libvirt's number for the domain, another one after each start. */
  readonly id: number
  /** As it runs. */
  readonly live: Pins
  /** `null`: it has none, or it was not asked for. */
  readonly config: Pins | null
}

const LIST = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?){0,2000}$/
const MAX_THREADS = 4096

const list = z.string().regex(LIST, 'a list such as "0-3,8"')
const number = z.int().min(0).max(65_535)

const pins = z.strictObject({
  vcpus: z.array(z.strictObject({ vcpu: number, cpus: list })).max(MAX_THREADS),
  emulator: list.nullable(),
  iothreads: z.array(z.strictObject({ id: z.int().min(1).max(0xffffffff), cpus: list })).max(MAX_THREADS),
  numatune: z.strictObject({ mode: z.enum(NUMA_MODES), nodes: list.nullable() }).nullable(),
})

/** As an undo file has it. */
export const domainState: z.ZodType<DomainState> = z.strictObject({
  uuid: z.guid(),
  uri: z.string().max(4096).nullable(),
  id: z.int().min(0).max(0xffffffff),
  live: pins,
  config: pins.nullable(),
})

/** libvirt's number of an I/O thread that QEMU calls `iothread3`; `null`: it is not libvirt's. */
export function ioThreadNumber(id: string): number | null {
  const number = /^iothread(\d{1,9})$/.exec(id)?.[1]
  return number === undefined ? null : Number(number)
}
