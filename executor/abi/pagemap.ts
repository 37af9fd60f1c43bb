/**
 * The ioctl of /proc/PID/pagemap, since Linux 6.7: `linux/fs.h`.
 * Source: https://docs.kernel.org/admin-guide/mm/pagemap.html
 */

export const PAGEMAP_SCAN = 0xc0606610

export const PAGE_IS_PRESENT = 1 << 3
/** Mapped by an entry of the second level: 2 MiB on x86-64. */
export const PAGE_IS_HUGE = 1 << 6

/** `struct pm_scan_arg`: 64-bit words. */
export const pm_scan_arg = {
  size: 96,
  size_: 0,
  start: 16,
  end: 24,
  walk_end: 32,
  vec: 40,
  vec_len: 48,
  category_mask: 72,
  return_mask: 88,
} as const

/** `struct page_region`: 64-bit words. */
export const page_region = { size: 24, start: 0, end: 8 } as const
