/** Memory policies and where pages are: mbind(2) and move_pages(2), called by number. */

import { MPOL_BIND } from '../abi/linux.js'
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

/**
 * Binds a range to nodes: pages that it gets from now on come from them and from nowhere else. Before the first touch.
 * @throws {SyscallError}
 */
export function bindMemory(address: number, bytes: number, nodes: readonly number[], mode = MPOL_BIND): void {
  const mask = bitmap(nodes)
  // The kernel takes one off maxnode before it uses it (mm/mempolicy.c, get_nodes).
  const maxnode = mask.length * 8 + 1
  const rc = libc.mbind(libc.numberOf('mbind'), address, bytes, mode, mask, maxnode, 0)
  if (rc < 0) throw refused(libc.errno(), `mbind(node ${nodes.join(',')})`, MBIND_HINTS)
}

/**
 * The node of each page, as the kernel says.
 * @param stride bytes from one page to the next
 * @param status filled in: a node's number, or a negative errno (-ENOENT: no page there)
 * @throws {SyscallError}
 */
export function pageNodes(address: number, stride: number, status: Int32Array): void {
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
  const rc = libc.move_pages(number, 0, count, new Uint8Array(pages.buffer), null, out, 0)
  if (rc < 0) throw refused(libc.errno(), 'move_pages', { EPERM: MBIND_HINTS.EPERM, ENOSYS: MBIND_HINTS.ENOSYS })
}
