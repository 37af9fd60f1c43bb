/** A day of a simulated host, minute by minute. */

import type { Fleet } from './fleet.js'
import { type Balancing, NOTHING, World } from './world.js'

const GIB = 2 ** 30
/** Who goes back to where it was within an hour has flapped. */
const FLAP = 60

export interface Simulated {
  /** vCPU hours that were lost where VMs were, and to moving them. */
  readonly lostHours: number
  /** Of these, to moving them, and to finding out where to. */
  readonly movingHours: number
  readonly copiedGiB: number
  /** VMs that were moved, each time counted. */
  readonly moves: number
  /** Moves of VMs that came back to a node within an hour after they had left it. */
  readonly flaps: number
  /** Most bytes in one minute. */
  readonly mostBytes: number
  /** vCPU hours that were wanted. */
  readonly wantedHours: number
  /** Lost vCPUs in each minute, where they were. */
  readonly lost: readonly number[]
}

export const nothing: Balancing = { minute: () => NOTHING }

export async function simulate(fleet: Fleet, balancing: Balancing, minutes: number): Promise<Simulated> {
  const world = new World(fleet)
  const lost: number[] = []
  const left = new Map<string, Map<string, number>>()
  let [movingSeconds, bytes, moves, flaps, mostBytes, wanted] = [0, 0, 0, 0, 0, 0]
  for (let minute = 0; minute < minutes; minute++) {
    world.comeAndGo(minute)
    lost.push(world.lost())
    wanted += world.vms.reduce((sum, placed) => sum + world.want(placed) * placed.vm.vcpus, 0)
    const before = new Map(world.vms.map(({ vm, memory }) => [vm.name, mostOn(memory)]))
    const deed = await balancing.minute(world)
    movingSeconds += deed.vcpuSeconds
    bytes += deed.bytes
    mostBytes = Math.max(mostBytes, deed.bytes)
    moves += deed.moved.length
    for (const { vm, memory } of world.vms) {
      const [from, to] = [before.get(vm.name)!, mostOn(memory)]
      if (from === to) continue
      const since = left.get(vm.name) ?? new Map<string, number>()
      if (minute - (since.get(to) ?? Number.NEGATIVE_INFINITY) <= FLAP) flaps++
      left.set(vm.name, since.set(from, minute))
    }
  }
  const placedHours = lost.reduce((sum, each) => sum + each, 0) / 60
  return {
    lostHours: placedHours + movingSeconds / 3600,
    movingHours: movingSeconds / 3600,
    copiedGiB: bytes / GIB,
    moves,
    flaps,
    mostBytes,
    wantedHours: wanted / 60,
    lost,
  }
}

/** The node that has most of its memory. */
function mostOn(memory: ReadonlyMap<number, number>): string {
  return `${[...memory].reduce((best, part) => (part[1] > best[1] ? part : best))[0]}`
}
