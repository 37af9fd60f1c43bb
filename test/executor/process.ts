/** What this process holds, as the kernel says: to see that nothing is left behind. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** Has V8 collect all garbage, at once. */
export const collectGarbage: () => void = runInNewContext('gc')

/** Memory whose last view was left by an earlier test is unmapped when that is collected, which might be in the middle of a later one. */
export async function unmapUnseen(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    collectGarbage()
    await delay(5)
  }
}

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

/** The holdings once they no longer change: a thread that has been joined is in /proc for a moment yet. */
export async function settledHoldings(): Promise<Holdings> {
  let last = holdings()
  for (let i = 0; i < 40; i++) {
    await delay(50)
    const next = holdings()
    if (isDeepStrictEqual(next, last)) return next
    last = next
  }
  return last
}

/**
 * What is held now and was not before, which is waited for to go, for two seconds at most. Threads of the pool that nobody
 * needed meanwhile may have ended.
 */
export async function leftSince(before: Holdings): Promise<string[]> {
  let left = beyond(before, holdings())
  for (let i = 0; i < 40 && left.length > 0; i++) {
    await delay(50)
    left = beyond(before, holdings())
  }
  return left
}

function beyond(before: Holdings, now: Holdings): string[] {
  const more = (was: readonly string[], is: readonly string[]) => {
    const rest = [...was]
    return is.filter((each) => {
      const at = rest.indexOf(each)
      if (at >= 0) rest.splice(at, 1)
      return at < 0
    })
  }
  const threads = Array.from({ length: Math.max(0, now.threads - before.threads) }, () => 'a thread')
  return [...more(before.fds, now.fds), ...more(before.mappings, now.mappings), ...threads]
}

export interface AnonymousMemory {
  readonly mappings: number
  /** Without what is only reserved: the C library reserves 64 MiB at a time for threads, and uses them again. */
  readonly bytes: number
  /** Of the whole process. */
  readonly residentBytes: number
}

/** Memory of no file: of the guests, of threads' stacks, and of all allocators. It is never quite the same twice. */
export function anonymousMemory(): AnonymousMemory {
  const anonymous = lines('/proc/self/maps').flatMap((line) => {
    const [range, access, , , , name] = line.split(/\s+/)
    return name === undefined || name === '' ? [{ bytes: sizeOf(range!), access: access! }] : []
  })
  return {
    mappings: anonymous.length,
    bytes: anonymous.reduce((sum, { bytes, access }) => sum + (access.startsWith('---') ? 0 : bytes), 0),
    residentBytes: process.memoryUsage.rss(),
  }
}

function sizeOf(range: string): number {
  const [start, end] = range.split('-').map((address) => Number.parseInt(address, 16))
  return end! - start!
}

/** The descriptor that lists the directory is gone when it is looked at. */
function linkOf(fd: string): string[] {
  try {
    const link = readlinkSync(`/proc/self/fd/${fd}`)
    // The folder of compiled files: the loader of tests opens it when it likes.
    if (/\/tsx-\d+$/.test(link)) return []
    // Pipes and sockets have a number of their own each.
    return [link.replace(/:\[\d+\]$/, '')]
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
