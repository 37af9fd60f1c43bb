import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SOLVED } from '../../../src/planner/generated/abi.js'
import { instantiatePlanner } from '../../../src/planner/wasm.js'

test('100,000 problems in one instance do not grow it, and the last is planned as the first', async () => {
  const planner = await instantiatePlanner()
  const size = planner.memory.buffer.byteLength
  const plans = new Map<number, string>()
  for (let problem = 0; problem < 100_000; problem++) {
    const kind = problem % 100
    const nodes = 1 + (kind % 4)
    planner.reset()
    for (let node = 0; node < nodes; node++) planner.addNode(node, 1)
    for (let node = 0; node < nodes; node++) planner.setPages(node, 12, 2 ** 16)
    for (let cpu = 0; cpu < 4 * nodes; cpu++) planner.addCpu(cpu, cpu >> 2, cpu >> 2, cpu >> 1, 1024, 1)
    const vms = Array.from({ length: 1 + (kind % 3) }, (_, at) => planner.addVm(1 + ((kind + at) % 5), 4096))
    const solved = planner.solve(3, kind)
    assert.ok(solved >= SOLVED.OPTIMAL && solved <= SOLVED.INFEASIBLE)
    const cpus = vms.flatMap((vm) => [0, 1, 2, 3, 4].map((vcpu) => planner.vcpuCpuId(vm, vcpu)))
    const plan = [solved, planner.planCost(), planner.planBound(), ...cpus].join()
    assert.is(plan, plans.get(kind) ?? plan)
    plans.set(kind, plan)
  }
  assert.is(plans.size, 100)
  assert.ok(new Set(plans.values()).size > 20)
  assert.is(planner.memory.buffer.byteLength, size)
})

test.run()
