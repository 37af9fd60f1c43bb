/** A Linux guest of a VM: the devices that it is given, and what it is told of them and of the plan. */

import {
  requireBoolean,
  requireBytes,
  requireCallback,
  requireList,
  requireObject,
  requireText,
} from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import type { AcpiMachine } from '../acpi/machine.js'
import { CHIPSET_RESET, KEYBOARD_COMMAND, POWER, POWER_PORTS } from '../devices/power.js'
import { VIRTIO_BYTES } from '../devices/virtio-mmio.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import type { GuestTopology } from '../plan/guest-topology.js'
import type { VmLayout } from '../plan/layout.js'
import { guestMachine, type HostDistances } from '../program/guest-machine.js'
import { type LinuxRoom, loadLinux, startLinux } from '../program/linux.js'
import type { GuestIo } from './guest-io.js'
import type { SerialLine } from './serial-line.js'
import { type GuestDisk, planConsole, planDisk, planEntropy, type VirtioPlan } from './virtios.js'

/** What a Linux guest is booted with. */
export interface LinuxOptions {
  /** The file's bytes: a bzImage (`vmlinuz`) with a 64-bit entry, or an uncompressed `vmlinux`. */
  readonly kernel: Uint8Array
  /** The initramfs: what is unpacked before the first process starts. */
  readonly initrd?: Uint8Array
  /** Words for the kernel's command line, after `console=ttyS0 panic=-1 pci=off`. */
  readonly append?: string
  /** Get what the guest prints on `ttyS0` (the kernel's console), `ttyS1`, `ttyS2` and `ttyS3`, as many as there are. */
  readonly serial: readonly ((bytes: Uint8Array) => void)[]
  /** `/dev/vda`, `/dev/vdb`, ... of a kernel that has the drivers virtio_mmio and virtio_blk. */
  readonly disks?: readonly GuestDisk[]
  /** Gets what the guest prints on `hvc0`, where its kernel has virtio_mmio and virtio_console; default: there is no such console. */
  readonly console?: (bytes: Uint8Array) => void
  /** Whether it has a source of random bytes (virtio_mmio and virtio-rng); default: not. */
  readonly entropy?: boolean
}

/** What is booted, for those who talk to it. */
export interface LinuxGuest {
  /** What is written here the guest reads from `ttyS0`, `ttyS1`, ... */
  readonly serial: readonly SerialLine[]
  /** The same for `hvc0`; `null`: there is none. */
  readonly console: Pick<SerialLine, 'write'> | null
  /**
   * What firmware's tables tell the guest.
   * @internal
   */
  readonly machine: AcpiMachine
}

/** What it knows of its VM. */
export interface LinuxHome extends LinuxRoom {
  readonly io: GuestIo
  readonly vcpus: readonly KvmVcpu[]
  readonly topology: GuestTopology
  readonly layout: VmLayout
  readonly host: HostDistances
  readonly hasIrqchip: boolean
}

const SERIALS = [
  { port: 0x3f8, gsi: 4 },
  { port: 0x2f8, gsi: 3 },
  { port: 0x3e8, gsi: 5 },
  { port: 0x2e8, gsi: 6 },
] as const
/** Virtio devices lie in the hole below 4 GiB, and have interrupts of their own. */
const VIRTIO = { gpa: 0xd0000000, gsi: 8, most: 16 } as const
const COMMAND_LINE = 'console=ttyS0 panic=-1 pci=off'

/** @throws {InputError} */
function requireLinuxOptions(options: LinuxOptions): void {
  requireObject('options', options)
  const { kernel, initrd, append, serial, disks, console, entropy } = options
  requireBytes('kernel', kernel)
  if (initrd !== undefined) requireBytes('initrd', initrd)
  requireText('append', append)
  if (disks !== undefined) requireList('disks', disks)
  requireCallback('console', console)
  requireBoolean('entropy', entropy)
  requireList('serial', serial)
  if (serial.length === 0 || serial.length > SERIALS.length) {
    throw new InputError('serial', `1 to ${SERIALS.length} functions`, `${serial.length}`)
  }
}

/** @throws {InputError} for a kernel that is none, what does not fit into the memory, a VM without interrupt controllers */
export async function bootLinux(home: LinuxHome, options: LinuxOptions): Promise<LinuxGuest> {
  requireLinuxOptions(options)
  const { kernel, initrd, append, serial } = options
  if (!home.hasIrqchip) throw new InputError('irqchip', 'true: Linux needs interrupt controllers', show(false))
  const serials = SERIALS.slice(0, serial.length)
  const plans = planVirtios(options)
  try {
    const virtios = plans.map((_, i) => ({
      gpa: VIRTIO.gpa + i * VIRTIO_BYTES,
      bytes: VIRTIO_BYTES,
      gsi: VIRTIO.gsi + i,
    }))
    const machine = guestMachine(home.layout, home.topology, home.host, { serials, virtios })
    const image = {
      kernel,
      initrd: initrd ?? null,
      commandLine: append === undefined || append === '' ? COMMAND_LINE : `${COMMAND_LINE} ${append}`,
      machine,
    }
    const loaded = await loadLinux(image, home)
    const { io } = home
    const lines = serials.map(({ port, gsi }, i) => io.serial(serial[i]!, port, gsi))
    const hosts = virtios.map(({ gpa, gsi }) => io.virtio(plans.shift()!, gpa, gsi))
    io.exitPort()
    io.attach('port', { start: POWER.start, length: POWER_PORTS }, { kind: 'power' })
    io.attach('port', { start: KEYBOARD_COMMAND }, { kind: 'power' })
    io.attach('port', { start: CHIPSET_RESET }, { kind: 'power' })
    io.answerRest()
    startLinux(home.vcpus, loaded)
    return { serial: lines, console: options.console === undefined ? null : hosts[0]!, machine }
  } finally {
    // Those that have not become devices.
    for (const plan of plans) plan.close()
  }
}

/** The console first, then disks, which so have the names that they are expected to have. */
function planVirtios({ console, disks = [], entropy = false }: LinuxOptions): VirtioPlan[] {
  const plans: VirtioPlan[] = []
  try {
    if (console !== undefined) plans.push(planConsole(console))
    for (const disk of disks) plans.push(planDisk(disk))
    if (entropy) plans.push(planEntropy())
    if (plans.length <= VIRTIO.most) return plans
    throw new InputError('disks', `at most ${VIRTIO.most} virtio devices`, `${plans.length}`)
  } catch (error) {
    for (const plan of plans) plan.close()
    throw error
  }
}
