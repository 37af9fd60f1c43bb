/** What answers a VM's guest: devices here and in the vCPUs' threads, coalesced writes, doorbells. */

import { requireCallback, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { allocateRingLock } from '../devices/coalesced.js'
import {
  type AccessHandler,
  type AddressRange,
  type DeviceInThread,
  DeviceRegistry,
  requireHandler,
  requireRange,
} from '../devices/registry.js'
import { answer } from '../devices/remote.js'
import { allocateSerial } from '../devices/serial.js'
import { QUEUE_NOTIFY, VIRTIO_BYTES } from '../devices/virtio-mmio.js'
import { closeAll, closeInTurn } from '../ffi/close.js'
import { closeFd, createEventFd } from '../ffi/files.js'
import { kickThread } from '../ffi/threads.js'
import type { KvmVm } from '../kvm/kvm.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import type { Bus, DeviceSpec } from '../wire/device-spec.js'
import { type Failure, failureOf, textOf } from '../wire/failure.js'
import type { VcpuBlock, VcpuMessage } from '../wire/shared.js'
import type { GuestSpan } from '../wire/virtio.js'
import type { GuestWork } from '../worker/vcpu-worker.js'
import { type Doorbell, Doorbells } from './doorbells.js'
import { SerialLine } from './serial-line.js'
import { VirtioHost, type VirtioPlan } from './virtios.js'

export const COM1 = 0x3f8
const SERIAL_PORTS = 8
/** Where QEMU's isa-debug-exit is in many test kernels. */
export const EXIT_PORT = 0xf4
const EXIT_PORTS = 4
/** Coalesced writes that no exit has brought up are fetched after so long. */
const COALESCED_MS = 20

/** What it knows of its VM. */
export interface IoHome {
  readonly kvm: KvmVm
  /** Throws when the VM has run. */
  beforeRun(operation: string): void
  /** Guest physical addresses where memory is. */
  memoryMap(): readonly { readonly gpa: number; readonly bytes: number }[]
  /** The same, with where it is in the process. */
  memorySpans(): readonly GuestSpan[]
  block(index: number): VcpuBlock
  /** Threads of the vCPUs. */
  tids(): number[]
  isRunning(): boolean
  fail(index: number | null, failure: Failure, cause?: unknown): void
}

/** Pins of KVM's I/O APIC. */
const GSIS = 24

function requireGsi(gsi: number): void {
  if (Number.isInteger(gsi) && gsi >= 0 && gsi < GSIS) return
  throw new InputError('gsi', `a number of an interrupt, 0 to ${GSIS - 1}`, show(gsi))
}

export class GuestIo {
  readonly #home: IoHome
  readonly #devices = new DeviceRegistry()
  readonly #doorbells = new Doorbells()
  readonly #ringLock = allocateRingLock()
  #isCoalesced = false
  /** Eventfds that raise interrupts. */
  readonly #interrupts: number[] = []
  readonly #virtios: VirtioHost[] = []
  #isOpen = true
  #timer: NodeJS.Timeout | undefined

  constructor(home: IoHome) {
    this.#home = home
  }

  onPort(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    this.#onAccess('port', range, handler)
  }

  onMmio(range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    const { start, end } = requireRange('mmio', range)
    for (const { gpa, bytes } of this.#home.memoryMap()) {
      if (start < gpa + bytes && end > gpa) {
        throw new InputError('mmio range', 'addresses where no memory is', show(start))
      }
    }
    this.#onAccess('mmio', range, handler)
  }

  #onAccess(bus: Bus, range: AddressRange, handler: AccessHandler | DeviceInThread): void {
    requireHandler(handler)
    if ('module' in handler) {
      this.attach(bus, range, { kind: 'module', url: String(handler.module), options: handler.options })
    } else {
      this.attach(bus, range, { kind: 'main' }, { handler })
    }
  }

  /** A device that is made of data. */
  attach(
    bus: Bus,
    range: AddressRange,
    what: DeviceSpec['what'],
    more: Parameters<DeviceRegistry['add']>[3] = {},
  ): void {
    this.#home.beforeRun('attach')
    this.#devices.add(bus, range, what, more)
  }

  serial(onOutput: (bytes: Uint8Array) => void, start: number, gsi?: number): SerialLine {
    if (typeof onOutput !== 'function') throw new InputError('onOutput', 'a function', show(onOutput))
    if (gsi !== undefined) requireGsi(gsi)
    const interrupt = gsi === undefined ? null : this.interruptLine(gsi)
    const what = { kind: 'serial', shared: allocateSerial(), interrupt } as const
    this.attach('port', { start, length: SERIAL_PORTS }, what, { output: onOutput })
    return new SerialLine(what.shared, interrupt, () => this.#isOpen)
  }

  /** An eventfd that raises an interrupt; closed with the VM. */
  interruptLine(gsi: number): number {
    this.#home.beforeRun('interruptLine')
    const fd = createEventFd()
    try {
      this.#home.kvm.irqfd(gsi, fd)
    } catch (error) {
      closeFd(fd)
      throw error
    }
    this.#interrupts.push(fd)
    return fd
  }

  /** A virtio device at these addresses. It is this one's from now on. */
  virtio(plan: VirtioPlan, gpa: number, gsi: number): VirtioHost {
    let host: VirtioHost
    try {
      host = new VirtioHost(plan, this.interruptLine(gsi))
    } catch (error) {
      plan.close()
      throw error
    }
    this.#virtios.push(host)
    const { shared, identity, wake, notify } = host
    this.attach('mmio', { start: gpa, length: VIRTIO_BYTES }, { kind: 'virtio', shared, identity, wake })
    this.#home.kvm.ioeventfd('mmio', gpa + QUEUE_NOTIFY, 4, notify)
    return host
  }

  /** From now on nothing answers where no device is: reads give all ones, as in a PC, rather than failing the VM. */
  answerRest(): void {
    this.#home.beforeRun('answerRest')
    this.#devices.answerRest()
  }

  exitPort(start = EXIT_PORT): void {
    this.attach('port', { start, length: EXIT_PORTS }, { kind: 'exit' })
  }

  coalesce(bus: Bus, range: AddressRange): void {
    this.#home.beforeRun('coalesce')
    const { start, end } = requireRange(bus, range)
    this.#home.kvm.coalesce(bus, start, end - start)
    this.#isCoalesced = true
  }

  ioeventfd(
    bus: Bus,
    where: { readonly address: number; readonly bytes?: number; readonly value?: bigint },
    onEvent?: (count: number) => void,
  ): Doorbell {
    this.#home.beforeRun('ioeventfd')
    requireObject('where', where)
    const { address, bytes = 0, value } = where
    requireRange(bus, { start: address })
    if (![0, 1, 2, 4, 8].includes(bytes)) throw new InputError('bytes', '1, 2, 4 or 8', show(bytes))
    if (value !== undefined && typeof value !== 'bigint') throw new InputError('value', 'a BigInt', show(value))
    requireCallback('onEvent', onEvent)
    return this.#doorbells.add((fd) => this.#home.kvm.ioeventfd(bus, address, bytes, fd, value), onEvent)
  }

  /** Whether somebody answers for one of these addresses. */
  hasDevice(bus: Bus, start: number, length: number): boolean {
    return this.#devices.specs.some((spec) => spec.bus === bus && start < spec.end && start + length > spec.start)
  }

  /** A device, for messages. */
  nameOf(device: number): string {
    const { bus, start, what } = this.#devices.specs[device]!
    const where = `${bus} 0x${start.toString(16)}`
    return what.kind === 'module' ? `the device of ${what.url} at ${where}` : `the device at ${where}`
  }

  /** The vCPUs are about to have their work. */
  start(): void {
    const failed = (error: unknown) => this.#home.fail(null, failureOf(error), error)
    this.#doorbells.start(failed)
    for (const device of this.#virtios) device.start(this.#home.memorySpans(), failed)
    if (this.#isCoalesced) this.#timer = setInterval(() => this.#fetchCoalesced(), COALESCED_MS)
  }

  /** What the thread of a vCPU does. */
  workOf(vcpu: number, { fd, runPage }: KvmVcpu): GuestWork {
    const ring = this.#isCoalesced ? { offset: this.#home.kvm.coalescedRing, lock: this.#ringLock } : null
    return { kind: 'guest', vcpu, fd, page: runPage, devices: this.#devices.specs, ring }
  }

  /** Brings a vCPU out of the guest for a moment, so that its thread sees what the kernel has kept. */
  #fetchCoalesced(): void {
    if (!this.#home.isRunning()) return
    const tid = this.#home.tids().find((each) => each !== 0)
    try {
      if (tid !== undefined) kickThread(tid)
    } catch (error) {
      this.#home.fail(null, failureOf(error), error)
    }
  }

  /** @param vcpu the number of the vCPU that has sent the message */
  received(index: number, vcpu: number, message: VcpuMessage): void {
    try {
      if (message.kind === 'output') this.#devices.fetchOutput(message.device)
      else if (message.kind === 'accesses') void this.#answer(index, vcpu, message)
    } catch (error) {
      this.#home.fail(index, failureOf(error), error)
    }
  }

  async #answer(index: number, vcpu: number, { accesses }: VcpuMessage & { kind: 'accesses' }): Promise<void> {
    try {
      answer(this.#home.block(index), await this.#devices.answer(accesses, vcpu))
    } catch (error) {
      this.#home.fail(index, { kind: 'device', text: textOf(error) }, error instanceof Error ? error.cause : undefined)
    }
  }

  /** Nothing runs any more: what has been printed last is handed over. */
  atEnd(): void {
    clearInterval(this.#timer)
    this.#devices.fetchAll()
  }

  /** After the VM, whose kernel side counts into the doorbells. */
  close(): Promise<void> {
    this.#isOpen = false
    return closeInTurn(
      () => this.#doorbells.close(),
      async () => void (await Promise.all(this.#virtios.map((device) => device.close()))),
      () => closeAll(this.#interrupts.splice(0).map((fd) => ({ close: () => closeFd(fd) }))),
    )
  }
}
