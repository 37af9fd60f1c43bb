/** A placed VM as arguments of QEMU, in a script that starts it and pins its threads. */

import { formatCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { Host, MemoryPolicy } from '../types.js'
import { formatBytes } from '../units.js'
import { type Converted, cpusOf, distancesOf, divisionNotes, type Guest, type GuestCell } from './guest.js'
import { MORE, pinPart, scriptOf, startLines } from './shell.js'
import { topologyOf } from './topology.js'

/** QEMU's names for what the kernel calls them, too. */
const POLICIES: Readonly<Record<MemoryPolicy, string>> = {
  strict: 'bind',
  preferred: 'preferred',
  interleave: 'interleave',
}

/** What QEMU rounds the size of all memory up to (softmmu/vl.c, `set_memory_options`). */
const QEMU_GRANULE = 8192

/**
 * The arguments that QEMU places the VM by, one option each. Source: qemu(1) 6.0 and later.
 * @throws {InputError} for memory of a size that QEMU does not have
 */
export function qemuArguments(guest: Guest, host: Host | null): (readonly [string, string])[] {
  const { name, vcpus, cells, bytes, iothreads } = guest
  if (bytes % QEMU_GRANULE !== 0) {
    throw new InputError('', `memory in a multiple of ${formatBytes(QEMU_GRANULE)}, for QEMU`, `${bytes} bytes`)
  }
  const { sockets, dies, cores, threads } = topologyOf(guest, host)
  const distances = distancesOf(guest, host) ?? []
  return [
    // A comma inside of a value is written twice.
    ['-name', `guest=${name.replaceAll(',', ',,')},debug-threads=on`],
    ['-smp', `${vcpus.length},sockets=${sockets},dies=${dies},cores=${cores},threads=${threads}`],
    ['-m', `${bytes / 1024}k`],
    ...cells.map((cell) => ['-object', backend(cell, guest.policy)] as const),
    ...cells.map(
      (cell) => ['-numa', `node,nodeid=${cell.cell},${list('cpus', cell.vcpus)},memdev=ram${cell.cell}`] as const,
    ),
    ...distances.flatMap((row, src) =>
      row.map((value, dst) => ['-numa', `dist,src=${src},dst=${dst},val=${value}`] as const),
    ),
    ...iothreads.map((_, at) => ['-object', `iothread,id=iothread${at + 1}`] as const),
  ]
}

function backend({ cell, bytes, pageSize, isHuge, nodes }: GuestCell, policy: MemoryPolicy): string {
  const kind = isHuge ? `memory-backend-memfd,hugetlb=on,hugetlbsize=${pageSize / 1024}k` : 'memory-backend-ram'
  const place = `${list('host-nodes', nodes)},policy=${POLICIES[policy]}`
  return `${kind},id=ram${cell},size=${bytes / 1024}k,${place},prealloc=on`
}

/** A list as QEMU takes it: its key again before each range. */
function list(key: string, ids: readonly number[]): string {
  return formatCpulist(ids)
    .split(',')
    .map((range) => `${key}=${range}`)
    .join(',')
}

export function toQemu(guest: Guest, host: Host | null): Converted {
  const start = {
    name: 'start',
    takes: [MORE],
    does: 'runs QEMU (or what the variable QEMU names), its memory placed',
    // Until they are pinned, threads may run on all CPUs of the VM.
    lines: startLines(`taskset -c ${cpusOf(guest)} "\${QEMU:-qemu-system-x86_64}"`, qemuArguments(guest, host)),
  }
  return { text: scriptOf(guest, 'placed, for QEMU', [start, pinPart(guest)]), notes: divisionNotes(guest, 'QEMU') }
}
