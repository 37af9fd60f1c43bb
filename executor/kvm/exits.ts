/** Exits that the executor cannot go on from, in words. */

import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_UNKNOWN,
  KVM_INTERNAL_ERROR_EMULATION,
  kvm_run,
} from '../abi/kvm.js'

const hex = (value: number | bigint) => `0x${value.toString(16)}`

/** @param run the vCPU's `struct kvm_run` */
export function explainExit(reason: number, run: DataView): string {
  switch (reason) {
    case KVM_EXIT_IO: {
      const verb = run.getUint8(kvm_run['io.direction']) === KVM_EXIT_IO_OUT ? 'wrote to' : 'read'
      return `the guest ${verb} port ${hex(run.getUint16(kvm_run['io.port'], true))}, where no device is that takes it`
    }
    case KVM_EXIT_MMIO: {
      const verb = run.getUint8(kvm_run['mmio.is_write']) === 0 ? 'read' : 'wrote to'
      const address = run.getBigUint64(kvm_run['mmio.phys_addr'], true)
      return `the guest ${verb} ${hex(address)}, where it has neither memory nor a device that takes it`
    }
    case KVM_EXIT_SHUTDOWN:
      return 'the guest shut down, as by a fault that it does not handle (triple fault)'
    case KVM_EXIT_FAIL_ENTRY:
      return `the CPU refused to enter the guest (hardware reason ${hex(run.getBigUint64(kvm_run['fail_entry.hardware_entry_failure_reason'], true))})`
    case KVM_EXIT_INTERNAL_ERROR: {
      const suberror = run.getUint32(kvm_run['internal.suberror'], true)
      return suberror === KVM_INTERNAL_ERROR_EMULATION
        ? 'KVM could not emulate an instruction of the guest'
        : `KVM failed (internal error ${suberror})`
    }
    case KVM_EXIT_UNKNOWN:
      return `KVM does not know why (hardware reason ${hex(run.getBigUint64(kvm_run['hw.hardware_exit_reason'], true))})`
    default:
      return 'the executor does not know this exit'
  }
}
