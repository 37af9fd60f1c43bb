/** The guest of an `AccelKvm`: its vCPUs and their registers, what is in its memory, what answers it, and its life. */

import { requireBoolean, requireObject, requirePath, requireText } from '../../../src/checks.js'
import { InputError, UnsupportedError } from '../../../src/errors.js'
import type {
  AccessHandler,
  AddressRange,
  BareVm,
  DeviceInThread,
  Patience,
  Vcpu,
  VmEnd,
  VmState,
} from '../../index.js'
import { loadExecutor } from '../load-executor.js'
import {
  currentPlatform,
  type Effect,
  ENFORCED,
  type Platform,
  type PlatformOptions,
  requirePlatform,
  unenforced,
} from '../platform.js'

/** How the guest is made. */
export interface AccelGuestOptions extends PlatformOptions {
  /** For messages; default: `accel`. */
  readonly name?: string
  /** Another device than /dev/kvm. */
  readonly device?: string
  /** Interrupt controllers in the kernel; then vCPUs but the first wait until the guest starts them. */
  readonly irqchip?: boolean
}

/** A vCPU's registers, for as long as it does not run. */
export type GuestVcpu = Omit<Vcpu, 'repin'>

type Unenforced = Effect & { readonly enforced: false }

/** What an `AccelKvm` has whether or not the host has nodes. */
export abstract class AccelGuest implements AsyncDisposable {
  /** For messages. */
  readonly name: string
  readonly #platform: Platform
  readonly #options: AccelGuestOptions
  #vm: BareVm | null = null
  #initializing: Promise<Effect> | null = null
  #closing: Promise<void> | null = null

  constructor(options: AccelGuestOptions) {
    requireObject('options', options)
    requireText('name', options.name)
    requirePath('device', options.device)
    requireBoolean('irqchip', options.irqchip)
    requirePlatform(options.platform)
    this.name = options.name ?? 'accel'
    this.#platform = options.platform ?? currentPlatform
    this.#options = options
  }

