/** The term `overcommit` as it is: demand that the CPUs cannot serve, however the kernel shares them out. */

import { groupBy } from '../machine.js'
import { MICRO } from '../micro.js'
import type { PlacedResident } from './residents.js'

/** Threads that may run on the same CPUs. */
interface Crowd {
  readonly cpus: readonly number[]
  /** Micro-vCPUs that are still to be served. */
  waiting: number
  /** Served by each CPU. */
  readonly served: Map<number, number>
}

/** Micro-vCPUs: all demand, less the greatest flow of it to CPUs of which each gives one (whole numbers, so exact). */
export function crowding(vms: readonly PlacedResident[]): number {
  const threads = vms.flatMap((vm) => vm.threads)
  const crowds = [...groupBy(threads, ({ cpus }) => cpus)].map(([cpus, members]): Crowd => {
    const waiting = members.reduce((total, { demand }) => total + demand, 0)
    return { cpus: cpus.map(({ id }) => id), waiting, served: new Map() }
  })
  const free = new Map(crowds.flatMap(({ cpus }) => cpus.map((id) => [id, MICRO])))
  const users = new Map<number, Crowd[]>()
  for (const crowd of crowds) for (const id of crowd.cpus) users.set(id, [...(users.get(id) ?? []), crowd])
  for (const crowd of crowds) while (crowd.waiting > 0 && serve(crowd, free, users)) {}
  return crowds.reduce((total, { waiting }) => total + waiting, 0)
}

/** Serves more of a crowd by the shortest path: a CPU with time left, or one whose user can go on to another. */
function serve(start: Crowd, free: Map<number, number>, users: ReadonlyMap<number, Crowd[]>): boolean {
  /** How each CPU is reached: by whom. How each crowd is reached: from which CPU. */
  const takenBy = new Map<number, Crowd>()
  const pushedFrom = new Map<Crowd, number | undefined>([[start, undefined]])
  for (const crowd of pushedFrom.keys()) {
    for (const id of crowd.cpus) {
      if (takenBy.has(id)) continue
      takenBy.set(id, crowd)
      if (free.get(id)! > 0) {
        shift(id, takenBy, pushedFrom, start, free)
        return true
      }
      for (const user of users.get(id)!) {
        if (!pushedFrom.has(user) && (user.served.get(id) ?? 0) > 0) pushedFrom.set(user, id)
      }
    }
  }
  return false
}

/** Along the path that was found, as much as its narrowest part lets through. */
function shift(
  last: number,
  takenBy: ReadonlyMap<number, Crowd>,
  pushedFrom: ReadonlyMap<Crowd, number | undefined>,
  start: Crowd,
  free: Map<number, number>,
): void {
  const path: { readonly crowd: Crowd; readonly to: number; readonly from: number | undefined }[] = []
  for (let to: number | undefined = last; to !== undefined; to = path.at(-1)!.from) {
    const crowd: Crowd = takenBy.get(to)!
    path.push({ crowd, to, from: pushedFrom.get(crowd) })
  }
  const widths = path.map(({ crowd, from }) => (from === undefined ? crowd.waiting : crowd.served.get(from)!))
  const amount = Math.min(free.get(last)!, ...widths)
  for (const { crowd, to, from } of path) {
    crowd.served.set(to, (crowd.served.get(to) ?? 0) + amount)
    if (from !== undefined) crowd.served.set(from, crowd.served.get(from)! - amount)
  }
  free.set(last, free.get(last)! - amount)
  start.waiting -= amount
}
