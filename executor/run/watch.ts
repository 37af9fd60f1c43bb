/** Looks at the vCPU threads again and again while they run, and tells what was seen. */

import { formatCpulist } from '../../src/cpulist.js'
import type { Finding } from '../../src/errors.js'
import type { Backend, Plan, PlanVcpu, RunVcpu } from '../../src/types.js'
import { exitName } from '../abi/kvm.js'
import { observeThread, type ThreadState } from '../observe/observe.js'
import { vcpuFindings } from '../plan/findings.js'
import type { Placement } from '../vm/placement.js'
import type { VcpuBlock } from '../wire/shared.js'

/** How far a run is. */
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
  readonly placement: Placement
  /** In its VM. */
  readonly index: number
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
  #looks = 0

  /**
   * To be made when every thread is ready, before they go.
   * @param plan what they are held against; a VM of it that is not among `placements` is left out
   */
  constructor(plan: Plan, placements: readonly Placement[]) {
    this.#vcpus = placements.flatMap((placement) => {
      const vm = plan.vms.find(({ name }) => name === placement.name)
      return (vm?.vcpus ?? []).map((planned, index): Watched => {
        const tid = placement.tid(index)
        const before = observeThread(tid)
        const latest = { state: before, exits: [], progress: 0 }
        const block = placement.block(index)
        const seen = { affinities: new Set<string>(), lastCpus: new Set<number>() }
        return { vm: placement.name, planned, placement, index, block, tid, before, latest, ...seen }
      })
    })
  }

  /** At those that run: a thread that has ended works for others. */
  look(): void {
    this.#looks++
    for (const vcpu of this.#vcpus) {
      if (vcpu.placement.tid(vcpu.index) !== vcpu.tid) continue
      const state = observeThread(vcpu.tid)
      vcpu.affinities.add(formatCpulist(state.affinity))
      vcpu.lastCpus.add(state.lastCpu)
      vcpu.latest = { state, exits: [...vcpu.block.exits], progress: vcpu.block.progress[0]! }
    }
  }

  /** How often was looked. */
  get looks(): number {
    return this.#looks
  }

  /** As of the last look, whether each vCPU whose thread still runs has done something. */
  allProgressed(): boolean {
    return this.#vcpus.every(
      ({ placement, index, tid, latest }) =>
        (latest.progress > 0 && sum(latest.exits) > 0) || placement.tid(index) !== tid,
    )
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
        migrations: migrationsOf(before, latest.state),
      }
    })
  }

  /**
   * What differed from the plan in any look.
   * @param without names of VMs that have failed: of them there is nothing to say
   */
  findings(without: ReadonlySet<string>): Finding[] {
    return this.#vcpus
      .filter(({ vm }) => !without.has(vm))
      .flatMap(({ vm, planned, before, latest, affinities, lastCpus }) =>
        vcpuFindings({
          vm,
          vcpu: planned.vcpu,
          planned: planned.cpus,
          affinities: [...affinities],
          lastCpus: [...lastCpus],
          migrations: migrationsOf(before, latest.state),
          progress: latest.progress,
        }),
      )
  }
}

function migrationsOf(before: ThreadState, after: ThreadState): number | null {
  return before.migrations === null || after.migrations === null ? null : after.migrations - before.migrations
}

function reasonsOf(backend: Backend, exits: readonly number[]): Record<string, number> {
  const named = exits.map((count, reason): [string, number] => [backend === 'kvm' ? exitName(reason) : 'walk', count])
  return Object.fromEntries(named.filter(([, count]) => count > 0))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0)
}
