import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NONE, type PlannerExports, SOLVED } from '../../src/planner/generated/abi.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'

const NODES = [0, 1, 2]
const CPUS_PER_NODE = 8
const PAGES = 2 ** 16

/** Three nodes at different distances, each with 4 cores of two threads in two LLCs, and 256 MiB. */
function buildHost(planner: PlannerExports): void {
  planner.reset()
  for (const node of NODES) planner.addNode(node, 1)
  for (const node of NODES) {
    planner.setPages(node, 12, PAGES)
    for (const to of NODES) if (to !== node) planner.setDistance(node, to, 12 + 4 * Math.abs(node - to))
  }
  for (let cpu = 0; cpu < NODES.length * CPUS_PER_NODE; cpu++) {
    planner.addCpu(cpu, Math.floor(cpu / CPUS_PER_NODE), cpu >> 2, cpu >> 1, 1024, 1)
  }
}

interface Vm {
  readonly vcpus: number
  readonly pages: number
  readonly threads: number
  readonly shared: boolean
}

function enter(planner: PlannerExports, { vcpus, pages, threads, shared }: Vm): number {
  const handle = planner.addVm(vcpus, pages)
  assert.ok(handle >= 0)
  assert.is(planner.setVmThreads(handle, threads), 0)
  if (shared) assert.is(planner.setVmShared(handle, 0.5), 0)
  return handle
}

const isPlaced = (planner: PlannerExports, handle: number) => planner.cellCount(handle) > 0

/** Where a VM is: the CPU, or else the node, of each vCPU, and the pages on each node. */
function whereIs(
  planner: PlannerExports,
  handle: number,
  { vcpus }: Vm,
): { cpus: number[]; pages: Map<number, number> } {
  const seats = Array.from({ length: vcpus }, (_, vcpu) => [
    planner.vcpuCpuId(handle, vcpu),
    planner.vcpuNodeId(handle, vcpu),
  ])
  const pages = new Map<number, number>()
  for (let cell = 0; cell < planner.cellCount(handle); cell++) {
    for (let part = 0; part < planner.cellMemoryCount(handle, cell); part++) {
      const node = planner.cellMemoryNodeId(handle, cell, part)
      pages.set(node, (pages.get(node) ?? 0) + planner.cellMemoryPages(handle, cell, part))
    }
  }
  return { cpus: seats.map(([cpu = NONE, node = NONE]) => (cpu === NONE ? -2 - node : cpu)), pages }
}

/** What is free has to be what nobody has. */
function checkBooks(planner: PlannerExports, living: ReadonlyMap<number, Vm>): void {
  const placed = [...living].filter(([handle]) => isPlaced(planner, handle))
  const plans = placed.map(([handle, vm]) => whereIs(planner, handle, vm))
  const cpus = plans.flatMap((plan) => plan.cpus.filter((cpu) => cpu >= 0))
  assert.is(new Set(cpus).size, cpus.length, 'one vCPU a CPU')
  const busyCores = new Set(cpus.map((cpu) => cpu >> 1))
  for (const node of NODES) {
    const used = plans.reduce((sum, { pages }) => sum + (pages.get(node) ?? 0), 0)
    assert.is(planner.pagesLeft(node, 12), PAGES - used)
    const cores = Array.from({ length: CPUS_PER_NODE / 2 }, (_, core) => (node * CPUS_PER_NODE) / 2 + core)
    assert.is(planner.sharedCpus(node), 2 * cores.filter((core) => !busyCores.has(core)).length)
    const shared = plans.flatMap((plan) => plan.cpus.filter((cpu) => cpu === -2 - node)).length
    assert.is(planner.sharedDemand(node), shared * 500_000)
  }
}

const vm: fc.Arbitrary<Vm> = fc.record({
  vcpus: fc.integer({ min: 1, max: 6 }),
  pages: fc.constantFrom(100, 5000, 30_000),
  threads: fc.integer({ min: 0, max: 3 }),
  shared: fc.constantFrom(false, false, true),
})
/** A VM comes, or the one at this place of the living leaves. */
const event = fc.oneof({ weight: 3, arbitrary: vm }, { weight: 2, arbitrary: fc.nat({ max: 9 }) })

test('VMs come and go: nobody who is placed moves without a step of search, and what is free is what nobody has', async () => {
  const planner = await instantiatePlanner()
  let came = 0
  let left = 0
  fc.assert(
    fc.property(fc.array(event, { minLength: 5, maxLength: 40 }), (events) => {
      buildHost(planner)
      const living = new Map<number, Vm>()
      for (const next of events) {
        const before = [...living].filter(([handle]) => isPlaced(planner, handle))
        const places = before.map(([handle, one]) => whereIs(planner, handle, one).cpus)
        if (typeof next === 'object') {
          living.set(enter(planner, next), next)
          came++
        } else {
          const [handle] = [...living.keys()].slice(next % Math.max(1, living.size))
          if (handle === undefined) continue
          assert.is(planner.removeVm(handle), 0)
          living.delete(handle)
          left++
        }
        const solved = planner.solve(0, 1)
        assert.ok(solved >= SOLVED.OPTIMAL && solved <= SOLVED.INFEASIBLE)
        for (const [index, [handle, one]] of before.entries()) {
          if (living.has(handle)) assert.equal(whereIs(planner, handle, one).cpus, places[index])
        }
        checkBooks(planner, living)
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(came > 300 && left > 100, `${came} came, ${left} left`)
})

test('steps of search in between never cost a placed VM its place in the plan, and the books hold', async () => {
  const planner = await instantiatePlanner()
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat({ max: 8 })), { minLength: 5, maxLength: 20 }), (events) => {
      buildHost(planner)
      const living = new Map<number, Vm>()
      for (const [next, steps] of events) {
        const placed = [...living.keys()].filter((handle) => isPlaced(planner, handle)).length
        let gone = 0
        if (typeof next === 'object') living.set(enter(planner, next), next)
        else {
          const [handle] = [...living.keys()].slice(next % Math.max(1, living.size))
          if (handle === undefined) continue
          if (isPlaced(planner, handle)) gone = 1
          planner.removeVm(handle)
          living.delete(handle)
        }
        planner.solve(steps, 7)
        const now = [...living.keys()].filter((handle) => isPlaced(planner, handle)).length
        assert.ok(now >= placed - gone, `${placed} were placed, ${gone} left, ${now} are`)
        assert.ok(planner.planCost() >= planner.planBound())
        checkBooks(planner, living)
      }
    }),
    { numRuns: 150 },
  )
})

test('what removed VMs leave behind is nothing: the next ones are planned as in a fresh instance', async () => {
  const used = await instantiatePlanner()
  const fresh = await instantiatePlanner()
  fc.assert(
    fc.property(
      fc.array(vm, { minLength: 1, maxLength: 6 }),
      fc.array(vm, { minLength: 1, maxLength: 4 }),
      (first, then) => {
        buildHost(used)
        const handles = first.map((one) => enter(used, one))
        used.solve(3, 5)
        for (const handle of handles) used.removeVm(handle)
        for (const node of NODES) assert.is(used.pagesLeft(node, 12), PAGES)
        buildHost(fresh)
        const plans = [used, fresh].map((planner) => {
          const entered = then.map((one) => [enter(planner, one), one] as const)
          const solved = planner.solve(0, 5)
          const where = entered.map(([handle, one]) => whereIs(planner, handle, one).cpus)
          return [solved, planner.planCost(), planner.planBound(), where]
        })
        assert.equal(plans[0], plans[1])
      },
    ),
    { numRuns: 200 },
  )
})

test.run()
