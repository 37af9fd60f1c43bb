/**
 * Linux kernels: bzImage, which unpacks itself, and vmlinux, an ELF file. Both are entered in 64-bit mode.
 * Source: Linux, Documentation/arch/x86/boot.rst ("64-bit boot protocol")
 */

import { InputError } from '../../src/errors.js'
import { type ElfSegment, isElf, parseElf } from './elf.js'

/** A kernel, and where it goes. */
export interface KernelImage {
  readonly segments: readonly ElfSegment[]
  readonly entry: number
  /** End of the memory that it takes before it has found out what there is. */
  readonly end: number
  /** Its setup header, from offset 0x1f1 of the file on; empty where it has none. */
  readonly setupHeader: Uint8Array
  /** The highest address that a byte of the initramfs may have. */
  readonly initrdMax: number
  /** Bytes of the longest command line, without its NUL. */
  readonly commandLineMax: number
}

export const SETUP_HEADER = 0x1f1
/** Offsets in the file, and in `struct boot_params`. */
const HEADER = {
  setupSectors: 0x1f1,
  /** Of what follows the setup, in units of 16 bytes. */
  paragraphs: 0x1f4,
  bootFlag: 0x1fe,
  jump: 0x201,
  magic: 0x202,
  version: 0x206,
  loadFlags: 0x211,
  initrdMax: 0x22c,
  xloadFlags: 0x236,
  commandLineMax: 0x238,
  prefAddress: 0x258,
  initSize: 0x260,
  end: 0x268,
}
const BOOT_FLAG = 0xaa55
const MAGIC = 0x53726448
/** 2.12, Linux 3.8: the first one with a 64-bit entry. */
const VERSION_64 = 0x20c
const KERNEL_64 = 1
const ENTRY_64 = 0x200
const SECTOR = 512
const PARAGRAPH = 16
const DEFAULT_INITRD_MAX = 0x7fffffff
const DEFAULT_COMMAND_LINE_MAX = 2047

/** @throws {InputError} for what is no 64-bit x86 kernel */
export function parseKernel(file: Uint8Array): KernelImage {
  return isElf(file) ? vmlinux(file) : bzImage(file)
}

function vmlinux(file: Uint8Array): KernelImage {
  let elf: ReturnType<typeof parseElf>
  try {
    elf = parseElf(file)
  } catch (error) {
    throw error instanceof InputError
      ? new InputError('kernel', `an ELF file with ${error.expected}`, error.got)
      : error
  }
  return {
    ...elf,
    end: Math.max(...elf.segments.map(({ gpa, bytes }) => gpa + bytes)),
    setupHeader: new Uint8Array(0),
    initrdMax: DEFAULT_INITRD_MAX,
    commandLineMax: DEFAULT_COMMAND_LINE_MAX,
  }
}

function bzImage(file: Uint8Array): KernelImage {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const isKernel =
    file.length >= HEADER.end &&
    view.getUint16(HEADER.bootFlag, true) === BOOT_FLAG &&
    view.getUint32(HEADER.magic, true) === MAGIC
  if (!isKernel) throw new InputError('kernel', 'a Linux kernel: a bzImage, or an ELF file (vmlinux)', 'neither')
  const version = view.getUint16(HEADER.version, true)
  if (version < VERSION_64 || (view.getUint16(HEADER.xloadFlags, true) & KERNEL_64) === 0) {
    const shown = `${version >> 8}.${version & 0xff}`
    throw new InputError('kernel', 'a 64-bit kernel', `a bzImage without a 64-bit entry (boot protocol ${shown})`)
  }
  const start = ((view.getUint8(HEADER.setupSectors) || 4) + 1) * SECTOR
  const least = start + Math.max(1, view.getUint32(HEADER.paragraphs, true) * PARAGRAPH)
  if (file.length < least) throw new InputError('kernel', `${least} bytes or more`, `${file.length}: it is cut short`)
  const gpa = Number(view.getBigUint64(HEADER.prefAddress, true))
  const content = file.subarray(start)
  const bytes = Math.max(view.getUint32(HEADER.initSize, true), content.length)
  return {
    segments: [{ gpa, content, bytes: content.length }],
    entry: gpa + ENTRY_64,
    end: gpa + bytes,
    setupHeader: file.subarray(SETUP_HEADER, Math.min(HEADER.magic + view.getUint8(HEADER.jump), file.length)),
    initrdMax: view.getUint32(HEADER.initrdMax, true),
    commandLineMax: view.getUint32(HEADER.commandLineMax, true),
  }
}
