import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERROR, NONE, type PlannerExports, SOLVED } from '../../src/planner/generated/abi.js'
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

/** Says of a VM that it is where another instance has it. */
function enterAsIn(planner: PlannerExports, there: PlannerExports, from: number, one: Vm): number {
  const handle = enter(planner, one)
  for (let vcpu = 0; vcpu < one.vcpus; vcpu++) {
    const cpu = there.vcpuCpuId(from, vcpu)
    planner.addVmCurrentCpu(handle, vcpu, cpu === NONE ? there.vcpuNodeId(from, vcpu) * CPUS_PER_NODE : cpu)
  }
  for (let cell = 0; cell < there.cellCount(from); cell++) {
    for (let part = 0; part < there.cellMemoryCount(from, cell); part++) {
      const bytes = there.cellMemoryPages(from, cell, part) * 4096
      planner.addVmCurrentMemory(handle, cell, there.cellMemoryNodeId(from, cell, part), bytes)
    }
  }
  return handle
}

test('VMs are placed where they are, in any order, whatever is cheaper, and books hold as where they came from', async () => {
  const first = await instantiatePlanner()
  const second = await instantiatePlanner()
  const met = { placed: 0, elsewhere: 0 }
  fc.assert(
    fc.property(fc.array(vm, { minLength: 2, maxLength: 8 }), fc.nat(), (vms, turn) => {
      buildHost(first)
      const handles = vms.map((one) => enter(first, one))
      first.solve(0, 1)
      // Those that are left have places that nobody would choose now.
      first.removeVm(handles[turn % vms.length]!)
      const left = vms.flatMap((one, at) => {
        const handle = handles[at]!
        return at !== turn % vms.length && isPlaced(first, handle) ? [[handle, one] as const] : []
      })
      buildHost(second)
      const again = left.map(([handle, one]) => [enterAsIn(second, first, handle, one), handle, one] as const).reverse()
      for (const [handle] of again) assert.is(second.placeCurrent(handle), 1)
      for (const [handle, from, one] of again) {
        assert.equal(whereIs(second, handle, one), whereIs(first, from, one))
        assert.is(second.placeCurrent(handle), ERROR.ORDER)
        met.placed++
      }
      for (const node of NODES) {
        assert.is(second.pagesLeft(node, 12), first.pagesLeft(node, 12))
        assert.is(second.sharedCpus(node), first.sharedCpus(node))
        assert.is(second.sharedDemand(node), first.sharedDemand(node))
      }
      buildHost(second)
      const cheapest = left.map(([, one]) => enter(second, one))
      second.solve(0, 1)
      const same = left.every(([from, one], at) => {
        return (
          JSON.stringify(whereIs(second, cheapest[at]!, one).cpus) === JSON.stringify(whereIs(first, from, one).cpus)
        )
      })
      if (!same) met.elsewhere++
    }),
    { numRuns: 200 },
  )
  assert.ok(met.placed > 200 && met.elsewhere > 20, JSON.stringify(met))
})

test('where a CPU, or a page, is not to be had, or not all is said, a VM is not placed where it is', async () => {
  const planner = await instantiatePlanner()
  const one = { vcpus: 1, pages: 100, threads: 0, shared: false }
  const said = (cpu: number, node: number, bytes: number) => {
    const handle = enter(planner, one)
    planner.addVmCurrentCpu(handle, 0, cpu)
    planner.addVmCurrentMemory(handle, 0, node, bytes)
    return handle
  }
  buildHost(planner)
  assert.is(planner.placeCurrent(enter(planner, one)), 0, 'nothing is said of it')
  // Far memory is no reason: it is there.
  assert.is(planner.placeCurrent(said(3, 2, 409600)), 1)
  for (const [cpu, node, bytes] of [
    [3, 2, 409600],
    [4, 2, 409600 - 4096],
    [4, 2, 409600 + 4096],
    [99, 0, 409600],
  ] as const) {
    assert.is(planner.placeCurrent(said(cpu, node, bytes)), 0, `${cpu} ${node} ${bytes}`)
    assert.is(planner.pagesLeft(2, 12), PAGES - 100)
  }
  const all = enter(planner, { ...one, pages: PAGES })
  planner.addVmCurrentCpu(all, 0, 5)
  planner.addVmCurrentMemory(all, 0, 2, PAGES * 4096)
  assert.is(planner.placeCurrent(all), 0, 'of that node 100 pages are taken')
  assert.is(planner.placeAlone(all), 1, 'elsewhere there are as many')
})

