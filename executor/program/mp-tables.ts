/**
 * Tables of the MultiProcessor Specification, which say nothing: ACPI's tables do. They are there to be found. A Linux that
 * does not find them maps the 64 KiB below 1 MiB anew for each 16 bytes of them: some 90,000 exits where KVM shadows the
 * guest's page tables, more than all the rest of its boot.
 * Source: MultiProcessor Specification 1.4, chapter 4; Linux, arch/x86/kernel/mpparse.c (smp_scan_config)
 */

import { checksum, joined, text, u8, u16, u32, zeros } from '../acpi/bytes.js'

const POINTER_BYTES = 16
const POINTER_CHECKSUM_AT = 10
const HEADER_BYTES = 44
const HEADER_CHECKSUM_AT = 7
/** 1.4 */
const REVISION = 4
const LOCAL_APIC = 0xfee00000

/** The floating pointer, and the configuration table's header. @param at where they will be */
export function mpTables(at: number): Uint8Array {
  const pointer = joined(text('_MP_'), u32(at + POINTER_BYTES), u8(1), u8(REVISION), u8(0), zeros(5))
  const header = joined(
    ...[text('PCMP'), u16(HEADER_BYTES), u8(REVISION), u8(0), text('HOMENODE'), text('VM', 12)],
    ...[u32(0), u16(0), u16(0), u32(LOCAL_APIC), u16(0), u16(0)],
  )
  pointer[POINTER_CHECKSUM_AT] = checksum(pointer)
  header[HEADER_CHECKSUM_AT] = checksum(header)
  return joined(pointer, header)
}
