/**
 * Where a VM's memory is in the guest's physical address space: from 0 on, with a hole below 4 GiB, as in PCs.
 * KVM keeps pages of its own there (APIC access page, and on older Intel CPUs an identity map and a TSS).
 */

const GIB = 1024 ** 3

/** Memory below this is at its own address, the rest from 4 GiB. */
const HOLE_START = 3 * GIB
const HOLE_END = 4 * GIB

/** The guest physical address of a byte of the VM's memory. */
export function gpaOf(offset: number): number {
  return offset < HOLE_START ? offset : offset - HOLE_START + HOLE_END
}

/** The byte of the VM's memory at a guest physical address; `null`: that is in the hole. */
export function offsetOf(gpa: number): number | null {
  if (gpa < HOLE_START) return gpa
  return gpa < HOLE_END ? null : gpa - HOLE_END + HOLE_START
}

/** A run of memory without the hole in it. */
export interface GpaRange {
  readonly offset: number
  readonly gpa: number
  readonly bytes: number
}

/** The memory slots of `bytes` from `offset`: one, or two around the hole. */
export function gpaRanges(offset: number, bytes: number): GpaRange[] {
  const below = Math.min(Math.max(HOLE_START - offset, 0), bytes)
  const parts = [
    { offset, bytes: below },
    { offset: offset + below, bytes: bytes - below },
  ]
  return parts.filter((part) => part.bytes > 0).map((part) => ({ ...part, gpa: gpaOf(part.offset) }))
}

/** The first address above the memory and the hole: what identity paging maps. */
export function addressLimit(memoryBytes: number): number {
  return Math.max(HOLE_END, gpaOf(memoryBytes - 1) + 1)
}

/** End of the memory that lies below the hole. */
export function lowMemoryEnd(memoryBytes: number): number {
  return Math.min(memoryBytes, HOLE_START)
}
