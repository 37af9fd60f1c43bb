/** Re-plans at random: from one plan to another, and from any place at all. */

import * as fc from 'fast-check'
import { orderMoves } from '../../src/planner/moves.js'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import type { CurrentPlacement, Host, Move, Plan, Spare } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { hostShape, makeHost, request } from './cases.js'

const planner = await Planner.load()

export interface Replan {
  readonly host: Host
  /** A request file's content, with `current` where there is one. */
  readonly request: object
  readonly plan: Plan & { readonly moves: readonly Move[]; readonly spare?: readonly Spare[] }
}

/** `to` planned, and the moves there from where `current` has its VMs. */
export function replan(
  host: Host,
  to: { vms: { name: string }[] },
  current: ReadonlyMap<string, CurrentPlacement>,
): Replan {
  const plan = planner.plan(host, parseRequest(to), { steps: 20 })
  const vms = to.vms.map((vm) => (current.has(vm.name) ? { ...vm, current: current.get(vm.name)! } : vm))
  const replanned = { ...to, vms }
  return { host, request: replanned, plan: { ...plan, ...orderMoves(host, parseRequest(replanned), plan) } }
}

/** What the verifier says of the moves. The plan was made without `current`, so it has not the price of the migration. */
export function checkMoves({ host, request, plan }: Replan): string[] {
  return checkPlan(host, request, plan).flatMap(({ constraint, text }) =>
    ['moves', 'format'].includes(constraint) ? [text] : [],
  )
}

const changes = fc.array(
  fc.record({
    isThere: fc.nat(5).map((number) => number > 0),
    isKept: fc.nat(5).map((number) => number > 0),
    more: fc.constantFrom(
      {},
      {},
      {},
      { cells: 'auto' },
      { threadPolicy: 'isolate' },
      { cpuPolicy: 'shared', dedicatedVcpus: undefined },
      { trust: 'ours' },
    ),
  }),
  { minLength: 6, maxLength: 6 },
)

/** From the plan of one request to that of another with other VMs, another strategy, VMs that want something else. */
export const replans = fc
  .record({
    shape: hostShape,
    input: request,
    changes,
    reversed: fc.boolean(),
    seed: fc.nat(1000),
  })
  .map(({ shape, input, changes, reversed, seed }): Replan | undefined => {
    const host = makeHost(shape)
    const named = input.vms.map((vm, at) => ({ vm, ...changes[at]! }))
    const known = (
      vms: readonly { readonly name: string; readonly near?: string[]; readonly separateFrom?: string[] }[],
    ) => {
      const names = new Set(vms.map(({ name }) => name))
      return vms.map((vm) => ({
        ...vm,
        ...(vm.near && { near: vm.near.filter((name) => names.has(name)) }),
        ...(vm.separateFrom && { separateFrom: vm.separateFrom.filter((name) => names.has(name)) }),
      }))
    }
    const before = known(named.filter(({ isThere }) => isThere).map(({ vm }) => vm))
    const after = known(named.filter(({ isKept }) => isKept).map(({ vm, more }) => ({ ...vm, ...more })))
    if (before.length === 0 || after.length === 0) return undefined
    const strategy = input.strategy === 'pack' ? 'spread' : 'pack'
    const first = { ...input, strategy, vms: reversed ? [...before].reverse() : before }
    const placed = planner.plan(host, parseRequest(first), { steps: 5, seed }).vms
    const names = new Set(after.map(({ name }) => name))
    const current = new Map(
      placed.flatMap(({ name, cells, vcpus }) => (names.has(name) ? [[name, { cells, vcpus }] as const] : [])),
    )
    if (current.size === 0) return undefined
    return replan(host, { ...input, vms: after }, current)
  })
  .filter((one) => one !== undefined)

/** Any place for each VM, whether it holds or not: VMs on top of each other, on CPUs that are reserved or not there, with too much memory. */
export function anywhere(
  { nodes, cpus }: Host,
  vms: readonly { readonly name: string; readonly vcpus: number }[],
  pick: () => number,
) {
  const node = () => nodes[pick() % nodes.length]!.id
  return new Map(
    vms.map(({ name, vcpus }): [string, CurrentPlacement] => {
      const count = 1 + (pick() % Math.min(3, vcpus))
      const cells = Array.from({ length: count }, (_, cell) => {
        const parts = new Map([[node(), 2 ** 21 * (1 + (pick() % 900))]])
        if (pick() % 4 === 0) parts.set(node(), 2 ** 21)
        const memory = [...parts].map(([id, bytes]) => ({ node: id, bytes }))
        return { cell, pageSize: pick() % 3 === 0 ? 2 ** 21 : 4096, memory }
      })
      const dedicated = pick() % 5 > 0
      const seats = Array.from({ length: vcpus }, (_, vcpu) => {
        const cpu = cpus[pick() % cpus.length]!
        const cell = Math.floor((vcpu * count) / vcpus)
        return { vcpu, cell, node: cpu.node ?? node(), cpus: `${cpu.id}`, dedicated }
      })
      return [name, { cells, vcpus: seats }]
    }),
  )
}
