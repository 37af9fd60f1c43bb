/** Numbers that every source of a Host keeps to. */

/** Distance of a node to itself, and of two nodes where nothing else is known. Source: ACPI 6.5, 5.2.17. */
export const LOCAL_DISTANCE = 10
export const REMOTE_DISTANCE = 20
/** SLIT has a byte for a distance; measured tables may go beyond it. */
export const MAX_DISTANCE = 65_535

/** Capacity of the fastest kind of core. */
export const FULL_CAPACITY = 1024

/** The usual base page, for when the source does not say. */
export const DEFAULT_PAGE_SIZE = 4096

/** A power of two from 1 KiB up, as far as a number holds it exactly. */
export function isPageSize(size: number): boolean {
  return size >= 1024 && Number.isSafeInteger(size) && 2 ** Math.round(Math.log2(size)) === size
}
