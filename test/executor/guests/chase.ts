/** A guest that waits for memory: each load's address is what the load before it found. Source: chase.S beside it. */

import type { Guest } from '../../../executor/guests/guest.js'
import { LCG, REPORT_PORT } from '../../../executor/guests/walk.js'

export const LINE_BYTES = 64

/** Pointers that it follows between two reports. */
export const HOPS_PER_REPORT = 4096

/** Lines of a share that hold a pointer: the largest power of two that fits. */
export function linesOf(share: { readonly start: number; readonly end: number }): number {
  return 2 ** Math.floor(Math.log2((share.end - share.start) / LINE_BYTES))
}

export const chase: Guest = {
  // biome-ignore format: an instruction per line, as in chase.S
  code: Uint8Array.of(
    0x48, 0x89, 0xcf,
    0x49, 0x0f, 0xaf, 0xca,
    0x4c, 0x01, 0xd9,
    0x4c, 0x21, 0xc9,
    0x48, 0x89, 0xc8,
    0x48, 0xc1, 0xe7, 0x06,
    0x48, 0xc1, 0xe0, 0x06,
    0x4c, 0x01, 0xc0,
    0x49, 0x89, 0x04, 0x38,
    0x48, 0x85, 0xc9,
    0x75, 0xdc,
    0x4c, 0x89, 0xc7,
    0x48, 0x8b, 0x3f,
    0x48, 0xff, 0xc1,
    0x48, 0x85, 0xd9,
    0x75, 0xf5,
    0x89, 0xc8,
    0xef,
    0xeb, 0xf0,
  ),
  registers: (share) => ({
    r8: BigInt(share.start),
    r9: BigInt(linesOf(share) - 1),
    r10: LCG.multiplier,
    r11: LCG.increment,
    rbx: BigInt(HOPS_PER_REPORT - 1),
    rdx: BigInt(REPORT_PORT),
  }),
}
