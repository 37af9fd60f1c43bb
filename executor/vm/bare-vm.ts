/**
 * A VM without a plan, made call by call: vCPUs, each with its thread, and memory, each range on its node. The caller says
 * where; what the kernel made of it is read back, as for a planned one (vm.ts).
 */

import { requireBoolean, requireObject, requirePath, requireText } from '../../src/checks.js'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import type { AccessHandler, AddressRange, DeviceInThread } from '../devices/registry.js'
import { closeAll, closeInTurn } from '../ffi/close.js'
import { BASE_PAGE } from '../ffi/mapping.js'
import { getNice, setNice } from '../ffi/scheduling.js'
import { getAffinity } from '../ffi/threads.js'
import { formatCpuid, guestCpuid, parseCpuid } from '../kvm/cpuid.js'
import { KVM_DEVICE, Kvm, type KvmVm } from '../kvm/kvm.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import { type MemoryRegion, RegionMap, type RegionRequest } from '../memory/guest-regions.js'
import { coresByNumber } from '../plan/guest-topology.js'
import { loadImage } from '../program/load.js'
import { pageTableBytes, pageTables } from '../program/paging.js'
import { failureOf, VmError, vmError } from '../wire/failure.js'
import { Command, type VcpuMessage } from '../wire/shared.js'
import { COM1, EXIT_PORT, GuestIo } from './guest-io.js'
import { Lifecycle } from './lifecycle.js'
import { Vcpu } from './vcpu.js'

const GIB = 1024 ** 3

/** How a VM without a plan is made. */
export interface BareVmOptions {
  /** For messages. */
  readonly name: string
  /** Another device than /dev/kvm. */
  readonly device?: string
  /** Interrupt controllers in the kernel; then vCPUs but the first wait until the guest starts them. */
  readonly irqchip?: boolean
}

/** What KVM says before there is a VM. */
interface KvmFacts {
  readonly maxVcpus: number
  readonly maxVcpuId: number
  /** A `struct kvm_cpuid2`. */
  readonly supportedCpuid: Uint8Array
}

/** @internal */
export class BareVm extends Lifecycle {
  readonly #facts: KvmFacts
  readonly #kvm: KvmVm
  /** `isWaiting`: its thread has come to where it waits. Before that it is not anybody's to change. */
  readonly #vcpus: { readonly kvm: KvmVcpu; readonly face: Vcpu; isWaiting: boolean }[] = []
  readonly #regions: RegionMap
  readonly #io: GuestIo
  /** Page tables that map every address below `limit` to itself. */
  #tables: { readonly at: number; readonly limit: number } | null = null

  /**
   * Opens the device and makes an empty VM.
   * @throws {SyscallError} where there is no KVM, or no permission: the hint says what to do
   * @throws {UnsupportedError}
   */
  static create(options: BareVmOptions): BareVm {
    requireObject('options', options)
    requireText('name', options.name)
    requirePath('device', options.device)
    requireBoolean('irqchip', options.irqchip)
    using kvm = Kvm.open(options.device ?? KVM_DEVICE)
    const { maxVcpus, maxVcpuId, supportedCpuid } = kvm
    const vm = kvm.createVm()
    try {
      if (options.irqchip === true) vm.createIrqchip()
      return new BareVm(options.name, vm, { maxVcpus, maxVcpuId, supportedCpuid })
    } catch (error) {
      vm.close()
      throw error
    }
  }

