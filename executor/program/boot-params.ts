/**
 * `struct boot_params`, the page that tells a kernel of its command line, its initramfs and the memory that there is.
 * Source: Linux, arch/x86/include/uapi/asm/bootparam.h; Documentation/arch/x86/zero-page.rst
 */

import { SETUP_HEADER } from './kernel-image.js'

export const BOOT_PARAMS_BYTES = 4096

/** A range of the memory map, as firmware gives it. */
export interface E820Range {
  readonly start: number
  readonly end: number
  readonly type: 'memory' | 'reserved' | 'acpi'
}

const E820_TYPES = { memory: 1, reserved: 2, acpi: 3 } as const
const AT = {
  acpiRootPointer: 0x070,
  extendedRamdisk: 0x0c0,
  extendedRamdiskSize: 0x0c4,
  e820Entries: 0x1e8,
  bootFlag: 0x1fe,
  magic: 0x202,
  version: 0x206,
  loader: 0x210,
  loadFlags: 0x211,
  ramdisk: 0x218,
  ramdiskSize: 0x21c,
  commandLine: 0x228,
  e820: 0x2d0,
}
const E820_ENTRY = 20
const BOOT_FLAG = 0xaa55
const MAGIC = 0x53726448
const VERSION = 0x20f
/** A loader without a number of its own. */
const UNDEFINED_LOADER = 0xff
const LOADED_HIGH = 1

export interface BootInformation {
  /** Of the kernel's file; empty where that has none. */
  readonly setupHeader: Uint8Array
  readonly e820: readonly E820Range[]
  /** Guest physical addresses. */
  readonly commandLine: number
  readonly acpiRootPointer: number
  readonly initrd: { readonly gpa: number; readonly bytes: number } | null
}

export function bootParams(information: BootInformation): Uint8Array {
  const { setupHeader, e820, commandLine, acpiRootPointer, initrd } = information
  const page = new Uint8Array(BOOT_PARAMS_BYTES)
  const view = new DataView(page.buffer)
  page.set(setupHeader, SETUP_HEADER)
  view.setUint16(AT.bootFlag, BOOT_FLAG, true)
  view.setUint32(AT.magic, MAGIC, true)
  if (setupHeader.length === 0) view.setUint16(AT.version, VERSION, true)
  view.setUint8(AT.loader, UNDEFINED_LOADER)
  view.setUint8(AT.loadFlags, view.getUint8(AT.loadFlags) | LOADED_HIGH)
  view.setUint32(AT.commandLine, commandLine, true)
  view.setBigUint64(AT.acpiRootPointer, BigInt(acpiRootPointer), true)
  if (initrd !== null) {
    view.setUint32(AT.ramdisk, initrd.gpa % 2 ** 32, true)
    view.setUint32(AT.extendedRamdisk, Math.floor(initrd.gpa / 2 ** 32), true)
    view.setUint32(AT.ramdiskSize, initrd.bytes % 2 ** 32, true)
    view.setUint32(AT.extendedRamdiskSize, Math.floor(initrd.bytes / 2 ** 32), true)
  }
  view.setUint8(AT.e820Entries, e820.length)
  for (const [i, { start, end, type }] of e820.entries()) {
    const at = AT.e820 + i * E820_ENTRY
    view.setBigUint64(at, BigInt(start), true)
    view.setBigUint64(at + 8, BigInt(end - start), true)
    view.setUint32(at + 16, E820_TYPES[type], true)
  }
  return page
}
