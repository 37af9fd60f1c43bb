import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BECAUSE, CPU, ERROR, MAX, NONE, SOLVED } from '../../src/planner/generated/abi.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'

type Functions = Readonly<Record<string, (...numbers: number[]) => number>>

const HOSTILE = [0, 1, 2, 3, 4, 12, 21, 255, 1024, -1, -2, 0.5, 1e9, 2 ** 31 - 1, -(2 ** 31), 2 ** 53, 1e300]
const number = fc.oneof(fc.constantFrom(...HOSTILE, Number.NaN, Infinity, -Infinity), fc.integer(), fc.double())

/** Two nodes of 4 CPUs and 1 GiB. */
function twoNodes(planner: Awaited<ReturnType<typeof instantiatePlanner>>): void {
  planner.reset()
  for (const node of [0, 1]) {
    planner.addNode(node, 1)
    planner.setPages(node, 12, 2 ** 18)
  }
  for (let cpu = 0; cpu < 8; cpu++) planner.addCpu(cpu, cpu >> 2, cpu >> 2, cpu, 1024, 1)
}

test('hostile calls amid a valid problem leave it solvable', async () => {
  const planner = await instantiatePlanner()
  const { all } = { all: planner as unknown as Functions }
  const names = Object.keys(planner).filter((name) => !['memory', 'reset', 'solve'].includes(name))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...names), fc.array(number, { minLength: 6, maxLength: 6 }))),
      (calls) => {
        twoNodes(planner)
        for (let vm = 0; vm < 3; vm++) planner.addVm(2, 1000)
        planner.solve(5, 1)
        for (const [name, numbers] of calls) all[name]?.(...numbers)
        assert.ok(planner.solve(5, 1) >= ERROR.ARGUMENT)
        assert.ok(planner.planCost() >= planner.planBound())
      },
    ),
    { numRuns: 300 },
  )
})

test('the limits are statuses', async () => {
  const planner = await instantiatePlanner()
  for (let node = 0; node < MAX.NODES; node++) assert.is(planner.addNode(node, 1), node)
  assert.is(planner.addNode(MAX.NODES, 1), ERROR.LIMIT)
  planner.setPages(0, 12, 2 ** 40)
  for (let cpu = 0; cpu < MAX.CPUS; cpu++) assert.is(planner.addCpu(cpu, 0, 0, cpu, 1024, 1), cpu)
  assert.is(planner.addCpu(MAX.CPUS, 0, 0, 0, 1024, 1), ERROR.LIMIT)
  for (let vm = 0; vm < MAX.VMS; vm++) assert.is(planner.addVm(4, 1), vm)
  assert.is(planner.addVm(4, 1), ERROR.LIMIT)
  planner.removeVm(17)
  assert.is(planner.addVm(4, 1), 17)
})

test('a host of 4,096 CPUs and a VM of as many vCPUs are planned', async () => {
  const planner = await instantiatePlanner()
  planner.addNode(0, 1)
  planner.setPages(0, 12, 2 ** 40)
  for (let cpu = 0; cpu < MAX.CPUS; cpu++) planner.addCpu(cpu, 0, cpu >> 3, cpu, 1024, 1)
  planner.addVm(MAX.VM_VCPUS, 2 ** 30)
  assert.ok(planner.solve(0, 1) >= 0)
  assert.is(planner.vcpuCpuId(0, MAX.VM_VCPUS - 1), MAX.CPUS - 1)
})

test('the host is fixed from the first VM on, and calls in the wrong order say so', async () => {
  const planner = await instantiatePlanner()
  assert.is(planner.addVm(1, 1), ERROR.ORDER)
  twoNodes(planner)
  assert.is(planner.addNode(1, 1), ERROR.ORDER)
  const vm = planner.addVm(1, 1)
  assert.is(planner.addNode(5, 1), ERROR.ORDER)
  assert.is(planner.setPages(0, 12, 1), ERROR.ORDER)
  assert.is(planner.cellCount(vm), NONE)
  planner.solve(0, 1)
  assert.is(planner.setVmWeight(vm, 2), ERROR.ORDER)
  assert.is(planner.refusal(vm), ERROR.ORDER)
})

