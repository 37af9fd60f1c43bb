import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ERROR, MAX, SOLVED } from '../../src/planner/generated/abi.js'
import { instantiatePlanner } from '../../src/planner/wasm.js'

const CPUS = 64
const WIDE = 64

/** One node of 64 CPUs with memory for all of them. */
async function emptyHost() {
  const planner = await instantiatePlanner()
  planner.reset()
  planner.addNode(0, 1)
  planner.setPages(0, 12, 2 ** 20)
  for (let cpu = 0; cpu < CPUS; cpu++) planner.addCpu(cpu, 0, 0, cpu, 1024, 1)
  return planner
}

test('the room of VMs that are gone is there for new ones, and those between keep what they have', async () => {
  const planner = await emptyHost()
  const handles = Array.from({ length: MAX.VCPUS / WIDE }, () => planner.addVm(WIDE, WIDE))
  assert.is(planner.addVm(1, 1), ERROR.LIMIT)
  for (const [at, handle] of handles.entries()) if (at % 4 !== 1) assert.is(planner.removeVm(handle), 0)
  const others = handles.filter((_, at) => at % 4 === 1)
  // The one that is placed comes after a gap.
  const [first = -1, second = -1] = others
  for (const handle of others.slice(2)) assert.is(planner.removeVm(handle), 0)
  assert.is(planner.removeVm(second), 0)
  const placed = planner.addVm(3, 3)
  assert.is(planner.setVmThreadCpus(placed, 2), 0)
  assert.is(planner.removeVm(first), 0)
  assert.is(planner.solve(0, 1), SOLVED.OPTIMAL)
  const seats = () => [0, 1, 2].map((vcpu) => planner.vcpuCpuId(placed, vcpu))
  const threads = () => [0, 1].map((thread) => planner.threadCpuId(placed, thread))
  const before = [seats(), threads()]
  for (let round = 0; round < 3; round++) {
    const more = Array.from({ length: MAX.VCPUS / WIDE - 1 }, () => planner.addVm(WIDE, WIDE))
    assert.ok(more.every((handle) => handle >= 0))
    assert.is(planner.addVm(WIDE, WIDE), ERROR.LIMIT)
    // All threads that there may be, but for fewer than one VM has.
    const most = MAX.VCPUS / MAX.VM_THREADS - 1
    for (const handle of more.slice(0, most)) assert.is(planner.setVmThreadCpus(handle, MAX.VM_THREADS), 0)
    assert.is(planner.setVmThreadCpus(more[most]!, MAX.VM_THREADS), ERROR.LIMIT)
    assert.equal([seats(), threads()], before)
    for (const handle of more) assert.is(planner.removeVm(handle), 0)
  }
  assert.is(planner.solve(100, 1), SOLVED.OPTIMAL)
  assert.equal([seats(), threads()], before)
})

test('devices and relations of VMs that are gone leave room for those of others', async () => {
  const planner = await emptyHost()
  const vm = planner.addVm(1, 1)
  for (let round = 0; round < 2; round++) {
    const peers = [1, 2, 3].map(() => planner.addVm(1, 1))
    let links = 0
    while (planner.separateVms(peers[links % 3]!, links % 2 === 0 ? vm : peers[(links + 1) % 3]!) === 0) links++
    assert.is(links, MAX.LINKS)
    let devices = 0
    while (planner.addVmDevice(peers[devices % 3]!, 0, 0) === 0) devices++
    assert.is(devices, MAX.LINKS)
    for (const peer of peers) assert.is(planner.removeVm(peer), 0)
  }
  assert.is(planner.solve(0, 1), SOLVED.OPTIMAL)
})

test.run()
