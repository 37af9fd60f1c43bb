/** Which memory of this process is mapped by huge pages. */

import { ENOTTY } from '../abi/linux.js'
import { PAGE_IS_HUGE, PAGE_IS_PRESENT, PAGEMAP_SCAN, page_region, pm_scan_arg } from '../abi/pagemap.js'
import * as libc from './libc.js'
import { refused } from './libc.js'
import { BASE_PAGE, Mapping } from './mapping.js'

export interface AddressRange {
  readonly start: number
  readonly end: number
}

/**
 * The parts of a range that are mapped by huge pages, transparent ones too, in ascending order.
 * @param pagemap descriptor of /proc/self/pagemap
 * @returns `null` where the kernel does not say: before Linux 6.7
 * @throws {SyscallError}
 */
export function hugeRanges(pagemap: number, { start, end }: AddressRange): AddressRange[] | null {
  using regions = Mapping.anonymous(BASE_PAGE)
  const argument = new DataView(new ArrayBuffer(pm_scan_arg.size))
  const set = (offset: number, value: number) => argument.setBigUint64(offset, BigInt(value), true)
  set(pm_scan_arg.size_, pm_scan_arg.size)
  set(pm_scan_arg.end, end)
  set(pm_scan_arg.vec, regions.address)
  set(pm_scan_arg.vec_len, Math.floor(BASE_PAGE / page_region.size))
  set(pm_scan_arg.category_mask, PAGE_IS_HUGE | PAGE_IS_PRESENT)
  set(pm_scan_arg.return_mask, PAGE_IS_HUGE)

  const found: AddressRange[] = []
  // SAFETY: dropped at the end of this function, and the mapping is closed after that.
  const view = new DataView(regions.view())
  for (let at = start; at < end; at = Number(argument.getBigUint64(pm_scan_arg.walk_end, true))) {
    set(pm_scan_arg.start, at)
    const count = libc.attempt(() => libc.ioctlPointer(pagemap, PAGEMAP_SCAN, new Uint8Array(argument.buffer)))
    if (count === -ENOTTY) return null
    if (count < 0) throw refused(-count, 'ioctl(PAGEMAP_SCAN)')
    for (let i = 0; i < count; i++) {
      const region = i * page_region.size
      found.push({
        start: Number(view.getBigUint64(region + page_region.start, true)),
        end: Number(view.getBigUint64(region + page_region.end, true)),
      })
    }
  }
  return found
}
