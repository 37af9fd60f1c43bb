/** A guest that does nothing: it halts, and again whenever it is woken. Source: hlt.S beside it. */

import type { Guest } from '../../../executor/guests/guest.js'

export const hlt: Guest = {
  // biome-ignore format: an instruction per line, as in hlt.S
  code: Uint8Array.of(
    0xf4,
    0xeb, 0xfd,
  ),
  registers: () => ({}),
}