  private constructor(name: string, kvm: KvmVm, facts: KvmFacts) {
    super(name)
    this.#kvm = kvm
    this.#facts = facts
    this.#regions = new RegionMap(name, parseCpuid(facts.supportedCpuid), (gpa, bytes) =>
      this.#io.hasDevice('mmio', gpa, bytes),
    )
    this.#io = new GuestIo({
      kvm,
      beforeRun: (operation) => this.allowBeforeRun(operation),
      memoryMap: () => this.#regions.all.map(({ gpa, bytes }) => ({ gpa, bytes })),
      memorySpans: () => this.#regions.all.map(({ gpa, bytes, hva }) => ({ gpa, bytes, address: hva })),
      block: (index) => this.block(index),
      tids: () => this.#vcpus.map((_, index) => this.tid(index)),
      isRunning: () => this.state.name === 'running',
      fail: (index, failure, cause) => this.fail(index, failure, cause),
    })
  }

  /** Numbers of the vCPUs that are made, in the order of the calls. */
  get vcpuIds(): readonly number[] {
    return this.#vcpus.filter(({ isWaiting }) => isWaiting).map(({ face }) => face.vcpu)
  }

  /** Also of those that are being made. */
  get #allIds(): readonly number[] {
    return this.#vcpus.map(({ face }) => face.vcpu)
  }

  /**
   * A vCPU, and its thread, which waits; before the VM runs. It may use the CPUs that this thread may use.
   * @param id its number, which is its APIC id
   * @throws {InputError} for a number that is taken, or is beyond what KVM has
   * @throws {VmError} where its thread cannot be started; the VM has failed then
   */
  async createVcpu(id: number): Promise<void> {
    this.allowBeforeRun('createVcpu')
    const { maxVcpus, maxVcpuId } = this.#facts
    const taken = this.#allIds
    if (!Number.isInteger(id) || id < 0 || id >= maxVcpuId || taken.includes(id)) {
      const others = taken.length === 0 ? '' : `, none of ${formatCpulist(taken)}, which it has`
      throw new InputError('id', `a whole number from 0 to ${maxVcpuId - 1}${others}`, show(id))
    }
    if (taken.length >= maxVcpus) {
      throw new InputError('id', `at most ${maxVcpus} vCPUs, as many as KVM allows in a VM`, `one more, ${id}`)
    }
    const cpus = getAffinity(0)
    // With a nice value set, its thread is given back with the nice value that it had before, however it was changed.
    const scheduling = { nice: getNice(0), relaxed: false }
    const vcpu = this.#addVcpu(id)
    this.enlist(id, formatCpulist(cpus))
    this.crew.start({ work: null, scheduling, cpus }, () => vcpu.kvm.requestExit())
    await this.crew.command(Command.hold, this.isEnding)
    await this.unlessFailed()
    this.allow('createVcpu', 'created', 'running', 'paused')
    vcpu.isWaiting = true
  }

  #addVcpu(id: number) {
    const index = this.#vcpus.length
    let kvm: KvmVcpu | undefined
    try {
      kvm = this.#kvm.createVcpu(id)
      // Registers are checked against what a vCPU has; `start` tells it of those that come later.
      kvm.setCpuid(this.#cpuidOf([...this.#allIds, id], index))
    } catch (error) {
      kvm?.close()
      throw vmError(this.name, error)
    }
    const home = {
      atRest: (operation: string) => this.allowAtRest(operation),
      identityTables: () => this.#identityTables(),
      tid: () => this.tid(index),
      cpus: () => this.cpusOf(index),
      repin: (cpus: string) => this.repin(id, cpus),
    }
    const vcpu = { kvm, face: new Vcpu(id, kvm, home), isWaiting: false }
    this.#vcpus.push(vcpu)
    return vcpu
  }

  #cpuidOf(ids: readonly number[], index: number): Uint8Array {
    return formatCpuid(guestCpuid(parseCpuid(this.#facts.supportedCpuid), coresByNumber(ids), index))
  }

  /**
   * Whether a vCPU has halted while the VM goes on.
   * @param operation for the error
   * @throws {InputError} {VmStateError} {VmError} for a VM that does not
   */
  hasHalted(id: number, operation: string): boolean {
    this.vcpu(id)
    this.allow(operation, 'created', 'running', 'paused')
    return this.crew.isOver(this.indexOf(id))
  }

  /** Whether a vCPU has a thread, in a VM that goes on. */
  hasThread(id: number): boolean {
    return !this.isEnding() && this.tid(this.indexOf(id)) !== 0
  }

  /** @throws {InputError} for a number that no vCPU has; it lists those that there are */
  vcpu(id: number): Vcpu {
    const { face, isWaiting } = this.#vcpus[this.indexOf(id)]!
    if (!isWaiting) throw new InputError('vcpu', 'one whose createVcpu() has come to its end', show(id))
    return face
  }

  /** The CPUs that a vCPU's thread may use, from the kernel, ascending; those that it had when it has ended. */
  affinityOf(id: number): number[] {
    const { tid, cpus } = this.vcpu(id)
    return tid === 0 ? parseCpulist(cpus) : getAffinity(tid)
  }

  /**
   * The nice value of a vCPU's thread, from now on, read back.
   * @param nice -20 to 19
   * @throws {VmError} where the kernel refuses it
   */
  renice(id: number, nice: number): void {
    this.allow('renice', 'created', 'running', 'paused')
    this.vcpu(id)
    try {
      this.crew.withThread(this.indexOf(id), (tid) => {
        setNice(tid, nice)
        const found = getNice(tid)
        if (found !== nice) throw new Error(`the kernel gave the nice value ${found} instead of ${nice}`)
      })
    } catch (error) {
      throw new VmError(this.name, id, failureOf(error), error)
    }
  }

  /**
   * Memory on one node: mapped, bound there, faulted in, and given to the guest. Before the VM runs, or while it does.
   * @throws {InputError} for addresses and sizes that do not go
   * @throws {VmError} where the node has too little, or the kernel refuses: nothing of it is left then
   */
  async addMemory(request: RegionRequest): Promise<MemoryRegion> {
    this.allow('addMemory', 'created', 'running', 'paused')
    requireObject('request', request)
    const { gpa, bytes } = request
    return this.#regions.add(request, (hva) => this.#kvm.addMemory(gpa, hva, bytes))
  }

  /**
   * Moves a part of its memory to another node: it is bound there, and its pages go there, also while the guest runs.
   * @param gpa where it begins
   * @throws {InputError} where no part begins
   * @throws {VmError} where the node has too little, or the kernel refuses: what was moved stays there
   */
  async moveMemory(gpa: number, node: number): Promise<MemoryRegion> {
    this.allow('moveMemory', 'created', 'running', 'paused')
    return this.#regions.move(gpa, node)
  }

  /** Its memory, by guest physical address. */
  get memory(): readonly MemoryRegion[] {
    return this.#regions.all
  }

  /** Bytes of each part of the memory on each node, as the kernel has them now. */
  residentBytes(): Promise<
    readonly { readonly region: MemoryRegion; readonly resident: Readonly<Record<string, number>> }[]
  > {
    this.allowOpen('residentBytes')
    return this.#regions.residentBytes()
  }

  /** @throws {InputError} where no memory is */
  write(gpa: number, bytes: Uint8Array): void {
    this.allowOpen('write')
    this.#regions.write(gpa, bytes)
  }

  /** @throws {InputError} where no memory is */
  read(gpa: number, length: number): Uint8Array {
    this.allowOpen('read')
    return this.#regions.read(gpa, length)
  }

  /** @see Vm.load */
  load(image: Uint8Array, gpa: number): Promise<{ readonly entry: number }> {
    this.allowAtRest('load')
    const requireMemory = (at: number, length: number) => this.#regions.require(at, length)
    return loadImage({ requireMemory, write: (at, bytes) => this.write(at, bytes) }, image, gpa)
  }

  /** Tables for all memory that there is: in the last pages of the lowest memory that has room, below older ones. */
  #identityTables(): number {
    const limit = Math.max(4 * GIB, this.#regions.end)
    if (this.#tables?.limit === limit) return this.#tables.at
    const bytes = pageTableBytes(limit)
    const before = this.#tables?.at ?? Number.POSITIVE_INFINITY
    const place = this.#regions.all
      .map((region) => ({
        region,
        at: Math.floor((Math.min(region.gpa + region.bytes, before) - bytes) / BASE_PAGE) * BASE_PAGE,
      }))
      .find(({ region, at }) => at >= region.gpa)
    if (place === undefined) throw new InputError('memory', `${bytes} bytes in a piece, for page tables`, 'less')
    this.write(
      place.at,
      pageTables(place.at, limit, (gva) => gva),
    )
    this.#tables = { at: place.at, limit }
    return place.at
  }

  onPort(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.#io.onPort(range, handler)
  }

  onMmio(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.#io.onMmio(range, handler)
  }

  serial(onOutput: (bytes: Uint8Array) => void, port = COM1): void {
    this.#io.serial(onOutput, port)
  }

  exitPort(port = EXIT_PORT): void {
    this.#io.exitPort(port)
  }

  protected override allowStart(operation: string): void {
    super.allowStart(operation)
    if (this.#vcpus.length === 0) throw new InputError(operation, 'a VM with a vCPU: see createVcpu()', 'one without')
  }

  protected override async start(): Promise<void> {
    this.#io.start()
    for (const [index, { kvm, face }] of this.#vcpus.entries()) {
      kvm.setCpuid(this.#cpuidOf(this.#allIds, index))
      this.crew.assign(index, this.#io.workOf(face.vcpu, kvm))
    }
    await this.crew.command(Command.prepare, this.isEnding)
    await this.unlessFailed()
  }

  protected override received(index: number, message: VcpuMessage): void {
    this.#io.received(index, this.#vcpus[index]!.face.vcpu, message)
  }

  protected override atEnd(): void {
    this.#io.atEnd()
  }

  protected override nameOfDevice(device: number): string {
    return this.#io.nameOf(device)
  }

  protected override dispose(held: ReadonlySet<number>): Promise<void> {
    const free = this.#vcpus.filter((_, index) => !held.has(index))
    return closeInTurn(
      () => closeAll([...free.map(({ kvm }) => kvm), this.#kvm]),
      () => this.#io.close(),
      () => this.#regions.close(),
    )
  }

  protected override disposeHeld(index: number): void {
    this.#vcpus[index]!.kvm.close()
  }
}
