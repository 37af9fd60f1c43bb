/**
 * Registers of a byte each, with which a guest switches itself off or resets itself: ACPI's sleep control and status, its
 * reset register, and those of PCs, which kernels try as well.
 * Source: ACPI 6.5, 4.8.3.6 and 4.8.3.7; Linux, arch/x86/kernel/reboot.c
 */

import type { GuestEnd } from '../wire/failure.js'
import type { Device } from './device.js'

/** Registers of ACPI, in `POWER_PORTS` from `start`. */
export const POWER = { start: 0x600, sleepControl: 0, sleepStatus: 1, reset: 2, resetValue: 1, offType: 5 } as const
export const POWER_PORTS = 4

/** The keyboard controller's command port, and the PCI chipset's reset control. */
export const KEYBOARD_COMMAND = 0x64
export const CHIPSET_RESET = 0xcf9

const SLEEP_ENABLE = 0x20
const PULSE_RESET = 0xfe
const RESET_CPU = 0x04

/** @param end told once how the guest has ended itself */
export function createPower(end: (how: GuestEnd) => void): Device {
  const { start, sleepControl, reset, resetValue, offType } = POWER
  return {
    read: (_, data) => data.fill(0),
    write(address, data) {
      const value = data[0]!
      const isOff = (value & SLEEP_ENABLE) !== 0 && ((value >> 2) & 7) === offType
      if (address === start + sleepControl && isOff) end('power-off')
      if (address === start + reset && value === resetValue) end('reset')
      if (address === KEYBOARD_COMMAND && value === PULSE_RESET) end('reset')
      if (address === CHIPSET_RESET && (value & RESET_CPU) !== 0) end('reset')
    },
  }
}
