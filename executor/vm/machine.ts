/** A VM with its vCPUs, made from its memory: everything of it that KVM holds. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { UnsupportedError } from '../../src/errors.js'
import type { HostCpu } from '../../src/types.js'
import { closeAll } from '../ffi/close.js'
import { formatCpuid, guestCpuid, parseCpuid } from '../kvm/cpuid.js'
import { Kvm, type KvmVm } from '../kvm/kvm.js'
import type { KvmVcpu } from '../kvm/kvm-vcpu.js'
import type { VmMemory } from '../memory/memory.js'
import { gpaRanges } from '../plan/address-map.js'
import { type GuestTopology, guestTopology } from '../plan/guest-topology.js'

/** APIC ids above this are only for x2APICs. */
const MAX_XAPIC_ID = 254

export interface MachineOptions {
  /** Interrupt controllers in the kernel. vCPUs but the first then wait to be started by it, and a halt waits for an interrupt. */
  readonly irqchip?: boolean
  /** The host's CPUs, for the topology that the guest sees. */
  readonly cpus?: readonly HostCpu[]
  /** Another device than /dev/kvm. */
  readonly device?: string
}

export class Machine implements Disposable {
  readonly vm: KvmVm
  /** In the order of the plan. */
  readonly vcpus: readonly KvmVcpu[]

  /** How the guest sees its vCPUs, in the order of the plan. */
  readonly topology: GuestTopology

  private constructor(vm: KvmVm, vcpus: readonly KvmVcpu[], topology: GuestTopology) {
    this.vm = vm
    this.vcpus = vcpus
    this.topology = topology
  }

  /**
   * Memory slots and vCPUs; no page of the memory is touched. Close it before the memory.
   * @throws {SyscallError}
   * @throws {UnsupportedError} more vCPUs than KVM allows
   */
  static async build(memory: VmMemory, { irqchip = false, cpus = [], device }: MachineOptions = {}): Promise<Machine> {
    const { layout } = memory
    using kvm = Kvm.open(device)
    const topology = guestTopology(layout.vcpus, cpus)
    checkVcpus(kvm, topology.apicIds)
    const supported = parseCpuid(kvm.supportedCpuid)
    const traits = {
      deadlineTimer: irqchip && kvm.hasDeadlineTimer,
      dedicated: layout.vcpus.every(({ dedicated }) => dedicated),
    }
    const vcpus: KvmVcpu[] = []
    const machine = new Machine(kvm.createVm(), vcpus, topology)
    try {
      if (irqchip) machine.vm.createIrqchip()
      if (irqchip && topology.apicIds.some((id) => id > MAX_XAPIC_ID)) machine.vm.allowWideApicIds()
      for (const cell of layout.cells) {
        for (const { offset, gpa, bytes } of gpaRanges(cell.offset, cell.bytes)) {
          machine.vm.addMemory(gpa, memory.addressOf(offset), bytes)
        }
      }
      for (const [i, id] of topology.apicIds.entries()) {
        const vcpu = machine.vm.createVcpu(id)
        vcpus.push(vcpu)
        vcpu.setCpuid(formatCpuid(guestCpuid(supported, topology, i, traits)))
        // The kernel takes 0.2 ms to make a vCPU. With hundreds of them, other work gets a turn in between.
        await nextTurn()
      }
      return machine
    } catch (error) {
      machine.close()
      throw error
    }
  }

  /** @param held vCPUs, by their places, that stay: their threads have not let go of them */
  close(held: ReadonlySet<number> = new Set()): void {
    closeAll([...this.vcpus.filter((_, index) => !held.has(index)), this.vm])
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function checkVcpus(kvm: Kvm, apicIds: readonly number[]): void {
  const { maxVcpus, maxVcpuId } = kvm
  const highest = Math.max(0, ...apicIds)
  if (apicIds.length > maxVcpus || highest >= maxVcpuId) {
    throw new UnsupportedError(
      'KVM_CAP_MAX_VCPUS',
      `the plan has ${apicIds.length} vCPUs with APIC ids up to ${highest}; KVM allows ${maxVcpus} in a VM, with ids below ${maxVcpuId}`,
    )
  }
}
