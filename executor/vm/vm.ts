/** A VM that runs a guest where a verified plan says. */

import { requireBytes } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import type { PlanVm, VerifiedPlan } from '../../src/types.js'
import { type Grounds, groundsOf, isVerified } from '../../src/verified.js'
import type { AccessHandler, AddressRange, DeviceInThread, DeviceRegistry } from '../devices/registry.js'
import { closeInTurn } from '../ffi/close.js'
import { BASE_PAGE } from '../ffi/mapping.js'
import type { VmMemory } from '../memory/memory.js'
import { type PlacedMemory, placeMemory } from '../memory/placed-memory.js'
import { addressLimit, gpaRanges, lowMemoryEnd, offsetOf } from '../plan/address-map.js'
import type { HostDistances } from '../program/guest-machine.js'
import { loadImage } from '../program/load.js'
import { pageTableBytes, pageTables } from '../program/paging.js'
import type { Bus, DeviceSpec } from '../wire/device-spec.js'
import { vmError } from '../wire/failure.js'
import type { VcpuMessage } from '../wire/shared.js'
import type { GuestSpan } from '../wire/virtio.js'
import type { Doorbell } from './doorbells.js'
import { COM1, EXIT_PORT, GuestIo } from './guest-io.js'
import { bootLinux, type LinuxGuest, type LinuxOptions } from './linux.js'
import { Machine } from './machine.js'
import { requireVmOptions } from './options.js'
import { type Assignment, Placement, type PlacementOptions } from './placement.js'
import { Sampler, type VcpuSample } from './sampler.js'
import type { SerialLine } from './serial-line.js'
import { Vcpu } from './vcpu.js'

/** How a VM is made. */
export interface VmOptions extends PlacementOptions {
  /** Interrupt controllers in the kernel; then vCPUs but the first wait until the guest starts them. */
  readonly irqchip?: boolean
}

let construct: (plan: PlanVm, placed: PlacedMemory, machine: Machine, options: VmOptions, host: HostDistances) => Vm

/**
 * `Vm.create` for those who have checked the plan, or who make the executor lie, as tests do.
 * @param prepared called with the memory and the machine before anybody else has them
 */
export async function carryOutVm(
  vm: PlanVm,
  { cpus, vms, nodes, distances }: Grounds,
  options: VmOptions,
  prepared: (memory: VmMemory, machine: Machine) => void = () => {},
): Promise<Vm> {
  const intent = vms[vm.name]
  const whole: VmOptions = {
    ...options,
    trust: options.trust ?? intent?.trust ?? vm.name,
    memory: { policy: intent?.memoryPolicy ?? 'strict', ...options.memory },
  }
  const placed = await placeMemory(vm, whole)
  let machine: Machine | undefined
  try {
    machine = await Machine.build(placed.memory, { irqchip: options.irqchip ?? false, cpus })
    prepared(placed.memory, machine)
    return construct(vm, placed, machine, whole, { nodes, distances })
  } catch (error) {
    machine?.close()
    await placed.close()
    throw vmError(vm.name, error)
  }
}

/** A guest under KVM, with its memory and its threads where a verified plan puts them (docs/executor.md). It owns them until `close()`. */
export class Vm extends Placement {
  /** In the order of the plan. */
  readonly vcpus: readonly Vcpu[]
  readonly #machine: Machine
  readonly #sampler: Sampler
  readonly #io: GuestIo
  readonly #host: HostDistances
  readonly #hasIrqchip: boolean
  #tables: number | null = null

  /**
   * Takes the memory of a planned VM, on its nodes and faulted in, and makes the VM; nothing runs yet. Large memory takes
   * its time, in other threads.
   * @param name of a VM of the plan
   * @throws {InputError} for anything but a plan that `verifyPlan` returned, a VM that it does not place, or an option that is none
   * @throws {VmError} names the VM, the call and its errno, and what to do
   */
  static async create(plan: VerifiedPlan, name: string, options: VmOptions = {}): Promise<Vm> {
    if (!isVerified(plan)) throw new InputError('plan', 'the object that verifyPlan() returned', show(plan))
    requireVmOptions(options)
    const vm = plan.vms.find((each) => each.name === name)
    if (vm === undefined) throw new InputError('name', 'the name of a VM that the plan places', show(name))
    return carryOutVm(vm, groundsOf(plan), options)
  }

  static {
    construct = (...parts) => new Vm(...parts)
  }