  /** What a call returns where it has no effect; `null` on Linux. */
  protected unenforced(call: string): Unenforced | null {
    return unenforced(this.#platform, `AccelKvm.${call}`)
  }

  /** The VM, for a call that needs one. */
  protected required(call: string): BareVm {
    if (this.#vm !== null) return this.#vm
    const off = this.unenforced(call)
    if (off !== null) throw new UnsupportedError('KVM', off.reason)
    throw new InputError(call, 'a call of init() before', 'none')
  }

  /** Where the VM is between its creation and its end; `null` before `init()`. */
  get state(): VmState | null {
    return this.#vm?.state ?? null
  }

  /**
   * Opens /dev/kvm and makes a VM without vCPUs and memory. Once; more calls change nothing.
   * @throws {SyscallError} ENOENT, EACCES, ...: there is no KVM, or no permission; the hint says what to do
   * @throws {UnsupportedError} where the kernel's KVM is too old, koffi cannot be loaded, or after `close()`
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm({ name: 'web' })
   * await accel.init() // => { enforced: true }
   * accel.state // => { name: 'created' }
   * ```
   */
  async init(): Promise<Effect> {
    const off = this.unenforced('init')
    if (off !== null) return off
    if (this.#closing !== null) throw new UnsupportedError('init', 'it has been closed: make another AccelKvm')
    this.#initializing ??= this.#open()
    return this.#initializing
  }

  async #open(): Promise<Effect> {
    const { device, irqchip } = this.#options
    try {
      const { BareVm } = await loadExecutor()
      if (this.#closing !== null) throw new UnsupportedError('init', 'it has been closed: make another AccelKvm')
      this.#vm = BareVm.create({
        name: this.name,
        ...(device === undefined ? {} : { device }),
        ...(irqchip === undefined ? {} : { irqchip }),
      })
      return ENFORCED
    } catch (error) {
      // Whoever mends it may try again.
      this.#initializing = null
      throw error
    }
  }

  /**
   * A vCPU of KVM, and its thread, which waits for `run()`. It may use the CPUs that the calling thread may use.
   * @param id its number, from 0, which is its APIC id; in any order, gaps are allowed
   * @throws {InputError} for a number that is taken, or more than KVM allows (the error says how many)
   * @throws {VmStateError} after `run()`
   * @throws {VmError} where the kernel refuses
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * for (const id of [0, 1]) await accel.createVcpu(id)
   * accel.vcpuIds() // => [0, 1]
   * ```
   */
  async createVcpu(id: number): Promise<Effect> {
    const off = this.unenforced('createVcpu')
    if (off !== null) return off
    await this.required('createVcpu').createVcpu(id)
    return ENFORCED
  }

  /**
   * Numbers of the vCPUs, in the order in which they were made.
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * accel.vcpuIds() // => []
   * ```
   */
  vcpuIds(): readonly number[] {
    return this.#vm?.vcpuIds ?? []
  }

  /**
   * Registers of a vCPU, before it runs and while it is paused: `startInLongMode`, `startInRealMode`, `registers`,
   * `setRegisters`, `specialRegisters`, `setSpecialRegisters`, as those of `Vm`.
   * @throws {InputError} for a number that no vCPU has; it lists those that there are
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * accel.vcpu(0).startInRealMode(0x7c00, { rsp: 0x7c00n })
   * accel.vcpu(0).registers().rip // => 31744n
   * ```
   */
  vcpu(id: number): GuestVcpu {
    return this.required('vcpu').vcpu(id)
  }

  /**
   * A vCPU's thread, by its number in /proc/self/task; 0 when it has ended.
   * @throws {InputError} as `vcpu()`
   * @example
   * ```ts
   * import { readFileSync } from 'node:fs'
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * console.log(readFileSync(`/proc/self/task/${accel.getVcpuThread(0)}/status`, 'utf8'))
   * ```
   */
  getVcpuThread(id: number): number {
    return this.vcpu(id).tid
  }

  /**
   * Puts a program into the guest's memory: a static ELF64 executable where it says, anything else at `gpa`.
   * @returns where it starts
   * @throws {InputError} for an ELF file that is no static x86-64 program, or where no memory is
   * @throws {VmStateError} while the guest runs
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(1)
   * await accel.setupNumaMemory({ node: accel.numaConfig().nodeIds[0], size: 2 ** 20, gpa: 0 })
   * const { entry } = await accel.load(Uint8Array.of(0xf4), 0x1000) // hlt
   * entry // => 4096
   * ```
   */
  async load(image: Uint8Array, gpa = 0): Promise<{ readonly entry: number }> {
    return this.required('load').load(image, gpa)
  }

  /**
   * Writes into the guest's memory, whether it runs or not.
   * @param gpa guest physical address
   * @throws {InputError} where no memory is; it lists where there is some
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.enableNuma(1)
   * await accel.setupNumaMemory({ node: accel.numaConfig().nodeIds[0], size: 2 ** 20, gpa: 0 })
   * accel.write(0x2000, Uint8Array.of(1, 2, 3))
   * accel.read(0x2000, 2) // => Uint8Array.of(1, 2)
   * ```
   */
  write(gpa: number, bytes: Uint8Array): void {
    this.required('write').write(gpa, bytes)
  }

  /**
   * A copy of what is in the guest's memory; the guest may run meanwhile.
   * @param length bytes
   * @throws {InputError} as `write()`, which has an example
   */
  read(gpa: number, length: number): Uint8Array {
    return this.required('read').read(gpa, length)
  }

  /**
   * Answers the guest's accesses to I/O ports: with functions on the main thread, or with a module's device in the vCPUs'
   * threads. Before it runs.
   * @throws {InputError} for a range that is none, or is taken
   * @throws {VmStateError} after `run()`
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.onPort({ start: 0x60 }, { read: (port, data) => void data.fill(0x1c) })
   * ```
   */
  onPort(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.required('onPort').onPort(range, handler)
  }

  /**
   * Answers the guest's accesses to physical addresses where it has no memory. Before it runs.
   * @throws {InputError} for a range that is none, is taken, or is memory
   * @throws {VmStateError} after `run()`
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.onMmio({ start: 0xd000_0000, length: 4096 }, { write: (address, data) => console.log(address, data) })
   * ```
   */
  onMmio(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.required('onMmio').onMmio(range, handler)
  }

  /**
   * A serial console (8250), for output. Before the guest runs.
   * @param port its first one; default: COM1, 0x3f8
   * @throws {InputError} where the port is taken
   * @throws {VmStateError} after `run()`
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.serial((bytes) => process.stdout.write(bytes))
   * ```
   */
  serial(onOutput: (bytes: Uint8Array) => void, port?: number): void {
    this.required('serial').serial(onOutput, port)
  }

  /**
   * A port that ends the VM when the guest writes to it: `wait()` then says with what. Before the guest runs.
   * @param port default: 0xf4
   * @throws {InputError} where the port is taken
   * @throws {VmStateError} after `run()`
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * accel.exitPort(0x501)
   * ```
   */
  exitPort(port?: number): void {
    this.required('exitPort').exitPort(port)
  }

  /**
   * Lets all vCPUs run; resolves when they do. Once: a guest that has ended does not run again.
   * @throws {InputError} without a vCPU
   * @throws {VmStateError} for one that has run
   * @throws {VmError} where a vCPU cannot be started
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * await using accel = new AccelKvm()
   * await accel.init()
   * await accel.createVcpu(0)
   * accel.enableNuma(1)
   * await accel.setupNumaMemory({ node: accel.numaConfig().nodeIds[0], size: 2 ** 20, gpa: 0 })
   * const { entry } = await accel.load(Uint8Array.of(0xeb, 0xfe), 0x1000) // jmp .
   * accel.vcpu(0).startInLongMode(entry)
   * await accel.run()
   * await accel.pause()
   * accel.vcpu(0).registers().rip // => 4096n
   * await accel.resume()
   * await accel.stop()
   * accel.state // => { name: 'stopped', by: 'caller', exitCode: null }
   * ```
   */
  async run(patience?: Patience): Promise<Effect> {
    return this.#carryOut('run', (vm) => vm.run(patience))
  }

  /**
   * Has the vCPUs wait, outside of the guest; resolves when all of them do. `run()` has an example.
   * @throws {VmStateError} unless it runs
   * @throws {DeadlineError} where the patience ends before
   */
  async pause(patience?: Patience): Promise<Effect> {
    return this.#carryOut('pause', (vm) => vm.pause(patience))
  }

  /**
   * Lets the vCPUs of a paused guest go on. `run()` has an example.
   * @throws {VmStateError} unless it is paused
   */
  async resume(patience?: Patience): Promise<Effect> {
    return this.#carryOut('resume', (vm) => vm.resume(patience))
  }

  /**
   * Stops every vCPU, wherever it is, and ends its thread. One that has ended already stays as it is. `run()` has an example.
   * @throws {DeadlineError} where the patience ends before
   */
  async stop(patience?: Patience): Promise<Effect> {
    return this.#carryOut('stop', (vm) => vm.stop(patience))
  }

  async #carryOut(call: string, work: (vm: BareVm) => Promise<void>): Promise<Effect> {
    const off = this.unenforced(call)
    if (off !== null) return off
    await work(this.required(call))
    return ENFORCED
  }

  /**
   * Resolves when the guest has ended, with how: by `stop()`, by its exit port (and with which code), or because all of its
   * vCPUs have halted. The example of the class shows it.
   * @throws {VmError} when it has failed: names the vCPU and the cause; the other vCPUs have been stopped then
   * @throws {UnsupportedError} where there is no KVM, so that nothing runs
   */
  async wait(patience?: Patience): Promise<VmEnd> {
    return this.required('wait').wait(patience)
  }

  /**
   * Stops what runs and gives everything back: threads, descriptors, memory. Once, however often it is called; resolves
   * when it is done. `await using` calls it.
   * @example
   * ```ts
   * import { AccelKvm } from 'homenode/accel'
   *
   * const accel = new AccelKvm()
   * await accel.init()
   * await accel.close()
   * ```
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // What is only being opened is closed as well.
    if (this.#vm === null) await this.#initializing?.catch(() => {})
    await this.#vm?.close()
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
