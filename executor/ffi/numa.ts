/** Memory policies and where pages are: mbind(2) and move_pages(2), called by number. */

import { EINVAL, MPOL_BIND, MPOL_INTERLEAVE, MPOL_MF_MOVE, MPOL_PREFERRED, MPOL_PREFERRED_MANY } from '../abi/linux.js'
import { bitmap } from './bitmap.js'
import * as libc from './libc.js'
import { refused } from './libc.js'

const MBIND_HINTS = {
  EINVAL:
    'the node does not exist, has no memory, or is outside of the allowed nodes (Mems_allowed in /proc/self/status)',
  EPERM: 'mbind is denied, as in a container without CAP_SYS_NICE: add --cap-add SYS_NICE, or allow it in seccomp',
  ENOSYS: 'this kernel has no NUMA support (CONFIG_NUMA)',
  EFAULT: 'the range is not mapped',
}

const MODES = {
  strict: MPOL_BIND,
  preferred: MPOL_PREFERRED_MANY,
  interleave: MPOL_INTERLEAVE,
} as const

/**
 * Says from which nodes a range gets its pages from now on. To cover all pages, call it before the first touch.
 * `strict`: from these nodes only. `preferred`: from these while they have any. `interleave`: from each in turn, page by
 * page.
 * @throws {SyscallError}
 */
export function bindMemory(
  address: number,
  bytes: number,
  nodes: readonly number[],
  policy: keyof typeof MODES = 'strict',
): void {
  const error = setPolicy(address, bytes, nodes, MODES[policy])
  if (error === 0) return
  // Before Linux 5.15 one node can be preferred, the first of them.
  if (error === EINVAL && policy === 'preferred' && preferFirst(address, bytes, nodes)) return
  throw refused(error, `mbind(node ${nodes.join(',')})`, MBIND_HINTS)
}

/** MPOL_PREFERRED, which every kernel with NUMA support has. Returns whether the kernel took it. */
export function preferFirst(address: number, bytes: number, nodes: readonly number[]): boolean {
  return setPolicy(address, bytes, nodes.slice(0, 1), MPOL_PREFERRED) === 0
}

function setPolicy(address: number, bytes: number, nodes: readonly number[], mode: number): number {
  const mask = bitmap(nodes)
  // The kernel takes one off maxnode before it uses it (mm/mempolicy.c, get_nodes).
  const maxnode = mask.length * 8 + 1
  return -libc.attempt(() => libc.mbind(libc.numberOf('mbind'), address, bytes, mode, mask, maxnode, 0))
}

const MOVE_HINTS = {
  EPERM: MBIND_HINTS.EPERM,
  ENOSYS: MBIND_HINTS.ENOSYS,
  ENODEV: 'the node does not exist',
  EACCES: 'the cpuset of this process does not have the node: see Mems_allowed in /proc/self/status',
  ENOMEM: 'the node has no room for these pages',
}

/**
 * The node of each page, as the kernel says.
 * @param stride bytes from one page to the next
 * @param status filled in: a node's number, or a negative errno (-ENOENT: no page there)
 * @throws {SyscallError}
 */
export function pageNodes(address: number, stride: number, status: Int32Array): void {
  callMovePages(address, stride, null, status)
}

/**
 * Moves pages to a node, even while they are in use. Pages that the kernel cannot take away at the moment stay where they
 * are (-EBUSY).
 * @param status filled in as by `pageNodes`
 * @throws {SyscallError} ENODEV, ENOMEM, EPERM, ...
 */
export function movePages(address: number, stride: number, node: number, status: Int32Array): void {
  callMovePages(address, stride, new Int32Array(status.length).fill(node), status)
}

function callMovePages(address: number, stride: number, nodes: Int32Array | null, status: Int32Array): void {
  const count = status.length
  // Addresses as pairs of 32 bits: both architectures are little-endian, and a BigInt for each page is slow.
  const pages = new Uint32Array(2 * count)
  for (let i = 0; i < count; i++) {
    const page = address + i * stride
    pages[2 * i] = page % 2 ** 32
    pages[2 * i + 1] = page / 2 ** 32
  }
  const number = libc.numberOf('move_pages')
  const out = new Uint8Array(status.buffer, status.byteOffset, status.byteLength)
  const to = nodes === null ? null : new Uint8Array(nodes.buffer)
  const from = new Uint8Array(pages.buffer)
  const rc = libc.attempt(() => libc.move_pages(number, 0, count, from, to, out, MPOL_MF_MOVE))
  if (rc < 0) throw refused(-rc, 'move_pages', MOVE_HINTS)
}
