/**
 * KVM's own statistics of a VM or of a vCPU, by name: exits of every kind, halt polls, injected interrupts, pages by size, ...
 * Which there are is the kernel's affair, and it says so itself. They can be read while the guest runs.
 * Source: https://docs.kernel.org/virt/kvm/api.html, KVM_GET_STATS_FD
 */

import { readSync } from 'node:fs'
import { InputError, show } from '../../src/errors.js'
import * as abi from '../abi/kvm-stats.js'
import { closeFd, ioctl, OwnedFd } from '../ffi/files.js'

const KINDS = {
  [abi.KVM_STATS_TYPE_CUMULATIVE]: 'cumulative',
  [abi.KVM_STATS_TYPE_INSTANT]: 'instant',
  [abi.KVM_STATS_TYPE_PEAK]: 'peak',
  [abi.KVM_STATS_TYPE_LINEAR_HIST]: 'linear histogram',
  [abi.KVM_STATS_TYPE_LOG_HIST]: 'logarithmic histogram',
} as const
const UNITS = {
  [abi.KVM_STATS_UNIT_NONE]: 'none',
  [abi.KVM_STATS_UNIT_BYTES]: 'bytes',
  [abi.KVM_STATS_UNIT_SECONDS]: 'seconds',
  [abi.KVM_STATS_UNIT_CYCLES]: 'cycles',
  [abi.KVM_STATS_UNIT_BOOLEAN]: 'boolean',
} as const

/** What one of the statistics is. */
export interface KvmStatistic {
  /** E.g. `exits`, `halt_wait_ns`. */
  readonly name: string
  /** `unknown`: newer than this program. */
  readonly kind: (typeof KINDS)[keyof typeof KINDS] | 'unknown'
  /** Of a value multiplied by `scale`; `none` for a number of events. */
  readonly unit: (typeof UNITS)[keyof typeof UNITS] | 'unknown'
  /** E.g. 1e-9 where the unit is seconds and values are nanoseconds. */
  readonly scale: number
  /** Width of each bucket of a linear histogram. */
  readonly bucketSize: number
}

/** A number; a row of numbers where the statistic is a histogram. Exact up to 2^53. */
export type KvmValues = Readonly<Record<string, number | readonly number[]>>

interface Placed extends KvmStatistic {
  /** In the block of values. */
  readonly offset: number
  readonly count: number
}

/** The descriptor of the statistics of a VM or of a vCPU; it stays good when that one's own is closed. */
export class KvmStats extends OwnedFd {
  /** Those that this kernel has. */
  readonly statistics: readonly KvmStatistic[]
  readonly #placed: readonly Placed[]
  readonly #dataOffset: number
  readonly #data: DataView<ArrayBuffer>

  private constructor(fd: number, like?: KvmStats) {
    super(fd)
    if (like !== undefined) {
      this.statistics = like.statistics
      this.#placed = like.#placed
      this.#dataOffset = like.#dataOffset
      this.#data = like.#data
      return
    }
    const header = readAt(fd, 0, abi.kvm_stats_header.size)
    const nameBytes = header.getUint32(abi.kvm_stats_header.name_size, true)
    const count = header.getUint32(abi.kvm_stats_header.num_desc, true)
    const stride = abi.kvm_stats_desc.size + nameBytes
    const table = readAt(fd, header.getUint32(abi.kvm_stats_header.desc_offset, true), count * stride)
    this.#placed = Array.from({ length: count }, (_, i) => describe(table, i * stride, nameBytes))
    this.statistics = this.#placed.map(({ offset: _offset, count: _count, ...statistic }) => statistic)
    this.#dataOffset = header.getUint32(abi.kvm_stats_header.data_offset, true)
    this.#data = new DataView(new ArrayBuffer(Math.max(0, ...this.#placed.map((one) => one.offset + 8 * one.count))))
  }

  /**
   * @param owner descriptor of a VM or of a vCPU
   * @throws {SyscallError} ENOTTY where the kernel is older than 5.14
   */
  static open(owner: number): KvmStats {
    if (!Number.isInteger(owner)) throw new InputError('owner', 'the number of a descriptor', show(owner))
    const fd = ioctl(owner, 'KVM_GET_STATS_FD', abi.KVM_GET_STATS_FD, 0, {
      ENOTTY: 'this kernel has no such statistics; Linux 5.14 or later is needed',
    })
    return KvmStats.of(fd)
  }

  /**
   * Takes over a descriptor of statistics, as another process has one.
   * @param like of the same kind (of a VM, or of a vCPU) on this system: what there is need not be read again
   * @throws where it is no such descriptor; it is closed then
   */
  static of(fd: number, like?: KvmStats): KvmStats {
    try {
      return new KvmStats(fd, like)
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }

  /** As of now, since the VM or the vCPU was made. */
  read(): KvmValues {
    readInto(this.fd, this.#dataOffset, this.#data)
    return Object.fromEntries(
      this.#placed.map(({ name, offset, count }) => {
        const values = Array.from({ length: count }, (_, i) => this.#valueAt(offset + 8 * i))
        return [name, count === 1 ? values[0]! : values]
      }),
    )
  }

  #valueAt(offset: number): number {
    return this.#data.getUint32(offset, true) + this.#data.getUint32(offset + 4, true) * 2 ** 32
  }
}

function describe(table: DataView<ArrayBuffer>, at: number, nameBytes: number): Placed {
  const flags = table.getUint32(at + abi.kvm_stats_desc.flags, true)
  const kind = (flags & abi.KVM_STATS_TYPE_MASK) as keyof typeof KINDS
  const unit = (flags & abi.KVM_STATS_UNIT_MASK) as keyof typeof UNITS
  const base = (flags & abi.KVM_STATS_BASE_MASK) === abi.KVM_STATS_BASE_POW2 ? 2 : 10
  const name = Buffer.from(table.buffer, at + abi.kvm_stats_desc.size, nameBytes)
  return {
    name: name.toString('latin1').replace(/\0.*$/s, ''),
    kind: KINDS[kind] ?? 'unknown',
    unit: UNITS[unit] ?? 'unknown',
    scale: base ** table.getInt16(at + abi.kvm_stats_desc.exponent, true),
    bucketSize: table.getUint32(at + abi.kvm_stats_desc.bucket_size, true),
    offset: table.getUint32(at + abi.kvm_stats_desc.offset, true),
    count: table.getUint16(at + abi.kvm_stats_desc.size_, true),
  }
}

function readAt(fd: number, position: number, bytes: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(bytes))
  readInto(fd, position, view)
  return view
}

function readInto(fd: number, position: number, view: DataView): void {
  const bytes = readSync(fd, view, 0, view.byteLength, position)
  if (bytes < view.byteLength) throw new Error(`KVM gave ${bytes} of ${view.byteLength} bytes of statistics`)
}
