/** The counters of one VM. */

import type { Files } from '../found/files.js'
import type { Mount } from '../found/procfs.js'
import type { FoundVm } from '../found/types.js'
import type { Known } from './census.js'
import type { KeptFile, KeptFiles } from './kept-files.js'
import { type KvmSource, kvmSourceOf } from './kvm.js'
import { parseStatCounters, type StatCounters } from './parse.js'
import { follow } from './rationed.js'
import { ThreadMeter } from './threads.js'
import type { MemoryReading, VmReading } from './types.js'

/** Where the files are. */
export interface Places {
  readonly files: Files
  readonly kept: KeptFiles
  readonly mounts: readonly Mount[]
}

/** A VM whose files stay open. */
export class VmMeter {
  readonly vm: FoundVm
  readonly #stat: KeptFile
  readonly #threads: readonly ThreadMeter[]
  readonly #kvm: KvmSource | 'refused' | null
  #process: StatCounters | null = null
  #counters: VmReading['kvm'] = null
  #detailsAt = Number.NEGATIVE_INFINITY

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
    const kvm = emulates ? null : await kvmSourceOf(places.files, { pid, tids }, places.mounts)
    const meter = new VmMeter(places, vm, kvm)
    meter.readDetails()
    return meter
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

  /** When its details were last read. */
  get detailsAt(): number {
    return this.#detailsAt
  }

  /** What is dear: for a vCPU ten times as much as the rest. */
  readDetails(): void {
    this.#detailsAt = performance.now()
    const kvm = this.#kvm === null || this.#kvm === 'refused' ? null : this.#kvm.read()
    this.#counters = kvm === null ? null : follow(this.#counters, kvm.sum)
    for (const thread of this.#threads) thread.readDetails(kvm?.byVcpu.get(thread.vcpu) ?? null)
  }

  /** @param memory what is known of its memory */
  read(memory: MemoryReading | null): VmReading {
    return {
      vm: this.vm,
      threads: this.#threads.flatMap((thread) => thread.read() ?? []),
      processNs: this.#process?.ranNs ?? null,
      memory,
      kvm: this.#counters,
    }
  }

  close(): void {
    for (const closable of [this.#stat, ...this.#threads]) closable.close()
    if (this.#kvm !== null && this.#kvm !== 'refused') this.#kvm.close()
  }
}
