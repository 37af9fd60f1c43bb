/** The loop of a vCPU: enter the guest, count its exit, answer it, until told to stop. */

import {
  exitName,
  KVM_EXIT_HLT,
  KVM_EXIT_INTR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  kvm_run,
} from '../abi/kvm.js'
import { EAGAIN, EINTR } from '../abi/linux.js'
import type { DeviceBus } from '../devices/bus.js'
import type { CoalescedRing } from '../devices/coalesced.js'
import type { Device } from '../devices/device.js'
import { type Mailbox, StoppedError } from '../devices/remote.js'
import { refused } from '../ffi/libc.js'
import { explainExit } from '../kvm/exits.js'
import { enterGuest } from '../kvm/kvm-vcpu.js'
import type { Failure, VcpuEnd } from '../wire/failure.js'
import { EXIT_REASONS, type VcpuBlock } from '../wire/shared.js'

const RUN_HINTS = {
  EFAULT: 'the guest used memory that the host cannot give it: unmapped, broken, or out of huge pages',
  ENOMEM: 'the host, or the memory limit of the cgroup, has no memory left for the guest',
}

const EXIT_REASON = kvm_run.exit_reason / 4
/** Direction, size and port: 8, 8 and 16 bits, the lowest first. */
const IO_ACCESS = kvm_run['io.direction'] / 4
const IO_COUNT = kvm_run['io.count'] / 4
const IO_DATA_OFFSET = kvm_run['io.data_offset'] / 4
const MMIO_ADDRESS = kvm_run['mmio.phys_addr'] / 4
const MMIO_DATA = kvm_run['mmio.data']
const MMIO_LENGTH = kvm_run['mmio.len'] / 4
const MMIO_IS_WRITE = kvm_run['mmio.is_write']

/** What a vCPU's thread runs the guest with. */
export interface GuestRoom {
  readonly fd: number
  /** The vCPU's `struct kvm_run`, for as long as the caller may use it. */
  readonly page: ArrayBuffer
  readonly ports: DeviceBus
  readonly mmio: DeviceBus
  readonly mailbox: Mailbox
  /** `null`: no writes are coalesced. */
  readonly ring: CoalescedRing | null
  /** `now`: how a device has ended the VM. */
  readonly ending: { readonly now: VcpuEnd | null }
  /** Does what the commands say, while held too; `false`: the command is to stop. */
  readonly attend: () => boolean
}

/**
 * Runs until the command to stop, or until the guest cannot go on.
 * @throws {SyscallError} from KVM_RUN
 */
export function runGuest(block: VcpuBlock, room: GuestRoom): VcpuEnd {
  try {
    return loop(block, room)
  } catch (error) {
    if (error instanceof StoppedError) return { kind: 'told' }
    throw error
  }
}

function loop(block: VcpuBlock, room: GuestRoom): VcpuEnd {
  const { fd, page, ports, mmio, mailbox, ring, ending, attend } = room
  const bytes = new Uint8Array(page)
  const words = new Uint32Array(page)
  const transfer = transferrer(bytes)
  const { exits } = block
  // The port that was used last, and its device: a guest that uses a port mostly does so again.
  let port = -1
  let device: Device | undefined
  // From here on it runs.
  if (!attend()) return { kind: 'told' }
  for (;;) {
    const error = enterGuest(fd)
    if (ring !== null && !ring.isEmpty) ring.drain(ports, mmio, mailbox)
    if (error !== 0) {
      // EAGAIN: another vCPU has started this one.
      if (error !== EINTR && error !== EAGAIN) throw refused(error, 'ioctl(KVM_RUN)', RUN_HINTS)
      // A command comes with a request for an exit, so it is seen here and costs no other exit anything.
      if (!attend()) return { kind: 'told' }
    } else {
      const reason = words[EXIT_REASON]!
      if (reason < EXIT_REASONS) exits[reason]!++
      let isAnswered = true
      // In this function: one of its own made an exit slower by 30 ns of 7,600.
      if (reason === KVM_EXIT_IO) {
        // One load through one view, and no loop for a single item. Together this saves 50 ns of 7,700, as an exit leaves caches cold.
        const access = words[IO_ACCESS]!
        if (access >>> 16 !== port) {
          port = access >>> 16
          device = ports.at(port)
        }
        const size = (access >>> 8) & 0xff
        const isWrite = (access & 0xff) === KVM_EXIT_IO_OUT
        const start = words[IO_DATA_OFFSET]!
        const count = words[IO_COUNT]!
        if (count === 1) isAnswered = transfer(device, port, size, start, isWrite)
        else {
          const end = start + size * count
          for (let at = start; at < end && isAnswered; at += size)
            isAnswered = transfer(device, port, size, at, isWrite)
        }
      } else if (reason === KVM_EXIT_MMIO) {
        const address = words[MMIO_ADDRESS]! + words[MMIO_ADDRESS + 1]! * 2 ** 32
        const isWrite = bytes[MMIO_IS_WRITE] !== 0
        isAnswered = transfer(mmio.at(address), address, words[MMIO_LENGTH]!, MMIO_DATA, isWrite)
      } else if (reason === KVM_EXIT_HLT) return { kind: 'halted' }
      else isAnswered = reason === KVM_EXIT_INTR
      if (!isAnswered) return { kind: 'failed', failure: unanswered(page, reason) }
      mailbox.flush()
    }
    if (ending.now !== null) return ending.now
  }
}

function unanswered(page: ArrayBuffer, reason: number): Failure {
  return { kind: 'exit', reason: exitName(reason), text: explainExit(reason, new DataView(page)) }
}

/** Moves one item from the run page to a device, or the other way. No allocation: one buffer for each length. */
function transferrer(bytes: Uint8Array) {
  const buffers = Array.from({ length: 9 }, (_, size) => new Uint8Array(size))
  /** @returns whether the device takes it */
  return (device: Device | undefined, address: number, size: number, at: number, isWrite: boolean): boolean => {
    if (device === undefined) return false
    const data = buffers[size]!
    if (isWrite) {
      if (device.write === undefined) return false
      for (let i = 0; i < size; i++) data[i] = bytes[at + i]!
      device.write(address, data)
    } else {
      if (device.read === undefined) return false
      device.read(address, data)
      for (let i = 0; i < size; i++) bytes[at + i] = data[i]!
    }
    return true
  }
}
