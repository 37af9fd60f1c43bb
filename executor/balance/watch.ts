/** Whether guests are worse off after moves than before: their vCPUs wait for CPUs, and have not simply more to do. */

import { type Sample, sampleOf } from './demand.js'
import type { Settings } from './settings.js'
import type { Observation, Outcome, VmState, Watched, WatchedVm } from './types.js'

const MS = 1000
/** Of the window, for what was before. */
const RECENT_PARTS = 3

export function beginWatch(vms: readonly VmState[], { at, round, undo, moved }: Outcome): Watched {
  return { at, round, undo, moved, before: vms.map(recent), after: [] }
}

function recent({ key, vcpus, parts }: VmState): WatchedVm {
  const last = parts.slice(-RECENT_PARTS)
  return last.reduce((sum: WatchedVm, part) => joined(sum, part, part.measured), { key, vcpus, ...NOTHING })
}

const NOTHING = { measured: 0, use: 0, delay: 0 }

function joined(one: WatchedVm, { use, delay }: Sample, milliseconds: number): WatchedVm {
  const measured = one.measured + milliseconds
  if (measured === 0) return one
  const mean = (before: number, now: number) => (before * one.measured + now * milliseconds) / measured
  return { ...one, measured, use: mean(one.use, use), delay: mean(one.delay, delay) }
}

/** With one more interval, if all of it is after the moves. */
export function watchOn(watched: Watched, { at, interval, vms }: Observation): Watched {
  if (at - interval < watched.at) return watched
  const known = new Map(watched.after.map((vm) => [vm.key, vm]))
  const after = vms.flatMap((vm) => {
    const sample = sampleOf(vm)
    const before = known.get(vm.key) ?? { key: vm.key, vcpus: vm.vcpus.length, ...NOTHING }
    return sample === null ? [before] : [joined(before, sample, interval)]
  })
  return { ...watched, after }
}

/** Until when nothing else is done. */
export function watchedUntil({ at }: Watched, { settle }: Settings): number {
  return at + settle * MS
}

/** How vCPUs fare compared to before: differences of means. */
export interface Change {
  readonly delay: number
  readonly use: number
}

/** Of those that were moved, and of all; `null`: nothing was measured of them, before or after. */
export interface Effect {
  readonly moved: Change | null
  readonly all: Change | null
}

export function effectOf({ moved, before, after }: Watched): Effect {
  const of = (isMeant: (key: string) => boolean): Change | null => {
    const pairs = before.flatMap((one) => {
      const now = after.find(({ key }) => key === one.key)
      const isMeasured = now !== undefined && now.measured > 0 && one.measured > 0
      return isMeasured && isMeant(one.key) ? [{ one, now }] : []
    })
    const vcpus = pairs.reduce((sum, { one }) => sum + one.vcpus, 0)
    if (vcpus === 0) return null
    const mean = (field: 'delay' | 'use') =>
      pairs.reduce((sum, { one, now }) => sum + one.vcpus * (now[field] - one[field]), 0) / vcpus
    return { delay: mean('delay'), use: mean('use') }
  }
  return { moved: of((key) => moved.includes(key)), all: of(() => true) }
}

export interface Sufferer {
  readonly who: string
  readonly change: Change
}

/** Who suffers; `null`: nobody. vCPUs that wait more since they want more have run more, too: moves are not to blame. */
export function sufferer(effect: Effect, { delayRise }: Settings): Sufferer | null {
  const suffers = (change: Change | null) => change !== null && change.delay > delayRise && change.use < change.delay
  if (suffers(effect.moved)) return { who: 'VMs that were moved', change: effect.moved! }
  return suffers(effect.all) ? { who: 'all VMs together', change: effect.all! } : null
}
