/** Memory policies and where pages are: mbind(2) and move_pages(2), called by number. */

import {
  EINVAL,
  ESRCH,
  MPOL_BIND,
  MPOL_INTERLEAVE,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
} from '../abi/linux.js'
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
  const rc = callMovePages(0, row(address, stride, status.length), null, status, MPOL_MF_MOVE)
  if (rc < 0) throw refused(-rc, 'move_pages', MOVE_HINTS)
}

/**
 * Moves pages to a node, even while they are in use. Pages that the kernel cannot take away at the moment stay where they
 * are (-EBUSY).
 * @param status filled in as by `pageNodes`
 * @throws {SyscallError} ENODEV, ENOMEM, EPERM, ...
 */
export function movePages(address: number, stride: number, node: number, status: Int32Array): void {
  const rc = callMovePages(0, row(address, stride, status.length), node, status, MPOL_MF_MOVE)
  if (rc < 0) throw refused(-rc, 'move_pages', MOVE_HINTS)
}

function row(address: number, stride: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => address + i * stride)
}

const OTHERS_HINTS = {
  ...MOVE_HINTS,
  EPERM: "another user's process takes CAP_SYS_PTRACE, and seccomp must allow it (a container: --cap-add SYS_PTRACE)",
  EACCES: "the process's cpuset does not have the node",
  ESRCH: 'the process has ended',
}

/**
 * The node of each page of a process, as the kernel says.
 * @param status filled in: a node's number, or a negative errno (-ENOENT, -EFAULT: no page there)
 * @throws {SyscallError} ESRCH, EPERM
 */
export function nodesOfPages(pid: number, addresses: readonly number[], status: Int32Array): void {
  const rc = callMovePages(pid, addresses, null, status, MPOL_MF_MOVE)
  if (rc < 0) throw refused(errnoOf(rc), `move_pages(${pid})`, OTHERS_HINTS)
}

/**
 * Moves pages of a process to a node. The kernel ends at the first that does not go: which went, `nodesOfPages` says.
 * @param shared those that other processes map, too: takes CAP_SYS_NICE
 * @param status of pages that were refused one by one: a negative errno (-EBUSY; -EACCES: shared). Of the others it may be anything
 * @returns whether the kernel tried all of them
 * @throws {SyscallError} ESRCH, EPERM, EACCES, ENODEV, ENOMEM
 */
export function movePagesOf(
  pid: number,
  addresses: readonly number[],
  node: number,
  shared: boolean,
  status: Int32Array,
): boolean {
  const rc = callMovePages(pid, addresses, node, status, shared ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE)
  if (rc < 0) throw refused(errnoOf(rc), `move_pages(${pid}, node ${node})`, OTHERS_HINTS)
  return rc === 0
}

/** A process that is about to end has no memory any more: EINVAL. Source: mm/migrate.c (find_mm_struct) */
function errnoOf(rc: number): number {
  return rc === -EINVAL ? ESRCH : -rc
}

/** As the kernel returns it: below 0 an errno, above 0 pages that did not go. */
function callMovePages(
  pid: number,
  addresses: readonly number[],
  node: number | null,
  status: Int32Array,
  flags: number,
): number {
  const count = addresses.length
  // Addresses as pairs of 32 bits: both architectures are little-endian, and a BigInt for each page is slow.
  const pages = new Uint32Array(2 * count)
  for (const [i, page] of addresses.entries()) {
    pages[2 * i] = page % 2 ** 32
    pages[2 * i + 1] = page / 2 ** 32
  }
  const number = libc.numberOf('move_pages')
  const out = new Uint8Array(status.buffer, status.byteOffset, status.byteLength)
  const to = node === null ? null : new Uint8Array(new Int32Array(count).fill(node).buffer)
  const from = new Uint8Array(pages.buffer)
  return libc.attempt(() => libc.move_pages(number, pid, count, from, to, out, flags))
}
