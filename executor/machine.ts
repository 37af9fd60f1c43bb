/** A VM with its vCPUs, made from its memory: everything of it that KVM holds. */

import { bootBytes, gpaRanges, setStartState, writeBootImage } from './boot.js'
import { closeAll } from './close.js'
import type { Guest, GuestShare } from './guests/guest.js'
import type { Kvm, Vcpu, Vm } from './kvm.js'
import { shareMemory } from './layout.js'
import type { VmMemory } from './memory.js'

export class Machine implements Disposable {
  readonly vcpus: readonly Vcpu[]
  readonly #vm: Vm
  readonly #memory: VmMemory
  readonly #shares: readonly GuestShare[]

  private constructor(vm: Vm, vcpus: readonly Vcpu[], memory: VmMemory, shares: readonly GuestShare[]) {
    this.#vm = vm
    this.vcpus = vcpus
    this.#memory = memory
    this.#shares = shares
  }

  /**
   * Memory slots and vCPUs, these in the order of the plan; no page of the memory is touched. Close it before the memory.
   * @throws {SyscallError}
   * @throws {UnsupportedError} where the memory is too small for the guest program
   */
  static build(kvm: Kvm, memory: VmMemory): Machine {
    const shares = shareMemory(memory.layout, bootBytes(memory.layout.bytes))
    const vm = kvm.createVm()
    const vcpus: Vcpu[] = []
    const machine = new Machine(vm, vcpus, memory, shares)
    try {
      for (const cell of memory.layout.cells) {
        for (const { offset, gpa, bytes } of gpaRanges(cell.offset, cell.bytes)) {
          vm.addMemory(gpa, memory.addressOf(offset), bytes)
        }
      }
      for (const { vcpu } of memory.layout.vcpus) vcpus.push(vm.createVcpu(vcpu))
      return machine
    } catch (error) {
      machine.close()
      throw error
    }
  }

  /** Loads the guest and sets every vCPU to its start. After the prefault: this writes to the memory. */
  boot(guest: Guest): void {
    const { bytes } = this.#memory.layout
    writeBootImage(this.#memory.viewStart(bootBytes(bytes)), guest, bytes)
    this.vcpus.forEach((vcpu, i) => {
      setStartState(vcpu, guest, this.#shares[i]!)
    })
  }

  close(): void {
    closeAll([...this.vcpus, this.#vm])
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
