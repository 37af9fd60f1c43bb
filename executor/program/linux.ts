/** Puts a Linux kernel into a guest's memory, with all that it is told when it starts, and sets its vCPUs to start it. */

import { InputError, show } from '../../src/errors.js'
import { formatBytes } from '../../src/units.js'
import type { AcpiMachine } from '../acpi/machine.js'
import { acpiTables } from '../acpi/tables.js'
import { POWER } from '../devices/power.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import { changeSpecialRegisters, startLong } from '../kvm/start-state.js'
import { bootParams, type E820Range } from './boot-params.js'
import { type KernelImage, parseKernel } from './kernel-image.js'
import { copyIn, type GuestMemory } from './load.js'
import { mpTables } from './mp-tables.js'

const MIB = 1024 ** 2
const PAGE = 4096

/** Below 1 MiB, as firmware leaves it. The tables are where kernels look for firmware's. */
const LOW = {
  /** Where kernels look first. */
  mpTables: 0,
  gdt: 0x500,
  bootParams: 0x7000,
  commandLine: 0x20000,
  memoryEnd: 0xa0000,
  acpi: 0xe0000,
  firmware: 0xff000,
  end: MIB,
} as const

export interface LinuxImage {
  readonly kernel: Uint8Array
  readonly initrd: Uint8Array | null
  readonly commandLine: string
  readonly machine: AcpiMachine
}

/** What is known of the memory. */
export interface LinuxRoom {
  readonly memory: GuestMemory
  readonly memoryMap: readonly { readonly gpa: number; readonly bytes: number }[]
  /** Where the page tables for the start go: the last pages below the hole. */
  readonly tablesAt: number
  /** Writes them. They stay as they are until the kernel has its own. */
  identityTables(): number
}

/** Where everything is. */
export interface LoadedLinux {
  readonly entry: number
  readonly pageTables: number
}

/**
 * @throws {InputError} for what is no 64-bit kernel, and where kernel, initramfs or command line have no room: nothing is
 * written then
 */
export async function loadLinux(image: LinuxImage, room: LinuxRoom): Promise<LoadedLinux> {
  const kernel = parseKernel(image.kernel)
  const tables = acpiTables(image.machine, LOW.acpi)
  if (tables.length > LOW.firmware - LOW.acpi) {
    const room = LOW.firmware - LOW.acpi
    throw new InputError('vcpus', `a VM whose ACPI tables take ${room} bytes`, `${tables.length} bytes`)
  }
  const commandLine = Buffer.from(image.commandLine, 'utf8')
  // What a kernel's header says may be more than there is room for.
  const commandLineMax = Math.min(kernel.commandLineMax, LOW.memoryEnd - LOW.commandLine - 1)
  if (commandLine.length > commandLineMax || commandLine.includes(0)) {
    throw new InputError('append', `up to ${commandLineMax} bytes without NUL`, `${commandLine.length} bytes`)
  }
  const { tablesAt } = room
  requireRoom(kernel, tablesAt, room.memoryMap[0]!.bytes)
  const initrd =
    image.initrd === null ? null : { gpa: placeInitrd(kernel, image.initrd, tablesAt), bytes: image.initrd.length }
  const parameters = bootParams({
    setupHeader: kernel.setupHeader,
    e820: e820(room.memoryMap),
    commandLine: LOW.commandLine,
    acpiRootPointer: LOW.acpi,
    initrd,
  })
  const { memory } = room
  const pageTables = room.identityTables()
  for (const { gpa, content } of kernel.segments) await copyIn(memory, gpa, content)
  if (initrd !== null) await copyIn(memory, initrd.gpa, image.initrd!)
  memory.write(LOW.mpTables, mpTables(LOW.mpTables))
  memory.write(LOW.gdt, GDT)
  memory.write(LOW.bootParams, parameters)
  memory.write(LOW.commandLine, new Uint8Array([...commandLine, 0]))
  memory.write(LOW.acpi, tables)
  memory.write(RESET_VECTOR, RESET_CODE)
  return { entry: kernel.entry, pageTables }
}

