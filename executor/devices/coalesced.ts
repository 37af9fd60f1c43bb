/**
 * The ring of writes that the kernel has kept instead of leaving the guest for each. A VM has one ring. Every vCPU's thread
 * looks at it after each exit. If there is something in it, the thread takes it all out, one thread at a time.
 * Source: Documentation/virt/kvm/api.rst, KVM_REGISTER_COALESCED_MMIO; virt/kvm/coalesced_mmio.c
 */

import { kvm_coalesced_mmio, kvm_coalesced_mmio_ring } from '../abi/kvm.js'
import { BASE_PAGE } from '../ffi/mapping.js'
import { isStopped, type VcpuBlock } from '../wire/shared.js'
import type { DeviceBus } from './bus.js'
import { type Mailbox, StoppedError } from './remote.js'

const ENTRIES = Math.floor((BASE_PAGE - kvm_coalesced_mmio_ring.size) / kvm_coalesced_mmio.size)
const FIRST = kvm_coalesced_mmio_ring.first / 4
const LAST = kvm_coalesced_mmio_ring.last / 4

/** For `CoalescedRing`: joins the threads of a VM. */
export function allocateRingLock(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

export class CoalescedRing {
  readonly #words: Uint32Array
  readonly #bytes: Uint8Array
  readonly #lock: Int32Array
  readonly #block: VcpuBlock
  readonly #data = Array.from({ length: 9 }, (_, size) => new Uint8Array(size))

  /** @param page the ring: a page of the vCPU's mapping, for as long as the caller may use that */
  constructor(page: ArrayBuffer, offset: number, lock: SharedArrayBuffer, block: VcpuBlock) {
    this.#words = new Uint32Array(page, offset, BASE_PAGE / 4)
    this.#bytes = new Uint8Array(page, offset, BASE_PAGE)
    this.#lock = new Int32Array(lock)
    this.#block = block
  }

  get isEmpty(): boolean {
    return this.#words[FIRST] === this.#words[LAST]
  }

  /**
   * Hands what is in the ring to the devices, in the order in which it was written.
   * @throws {StoppedError}
   */
  drain(ports: DeviceBus, mmio: DeviceBus, mailbox: Mailbox): void {
    this.#acquire()
    try {
      let first = this.#words[FIRST]!
      while (first !== Atomics.load(this.#words, LAST)) {
        this.#deliver(kvm_coalesced_mmio_ring.coalesced_mmio + first * kvm_coalesced_mmio.size, ports, mmio)
        first = (first + 1) % ENTRIES
        Atomics.store(this.#words, FIRST, first)
      }
      mailbox.flush()
    } finally {
      Atomics.store(this.#lock, 0, 0)
      Atomics.notify(this.#lock, 0, 1)
    }
  }

  #deliver(at: number, ports: DeviceBus, mmio: DeviceBus): void {
    const words = this.#words
    const low = words[(at + kvm_coalesced_mmio.phys_addr) / 4]!
    const high = words[(at + kvm_coalesced_mmio.phys_addr) / 4 + 1]!
    const data = this.#data[words[(at + kvm_coalesced_mmio.len) / 4]!]!
    const bytes = this.#bytes
    for (let i = 0; i < data.length; i++) data[i] = bytes[at + kvm_coalesced_mmio.data + i]!
    const address = low + high * 2 ** 32
    const bus = words[(at + kvm_coalesced_mmio.pio) / 4] === 1 ? ports : mmio
    bus.at(address)?.write?.(address, data)
  }

  #acquire(): void {
    while (Atomics.compareExchange(this.#lock, 0, 0, 1) !== 0) {
      // A thread that died with the lock keeps it. Then the VM has failed, and the others are told to stop.
      if (isStopped(this.#block)) throw new StoppedError('stopped while another vCPU took out the coalesced writes')
      Atomics.wait(this.#lock, 0, 1, 10)
    }
  }
}