test('what a CPU is there for decides who may have it', async () => {
  const planner = await instantiatePlanner()
  planner.reset()
  planner.addNode(0, 1)
  planner.setPages(0, 12, 2 ** 18)
  const uses = [CPU.ELSEWHERE, CPU.GUESTS, CPU.ISOLATED, CPU.HOST]
  for (const [cpu, use] of uses.entries()) assert.is(planner.addCpu(cpu, 0, 0, cpu, 1024, use), cpu)
  assert.is(planner.addCpu(4, 0, 0, 4, 1024, 4), ERROR.ARGUMENT)
  const shared = planner.addVm(1, 100)
  planner.setVmShared(shared, 0.5)
  const dedicated = planner.addVm(1, 100)
  assert.is(planner.sharedCpus(0), 1)
  assert.is(planner.solve(0, 1), SOLVED.OPTIMAL)
  assert.is(planner.vcpuCpuId(dedicated, 0), 2)
  assert.is(planner.sharedCpus(0), 1)
})

test('a limit, and nodes that a VM is kept to or off, are heeded and told', async () => {
  const planner = await instantiatePlanner()
  twoNodes(planner)
  assert.is(planner.setLimit(21, 1), ERROR.UNKNOWN)
  assert.is(planner.setLimit(12, 0.5), ERROR.ARGUMENT)
  assert.is(planner.pagesLeftOfLimit(12), NONE)
  assert.is(planner.setLimit(12, 1000), 0)
  const vm = planner.addVm(1, 600)
  assert.is(planner.setLimit(12, 2000), ERROR.ORDER)
  assert.is(planner.allowVmMemory(vm, 2), ERROR.UNKNOWN)
  assert.is(planner.allowVmMemory(vm, 1), 0)
  const off = planner.addVm(1, 300)
  assert.is(planner.avoidVmNode(off, 0), 0)
  const beyond = planner.addVm(1, 200)
  assert.is(planner.solve(10, 1), SOLVED.PARTIAL)
  assert.is(planner.pagesLeftOfLimit(12), 100)
  assert.is(planner.cellMemoryNodeId(vm, 0, 0), 1)
  assert.equal([planner.vcpuNodeId(off, 0), planner.cellMemoryNodeId(off, 0, 0)], [1, 1])
  assert.is(planner.refusal(beyond), BECAUSE.MEMORY_LIMIT)
  // Nobody has left anything behind once it is gone.
  for (const one of [vm, off, beyond]) planner.removeVm(one)
  const free = planner.addVm(1, 1000)
  assert.is(planner.solve(0, 1), SOLVED.OPTIMAL)
  assert.is(planner.cellMemoryNodeId(free, 0, 0), 0)
})

test('cells that do not add up are refused by solve', async () => {
  const planner = await instantiatePlanner()
  twoNodes(planner)
  const vm = planner.addVm(4, 100)
  planner.addVmCell(vm, 3, 60)
  assert.is(planner.solve(0, 1), ERROR.ARGUMENT)
  planner.addVmCell(vm, 1, 40)
  assert.ok(planner.solve(0, 1) >= 0)
})

test('VMs come and go on a living instance: what a removed one had is free again', async () => {
  const planner = await instantiatePlanner()
  twoNodes(planner)
  const first = planner.addVm(4, 2 ** 18)
  const second = planner.addVm(4, 2 ** 18)
  const third = planner.addVm(4, 2 ** 18)
  assert.is(planner.solve(0, 1), SOLVED.PARTIAL)
  assert.is(planner.cellCount(third), NONE)
  assert.is(planner.refusal(third), BECAUSE.CPU_EXCLUSIVE)
  const freed = planner.vcpuNodeId(first, 0)
  const kept = planner.vcpuNodeId(second, 0)
  assert.is(planner.removeVm(first), 0)
  assert.is(planner.solve(0, 1), SOLVED.OPTIMAL)
  assert.is(planner.vcpuNodeId(third, 0), freed)
  assert.is(planner.vcpuNodeId(second, 0), kept)
  planner.removeVm(second)
  planner.removeVm(third)
  assert.is(planner.pagesLeft(0, 12), 2 ** 18)
  assert.is(planner.sharedCpus(0) + planner.sharedCpus(1), 8)
})

test.run()
