/** The guest that a run has: it computes, stores into its share of the memory, and reports. Source: walk.S beside it. */

import type { Guest } from './guest.js'

/** The port that it writes its count of visited pages to, 32 bits. */
export const REPORT_PORT = 0x10

/** Bytes from one visited page to the next, whatever the size of the pages that the host uses. */
export const STRIDE = 4096

/** The sequence that it stores: x' = x * multiplier + increment, modulo 2^64 (Knuth's MMIX), from vCPU number + 1. */
export const LCG = { multiplier: 6364136223846793005n, increment: 1442695040888963407n } as const

export const walk: Guest = {
  // biome-ignore format: an instruction per line, as in walk.S
  code: Uint8Array.of(
    0x49, 0x0f, 0xaf, 0xda,
    0x4c, 0x01, 0xdb,
    0x48, 0xff, 0xc1,
    0x48, 0x89, 0x0f,
    0x48, 0x89, 0x5f, 0x08,
    0x89, 0xc8,
    0xef,
    0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,
    0x4c, 0x39, 0xcf,
    0x72, 0xe0,
    0x4c, 0x89, 0xc7,
    0xeb, 0xdb,
  ),
  registers: ({ vcpu, start, end }) => ({
    rdi: BigInt(start),
    r8: BigInt(start),
    r9: BigInt(end),
    rdx: BigInt(REPORT_PORT),
    rbx: BigInt(vcpu + 1),
    r10: LCG.multiplier,
    r11: LCG.increment,
  }),
}
