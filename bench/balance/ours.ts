/** `homenode balance` on the simulated host: its decision code, and the planner. */

import { Balancer } from '../../executor/balance/balancer.js'
import type { SettingsInput } from '../../executor/balance/settings.js'
import type { Round } from '../../executor/balance/types.js'
import { Planner } from '../../src/planner/index.js'
import type { PlanVm } from '../../src/types.js'
import { type Balancing, COPY_BYTES_PER_SECOND, type Deed, NOTHING, type Placed, type World } from './world.js'

const MS = 1000
const MINUTE = 60 * MS
const PLANNER_STEPS = 100
/** A round is a minute here, as long as six rounds of the command's interval: what pays in one of them has paid for long enough. */
const PATIENCE = 1

export interface OursOptions {
  readonly settings?: SettingsInput
  /** Is told each round. */
  readonly log?: (round: Round) => void
  /** VMs that may not move, with the reason. */
  readonly mayNot?: (name: string) => string | null
}

export async function homenodeBalance({
  settings = {},
  log,
  mayNot = () => null,
}: OursOptions = {}): Promise<Balancing> {
  const planner = await Planner.load()
  const balancer = new Balancer({ copyBytesPerSecond: COPY_BYTES_PER_SECOND, patience: PATIENCE, ...settings })
  const { horizon, copyBytesPerSecond } = balancer.settings
  return {
    async minute(world) {
      const at = (world.minute + 1) * MINUTE
      observe(balancer, world, at)
      const demands = balancer.demands()
      const request = world.request((placed) => demands.get(placed.vm.name)?.demand ?? 0.01, {
        horizonSeconds: horizon,
        copyBytesPerSecond,
      })
      const { host } = world.fleet
      const vms = world.vms.map(({ vm }) => ({ key: vm.name, name: vm.name, mayNot: mayNot(vm.name), maxBytes: null }))
      const situation = { at, host, request, residents: world.residents(), vms }
      const { round, plan } = await balancer.decide(situation, async () => {
        return { plan: planner.plan(host, request, { steps: PLANNER_STEPS }), kept: [] }
      })
      log?.(round)
      if (plan === null) {
        if (round.decision === 'undo')
          throw new Error(`round ${round.round}: ${round.why}; the simulated moves cannot be undone`)
        return NOTHING
      }
      const deed = carryOut(world, plan.vms)
      const { bytes, moved } = deed
      balancer.acted({ at, decision: 'act', round: round.round, result: 'done', bytes, moved, undo: null })
      return deed
    },
  }
}

function observe(balancer: Balancer, world: World, at: number): void {
  const short = world.shortfall()
  balancer.observe({
    at,
    interval: MINUTE,
    pressure: { cpu: null, memory: null },
    vms: world.vms.map((placed) => {
      const want = world.want(placed)
      const vcpus = placed.cpus.map((list) => ({ use: want * (1 - short(list)), delay: want * short(list) }))
      return { key: placed.vm.name, name: placed.vm.name, vcpus }
    }),
  })
}

/** As the plan has them; by the model all vCPUs of a VM stand still while it is copied. */
function carryOut(world: World, vms: readonly PlanVm[]): Deed {
  const deeds = vms.map((vm) => {
    const placed = world.placed.get(vm.name)!
    const next = new Map<number, number>()
    for (const { node, bytes } of vm.cells.flatMap(({ memory }) => memory))
      next.set(node, (next.get(node) ?? 0) + bytes)
    const bytes = arriving(placed, next)
    placed.cpus = vm.vcpus.map(({ cpus }) => cpus)
    placed.memory = next
    return { bytes, vcpuSeconds: (bytes / COPY_BYTES_PER_SECOND) * vm.vcpus.length }
  })
  return {
    bytes: deeds.reduce((sum, deed) => sum + deed.bytes, 0),
    vcpuSeconds: deeds.reduce((sum, deed) => sum + deed.vcpuSeconds, 0),
    moved: vms.map(({ name }) => name),
  }
}

function arriving({ memory }: Placed, next: ReadonlyMap<number, number>): number {
  return [...next].reduce((sum, [node, bytes]) => sum + Math.max(0, bytes - (memory.get(node) ?? 0)), 0)
}