/** The kernel is below the page tables, which take the last pages. */
function requireRoom({ segments, end }: KernelImage, tablesAt: number, lowEnd: number): void {
  if (segments.some(({ gpa }) => gpa < MIB)) {
    throw new InputError(
      'kernel',
      'one that is loaded at 1 MiB or above',
      show(Math.min(...segments.map(({ gpa }) => gpa))),
    )
  }
  if (end <= tablesAt) return
  throw new InputError(
    'memory',
    `${formatBytes(Math.ceil((end + lowEnd - tablesAt) / MIB) * MIB)} or more, which this kernel needs to start`,
    formatBytes(lowEnd),
  )
}

/** As high as the kernel allows, so that it does not unpack itself over it. */
function placeInitrd({ end, initrdMax }: KernelImage, { length }: Uint8Array, below: number): number {
  const at = Math.floor((Math.min(below, initrdMax + 1) - length) / PAGE) * PAGE
  if (at >= end) return at
  const room = Math.max(0, Math.min(below, initrdMax + 1) - end)
  throw new InputError(
    'initrd',
    `at most ${formatBytes(room)}, as much as the memory has beside the kernel`,
    formatBytes(length),
  )
}

function e820(memoryMap: LinuxRoom['memoryMap']): E820Range[] {
  const [low, ...high] = memoryMap
  return [
    { start: 0, end: LOW.memoryEnd, type: 'memory' },
    { start: LOW.acpi, end: LOW.firmware, type: 'acpi' },
    { start: LOW.firmware, end: LOW.end, type: 'reserved' },
    { start: LOW.end, end: low!.bytes, type: 'memory' },
    ...high.map(({ gpa, bytes }): E820Range => ({ start: gpa, end: gpa + bytes, type: 'memory' })),
  ]
}

/**
 * Where a PC's firmware starts, in real mode. A hardware-reduced Linux without EFI resets itself by a jump to it.
 * mov $reset, %dx; mov $value, %al; out %al, %dx; hlt
 * Source: Linux, arch/x86/kernel/reboot.c (reboot_init, BOOT_EFI, BOOT_BIOS)
 */
const RESET_VECTOR = 0xffff0
const RESET_PORT = POWER.start + POWER.reset
const RESET_CODE = Uint8Array.of(0xba, RESET_PORT & 0xff, RESET_PORT >> 8, 0xb0, POWER.resetValue, 0xee, 0xf4)

/** Selectors 0x10 and 0x18, as the boot protocol wants them: 64-bit code, and data. */
const CODE = 0x10
const DATA = 0x18
const GDT = new Uint8Array(new BigUint64Array([0n, 0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn]).buffer)

/** MTRRs: everything can be cached (write-back) where no other says otherwise. */
const MTRR_DEFAULT_TYPE = 0x2ff
const MTRR_ENABLED_WRITE_BACK = 0x806n
/** Fast string instructions. */
const MISC_ENABLE = 0x1a0
const FAST_STRINGS = 1n
const TIME_STAMP_COUNTER = 0x10

/**
 * Sets the first vCPU to enter the kernel. The others wait for it to start them. All of them count time from the same
 * moment: after a write of 0 within a second of another's KVM gives them the same offset.
 */
export function startLinux(vcpus: readonly KvmVcpu[], { entry, pageTables }: LoadedLinux): void {
  for (const vcpu of vcpus) vcpu.setMsrs([[TIME_STAMP_COUNTER, 0n]])
  for (const vcpu of vcpus) {
    vcpu.setMsrs([
      [MTRR_DEFAULT_TYPE, MTRR_ENABLED_WRITE_BACK],
      [MISC_ENABLE, FAST_STRINGS],
    ])
  }
  const [first] = vcpus
  startLong(first!, pageTables, { rip: BigInt(entry), rsi: BigInt(LOW.bootParams) })
  const data = Object.fromEntries((['ds', 'es', 'fs', 'gs', 'ss'] as const).map((name) => [name, { selector: DATA }]))
  changeSpecialRegisters(first!, {
    ...data,
    cs: { selector: CODE },
    gdt: { base: BigInt(LOW.gdt), limit: GDT.length - 1 },
  })
}
