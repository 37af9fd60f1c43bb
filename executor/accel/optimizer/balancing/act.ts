/** What was decided, done: vCPUs get their CPUs, memory goes to its node, each read back by the call that does it. */

import { parseCpulist } from '../../../../src/cpulist.js'
import type { CpuId, NodeId, VerifiedPlan } from '../../../../src/types.js'
import { VmStateError } from '../../../vm/vm-state.js'
import type { GuestNow, MovablePart, VcpuNow } from './guest.js'
import type { BalancingAction } from './types.js'

/** An action, the keys of guests that it has changed, and how to take it back. */
export interface Acted {
  readonly action: BalancingAction
  readonly keys: readonly string[]
  readonly trace: Trace
}

/** What an action has set. */
export interface Trace {
  /** Guests by their names in the round, as they were before. */
  readonly guests: Named
  /** CPUs that vCPUs got. */
  readonly pinned: ReadonlyMap<VcpuNow, readonly CpuId[]>
  /** Where parts went. */
  readonly brought: ReadonlyMap<MovablePart, Way>
}

interface Way {
  readonly to: NodeId
  /** It has failed on the way: its pages may be anywhere. */
  readonly isScattered: boolean
}

type Named = ReadonlyMap<string, GuestNow>

/** Carries out a plan of guests that are as they were looked at. Where something fails in the middle, what was done is taken back. */
export async function move(plan: VerifiedPlan, guests: Named): Promise<Acted> {
  const meant = new Map(plan.vms.map(({ name }) => [name, guests.get(name)!]))
  const work = new Work('move', meant)
  try {
    for (const { vm, cell, vcpus, memory } of plan.moves ?? []) {
      const now = meant.get(vm)!
      await work.on(now, async () => {
        for (const { vcpu, cpus } of vcpus) work.pin(now, now.vcpus[vcpu]!, parseCpulist(cpus))
        // A cell does not span nodes.
        const to = memory[0]?.node
        if (to === undefined) return
        for (const part of now.parts) if (part.cell === cell) await work.bring(now, part, to)
      })
    }
    // Those that float over CPUs of the same node have no move of their own.
    for (const { name, vcpus } of plan.vms) {
      const now = meant.get(name)!
      await work.on(now, async () => {
        for (const { vcpu, cpus } of vcpus) work.pin(now, now.vcpus[vcpu]!, parseCpulist(cpus))
      })
    }
    return work.result()
  } catch (error) {
    const { action } = await takeBack(work.trace)
    return work.result(action.result === 'done' ? 'failed' : 'partial', [messageOf(error), ...action.why])
  }
}

/** Brings back what an action has set, where it is still so: what somebody else has set since then stays. */
export async function takeBack({ guests, pinned, brought }: Trace): Promise<Acted> {
  const work = new Work('undo', guests)
  const why: string[] = []
  for (const now of guests.values()) {
    const each = async (step: () => unknown) => {
      try {
        await work.on(now, async () => void (await step()))
      } catch (error) {
        why.push(messageOf(error))
      }
    }
    for (const vcpu of now.vcpus) {
      await each(() => {
        if (isSame(pinned.get(vcpu), now.guest.accel.getVcpuAffinity(vcpu.id))) work.pin(now, vcpu, vcpu.cpus)
      })
    }
    for (const part of now.parts) {
      const way = brought.get(part)
      if (way === undefined) continue
      const { to, isScattered } = way
      await each(async () => {
        const isThere = part.nodeNow() === to || (isScattered && part.nodeNow() === part.node)
        if (isThere) await work.bring(now, part, part.node, isScattered)
      })
    }
  }
  return work.result(why.length === 0 ? undefined : 'partial', why)
}

/** Nothing is tried. */
export function notTried(guests: readonly string[]): Acted {
  const action: BalancingAction = { kind: 'move', result: 'dry', guests, bytes: 0, seconds: 0, why: [] }
  return { action, keys: [], trace: NOTHING }
}

/** Of what was not tried. */
export const NOTHING: Trace = { guests: new Map(), pinned: new Map(), brought: new Map() }

class Work {
  readonly #began = performance.now()
  readonly #kind: BalancingAction['kind']
  readonly #guests: Named
  readonly #changed = new Set<string>()
  readonly #pinned = new Map<VcpuNow, readonly CpuId[]>()
  readonly #brought = new Map<MovablePart, Way>()
  #bytes = 0

  constructor(kind: BalancingAction['kind'], guests: Named) {
    this.#kind = kind
    this.#guests = guests
  }

  /** What fails since the guest has ended, or is being closed, is no failure: nothing of it is left to be moved. */
  async on({ guest }: GuestNow, step: () => Promise<void>): Promise<void> {
    if (guest.isOver) return
    try {
      await step()
    } catch (error) {
      if (!guest.isOver && !(error instanceof VmStateError)) throw error
    }
  }

  /** A vCPU that was bound to a node is bound to the one that it is on then. */
  pin({ guest }: GuestNow, vcpu: VcpuNow, cpus: readonly CpuId[]): void {
    const { accel } = guest
    const { id, bound } = vcpu
    if (isSame(accel.getVcpuAffinity(id), cpus)) return
    if (!accel.setVcpuAffinity(id, cpus).enforced) return
    this.#changed.add(guest.key)
    this.#pinned.set(vcpu, cpus)
    if (bound === undefined) return
    const [node, ...others] = new Set(cpus.map((cpu) => accel.topology.cpuToNode.get(cpu)))
    const isOne = node !== undefined && others.length === 0
    if (isOne && accel.numaConfig().nodeIds.includes(node)) accel.bindVcpuToNumaNode(id, node)
  }

  async bring({ guest }: GuestNow, part: MovablePart, to: NodeId, isScattered = false): Promise<void> {
    if (part.nodeNow() === to && !isScattered) return
    // Some of it may be there when it fails.
    this.#changed.add(guest.key)
    this.#brought.set(part, { to, isScattered: true })
    await part.moveTo(to)
    this.#brought.set(part, { to, isScattered: false })
    this.#bytes += part.bytes
  }

  get trace(): Trace {
    return { guests: this.#guests, pinned: this.#pinned, brought: this.#brought }
  }

  /** @param result what became of it; without it, all has been done that there was to do */
  result(result?: 'failed' | 'partial', why: readonly string[] = []): Acted {
    return {
      action: {
        kind: this.#kind,
        // Where there was nothing to take back any more, all of it is.
        result: result ?? (this.#changed.size > 0 || this.#kind === 'undo' ? 'done' : 'dry'),
        guests: [...this.#guests.keys()],
        bytes: this.#bytes,
        seconds: (performance.now() - this.#began) / 1000,
        why,
      },
      keys: [...this.#changed],
      trace: this.trace,
    }
  }
}

function isSame(some: readonly CpuId[] | undefined, others: readonly CpuId[]): boolean {
  return `${some}` === `${others}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
