/**
 * Starts the guest program of a run in 64-bit mode, so that it reaches all of its memory. A guest virtual address is a byte
 * offset into the VM's memory. (`Vm` starts other guests with identity paging: kvm/start-state.ts.)
 */

import type { Guest } from '../guests/guest.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import { startLong } from '../kvm/start-state.js'
import type { VmMemory } from '../memory/memory.js'
import { gpaOf } from '../plan/address-map.js'
import { shareMemory } from '../plan/layout.js'
import { pageTableBytes, pageTables } from './paging.js'

const PAGE = 4096
const CODE = 0
const PML4 = PAGE

/** Bytes at the start of the guest's memory that its code and its page tables take. */
export function bootBytes(memoryBytes: number): number {
  return PML4 + pageTableBytes(memoryBytes)
}

/** Code and page tables: the first `bootBytes` bytes of the guest's memory. */
export function bootImage(guest: Guest, memoryBytes: number): Uint8Array {
  if (guest.code.length > PAGE) throw new RangeError(`expected a guest of one page, got ${guest.code.length} bytes`)
  const image = new Uint8Array(bootBytes(memoryBytes))
  image.set(guest.code, CODE)
  image.set(pageTables(PML4, memoryBytes, gpaOf), PML4)
  return image
}

/**
 * Loads the guest and sets every vCPU to its start, each with its share of its cell's memory. After the prefault.
 * @param vcpus in the order of the plan
 * @throws {UnsupportedError} where the memory is too small for the guest program
 */
export function bootGuest(memory: VmMemory, vcpus: readonly KvmVcpu[], guest: Guest): void {
  const { layout } = memory
  const shares = shareMemory(layout, bootBytes(layout.bytes))
  memory.write(0, bootImage(guest, layout.bytes))
  vcpus.forEach((vcpu, i) => {
    startLong(vcpu, PML4, { ...guest.registers(shares[i]!), rip: BigInt(CODE) })
  })
}