test('a placed VM can be told to keep its pages, and has them where it goes to make room', async () => {
  const planner = await instantiatePlanner()
  for (const keeps of [false, true]) {
    planner.reset()
    for (const node of [0, 1]) planner.addNode(node, 1)
    for (const node of [0, 1]) planner.setPages(node, 12, PAGES)
    planner.setPages(1, 21, 10)
    for (let cpu = 0; cpu < 4; cpu++) planner.addCpu(cpu, cpu >> 1, cpu >> 1, cpu, 1024, 1)
    const vm = planner.addVm(1, 512)
    planner.addVmCurrentCpu(vm, 0, 0)
    planner.addVmCurrentMemory(vm, 0, 0, 2 ** 21)
    assert.is(planner.placeCurrent(vm), 1)
    assert.is(planner.cellPageShift(vm, 0), 12)
    for (const shift of [0, 13, 21, 99]) assert.is(planner.setVmPageSize(vm, shift), ERROR.ORDER)
    if (keeps) assert.is(planner.setVmPageSize(vm, 12), 0)
    const wide = planner.addVm(2, 512)
    planner.setVmCells(wide, 1)
    planner.avoidVmNode(wide, 1)
    assert.is(planner.placeAlone(wide), 0)
    assert.is(planner.placeByMoving(wide, vm), 1)
    assert.is(planner.vcpuNodeId(vm, 0), 1)
    assert.is(planner.cellPageShift(vm, 0), keeps ? 12 : 21)
  }
})

test('a VM that is placed where it is has the pages of each cell that were said', async () => {
  const planner = await instantiatePlanner()
  for (const said of [[], [12], [12, 21], [21, 12], [21, 21]]) {
    planner.reset()
    planner.addNode(0, 1)
    planner.setPages(0, 12, PAGES)
    planner.setPages(0, 21, 1)
    for (let cpu = 0; cpu < 2; cpu++) planner.addCpu(cpu, 0, 0, cpu, 1024, 1)
    const vm = planner.addVm(2, 1024)
    planner.setVmCells(vm, 2)
    for (const cell of [0, 1]) {
      planner.addVmCurrentCpu(vm, cell, cell)
      planner.addVmCurrentMemory(vm, cell, 0, 2 ** 21)
    }
    for (const [cell, shift] of said.entries()) assert.is(planner.setVmCurrentPageSize(vm, cell, shift), 0)
    assert.is(planner.setVmCurrentPageSize(vm, 2, 12), ERROR.UNKNOWN)
    assert.is(planner.setVmCurrentPageSize(vm, 0, 13), ERROR.UNKNOWN)
    const twice = said[0] === said[1] && said.length > 0
    assert.is(planner.placeCurrent(vm), twice ? 0 : 1, 'there is one such page')
    if (twice) continue
    assert.is(planner.setVmCurrentPageSize(vm, 0, 12), ERROR.ORDER)
    const [first = 21, second = first === 12 ? 21 : 12] = said
    assert.equal([planner.cellPageShift(vm, 0), planner.cellPageShift(vm, 1)], [first, second])
  }
})

test('threads of a placed VM get CPUs that nobody has, or none', async () => {
  const planner = await instantiatePlanner()
  planner.reset()
  for (const node of [0, 1]) planner.addNode(node, 1)
  for (const node of [0, 1]) planner.setPages(node, 12, PAGES)
  for (let cpu = 0; cpu < 8; cpu++) planner.addCpu(cpu, cpu >> 2, cpu >> 2, cpu, 1024, 1)
  const [a, b] = [3, 0].map((cpu) => {
    const vm = planner.addVm(1, 1)
    planner.addVmCurrentCpu(vm, 0, cpu)
    planner.addVmCurrentMemory(vm, 0, 0, 4096)
    assert.is(planner.placeCurrent(vm), 1)
    return vm
  }) as [number, number]
  assert.is(planner.setVmThreadCpus(a, 3), NONE)
  assert.is(planner.threadCpuId(a, 0), ERROR.UNKNOWN)
  assert.is(planner.setVmThreadCpus(a, 1), 0)
  assert.is(planner.setVmThreadCpus(a, 1), ERROR.ORDER, 'it has some')
  assert.is(planner.setVmThreadCpus(b, 2), NONE)
  assert.is(planner.setVmThreadCpus(b, 1), 0)
  assert.equal([planner.threadCpuId(a, 0), planner.threadCpuId(b, 0)].sort(), [1, 2])
  assert.is(planner.sharedCpus(0), 0)
  for (const vm of [a, b]) planner.removeVm(vm)
  assert.is(planner.sharedCpus(0), 4)
})

test.run()
