/** What the vCPUs of a VM have done so far, read while they run. */

import { SyscallError } from '../../src/errors.js'
import { exitName } from '../abi/kvm.js'
import { ENOTTY, ESRCH } from '../abi/linux.js'
import { closeAll } from '../ffi/close.js'
import { observeThread, type ThreadState } from '../observe/observe.js'
import { KvmStats, type KvmValues } from '../observe/stats.js'
import type { VcpuBlock } from '../wire/shared.js'

/** Of one vCPU, since it began to run: two samples make rates. */
export interface VcpuSample {
  /** Its number in the plan. */
  readonly vcpu: number
  /** Of the clock that `performance.now()` reads. */
  readonly atMs: number
  /** What the kernel says about its thread; `null` while it has none. */
  readonly thread: ThreadState | null
  /** Exits to the executor by reason (`io`, `mmio`, `hlt`, ...); those that KVM answers itself are in `kvm`. */
  readonly exits: Readonly<Record<string, number>>
  /** KVM's own statistics by name; `null` where the kernel has none (before Linux 5.14). */
  readonly kvm: KvmValues | null
}

export interface SampledVcpu {
  readonly vcpu: number
  /** KVM's descriptor. */
  readonly fd: number
  readonly block: VcpuBlock
  /** 0: it has no thread. */
  readonly tid: () => number
}

/**
 * Owns the descriptors of the statistics. They have to be open before the vCPUs run: KVM_GET_STATS_FD waits for a vCPU that is
 * in the guest, for as long as it stays there.
 */
export class Sampler implements Disposable {
  readonly #vcpus: readonly SampledVcpu[]
  #stats: readonly KvmStats[] | null | undefined

  constructor(vcpus: readonly SampledVcpu[]) {
    this.#vcpus = vcpus
  }

  /** Before the vCPUs run. Once it is done, nothing more. */
  open(): void {
    // `null` is remembered: the kernel has none.
    if (this.#stats === undefined) this.#stats = this.#openAll()
  }

  /** In the order of the VM's vCPUs. About 60 us each, and nothing that its thread would wait for. */
  sample(): VcpuSample[] {
    this.open()
    return this.#vcpus.map(({ vcpu, block, tid }, i) => ({
      vcpu,
      atMs: performance.now(),
      thread: threadState(tid()),
      exits: exitCounts(block),
      kvm: this.#stats?.[i]?.read() ?? null,
    }))
  }

  #openAll(): KvmStats[] | null {
    const stats: KvmStats[] = []
    try {
      for (const { fd } of this.#vcpus) stats.push(KvmStats.open(fd))
      return stats
    } catch (error) {
      closeAll(stats)
      if (error instanceof SyscallError && error.errno === ENOTTY) return null
      throw error
    }
  }

  close(): void {
    closeAll(this.#stats ?? [])
    this.#stats = null
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** `null` for a thread that is gone, or goes meanwhile. */
function threadState(tid: number): ThreadState | null {
  if (tid === 0) return null
  try {
    return observeThread(tid)
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ESRCH) return null
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH')
      return null
    throw error
  }
}

/** Of a guest's block, by the names of the reasons. */
export function exitCounts({ exits }: VcpuBlock): Record<string, number> {
  const named = [...exits].map((count, reason): [string, number] => [exitName(reason), count])
  return Object.fromEntries(named.filter(([, count]) => count > 0))
}
