/** CPUs that the dedicated vCPUs of a run have to themselves, for its time. */

import { type Finding, SyscallError, UnsupportedError } from '../../src/errors.js'
import type { PartitionKind, RunPartition } from '../../src/types.js'
import { checkPartition, makePartition, planPartition, removePartition } from '../cpusets/partition.js'
import type { PartitionState } from '../cpusets/state.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import type { Placement } from '../vm/placement.js'

interface Member {
  readonly tid: number
  readonly cpus: string
  /** Whether it is its vCPU's thread. */
  isVcpu(): boolean
}

export class ExclusiveCpus {
  readonly #kind: PartitionKind
  readonly #relaxed: boolean
  /** Where this process may run, and so its threads that are nobody's. */
  readonly #own = getAffinity(process.pid)
  readonly #findings: Finding[] = []
  #members: readonly Member[] = []
  #state: PartitionState | null = null
  #isHeld = true
  #isOver = false
  readonly #atExit = () => this.release()

  /** @param relaxed whether it is a finding rather than an error where it cannot be done */
  constructor(kind: PartitionKind, relaxed: boolean) {
    this.#kind = kind
    this.#relaxed = relaxed
  }

  /**
   * When every thread is ready, before they go.
   * @throws {UnsupportedError} where the hierarchy of cgroups does not allow it, and why
   */
  take(placements: readonly Placement[]): void {
    this.#members = placements.flatMap((vm) =>
      vm.plan.vcpus.flatMap(({ dedicated, cpus }, index) => {
        const tid = vm.tid(index)
        return dedicated ? [{ tid, cpus, isVcpu: () => vm.tid(index) === tid }] : []
      }),
    )
    try {
      this.#make()
    } catch (error) {
      if (!this.#relaxed || !(error instanceof UnsupportedError)) throw error
      this.#findings.push({ constraint: 'refused', text: error.message })
    }
  }

  #make(): void {
    if (this.#members.length === 0) throw new UnsupportedError('exclusive CPUs', 'the plan has no dedicated vCPU')
    const state = planPartition({ pid: process.pid, threads: this.#members }, this.#kind)
    if ('why' in state) throw new UnsupportedError('exclusive CPUs', state.why)
    makePartition(state)
    this.#state = state
    process.once('exit', this.#atExit)
  }

  /** Whether it still holds. */
  look(): void {
    const why = this.#state === null || !this.#isHeld ? null : checkPartition(this.#state)
    if (why === null) return
    this.#isHeld = false
    this.#findings.push({ constraint: 'partition', text: `the vCPUs did not have their CPUs to themselves: ${why}` })
  }

  /** Undoes it; again: nothing. */
  release(): void {
    if (this.#state === null || this.#isOver) return
    this.#isOver = true
    process.off('exit', this.#atExit)
    const failed = removePartition(this.#state)
    this.#findings.push(...failed.map((text) => ({ constraint: 'partition', text: `not undone: ${text}` })))
    // One that has been given back meanwhile got the partition's CPUs alone.
    for (const { tid } of this.#members.filter((member) => !member.isVcpu())) this.#free(tid)
  }

  #free(tid: number): void {
    try {
      setAffinity(tid, this.#own)
    } catch (error) {
      // It has ended.
      if (!(error instanceof SyscallError)) throw error
    }
  }

  /** What went otherwise. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** For the report; nothing where there was no partition. */
  report(): { readonly partition?: RunPartition } {
    if (this.#state === null) return {}
    const { cpus, kind, directory } = this.#state
    return { partition: { cpus, kind, cgroup: directory, held: this.#isHeld } }
  }
}
