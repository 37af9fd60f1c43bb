/** Mapped memory: who owns it, and what can be done to it. */

import {
  EAGAIN,
  EEXIST,
  EINTR,
  EINVAL,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_POPULATE_WRITE,
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_HUGE_SHIFT,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from '../abi/linux.js'
import * as libc from './libc.js'
import { refused } from './libc.js'

/** Bytes of the page that this kernel works with; larger ones are MAP_HUGETLB and have to be reserved. */
export const BASE_PAGE = libc.getpagesize()

const PLACE_HINTS = {
  EEXIST: 'something is mapped there: see /proc/self/maps, or leave the address to the kernel',
  EPERM: 'the address is below vm.mmap_min_addr',
}

const callOf = (bytes: number, address: number) =>
  `mmap(${bytes} bytes${address === 0 ? '' : ` at 0x${address.toString(16)}`})`

/**
 * The one owner of a mapping. A view of it may be used only while it is open. The holder drops the view before `close()`,
 * because touching unmapped memory kills the process.
 */
export class Mapping implements Disposable {
  /** Host virtual address. */
  readonly address: number
  readonly bytes: number
  /** Bytes behind it that belong to it, and that nobody uses. */
  readonly #guard: number
  #open = true

  private constructor(address: number, bytes: number, guard = 0) {
    this.address = address
    this.bytes = bytes
    this.#guard = guard
  }

  /**
   * Private memory without content. No page exists before it is touched or prefaulted. The kernel joins none of its pages with
   * those of a neighbour. Else two mappings could share a transparent huge page, and moving one would move a part of the other.
   * @param pageSize bytes: the base page, or a huge page size that divides `bytes`
   * @param address where it has to be; default: where the kernel puts it
   * @throws {SyscallError} ENOMEM where too few huge pages are free; EEXIST where something else is at the address
   */
  static anonymous(bytes: number, pageSize = BASE_PAGE, address?: number): Mapping {
    const isBase = pageSize <= BASE_PAGE
    const huge = isBase ? 0 : MAP_HUGETLB | (Math.log2(pageSize) << MAP_HUGE_SHIFT)
    const guard = isBase && address === undefined ? BASE_PAGE : 0
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | huge
    const wide = Mapping.#map(bytes + guard, flags, -1, address, {
      ENOMEM: 'the address space or its limit (ulimit -v) is used up, or there are too few free huge pages',
      EINVAL: `the kernel has no pages of ${pageSize} bytes: see /sys/kernel/mm/hugepages`,
    })
    if (guard > 0) return wide.#guarded(wide.address, bytes)
    try {
      if (isBase) forbidSharedHugePages(wide.address, bytes)
      return wide
    } catch (error) {
      wide.close()
      throw error
    }
  }

  /** Makes a part of it a mapping of its own, with a page behind it that the kernel joins with nothing. Gives the rest back. */
  #guarded(address: number, bytes: number): Mapping {
    const end = address + bytes + BASE_PAGE
    const before = address - this.address
    const behind = this.address + this.bytes + this.#guard - end
    try {
      // The kernel keeps pages of different advice in different ranges, and a huge page is never in two ranges.
      forbidHugePages(end - BASE_PAGE, BASE_PAGE)
      if (before > 0) unmap(this.address, before)
      if (behind > 0) unmap(end, behind)
    } catch (error) {
      this.close()
      throw error
    }
    return new Mapping(address, bytes, BASE_PAGE)
  }

  /**
   * As `anonymous`, of base pages that the kernel may join to transparent huge pages of this size. It does so only where the
   * addresses are multiples of the size.
   * @throws {SyscallError} EINVAL where the kernel has no transparent huge pages
   */
  static transparent(bytes: number, hugePageSize: number, address?: number): Mapping {
    const mapping =
      address === undefined ? Mapping.#aligned(bytes, hugePageSize) : Mapping.anonymous(bytes, BASE_PAGE, address)
    const rc = libc.attempt(() => libc.madvise(mapping.address, bytes, MADV_HUGEPAGE))
    if (rc < 0) {
      const error = refused(-rc, 'madvise(MADV_HUGEPAGE)', {
        EINVAL: 'this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)',
      })
      mapping.close()
      throw error
    }
    // The advice above was for all of it.
    if (address !== undefined) forbidSharedHugePages(address, bytes)
    return mapping
  }

  static #aligned(bytes: number, hugePageSize: number): Mapping {
    const wide = Mapping.anonymous(bytes + hugePageSize)
    return wide.#guarded(Math.ceil(wide.address / hugePageSize) * hugePageSize, bytes)
  }

  /**
   * What a file holds, shared with whoever else maps it: a vCPU's `struct kvm_run`, a file in memory.
   * @param address as for `anonymous`
   */
  static ofFile(fd: number, bytes: number, address?: number): Mapping {
    return Mapping.#map(bytes, MAP_SHARED | MAP_NORESERVE, fd, address)
  }

  static #map(bytes: number, flags: number, fd: number, wanted = 0, hints: libc.Hints = {}): Mapping {
    const fixed = wanted === 0 ? 0 : MAP_FIXED_NOREPLACE
    let address = 0
    const rc = libc.attempt(() => {
      const found = libc.mmap(wanted, bytes, PROT_READ | PROT_WRITE, flags | fixed, fd, 0)
      if (typeof found === 'bigint') return -1
      address = found
      return 0
    })
    if (rc < 0) throw refused(-rc, callOf(bytes, wanted), { ...PLACE_HINTS, ...hints })
    const mapping = new Mapping(address, bytes)
    if (wanted === 0 || address === wanted) return mapping
    mapping.close()
    throw refused(EEXIST, callOf(bytes, wanted), PLACE_HINTS)
  }

  /**
   * @throws {TypeError} after `close()`
   * @throws {RangeError} outside of the mapping
   */
  view(offset = 0, length = this.bytes - offset): ArrayBuffer {
    if (!this.#open) throw new TypeError('the mapping is closed')
    if (!(offset >= 0 && length > 0 && offset + length <= this.bytes)) {
      throw new RangeError(`expected a part of ${this.bytes} bytes, got ${length} from ${offset}`)
    }
    // SAFETY: inside of the mapping, which is open; callers drop the view before close(), as the class says.
    return libc.view(this.address + offset, length)
  }

  close(): void {
    if (!this.#open) return
    unmap(this.address, this.bytes + this.#guard)
    this.#open = false
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The kernel needs memory of its own to split a range, and may get some the next time. */
const UNMAP_TRIES = 3

/** @throws {SyscallError} where it is still mapped */
function unmap(address: number, bytes: number): void {
  for (let tries = 1; ; tries++) {
    const rc = libc.attempt(() => libc.munmap(address, bytes))
    if (rc === 0) return
    if (tries === UNMAP_TRIES) throw refused(-rc, 'munmap')
  }
}

const POPULATE_HINTS = {
  ENOMEM: 'the node, or the memory limit of the cgroup, has no room for it',
  EFAULT: 'the node has too few free pages of this size: see nodeN/hugepages in /sys/devices/system/node',
  EHWPOISON: 'a page of this memory is broken',
}

/**
 * Gives every page of a range memory, on the node that its policy asks for, as if it had been written to. If the kernel is
 * older than 5.14, it writes a zero into each page: only for memory that holds nothing yet.
 * @returns whether it is done; `false` when a signal came first
 * @throws {SyscallError}
 */
export function prefault(address: number, bytes: number): boolean {
  if (address % BASE_PAGE !== 0) throw new RangeError(`expected the address of a page, got ${address}`)
  const rc = libc.madvise(address, bytes, MADV_POPULATE_WRITE)
  if (rc === 0) return true
  const error = libc.errno()
  if (error === EINTR || error === EAGAIN) return false
  if (error !== EINVAL) throw refused(error, 'madvise(MADV_POPULATE_WRITE)', POPULATE_HINTS)
  touch(address, bytes)
  return true
}

/** A range of a mapping that the caller keeps open for as long as anybody has the view. */
export function viewOf(address: number, bytes: number): ArrayBuffer {
  // SAFETY: as the caller promises.
  return libc.view(address, bytes)
}

/** Writes a zero into every page of a range. */
export function touch(address: number, bytes: number): void {
  // SAFETY: a range of a mapping that the caller keeps open; the view ends with this function.
  const view = new Uint8Array(libc.view(address, bytes))
  for (let offset = 0; offset < bytes; offset += BASE_PAGE) view[offset] = 0
}

/**
 * Keeps the kernel from joining the base pages of a range. One that has no transparent huge pages does not either.
 * @throws {SyscallError}
 */
export function forbidHugePages(address: number, bytes: number): void {
  const rc = libc.attempt(() => libc.madvise(address, bytes, MADV_NOHUGEPAGE))
  if (rc < 0) {
    if (rc !== -EINVAL) throw refused(-rc, 'madvise(MADV_NOHUGEPAGE)')
  }
}

/** Transparent huge pages of x86-64, and of arm64 with its usual base page. */
export const TRANSPARENT_BYTES = 2 * 1024 ** 2

/** Keeps the kernel from huge pages that lie only in part in a range: its first and its last pages. */
function forbidSharedHugePages(address: number, bytes: number): void {
  const first = Math.ceil(address / TRANSPARENT_BYTES) * TRANSPARENT_BYTES
  const last = Math.floor((address + bytes) / TRANSPARENT_BYTES) * TRANSPARENT_BYTES
  const end = address + bytes
  const head = first < last ? first : end
  if (head > address) forbidHugePages(address, head - address)
  if (first < last && last < end) forbidHugePages(last, end - last)
}

/**
 * Gives the pages of a range back; what they held is lost, unless they are a file's.
 * @throws {SyscallError}
 */
export function discard(address: number, bytes: number): void {
  const rc = libc.attempt(() => libc.madvise(address, bytes, MADV_DONTNEED))
  if (rc < 0) throw refused(-rc, 'madvise(MADV_DONTNEED)')
}
