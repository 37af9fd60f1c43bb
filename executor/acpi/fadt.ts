/** The fixed description: hardware-reduced, with sleep and reset registers at I/O ports. Source: ACPI 6.5, 5.2.9. */

import { joined, table, text, u8, u16, u32, u64, zeros } from './bytes.js'
import type { AcpiPower } from './machine.js'

/** No VGA, no CMOS clock; neither a keyboard controller. */
const BOOT_FLAGS = (1 << 2) | (1 << 5)
const RESET_REGISTER = 1 << 10
const HARDWARE_REDUCED = 1 << 20
/** WBINVD works, C1 is there, the sleep button and the power button are no fixed hardware. */
const FLAGS = 0x1 | 0x4 | 0x10 | 0x20 | RESET_REGISTER | HARDWARE_REDUCED
const VERSION = { major: 6, minor: 5 }
const HYPERVISOR = 'homenode'

/** Generic address structure of a byte at an I/O port. */
function portRegister(port: number): Uint8Array {
  const [SYSTEM_IO, BITS, BYTE_ACCESS] = [1, 8, 1]
  return joined(u8(SYSTEM_IO), u8(BITS), u8(0), u8(BYTE_ACCESS), u64(port))
}

/** @param dsdt its guest physical address */
export function fadt(dsdt: number, power: AcpiPower): Uint8Array {
  const header = 36
  const parts: readonly (readonly [at: number, bytes: Uint8Array])[] = [
    [40, u32(dsdt)],
    [109, u16(BOOT_FLAGS)],
    [112, u32(FLAGS)],
    [116, portRegister(power.reset)],
    [128, u8(power.resetValue)],
    [131, u8(VERSION.minor)],
    [140, u64(dsdt)],
    [244, portRegister(power.sleepControl)],
    [256, portRegister(power.sleepStatus)],
    [268, text(HYPERVISOR, 8)],
  ]
  const body = zeros(276 - header)
  for (const [at, bytes] of parts) body.set(bytes, at - header)
  return table('FACP', VERSION.major, body)
}
