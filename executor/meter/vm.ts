/** The counters of one VM. */

import type { Files } from '../found/files.js'
import type { Mount } from '../found/procfs.js'
import type { FoundVm } from '../found/types.js'
import type { Known } from './census.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { type KvmRead, type KvmSource, kvmSourceOf } from './kvm.js'
import { parseStatCounters, type StatCounters } from './parse.js'
import { ThreadMeter } from './threads.js'
import type { KvmCounters, KvmReading, MemoryReading, VmReading } from './types.js'

/** Where the files are. */
export interface Places {
  readonly files: Files
  readonly kept: KeptFiles
  readonly mounts: readonly Mount[]
}

interface KvmAt extends KvmRead {
  readonly at: number
}

/** A VM whose files stay open. */
export class VmMeter {
  readonly vm: FoundVm
  readonly #stat: KeptFile
  readonly #threads: readonly ThreadMeter[]
  readonly #kvm: KvmSource | 'refused' | null
  #process: StatCounters | null = null
  #kvmNow: KvmAt | null = null
  #kvmBefore: KvmAt | null = null

  private constructor({ kept }: Places, vm: FoundVm, kvm: KvmSource | 'refused' | null) {
    this.vm = vm
    this.#stat = kept.file(`/proc/${vm.pid}/stat`)
    this.#threads = vm.vcpus.map((vcpu) => new ThreadMeter(kept, vm.pid, vcpu))
    this.#kvm = kvm
  }

  static async open(places: Places, vm: FoundVm): Promise<VmMeter> {
    const { pid, vcpus, iothreads, emulator, unknownThreads } = vm
    const tids = [...vcpus, ...iothreads, ...emulator, ...unknownThreads].map(({ tid }) => tid)
    const emulates = vm.accelerator?.value === 'tcg'
    return new VmMeter(places, vm, emulates ? null : await kvmSourceOf(places.files, { pid, tids }, places.mounts))
  }

  /** Whether this process may not look at KVM's counters. */
  get isKvmRefused(): boolean {
    return this.#kvm === 'refused'
  }

  /** Of the process, when `known` was last called. */
  get residentPages(): number {
    return this.#process?.residentPages ?? 0
  }

  /** What the process has now. */
  known(): Known {
    const stat = parseStatCounters(this.#stat.text() ?? '')
    this.#process = stat?.startTime === this.vm.startTime ? stat : null
    return { vm: this.vm, threads: this.#process?.threads ?? null }
  }

  /**
   * @param memory what is known of its memory
   * @param kvm whether KVM's counters are read anew
   */
  read(memory: MemoryReading | null, kvm: boolean): VmReading {
    if (kvm) this.#readKvm()
    const [now, before] = [this.#kvmNow, this.#kvmBefore]
    const kvmOf = (counters: (read: KvmRead) => KvmCounters | undefined): KvmReading | null => {
      const own = now === null ? undefined : counters(now)
      const old = before === null ? undefined : counters(before)
      if (now === null || own === undefined) return null
      return {
        at: now.at,
        counters: own,
        before: before === null || old === undefined ? null : { at: before.at, counters: old },
      }
    }
    return {
      vm: this.vm,
      threads: this.#threads.flatMap((thread) => {
        const counters = thread.read()
        if (counters === null) return []
        return [{ ...counters, kvm: kvmOf(({ byVcpu }) => byVcpu.get(thread.vcpu)) }]
      }),
      processNs: this.#process?.ranNs ?? null,
      memory,
      kvm: kvmOf(({ sum }) => sum),
    }
  }

  #readKvm(): void {
    if (this.#kvm === null || this.#kvm === 'refused') return
    const read = this.#kvm.read()
    this.#kvmBefore = read === null ? null : this.#kvmNow
    this.#kvmNow = read === null ? null : { ...read, at: performance.now() }
  }

  close(): void {
    for (const closable of [this.#stat, ...this.#threads]) closable.close()
    if (this.#kvm !== null && this.#kvm !== 'refused') this.#kvm.close()
  }
}
