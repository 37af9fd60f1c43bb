/** A guest that only leaves: one byte to the report port, without end. Source: port-loop.S beside it. */

import type { Guest } from '../../executor/guests/guest.js'
import { REPORT_PORT } from '../../executor/guests/walk.js'

export const portLoop: Guest = {
  // biome-ignore format: an instruction per line, as in port-loop.S
  code: Uint8Array.of(
    0xb0, 0x01,
    0xee,
    0xeb, 0xfd,
  ),
  registers: () => ({ rdx: BigInt(REPORT_PORT) }),
}
