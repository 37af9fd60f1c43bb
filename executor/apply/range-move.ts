/** The pages of a range of another process, moved window by window while its guest runs. */

import { setTimeout as sleep } from 'node:timers/promises'
import { SyscallError } from '../../src/errors.js'
import { EACCES, EBUSY, ENOMEM, EPERM } from '../abi/linux.js'
import { movePagesOf, nodesOfPages } from '../ffi/numa.js'
import { memoryNow } from './look.js'
import { Seats, sumOf } from './spread.js'
import type { BytesByNode, MemoryChange, Stayed } from './types.js'

/** Pages of a window are taken from the guest together, so it is short. */
const WINDOW = 4 * 2 ** 20
/** Pages that somebody holds on to are tried again so often, after such a pause. */
const ROUNDS = 20
const PAUSE_MS = 20
/** More are counted, and not tried again: these are pinned. */
const MOST_BUSY = 16_384
/** So often a window is divided to get past pages that do not go. */
const MOST_SPLITS = 64

/** What a move has to ask, and to tell. */
export interface Pace {
  /** Throws what the system call would, where the process is not the one that was meant any more. */
  check(): void
  stopped(): boolean
  /** So much was copied: waits as long as the rate wants. */
  copied(bytes: number): Promise<void>
}

/** `done`: all was tried; `no-room`: a node has no room for the rest, for now; `stopped`: by the signal. */
export type RangeEnd = 'done' | 'no-room' | 'stopped'

export class RangeMove {
  readonly change: MemoryChange
  readonly #pid: number
  readonly #pace: Pace
  #moveShared = true
  #busy: { address: number; node: number }[] = []
  #busyBytes = 0
  #sharedBytes = 0
  #noRoom = false

  constructor(pid: number, change: MemoryChange, pace: Pace) {
    this.#pid = pid
    this.change = change
    this.#pace = pace
  }

  /**
   * Tries all of it. After `no-room` it may be called again.
   * @throws {SyscallError} ESRCH, EPERM, EACCES, ENODEV: nothing more can be moved
   */
  async run(): Promise<RangeEnd> {
    this.#busy = []
    this.#busyBytes = 0
    this.#sharedBytes = 0
    this.#noRoom = false
    const { start, bytes, pageSize, to } = this.change
    if (sumOf(to) === 0) return 'done'
    const seats = new Seats(this.#now(), to, pageSize)
    const window = Math.max(pageSize, WINDOW)
    for (let at = start; at < start + bytes; at += window) {
      if (this.#pace.stopped()) return 'stopped'
      this.#pace.check()
      const end = Math.min(start + bytes, at + window)
      await this.#pace.copied(this.#moveWindow(at, end, seats))
      if (this.#noRoom) return 'no-room'
    }
    return this.#tryBusyAgain()
  }

  /** What did not go, at the last run. */
  stayed(): Stayed[] {
    const parts = [
      { bytes: this.#busyBytes, why: 'the kernel or a device holds on to these pages (EBUSY)' },
      { bytes: this.#sharedBytes, why: 'other processes map these pages as well, which takes CAP_SYS_NICE' },
    ]
    return parts.filter(({ bytes }) => bytes > 0)
  }

  #now(): BytesByNode {
    return memoryNow(this.#pid, [this.change])?.[0]?.on ?? this.change.from
  }

  /** Returns the bytes that were copied. */
  #moveWindow(from: number, end: number, seats: Seats): number {
    const { pageSize } = this.change
    const addresses = Array.from({ length: Math.ceil((end - from) / pageSize) }, (_, page) => from + page * pageSize)
    const status = this.#nodesOf(addresses)
    const leaving = new Map<number, number[]>()
    for (const [page, address] of addresses.entries()) {
      const node = status[page]!
      // Nothing is there, or nothing that could be moved.
      if (node < 0) continue
      const to = seats.next(node)
      if (to === node) continue
      const pages = leaving.get(to) ?? []
      pages.push(address)
      leaving.set(to, pages)
    }
    let copied = 0
    for (const [node, pages] of leaving) {
      const budget = { splits: MOST_SPLITS }
      copied += pages.length * pageSize
      for (const address of this.#move(pages, node, budget)) {
        copied -= pageSize
        this.#busyBytes += pageSize
        if (this.#busy.length < MOST_BUSY) this.#busy.push({ address, node })
      }
    }
    return copied
  }

  /**
   * Moves these to a node. The kernel ends at the first page that it cannot move, so that the rest is tried in parts.
   * @returns those that somebody holds on to
   */
  #move(pages: readonly number[], node: number, budget: { splits: number }): readonly number[] {
    const status = new Int32Array(pages.length)
    const tried = this.#attempt(pages, node, status)
    const now = this.#nodesOf(pages)
    const isLeft = (page: number) => now[page]! >= 0 && now[page] !== node
    const left = pages.filter((_, page) => isLeft(page))
    if (this.#noRoom) return left
    if (tried) {
      const shared = pages.filter((_, page) => isLeft(page) && status[page] === -EACCES)
      this.#sharedBytes += shared.length * this.change.pageSize
      return shared.length === 0 ? left : left.filter((page) => !shared.includes(page))
    }
    if (left.length < 2 || budget.splits === 0) return left
    if (left.length < pages.length) return this.#move(left, node, budget)
    budget.splits--
    const half = Math.ceil(left.length / 2)
    return [...this.#move(left.slice(0, half), node, budget), ...this.#move(left.slice(half), node, budget)]
  }

  /** Whether all of them were tried. */
  #attempt(pages: readonly number[], node: number, status: Int32Array): boolean {
    try {
      return movePagesOf(this.#pid, pages, node, this.#moveShared, status)
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error
      if (error.errno === EPERM && this.#moveShared) {
        this.#moveShared = false
        return this.#attempt(pages, node, status)
      }
      if (error.errno === EBUSY) return false
      if (error.errno !== ENOMEM) throw error
      this.#noRoom = true
      return false
    }
  }

  #nodesOf(addresses: readonly number[]): Int32Array {
    const status = new Int32Array(addresses.length)
    nodesOfPages(this.#pid, addresses, status)
    return status
  }

  async #tryBusyAgain(): Promise<RangeEnd> {
    for (let round = 0; round < ROUNDS && this.#busy.length > 0; round++) {
      if (this.#pace.stopped()) return 'stopped'
      await sleep(PAUSE_MS)
      this.#pace.check()
      const { pageSize } = this.change
      const before = this.#busy
      this.#busy = []
      for (const node of new Set(before.map((page) => page.node))) {
        const pages = before.filter((page) => page.node === node).map(({ address }) => address)
        const left = this.#move(pages, node, { splits: MOST_SPLITS })
        this.#busy.push(...left.map((address) => ({ address, node })))
        const gone = (pages.length - left.length) * pageSize
        this.#busyBytes -= gone
        await this.#pace.copied(gone)
        if (this.#noRoom) return 'no-room'
      }
    }
    return 'done'
  }
}
