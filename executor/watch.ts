/** Looks at the vCPU threads again and again while they run, and tells what was seen. */

import { formatCpulist } from '../src/cpulist.js'
import type { Finding } from '../src/errors.js'
import type { Backend, Plan, PlanVcpu, RunVcpu } from '../src/types.js'
import { exitName } from './abi/kvm.js'
import { vcpuFindings } from './findings.js'
import { observeThread, type ThreadState } from './observe.js'
import type { VcpuPool } from './pool.js'
import { TID, type VcpuBlock } from './shared.js'

export interface RunProgress {
  /** Since the vCPUs started. */
  readonly seconds: number
  /** In the order of the plan. */
  readonly vcpus: readonly {
    readonly vm: string
    readonly vcpu: number
    /** The thread that runs it, as in /proc/self/task. */
    readonly tid: number
    readonly exits: number
    readonly lastCpu: number
  }[]
}

interface Watched {
  readonly vm: string
  readonly planned: PlanVcpu
  readonly block: VcpuBlock
  readonly tid: number
  /** Before it started. */
  readonly before: ThreadState
  readonly affinities: Set<string>
  readonly lastCpus: Set<number>
  latest: { readonly state: ThreadState; readonly exits: readonly number[]; readonly progress: number }
}

export class Watch {
  readonly #vcpus: readonly Watched[]

  /** To be made when every thread is ready, before they go. The pool's threads are in the order of the plan's vCPUs. */
  constructor(plan: Plan, pool: VcpuPool) {
    const planned = plan.vms.flatMap((vm) => vm.vcpus.map((vcpu) => ({ vm: vm.name, planned: vcpu })))
    this.#vcpus = planned.map((vcpu, index): Watched => {
      const block = pool.block(index)
      const tid = Atomics.load(block.control, TID)
      const before = observeThread(tid)
      const latest = { state: before, exits: [], progress: 0 }
      return { ...vcpu, block, tid, before, latest, affinities: new Set(), lastCpus: new Set() }
    })
  }

  /** @throws {SyscallError} for a thread that is gone */
  look(): void {
    for (const vcpu of this.#vcpus) {
      const state = observeThread(vcpu.tid)
      vcpu.affinities.add(formatCpulist(state.affinity))
      vcpu.lastCpus.add(state.lastCpu)
      vcpu.latest = { state, exits: [...vcpu.block.exits], progress: vcpu.block.progress[0]! }
    }
  }

  /** As of the last look. */
  progress(seconds: number): RunProgress {
    return {
      seconds,
      vcpus: this.#vcpus.map(({ vm, planned, tid, latest }) => ({
        vm,
        vcpu: planned.vcpu,
        tid,
        exits: sum(latest.exits),
        lastCpu: latest.state.lastCpu,
      })),
    }
  }

  /** The report's rows, as of the last look. */
  rows(backend: Backend, seconds: number): RunVcpu[] {
    return this.#vcpus.map(({ vm, planned, before, latest }) => {
      const exits = sum(latest.exits)
      return {
        vm,
        vcpu: planned.vcpu,
        planned: planned.cpus,
        affinity: formatCpulist(latest.state.affinity),
        lastCpu: latest.state.lastCpu,
        exits,
        exitsPerSecond: Math.round(exits / seconds),
        exitReasons: reasonsOf(backend, latest.exits),
        runDelayNs: latest.state.runDelayNs - before.runDelayNs,
      }
    })
  }

  /** What differed from the plan in any look. */
  findings(): Finding[] {
    return this.#vcpus.flatMap(({ vm, planned, latest, affinities, lastCpus }) =>
      vcpuFindings({
        vm,
        vcpu: planned.vcpu,
        planned: planned.cpus,
        affinities: [...affinities],
        lastCpus: [...lastCpus],
        progress: latest.progress,
      }),
    )
  }
}

function reasonsOf(backend: Backend, exits: readonly number[]): Record<string, number> {
  const named = exits.map((count, reason): [string, number] => [backend === 'kvm' ? exitName(reason) : 'walk', count])
  return Object.fromEntries(named.filter(([, count]) => count > 0))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}
