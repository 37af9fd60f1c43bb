/** What this process holds, as the kernel says: to see that nothing is left behind. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

export interface Holdings {
  readonly fds: readonly string[]
  readonly threads: number
  /** Mappings of vCPUs, and of memory that is bound to nodes. */
  readonly mappings: readonly string[]
}

export function holdings(): Holdings {
  return {
    fds: readdirSync('/proc/self/fd').flatMap(linkOf).sort(),
    threads: readdirSync('/proc/self/task').length,
    mappings: [
      ...lines('/proc/self/maps').filter((line) => line.includes('kvm')),
      ...boundMappings().map(({ start }) => start.toString(16)),
    ],
  }
}

/**
 * The holdings once they no longer change: a thread that has been joined is in /proc for a moment yet.
 * @param expected waited for, for two seconds at most
 */
export async function settledHoldings(expected?: Holdings): Promise<Holdings> {
  let last = holdings()
  for (let i = 0; i < 40; i++) {
    await delay(50)
    const next = holdings()
    if (isDeepStrictEqual(next, expected ?? last)) return next
    last = next
  }
  return last
}

/** The descriptor that lists the directory is gone when it is looked at. */
function linkOf(fd: string): string[] {
  try {
    // Pipes and sockets have a number of their own each.
    return [readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/, '')]
  } catch {
    return []
  }
}

/** Parts of the address space with a memory policy of their own, by address. */
export function boundMappings(): { readonly start: number; readonly end: number }[] {
  const bound = new Set(
    lines('/proc/self/numa_maps')
      .filter((line) => /^\w+ bind/.test(line))
      .map((line) => Number.parseInt(line, 16)),
  )
  return lines('/proc/self/maps')
    .map((line) => line.split(' ', 1)[0]!.split('-'))
    .map(([start, end]) => ({ start: Number.parseInt(start!, 16), end: Number.parseInt(end!, 16) }))
    .filter(({ start }) => bound.has(start))
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n')
}
