/** The CPU topology that a planned VM's guest sees: its vCPUs as the threads, cores and LLCs of the CPUs that they have. */

import { parseCpulist } from '../../src/cpulist.js'
import type { HostCpu, PlanVcpu } from '../../src/types.js'

/** Where a vCPU is: each number counts from 0 inside of the one before it. */
export interface GuestPlace {
  readonly package: number
  readonly llc: number
  readonly core: number
  readonly thread: number
}

/** An APIC id is package, LLC, core and thread, each in as many bits as the largest of its kind takes. */
export interface GuestTopology {
  readonly places: readonly GuestPlace[]
  readonly apicIds: readonly number[]
  readonly threadBits: number
  readonly coreBits: number
  readonly llcBits: number
}

/** Names of what a vCPU shares with others. */
type Keys = readonly [pack: string, llc: string, core: string]

/**
 * A dedicated vCPU is where its CPU is. One that floats has a core of its own, in the LLC of the first of its CPUs: what
 * it really shares changes all the time.
 * @param cpus the host's; those that are not known count as cores that share their node's LLC
 */
export function guestTopology(vcpus: readonly PlanVcpu[], cpus: readonly HostCpu[]): GuestTopology {
  const host = new Map(cpus.map((cpu) => [cpu.id, cpu]))
  const places = placesOf(vcpus.map((vcpu) => keysOf(vcpu, host)))
  const most = (pick: (place: GuestPlace) => number) => bitsFor(1 + Math.max(0, ...places.map(pick)))
  const threadBits = most(({ thread }) => thread)
  const coreBits = most(({ core }) => core)
  const llcBits = most(({ llc }) => llc)
  const apicIds = places.map(
    ({ package: pack, llc, core, thread }) =>
      ((pack * 2 ** llcBits + llc) * 2 ** coreBits + core) * 2 ** threadBits + thread,
  )
  return { places, apicIds, threadBits, coreBits, llcBits }
}

/** Each vCPU a core of one package: for vCPUs whose numbers are their APIC ids, wherever they are. */
export function coresByNumber(numbers: readonly number[]): GuestTopology {
  const places = numbers.map((core) => ({ package: 0, llc: 0, core, thread: 0 }))
  return { places, apicIds: numbers, threadBits: 0, coreBits: bitsFor(1 + Math.max(0, ...numbers)), llcBits: 0 }
}

/**
 * A cell is a node of the guest, and what shares a cache or a core is on one node. So each cell has packages of its own, also
 * where two cells are in one package of the host.
 */
function keysOf({ vcpu, cell, node, cpus, dedicated }: PlanVcpu, host: ReadonlyMap<number, HostCpu>): Keys {
  const cpu = host.get(parseCpulist(cpus)[0]!)
  const pack = `cell ${cell}/${cpu?.package ?? `node ${node}`}`
  const llc = `${pack}/${cpu?.llc ?? `node ${node}`}`
  const core = dedicated && cpu?.core != null ? `${llc}/${cpu.core}` : `${llc}/vCPU ${vcpu}`
  return [pack, llc, core]
}

/** In the order in which they come first, so that vCPU 0 has APIC id 0, as the one that boots. */
function placesOf(keys: readonly Keys[]): GuestPlace[] {
  const packages = new Numbering()
  const llcs = new Numbering()
  const cores = new Numbering()
  const threads = new Numbering()
  return keys.map(([pack, llc, core], vcpu) => ({
    package: packages.number('', pack),
    llc: llcs.number(pack, llc),
    core: cores.number(llc, core),
    thread: threads.number(core, `${vcpu}`),
  }))
}

/** Numbers things inside of others, each from 0. */
class Numbering {
  readonly #known = new Map<string, Map<string, number>>()

  number(inside: string, name: string): number {
    const peers = this.#known.get(inside) ?? new Map<string, number>()
    this.#known.set(inside, peers)
    const number = peers.get(name) ?? peers.size
    peers.set(name, number)
    return number
  }
}

function bitsFor(count: number): number {
  return Math.ceil(Math.log2(count))
}
