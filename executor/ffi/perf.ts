/** Counters of CPUs: perf_event_open(2), called by number. */

import {
  PERF_ATTR_SIZE_VER0,
  PERF_FLAG_FD_CLOEXEC,
  PERF_FORMAT_TOTAL_TIME_ENABLED,
  PERF_FORMAT_TOTAL_TIME_RUNNING,
  perf_event_attr,
} from '../abi/perf.js'
import * as libc from './libc.js'
import { refused } from './libc.js'

/** What is counted: `PERF_TYPE_...` and, in it, `PERF_COUNT_...`. */
export interface CounterEvent {
  /** PERF_TYPE_*. */
  readonly type: number
  /** Which event of that type: PERF_COUNT_*. */
  readonly config: number
}

const ANY_PROCESS = -1
const NO_GROUP = -1

const COUNTER_HINTS = {
  ENOENT: 'the CPU, or the hypervisor under this system, does not count this',
  EACCES: 'CAP_PERFMON is needed, or kernel.perf_event_paranoid of 0 or less',
  EPERM: 'CAP_PERFMON is needed, or kernel.perf_event_paranoid of 0 or less',
  ENODEV: 'the CPU is offline, or does not count this',
  ENOSYS: 'this kernel has no counters (CONFIG_PERF_EVENTS)',
}

/**
 * Counts an event on a CPU from now on, whoever runs there.
 * @returns a descriptor, which the caller closes
 * @throws {SyscallError} ENOENT, EACCES, ...
 */
export function openCounter(cpu: number, { type, config }: CounterEvent): number {
  const attributes = new DataView(new ArrayBuffer(PERF_ATTR_SIZE_VER0))
  attributes.setUint32(perf_event_attr.type, type, true)
  attributes.setUint32(perf_event_attr.size_, PERF_ATTR_SIZE_VER0, true)
  attributes.setBigUint64(perf_event_attr.config, BigInt(config), true)
  const format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING
  attributes.setBigUint64(perf_event_attr.read_format, BigInt(format), true)
  const number = libc.numberOf('perf_event_open')
  const bytes = new Uint8Array(attributes.buffer)
  const open = () => libc.perf_event_open(number, bytes, ANY_PROCESS, cpu, NO_GROUP, PERF_FLAG_FD_CLOEXEC)
  const fd = libc.attempt(open)
  if (fd < 0) throw refused(-fd, `perf_event_open(CPU ${cpu})`, COUNTER_HINTS)
  return fd
}

/**
 * What a counter has counted since it was opened. If more counters are in use than the CPU has, they take turns. Then the
 * count is scaled to the whole time.
 * @returns `null` where it has not had its turn yet
 * @throws {SyscallError}
 */
export function readCounter(fd: number): number | null {
  const words = new BigUint64Array(3)
  const bytes = new Uint8Array(words.buffer)
  const rc = libc.attempt(() => libc.read(fd, bytes, bytes.length))
  if (rc < 0) throw refused(-rc, 'read(perf event)')
  const [count = 0, enabled = 0, running = 0] = Array.from(words, Number)
  // A read of 0 bytes: the counter is in an error state, as when its CPU has gone offline.
  if (rc < bytes.length || running === 0) return null
  return (count * enabled) / running
}
