/** Core scheduling cookies: on a core with SMT siblings only threads of the same trust domain run at the same time. */

import { UnsupportedError } from '../../src/errors.js'
import { createCoreCookie } from '../ffi/scheduling.js'
import { COOKIE_OF } from '../wire/shared.js'
import { hasNoCoreScheduling } from '../worker/schedule.js'
import type { Crew } from './crew.js'

interface Holder {
  readonly crew: Crew
  readonly index: number
}

/** Threads that have, or are about to take, the cookie of each trust domain. Those that have ended have tid 0. */
const holders = new Map<string, Holder[]>()

/**
 * Has the waiting threads of a VM take the cookie of their trust domain when they go: that of a thread that has it, or a
 * new one.
 * @param mode `available`: nothing happens where the kernel or the host has no core scheduling
 * @throws {UnsupportedError} where it is `required` and there is none
 * @throws {SyscallError} where the kernel refuses
 */
export function shareCookies(trust: string, crew: Crew, vcpus: number, mode: 'available' | 'required' | 'off'): void {
  if (mode === 'off') return
  const known = (holders.get(trust) ?? []).filter((holder) => holder.crew.tid(holder.index) !== 0)
  const own = Array.from({ length: vcpus }, (_, index): Holder => ({ crew, index }))
  const [first] = [...known, ...own]
  if (first === undefined) return
  const source = first.crew.tid(first.index)
  if (known.length === 0) {
    try {
      createCoreCookie(source)
    } catch (error) {
      if (!hasNoCoreScheduling(error)) throw error
      if (mode === 'required') throw new UnsupportedError('core scheduling', (error as Error).message)
      return
    }
  }
  for (const { index } of own) Atomics.store(crew.block(index).control, COOKIE_OF, source)
  holders.set(trust, [...known, ...own])
}
