/** A guest of two vCPUs that hand a number to and fro through shared memory. Source: ping-pong.S beside it. */

import type { Guest } from '../../executor/guests/guest.js'
import { REPORT_PORT } from '../../executor/guests/walk.js'

/** Hand-overs between two reports of a vCPU. */
export const HANDOVERS_PER_REPORT = 1024

/**
 * The guest for vCPUs 0 and 1.
 * @param at where the number is, as a byte offset into the VM's memory: 8 bytes that nobody else uses, 0 at first
 */
export function pingPong(at: number): Guest {
  return {
    // biome-ignore format: an instruction per line, as in ping-pong.S
    code: Uint8Array.of(
      0xf3, 0x90,
      0x48, 0x8b, 0x07,
      0x41, 0x89, 0xc0,
      0x41, 0x83, 0xe0, 0x01,
      0x41, 0x39, 0xd8,
      0x75, 0xef,
      0x48, 0xff, 0xc0,
      0x48, 0x89, 0x07,
      0x48, 0x85, 0xc8,
      0x75, 0xe6,
      0xef,
      0xeb, 0xe3,
    ),
    registers: ({ vcpu }) => ({
      rdi: BigInt(at),
      rbx: BigInt(vcpu),
      rcx: BigInt(HANDOVERS_PER_REPORT - 2),
      rdx: BigInt(REPORT_PORT),
    }),
  }
}