  private constructor(plan: PlanVm, placed: PlacedMemory, machine: Machine, options: VmOptions, host: HostDistances) {
    super(plan, placed, options)
    this.#machine = machine
    this.#host = host
    this.#hasIrqchip = options.irqchip === true
    this.#io = new GuestIo({
      kvm: machine.vm,
      beforeRun: (operation) => this.allowBeforeRun(operation),
      memoryMap: () => this.memoryMap,
      memorySpans: () => this.#memorySpans(),
      block: (index) => this.block(index),
      tids: () => plan.vcpus.map((_, index) => this.tid(index)),
      isRunning: () => this.state.name === 'running',
      fail: (index, failure, cause) => this.fail(index, failure, cause),
    })
    this.vcpus = plan.vcpus.map(
      ({ vcpu }, index) =>
        new Vcpu(vcpu, machine.vcpus[index]!, {
          atRest: (operation) => this.allowAtRest(operation),
          identityTables: () => this.#identityTables(),
          tid: () => this.tid(index),
          cpus: () => this.cpusOf(index),
          repin: (cpus) => this.repin(vcpu, cpus),
        }),
    )
    this.#sampler = new Sampler(
      this.vcpus.map(({ vcpu, fd }, i) => ({ vcpu, fd, block: this.block(i), tid: () => this.tid(i) })),
    )
  }

  /** KVM's descriptor of the VM, for calls that this library does not make. Do not close it. */
  get fd(): number {
    return this.#machine.vm.fd
  }

  /**
   * What each vCPU has done so far: time and switches of its thread, exits by reason, KVM's statistics. For as long as the
   * VM is open; ten times a second does not slow the guest (bench/exits.ts).
   */
  sample(): VcpuSample[] {
    this.allowOpen('sample')
    return this.#sampler.sample()
  }

  /** Guest physical addresses where memory is. */
  get memoryMap(): readonly { readonly gpa: number; readonly bytes: number }[] {
    return gpaRanges(0, this.layout.bytes).map(({ gpa, bytes }) => ({ gpa, bytes }))
  }

  /** Descriptors of the files that hold the cells' memory, with `memory.shared`; closed with the VM. */
  get memoryFiles(): readonly number[] {
    return this.memory.files
  }

  /**
   * Puts a program into the guest's memory: a static ELF64 executable where it says, anything else at `gpa`.
   * @returns where it starts
   * @throws {InputError} for an ELF file that is no static x86-64 program, or lies where no memory is
   */
  async load(image: Uint8Array, gpa = 0): Promise<{ readonly entry: number }> {
    this.allowAtRest('load')
    const requireMemory = (at: number, length: number) => void this.#offsetOf(at, length)
    return loadImage({ requireMemory, write: (at, bytes) => this.write(at, bytes) }, image, gpa)
  }

  /**
   * Loads a Linux kernel and all that it is told of the machine: memory, firmware's tables with a node for each cell of the
   * plan, as far apart as the host's, serial consoles, power-off. In a VM with `irqchip`, before it runs. `run()` boots it;
   * it ends by its power-off or reset, or by the exit port.
   * @throws {InputError} for what is no 64-bit kernel, and where the kernel or the initramfs has no room in the memory
   */
  bootLinux(options: LinuxOptions): Promise<LinuxGuest> {
    this.allowBeforeRun('bootLinux')
    const requireMemory = (at: number, length: number) => void this.#offsetOf(at, length)
    const home = {
      io: this.#io,
      vcpus: this.#machine.vcpus,
      topology: this.#machine.topology,
      layout: this.layout,
      host: this.#host,
      hasIrqchip: this.#hasIrqchip,
      memoryMap: this.memoryMap,
      memory: { requireMemory, write: (at: number, bytes: Uint8Array) => this.write(at, bytes) },
      tablesAt: this.#tablesAt(),
      identityTables: () => this.#identityTables(),
    }
    return bootLinux(home, options)
  }

  /** Writes into the guest's memory, whether it runs or not. */
  write(gpa: number, bytes: Uint8Array): void {
    this.allowOpen('write')
    requireBytes('bytes', bytes)
    this.memory.write(this.#offsetOf(gpa, bytes.length), bytes)
  }

  /** A copy of what is in the guest's memory. */
  read(gpa: number, length: number): Uint8Array {
    this.allowOpen('read')
    return this.memory.read(this.#offsetOf(gpa, length), length)
  }

  #offsetOf(gpa: number, length: number): number {
    const isSound = Number.isInteger(gpa) && gpa >= 0 && Number.isInteger(length) && length >= 0
    const offset = isSound ? offsetOf(gpa) : null
    const isInside = offset !== null && offset + length <= this.layout.bytes
    if (isInside && (length === 0 || offsetOf(gpa + length - 1) === offset + length - 1)) return offset
    const where = this.memoryMap.map(
      (range) => `0x${range.gpa.toString(16)}-0x${(range.gpa + range.bytes).toString(16)}`,
    )
    throw new InputError(
      'gpa',
      `memory of VM "${this.name}" (${where.join(', ')})`,
      `${show(length)} bytes at ${show(gpa)}`,
    )
  }

  /** Each cell apart, as each has a mapping of its own. */
  #memorySpans(): GuestSpan[] {
    return this.layout.cells
      .flatMap((cell) => gpaRanges(cell.offset, cell.bytes))
      .map(({ offset, gpa, bytes }) => ({ gpa, bytes, address: this.memory.addressOf(offset) }))
  }

  /** Where page tables that map every address to itself go: the last pages below the hole. */
  #tablesAt(): number {
    const { bytes } = this.layout
    const needed = pageTableBytes(addressLimit(bytes))
    const at = Math.floor((lowMemoryEnd(bytes) - needed) / BASE_PAGE) * BASE_PAGE
    if (at < 0) throw new InputError('memory', `${needed} bytes for page tables`, `${bytes}`)
    return at
  }

  #identityTables(): number {
    if (this.#tables !== null) return this.#tables
    const at = this.#tablesAt()
    this.write(
      at,
      pageTables(at, addressLimit(this.layout.bytes), (gva) => gva),
    )
    this.#tables = at
    return at
  }

  /** Answers the guest's accesses to I/O ports: here, or with a device in the vCPUs' threads. Before it runs. */
  onPort(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.#io.onPort(range, handler)
  }

  /** Answers the guest's accesses to physical addresses where it has no memory. Before it runs. */
  onMmio(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.#io.onMmio(range, handler)
  }

  /**
   * A device that is made of data: what `onPort`, `serial` and `exitPort` are made with.
   * @internal
   */
  attach(
    bus: Bus,
    range: AddressRange,
    what: DeviceSpec['what'],
    more: Parameters<DeviceRegistry['add']>[3] = {},
  ): void {
    this.#io.attach(bus, range, what, more)
  }

  /**
   * A serial console (16550): COM1 unless `port` is given. It runs in the vCPUs' threads.
   * @param gsi its interrupt, in a VM with interrupt controllers; without one it has none
   * @returns what the guest reads from goes in here
   */
  serial(onOutput: (bytes: Uint8Array) => void, port: number = COM1, gsi?: number): SerialLine {
    return this.#io.serial(onOutput, port, gsi)
  }

  /** A port that ends the VM when it is written to: `wait()` then says with what. */
  exitPort(port: number = EXIT_PORT): void {
    this.#io.exitPort(port)
  }

  /**
   * Writes that lie within this range, which has a handler, do not leave the guest one by one any more: the kernel keeps
   * them, and the handler gets them in their order at the guest's next exit, or after 20 ms. A write of 4 bytes to a port
   * takes a range of length 4.
   */
  coalesce(bus: Bus, range: AddressRange): void {
    this.#io.coalesce(bus, range)
  }

  /**
   * Writes to this address are counted by the kernel, and do not leave the guest at all.
   * @param where `bytes`: length of the writes that count: 1, 2, 4, 8 (default: any); `value`: only writes of it count
   * @param onEvent told the number of writes since it was told last
   */
  ioeventfd(
    bus: Bus,
    where: { readonly address: number; readonly bytes?: number; readonly value?: bigint },
    onEvent?: (count: number) => void,
  ): Doorbell {
    return this.#io.ioeventfd(bus, where, onEvent)
  }

  protected override assignments(): Assignment[] {
    this.#io.start()
    this.#sampler.open()
    return this.#machine.vcpus.map((vcpu, i) => ({
      work: this.#io.workOf(this.plan.vcpus[i]!.vcpu, vcpu),
      interrupt: () => vcpu.requestExit(),
    }))
  }

  protected override received(index: number, message: VcpuMessage): void {
    this.#io.received(index, this.plan.vcpus[index]!.vcpu, message)
  }

  protected override atEnd(): void {
    this.#io.atEnd()
  }

  protected override nameOfDevice(device: number): string {
    return this.#io.nameOf(device)
  }

  protected override release(held: ReadonlySet<number>): Promise<void> {
    return closeInTurn(
      () => this.#sampler.close(),
      () => this.#machine.close(held),
      () => this.#io.close(),
    )
  }

  protected override disposeHeld(index: number): void {
    this.#machine.vcpus[index]!.close()
  }
}
