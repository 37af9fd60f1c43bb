/**
 * Where the memory of processes is. For that the kernel walks their page tables, which takes the longer the more there is:
 * one process at a time is walked, the one that waits longest, and so seldom that it comes to a small share of the time.
 * Source: numa(7); fs/proc/task_mmu.c
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseNumaMaps } from '../found/procfs.js'
import type { MemoryReading } from './types.js'

/** After a walk that took 1 ms there is none for a second. */
const REST = 1000

/** A program's text and libraries: it has mapped their files, and has not written to them. */
const ONLY_READ = / file=(?!\S*memfd:|\/anon_hugepage)(?!.* (?:dirty|anon)=)/

/** Bytes on each node of what `numa_maps` tells of, ascending by node. */
export function residentByNode(numaMaps: string): MemoryReading['nodes'] {
  const bytes = new Map<number, number>()
  const lines = numaMaps.split('\n').filter((line) => !ONLY_READ.test(line))
  for (const { pageSize, pages } of parseNumaMaps(lines.join('\n'))) {
    for (const { node, count } of pages) bytes.set(node, (bytes.get(node) ?? 0) + count * pageSize)
  }
  return [...bytes].sort(([a], [b]) => a - b).map(([node, sum]) => ({ node, bytes: sum }))
}

/** A process whose memory is looked at. */
export interface Walked {
  readonly pid: number
  /** Pages that it has: at first those with few come first. */
  readonly residentPages: number
}

/** Looks at one process after the other. */
export class MemoryWalks {
  readonly #root: string
  readonly #rest: number
  readonly #seen = new Map<number, MemoryReading>()
  readonly #refused = new Set<number>()
  #walk: Promise<void> | null = null
  #restUntil = 0

  /**
   * @param root in front of `/proc`
   * @param rest how many times as long as a walk there is none after it
   */
  constructor(root = '/', rest = REST) {
    this.#root = root
    this.#rest = rest
  }

  /** What is known of a process. */
  of(pid: number): MemoryReading | null {
    return this.#seen.get(pid) ?? null
  }

  /** Whether its memory may not be looked at. */
  isRefused(pid: number): boolean {
    return this.#refused.has(pid)
  }

  /** Goes on to the next of these processes, if it is time. Others are forgotten. Waits for nothing but a walk of a moment. */
  async next(processes: readonly Walked[]): Promise<void> {
    const pids = new Set(processes.map(({ pid }) => pid))
    for (const pid of [...this.#seen.keys(), ...this.#refused]) if (!pids.has(pid)) this.#forget(pid)
    if (this.#walk !== null || performance.now() < this.#restUntil) return
    const waits = ({ pid }: Walked) => this.#seen.get(pid)?.at ?? Number.NEGATIVE_INFINITY
    const next = processes
      .filter(({ pid }) => !this.#refused.has(pid))
      .reduce<Walked | null>((best, one) => {
        if (best === null || waits(one) < waits(best)) return one
        return waits(one) === waits(best) && one.residentPages < best.residentPages ? one : best
      }, null)
    if (next === null) return
    const walk = this.#look(next.pid).finally(() => {
      this.#walk = null
    })
    this.#walk = walk
    await Promise.race([walk, moment()])
  }

  async #look(pid: number): Promise<void> {
    const began = performance.now()
    try {
      // Not in this thread: with base pages the kernel takes seconds for a TiB.
      const text = await readFile(join(this.#root, `/proc/${pid}/numa_maps`), 'latin1')
      const at = performance.now()
      this.#seen.set(pid, { at, tookNs: Math.round((at - began) * 1e6), nodes: residentByNode(text) })
      this.#restUntil = at + this.#rest * (at - began)
    } catch (error) {
      // A process that has ended is forgotten with the next look; a kernel without nodes has no such file.
      this.#forget(pid)
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.#refused.add(pid)
    }
  }

  #forget(pid: number): void {
    this.#seen.delete(pid)
    this.#refused.delete(pid)
  }
}

const MOMENT_MS = 20

function moment(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, MOMENT_MS).unref()
  })
}
