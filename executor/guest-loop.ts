/** The loop of a vCPU: enter the guest, count its exit, answer it, until told to stop. */

import {
  exitName,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HLT,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_UNKNOWN,
  KVM_INTERNAL_ERROR_EMULATION,
  kvm_run,
} from './abi/kvm.js'
import { EINTR } from './abi/linux.js'
import type { Failure } from './failure.js'
import { refused } from './ffi/libc.js'
import { REPORT_PORT } from './guests/walk.js'
import { enterGuest, viewRunPage } from './kvm.js'
import { EXIT_REASONS, isStopped, type VcpuBlock } from './shared.js'

const RUN_HINTS = {
  EFAULT: 'the guest used memory that the host cannot give it: unmapped, broken, or out of huge pages',
  ENOMEM: 'the host, or the memory limit of the cgroup, has no memory left for the guest',
  EAGAIN: 'the vCPU waits to be started by another one',
}

const EXIT_REASON = kvm_run.exit_reason / 4
const IO_PORT = kvm_run['io.port'] / 2
const IO_DIRECTION = kvm_run['io.direction']
const IO_DATA_OFFSET = kvm_run['io.data_offset'] / 4

/**
 * Runs until the command to stop. `null`: it was stopped.
 * @throws {SyscallError} from KVM_RUN
 */
export function runGuest(
  block: VcpuBlock,
  fd: number,
  page: { readonly address: number; readonly bytes: number },
): Failure | null {
  // SAFETY: the vCPU's owner closes it only after this thread is done, and the views end with this function.
  const run = viewRunPage(page)
  const bytes = new Uint8Array(run)
  const halves = new Uint16Array(run)
  const words = new Uint32Array(run)
  const { exits, progress } = block
  for (;;) {
    const error = enterGuest(fd)
    if (error !== 0) {
      if (error !== EINTR) throw refused(error, 'ioctl(KVM_RUN)', RUN_HINTS)
      // Whoever stops a vCPU requests an exit too, so that the command is seen here and costs no exit anything.
      if (isStopped(block)) return null
      continue
    }
    const reason = words[EXIT_REASON]!
    if (reason < EXIT_REASONS) exits[reason]!++
    if (reason === KVM_EXIT_IO && halves[IO_PORT] === REPORT_PORT && bytes[IO_DIRECTION] === KVM_EXIT_IO_OUT) {
      progress[0] = words[words[IO_DATA_OFFSET]! >>> 2]!
    } else if (reason !== KVM_EXIT_INTR) {
      return { kind: 'exit', reason: exitName(reason), text: explain(reason, new DataView(run)) }
    }
  }
}

function explain(reason: number, run: DataView): string {
  const hex = (value: number | bigint) => `0x${value.toString(16)}`
  switch (reason) {
    case KVM_EXIT_IO:
      return `the guest used port ${hex(run.getUint16(kvm_run['io.port'], true))}, where no device is`
    case KVM_EXIT_HLT:
      return 'the guest halted, and nothing is there to wake it'
    case KVM_EXIT_MMIO:
      return `the guest used ${hex(run.getBigUint64(kvm_run['mmio.phys_addr'], true))}, where it has no memory`
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
