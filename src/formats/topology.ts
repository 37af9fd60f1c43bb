/** Sockets, dies, cores and threads that a guest is told, so that they never reach over its cells. */

import { parseCpulist } from '../cpulist.js'
import type { Host } from '../types.js'
import type { Guest } from './guest.js'

/** Each counts inside of the one before it; their product is the number of vCPUs. */
export interface Topology {
  readonly sockets: number
  readonly dies: number
  readonly cores: number
  readonly threads: number
}

/**
 * VMMs number vCPUs thread by thread, core by core, die by die, socket by socket. All groups of a kind have one size. A socket
 * is the largest group of one cell, a die of one LLC, a core of one core of the host. If groups have different sizes, it is
 * the largest that divides them all. A vCPU that floats, or whose CPU is not known, has a core of its own, and its cell one
 * die.
 */
export function topologyOf({ vcpus }: Guest, host: Host | null): Topology {
  const cpus = new Map(host?.cpus.map((cpu) => [cpu.id, cpu]))
  const known = vcpus.map(({ cpus: list, dedicated }) => (dedicated ? cpus.get(parseCpulist(list)[0]!) : undefined))
  const isDivided = (cell: number) => vcpus.every((vcpu, at) => vcpu.cell !== cell || known[at]?.llc != null)
  const divided = new Set([...new Set(vcpus.map(({ cell }) => cell))].filter(isDivided))
  const places = vcpus.map(({ cell }, at) => {
    const { llc, core } = known[at] ?? {}
    const die = divided.has(cell) ? `${cell}/${llc}` : `${cell}`
    return { cell: `${cell}`, die, core: core == null ? `vCPU ${at}` : `${die}/${core}` }
  })
  const [socket = 1, die = 1, core = 1] = (['cell', 'die', 'core'] as const).map((level) =>
    groupSize(places.map((place) => place[level])),
  )
  return { sockets: vcpus.length / socket, dies: socket / die, cores: die / core, threads: core }
}

/** The largest size of groups, one after another, of which each has one key. */
function groupSize(keys: readonly string[]): number {
  let size = 0
  let run = 0
  for (const [at, key] of keys.entries()) {
    run++
    if (keys[at + 1] === key) continue
    size = greatestCommonDivisor(size, run)
    run = 0
  }
  return size
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
