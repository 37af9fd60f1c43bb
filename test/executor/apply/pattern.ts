/** Firmware of a guest that writes patterns into its memory and checks them. Source: pattern.S beside it. */

import { readFileSync, writeFileSync } from 'node:fs'

/** Of a guest that has at least so much memory. */
export const PATTERN_MEMORY_MIB = 64

const CODE =
  'fa2e660f0116c3ff0f20c00c010f22c066ea18ffffff0800b0108ed88ed0bc007000000f011dc9ffffffc70500110000a8ff0800c70504110000008effffbd00' +
  '00e0fec785f0000000ff010000c785200300002000000066baf80331db43bf0000100089f831d8890781c70001000081ff0000000372ecc7858003000000c2eb' +
  '0bfbf4fabf0000100089f831d83907751381c70001000081ff0000000372eab02eeeebb9b021eef4c785b000000000000000cfffff0000009bcf00ffff000000' +
  '93cf001700abffffffff070010'
const ROM_BYTES = 65_536
const CODE_AT = ROM_BYTES - 256
/** Where a CPU starts: a jump to the code. */
const RESET = { at: ROM_BYTES - 16, code: 'e90dff' }

/** Writes the firmware, for `-bios`. */
export function writeFirmware(path: string): void {
  const rom = Buffer.alloc(ROM_BYTES)
  rom.write(CODE, CODE_AT, 'hex')
  rom.write(RESET.code, RESET.at, 'hex')
  writeFileSync(path, rom)
}

/** What a guest has written to the file of its serial port: how often its memory was as it should be, and whether it ever was not. */
export function readChecks(path: string): { readonly passed: number; readonly failed: boolean } {
  const text = readFileSync(path, 'latin1')
  return { passed: text.split('.').length - 1, failed: text.includes('!') }
}
