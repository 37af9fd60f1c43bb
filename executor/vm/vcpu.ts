/** A vCPU of a `Vm`: its registers, for as long as it does not run. */

import { requireId, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { type KvmVcpu, REGISTER_NAMES, type Registers } from '../kvm/kvm-vcpu.js'
import {
  changeSpecialRegisters,
  readSpecialRegisters,
  type SpecialRegisterChanges,
  type SpecialRegisters,
  startLong,
  startReal,
} from '../kvm/start-state.js'

/** What a vCPU knows of its VM. */
export interface VcpuHome {
  /** @throws {VmStateError} while the VM runs */
  atRest(operation: string): void
  /** Page tables that map every address to itself; their own address. */
  identityTables(): number
  tid(): number
  cpus(): string
  repin(cpus: string): string
}

/** A vCPU of a `Vm`. Registers can be read and set while it does not run. */
export class Vcpu {
  /** Its number in the plan. */
  readonly vcpu: number
  readonly #kvm: KvmVcpu
  readonly #home: VcpuHome

  constructor(vcpu: number, kvm: KvmVcpu, home: VcpuHome) {
    this.vcpu = vcpu
    this.#kvm = kvm
    this.#home = home
  }

  /** Its thread, as in /proc/self/task; 0 while it has none. */
  get tid(): number {
    return this.#home.tid()
  }

  /** cpulist that it has now. */
  get cpus(): string {
    return this.#home.cpus()
  }

  /** Its KVM descriptor, for calls that this library does not make. Do not close it. */
  get fd(): number {
    return this.#kvm.fd
  }

  /** @see Vm.repin */
  repin(cpus: string): string {
    return this.#home.repin(cpus)
  }

  /**
   * Its general registers.
   * @throws {VmStateError} while the VM runs
   */
  registers(): Registers {
    this.#home.atRest('registers')
    return this.#kvm.getRegs()
  }

  /** Sets those that are named; the others stay. */
  setRegisters(values: Partial<Registers>): void {
    this.#home.atRest('setRegisters')
    checkRegisters(values)
    this.#kvm.setRegs({ ...this.#kvm.getRegs(), ...values })
  }

  /**
   * Its segments, descriptor tables and control registers.
   * @throws {VmStateError} while the VM runs
   */
  specialRegisters(): SpecialRegisters {
    this.#home.atRest('specialRegisters')
    return readSpecialRegisters(this.#kvm)
  }

  /** Segments, descriptor tables and control registers: what is named replaces what there is. */
  setSpecialRegisters(changes: SpecialRegisterChanges): void {
    this.#home.atRest('setSpecialRegisters')
    changeSpecialRegisters(this.#kvm, changes)
  }

  /**
   * To start in real mode: below 64 KiB with all segments at 0, above with the code segment at `entry`.
   * @param entry guest physical address below 1 MiB
   * @param registers the others are 0
   */
  startInRealMode(entry: number, registers: Partial<Registers> = {}): void {
    this.#home.atRest('startInRealMode')
    if (!(Number.isInteger(entry) && entry >= 0 && entry < 2 ** 20)) {
      throw new InputError('entry', 'an address below 1 MiB', show(entry))
    }
    checkRegisters(registers)
    startReal(this.#kvm, entry, registers)
  }

  /**
   * To start in 64-bit mode with flat segments, interrupts off and each address mapped to itself, up to 4 GiB and the end
   * of memory. The tables for it are in the last pages of the memory below 3 GiB. There is no stack unless `rsp` is given.
   * @param registers the others are 0
   * @param pageTables address of tables of the guest's own, instead of those
   */
  startInLongMode(entry: number | bigint, registers: Partial<Registers> = {}, pageTables?: number): void {
    this.#home.atRest('startInLongMode')
    checkRegisters(registers)
    if (typeof entry !== 'bigint') requireId('entry', entry)
    if (pageTables !== undefined) requireId('pageTables', pageTables)
    startLong(this.#kvm, pageTables ?? this.#home.identityTables(), { ...registers, rip: BigInt(entry) })
  }
}

function checkRegisters(registers: object): void {
  requireObject('registers', registers)
  const names: readonly string[] = REGISTER_NAMES
  for (const [name, value] of Object.entries(registers)) {
    if (!names.includes(name)) throw new InputError('registers', `names of ${names.join(', ')}`, show(name))
    if (typeof value !== 'bigint') throw new InputError(`registers.${name}`, 'a BigInt', show(value))
  }
}
