/** A guest that writes to all of its share of the memory in order, without end. Source: fill.S beside it. */

import type { Guest } from '../../../executor/guests/guest.js'
import { REPORT_PORT } from '../../../executor/guests/walk.js'

export const fill: Guest = {
  // biome-ignore format: an instruction per line, as in fill.S
  code: Uint8Array.of(
    0x4c, 0x89, 0xc7,
    0x4c, 0x89, 0xc9,
    0x48, 0x89, 0xd8,
    0xf3, 0x48, 0xab,
    0x48, 0xff, 0xc3,
    0x89, 0xd8,
    0xef,
    0xeb, 0xec,
  ),
  registers: ({ start, end }) => ({
    r8: BigInt(start),
    r9: BigInt(Math.floor((end - start) / 8)),
    rdx: BigInt(REPORT_PORT),
  }),
}
