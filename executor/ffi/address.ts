/** Addresses of ordinary memory. Loads where the executor does not, as it calls nothing of the system. */

import koffi from 'koffi'

/** Where the bytes of a buffer are, for as long as it is not detached. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(koffi.address(buffer))
}
