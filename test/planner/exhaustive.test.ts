import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Planner } from '../../src/planner/planner.js'
import { parseRequest } from '../../src/request.js'
import type { CostTerms, Host, NodeId, Plan, PlanVm, Request, RequestVm } from '../../src/types.js'
import { costOf, type MicroTerms, type Price, totalOf } from '../../src/verify/cost.js'
import { checkPlan } from '../../src/verify.js'
import { makeHost } from './cases.js'

const planner = await Planner.load()
const MICRO = 1_000_000

/** Every way to give `count` things from `free` in order. */
function* choices(free: readonly number[], count: number): Generator<number[]> {
  if (count === 0) {
    yield []
    return
  }
  for (const first of free) {
    for (const rest of choices(
      free.filter((other) => other !== first),
      count - 1,
    )) {
      yield [first, ...rest]
    }
  }
}

/** The node whose memory CPUs of `node` use. */
function memoryNode(host: Host, node: NodeId): NodeId {
  const from = host.nodes.findIndex(({ id }) => id === node)
  const distances = host.nodes.map(({ memory }, to) =>
    memory.total === 0 ? Number.POSITIVE_INFINITY : (host.distances[from]?.[to] ?? 0),
  )
  return host.nodes[distances.indexOf(Math.min(...distances))]?.id ?? node
}

/** The VM on these CPUs with so many cells, in so far as a cell is on one node. */
function placed(host: Host, vm: RequestVm, cells: number, cpus: readonly number[]): PlanVm | undefined {
  const sizes = Array.from({ length: cells }, (_, at) => Math.floor(vm.vcpus / cells) + (at < vm.vcpus % cells ? 1 : 0))
  const cellOf = sizes.flatMap((size, cell) => Array<number>(size).fill(cell))
  const nodeOf = cpus.map((id) => host.cpus.find((cpu) => cpu.id === id)?.node ?? 0)
  if (cellOf.some((cell, vcpu) => nodeOf[vcpu] !== nodeOf[cellOf.indexOf(cell)])) return undefined
  const pages = vm.memory / 4096
  const even = sizes.map((size) => Math.floor((pages * size) / vm.vcpus))
  const left = pages - even.reduce((sum, own) => sum + own, 0)
  return {
    name: vm.name,
    cost: { lostVcpus: 0, terms: {} },
    cells: even.map((own, cell) => ({
      cell,
      pageSize: 4096,
      memory: [
        { node: memoryNode(host, nodeOf[cellOf.indexOf(cell)] ?? 0), bytes: (own + (cell < left ? 1 : 0)) * 4096 },
      ],
    })),
    vcpus: cpus.map((cpu, vcpu) => {
      return { vcpu, cell: cellOf[vcpu] ?? 0, node: nodeOf[vcpu] ?? 0, cpus: `${cpu}`, dedicated: true }
    }),
    emulator: '',
    iothreads: [],
  }
}

/** The least cost at which all VMs fit, by trying everything; Infinity where they do not. */
function leastCost(host: Host, request: Request): number {
  const all = host.cpus.filter(({ online, allowed }) => online && allowed).map(({ id }) => id)
  let least = Number.POSITIVE_INFINITY
  const descend = (at: number, free: readonly number[], vms: readonly PlanVm[]): void => {
    const vm = request.vms[at]
    if (vm === undefined) {
      const price = costOf(host, request, vms)
      const cost = totalOf(price.terms)
      if (cost < least && holds(host, request, vms, price)) least = cost
      return
    }
    for (const cpus of choices(free, vm.vcpus)) {
      const rest = free.filter((cpu) => !cpus.includes(cpu))
      const counts = vm.cells === 'auto' ? [1, 2] : [vm.cells as number]
      for (const cells of counts.filter((count) => count <= vm.vcpus)) {
        const own = placed(host, vm, cells, cpus)
        if (own !== undefined) descend(at + 1, rest, [...vms, own])
      }
    }
  }
  descend(0, all, [])
  return least
}

function lostVcpus(terms: MicroTerms): PlanVm['cost'] & { readonly terms: CostTerms } {
  const shares = Object.entries(terms).map(([term, micro]) => [term, micro / MICRO])
  return { lostVcpus: totalOf(terms) / MICRO, terms: Object.fromEntries(shares) }
}

/** Whether the verifier finds nothing but the emulator's CPUs, which nobody chose here. */
function holds(host: Host, request: Request, vms: readonly PlanVm[], price: Price): boolean {
  const cost = lostVcpus(price.terms)
  const plan: Plan = {
    schemaVersion: 1,
    kind: 'Plan',
    status: 'optimal',
    cost: { ...cost, lowerBound: cost.lostVcpus, gap: 0 },
    vms: vms.map((vm) => ({ ...vm, cost: lostVcpus(price.vms.get(vm.name) ?? price.terms) })),
    refused: [],
    solver: { planner: 'exhaustive', seed: 0, steps: 0 },
  }
  return checkPlan(host, request, plan).every(({ constraint }) => constraint === 'emulator')
}

test('on tiny hosts nothing costs less than the bound, nor than the plan', () => {
  const shape = fc.record({
    packages: fc.constant(1),
    nodes: fc.integer({ min: 1, max: 2 }),
    llcs: fc.integer({ min: 1, max: 2 }),
    cores: fc.constant(1),
    threads: fc.integer({ min: 1, max: 2 }),
    memory: fc.constantFrom([1], [1, 2], [0, 2]),
    distance: fc.constantFrom(12, 21),
    spoil: fc.constantFrom({ offline: 0, disallowed: 0, slow: 0 }, { offline: 0, disallowed: 5, slow: 3 }),
  })
  const vm = fc.record({
    vcpus: fc.integer({ min: 1, max: 2 }),
    memory: fc.constantFrom('64MiB', '700MiB', '60KiB'),
    threadPolicy: fc.constantFrom('prefer', 'require', 'isolate', 'spread'),
    trust: fc.constantFrom('one', 'two'),
    pageSize: fc.constant('4KiB'),
    cells: fc.constantFrom('auto', 1),
    weight: fc.constantFrom(1, 3),
  })
  let compared = 0
  let optimal = 0
  fc.assert(
    fc.property(shape, fc.array(vm, { minLength: 1, maxLength: 2 }), (hostShape, vms) => {
      const host = makeHost(hostShape)
      const request = parseRequest({ vms: vms.map((own, at) => ({ ...own, name: `vm${at}` })) })
      const least = leastCost(host, request)
      const plan = planner.plan(host, request, { steps: 200 })
      if (plan.refused.length > 0) {
        assert.is(least, Number.POSITIVE_INFINITY, 'what is refused does not fit')
        return
      }
      const cost = Math.round(plan.cost.lostVcpus * MICRO)
      compared++
      if (cost === least) optimal++
      assert.ok(Math.round(plan.cost.lowerBound * MICRO) <= least, `bound ${plan.cost.lowerBound}, least ${least}`)
      assert.ok(cost >= least, `cost ${cost}, least ${least}`)
      if (plan.status === 'optimal') assert.is(cost, least)
    }),
    { numRuns: 400, seed: 5 },
  )
  assert.ok(compared >= 150, `${compared} compared`)
  assert.is(optimal, compared, 'the search finds the optimum of every case')
})

test.run()
