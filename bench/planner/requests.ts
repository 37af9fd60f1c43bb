/**
 * The requests of the comparison, by family. All but the last use only what every solver can express: dedicated vCPUs,
 * strict memory, and cells that are open or listed. Memory is whole 64 MiB a vCPU.
 */

import { parseRequest } from '../../src/request.js'
import type { Host, Request } from '../../src/types.js'
import { machineOf } from '../../src/verify/machine.js'
import type { Random } from './random.js'

export const FAMILIES = ['few large', 'many small', 'mixed', 'crowded', 'asymmetric', 'policies'] as const
export type Family = (typeof FAMILIES)[number]

/** Families that only homenode and the exact solver know. */
export const OURS_ALONE: ReadonlySet<Family> = new Set(['policies'])

const MIB = 2 ** 20
const GRAIN = 64
const MOST_VMS = 40

/** What a host has for guests. */
interface Room {
  readonly cpus: number
  /** CPUs of the largest node. */
  readonly widest: number
  /** MiB. */
  readonly memory: number
  readonly nodes: readonly number[]
}

interface Vm {
  readonly vcpus: number
  readonly memory: string
  readonly [field: string]: unknown
}

/** vCPUs of the next VM. */
type Sizes = (random: Random, room: Room) => number

const SIZES: Readonly<Record<Family, Sizes>> = {
  'few large': (random, { widest }) => random.between(Math.ceil(widest / 2), Math.ceil(widest * 1.5)),
  'many small': (random) => random.pick([1, 1, 2, 2, 3, 4]),
  mixed: (random, { widest }) => random.pick([1, 2, 2, 4, 4, 6, Math.ceil(widest / 2), widest]),
  crowded: (random, { widest }) => random.pick([1, 2, 2, 3, 4, 4, 5, 6, 8, Math.ceil(widest / 2)]),
  asymmetric: (random, { widest }) => random.between(3, Math.max(4, Math.ceil(widest * 0.75))),
  policies: (random, { widest }) => random.pick([1, 2, 3, 4, Math.ceil(widest / 2)]),
}

/** Of the host's CPUs. */
const FILL: Readonly<Record<Family, number>> = {
  'few large': 0.75,
  'many small': 0.7,
  mixed: 0.8,
  crowded: 0.95,
  asymmetric: 0.65,
  policies: 0.6,
}

/**
 * A request that fills the host as far as its family says, in so far as counting CPUs tells.
 * @param trusting all VMs are of one trust domain and may share cores, which is all that peers know
 */
export function randomRequest(random: Random, host: Host, family: Family, trusting: boolean): Request {
  const room = roomOf(host)
  const vms: Vm[] = []
  let left = Math.floor(room.cpus * FILL[family])
  while (left > 0 && vms.length < MOST_VMS) {
    const vcpus = Math.min(left, SIZES[family](random, room))
    left -= vcpus
    vms.push(vmOf(random, room, family, vcpus))
  }
  return parseRequest({
    vms: vms.map((vm, at) => ({
      name: `vm${at}`,
      ...vm,
      ...(trusting ? { trust: 'all' } : {}),
      ...(family === 'policies' ? relation(random, at) : {}),
    })),
  })
}

function roomOf(host: Host): Room {
  const { usableOfCore, nodes, freePages, pageSizes } = machineOf(
    host,
    parseRequest({ vms: [{ name: 'none', vcpus: 1, memory: '64MiB' }] }),
  )
  const usable = [...usableOfCore.values()].flat()
  const ids = [...new Set(usable.map(({ node }) => node))]
  const bytes = [...nodes.keys()].reduce((sum, id) => sum + freePages(id, pageSizes[0]!) * pageSizes[0]!, 0)
  return {
    cpus: usable.length,
    widest: Math.max(...ids.map((id) => usable.filter(({ node }) => node === id).length)),
    memory: bytes / MIB,
    nodes: ids,
  }
}

function vmOf(random: Random, room: Room, family: Family, vcpus: number): Vm {
  // Of an even share of the memory: in crowded hosts most of it.
  const share = (room.memory / room.cpus) * random.pick(family === 'crowded' ? [0.7, 0.9, 0.95] : [0.25, 0.5, 0.75])
  const perVcpu = Math.max(1, Math.floor(share / GRAIN)) * GRAIN
  const memory = `${perVcpu * vcpus}MiB`
  if (family === 'asymmetric') return { vcpus, memory, cells: unevenCells(random, vcpus, perVcpu) }
  if (family === 'policies') return { vcpus, memory, ...policies(random, room) }
  return { vcpus, memory }
}

/** Two or three cells whose vCPUs and memory differ, and do not go together. */
function unevenCells(random: Random, vcpus: number, perVcpu: number) {
  const count = Math.min(vcpus, random.between(2, 3))
  const sizes = Array<number>(count).fill(1)
  for (let left = vcpus - count; left > 0; left--) sizes[random.between(0, count - 1)]!++
  const grains = Array<number>(count).fill(1)
  for (let left = (perVcpu / GRAIN) * vcpus - count; left > 0; left--) grains[random.between(0, count - 1)]!++
  let first = 0
  return sizes.map((size, at) => {
    const own = `${first}-${first + size - 1}`
    first += size
    return { vcpus: own, memory: `${grains[at]! * GRAIN}MiB` }
  })
}

function policies(random: Random, { nodes }: Room): object {
  const shared = random.chance(0.25)
  return {
    ...(shared ? { cpuPolicy: 'shared', demand: random.pick([0.25, 0.5, 1]) } : {}),
    threadPolicy: random.pick(['prefer', 'require', 'isolate', 'spread']),
    weight: random.pick([1, 1, 2]),
    memoryBound: random.pick([0.1, 0.3, 0.6]),
    ...(random.chance(0.3) ? { devices: [{ node: random.pick(nodes), strict: random.chance(0.4) }] } : {}),
  }
}

/** To the VM before. */
function relation(random: Random, at: number): object {
  if (at === 0 || !random.chance(0.3)) return {}
  return { [random.pick(['separateFrom', 'near'])]: [`vm${at - 1}`] }
}
