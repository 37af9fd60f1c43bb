/** VcpuAffinityManager: what it plans, what may be changed, and what a guest then has in the kernel. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AffinityMask, CpuTopology, VcpuAffinityManager } from '../../../../executor/accel/index.js'
import { formatCpulist } from '../../../../src/cpulist.js'
import { syntheticHost } from '../../../../src/topology/index.js'
import { isVerified } from '../../../../src/verified.js'
import { count } from '../../guests/programs.js'
import { cpus } from '../../plans.js'
import { accel, failure, refusal, testWithKvm } from '../../vms.js'
import { accelWith, allowedOf, cpu, niceOf, node, otherCpu, twoNodes } from '../accels.js'

/** Two nodes of four cores with two threads each: CPU 2k and 2k + 1 are siblings. */
const smt = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:2'))
/** Two nodes of four cores. */
const flat = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:1'))

/** The CPUs of each vCPU. */
function seats(manager: VcpuAffinityManager): Record<number, readonly number[]> {
  return Object.fromEntries(manager.vcpuIds().map((id) => [id, manager.getVcpuConfig(id)!.affinity.cpus()]))
}

test('a mask is a set of CPUs, ascending', () => {
  const mask = new AffinityMask([5, 1, 1, 4])
  assert.equal(mask.cpus(), [1, 4, 5])
  assert.equal([mask.contains(4), mask.contains(2), `${mask}`], [true, false, '1,4-5'])
})

test('vCPUs are placed by a plan that the verifier has checked', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  const { plan, vcpus } = await manager.configureVcpuAffinity(3, { priority: 4 })
  assert.ok(isVerified(plan))
  assert.equal(manager.vcpuIds(), [0, 1, 2])
  for (const { vcpuId, affinity, numaNode, priority, enableHt } of vcpus) {
    const planned = plan.vms[0]!.vcpus[vcpuId]!
    assert.equal([`${affinity}`, numaNode], [planned.cpus, planned.node])
    assert.equal([affinity.cpus().length, priority, enableHt], [1, 4, true])
    assert.ok(flat.getNodeCpus(numaNode).includes(affinity.cpus()[0]!))
    assert.is(manager.getVcpuConfig(vcpuId)!.affinity, affinity)
  }
  assert.is(new Set(vcpus.flatMap(({ affinity }) => affinity.cpus())).size, 3)
  // More than a node has: they are divided.
  const wide = await manager.configureVcpuAffinity(6)
  assert.is(new Set(wide.vcpus.map(({ numaNode }) => numaNode)).size, 2)
  assert.is(manager.getVcpuConfig(6), undefined)
})

test('options are those of a request', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  const { vcpus } = await manager.configureVcpuAffinity(4, {
    cells: 2,
    devices: [{ node: 1 }],
    reserve: { cpus: '0,4' },
  })
  const used = vcpus.flatMap(({ affinity }) => affinity.cpus())
  assert.ok(!used.includes(0) && !used.includes(4))
  const shared = await manager.configureVcpuAffinity(2, { cpuPolicy: 'shared', demand: 0.25, memory: '1GiB' })
  assert.equal(shared.vcpus[0]!.affinity.cpus(), [0, 1, 2, 3])
  assert.is(shared.plan.vms[0]!.cells[0]!.memory[0]!.bytes, 1024 ** 3)
})

test('without SMT each vCPU has a core of its own, or it is refused', async () => {
  const coreOf = new Map(smt.host.cpus.map(({ id, core }) => [id, core]))
  const manager = VcpuAffinityManager.withTopology(smt)
  const cores = () => Object.values(seats(manager)).map(([first]) => coreOf.get(first!))
  await manager.configureVcpuAffinity(8)
  assert.is(new Set(cores()).size, 4)
  for (const threadPolicy of [undefined, 'isolate', 'spread'] as const) {
    await manager.configureVcpuAffinity(8, { enableHt: false, ...(threadPolicy === undefined ? {} : { threadPolicy }) })
    assert.is(new Set(cores()).size, 8)
    assert.ok(manager.vcpuIds().every((id) => manager.getVcpuConfig(id)!.enableHt === false))
  }
  const tooMany = await failure(manager.configureVcpuAffinity(9, { enableHt: false }))
  assert.is(tooMany.name, 'UnsupportedError')
  assert.match(tooMany.message, /9 vCPUs do not fit: .*it fits with .*threadPolicy: "prefer"/)
  assert.is(
    (await failure(manager.configureVcpuAffinity(9, { enableHt: false, threadPolicy: 'spread' }))).name,
    'InputError',
  )
  for (const [options, says] of [
    [{ cpuPolicy: 'shared' }, /^cpuPolicy: expected "dedicated", with enableHt: false/],
    [{ threadPolicy: 'prefer' }, /^threadPolicy: expected "isolate" or "spread", with enableHt: false/],
  ] as const) {
    assert.match((await failure(manager.configureVcpuAffinity(2, { enableHt: false, ...options }))).message, says)
  }
  // What was configured is still there.
  assert.is(manager.vcpuIds().length, 8)
})

test('what is no number, no option, or does not fit is refused, and what was configured stays', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  await manager.configureVcpuAffinity(2)
  const before = seats(manager)
  for (const [n, options, says] of [
    [0, {}, /^n: expected a number of vCPUs, from 1, got 0/],
    [1.5, {}, /got 1.5/],
    [2, { memory: '5' }, /^memory: expected a size with a unit/],
    [2, { pageSize: '3MiB' }, /^pageSize: /],
    [2, { devices: [{ node: 9 }] }, /devices/],
    [2, { colour: 'red' }, /^colour: expected one of the fields/],
    [2, { priority: 99 }, /^priority: expected a whole number from -19 to 20, got 99/],
    [9, {}, /^cpu-exclusive: 9 vCPUs do not fit: .*node 0 has room for 4, node 1 has room for 4/],
    [2, { memory: '1TiB' }, /2 vCPUs do not fit/],
  ] as const) {
    assert.match((await failure(manager.configureVcpuAffinity(n, options as object))).message, says)
  }
  assert.equal(seats(manager), before)
})

test('a change is merged into what there is, and CPUs and node go together', () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  const first = manager.setVcpuConfig(4, { affinity: [6, 5] })
  assert.equal([first.vcpuId, first.numaNode, first.priority, first.enableHt], [4, 1, 0, true])
  assert.equal(manager.setVcpuConfig(4, { priority: -3 }).affinity.cpus(), [5, 6])
  assert.equal(manager.setVcpuConfig(4, { numaNode: 1 }).affinity.cpus(), [5, 6])
  const moved = manager.setVcpuConfig(4, { numaNode: 0 })
  assert.equal([moved.affinity.cpus(), moved.numaNode, moved.priority], [[0, 1, 2, 3], 0, -3])
  assert.is(manager.setVcpuConfig(4, { affinity: new AffinityMask([7]) }).numaNode, 1)
  assert.is(manager.setVcpuConfig(4, { affinity: [3, 7] }).numaNode, 0)
  assert.is(manager.setVcpuConfig(4, { affinity: [3, 7], numaNode: 1 }).numaNode, 1)
  assert.equal(manager.vcpuIds(), [4])
  const kept = manager.getVcpuConfig(4)
  for (const [id, change, says] of [
    [
      4,
      { affinity: [] },
      /^affinity: expected one or more of the CPUs that are online and allowed \(0-7\), got an empty/,
    ],
    [4, { affinity: [8] }, /got 8, which is not present/],
    [4, { numaNode: 2 }, /^numaNode: expected one of the nodes 0-1, got 2/],
    [4, { numaNode: 0, affinity: [7] }, /^affinity: expected CPUs of node 0 \(0-3\), got 7/],
    [4, { priority: 21 }, /^priority: /],
    [4, { enableHt: 'no' }, /^enableHt: expected true or false, got "no"/],
    [5, { priority: 1 }, /^affinity: expected CPUs or a node, for a vCPU that has none yet, got neither/],
    [-1, { numaNode: 0 }, /^id: /],
  ] as const) {
    const error = refusal(() => manager.setVcpuConfig(id, change as object))
    assert.is(error.name, 'InputError')
    assert.match(error.message, says)
  }
  assert.is(manager.getVcpuConfig(4), kept)
})

test('nobody comes to the core of a vCPU that does not share it', () => {
  const manager = VcpuAffinityManager.withTopology(smt)
  manager.setVcpuConfig(0, { affinity: [0], enableHt: false })
  manager.setVcpuConfig(1, { affinity: [2] })
  assert.match(
    refusal(() => manager.setVcpuConfig(1, { affinity: [1] })).message,
    /for vCPU 0, which has enableHt: false, cores that no other vCPU uses, got CPU 0, and CPU 1 for vCPU 1/,
  )
  manager.setVcpuConfig(2, { affinity: [3] })
  assert.is(refusal(() => manager.setVcpuConfig(1, { enableHt: false })).name, 'InputError')
  assert.equal(seats(manager), { 0: [0], 1: [2], 2: [3] })
})

test('rebalancing takes a vCPU back that was moved away, and leaves the others', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  await manager.configureVcpuAffinity(3, { priority: 2 })
  assert.equal({ ...(await manager.rebalanceVcpus()), plan: null }, { moved: 0, moves: [], plan: null })
  manager.setVcpuConfig(1, { affinity: [7], priority: 5 })
  const { moved, moves, plan } = await manager.rebalanceVcpus()
  assert.equal([moved, moves], [1, [{ vcpuId: 1, from: [7], to: [1] }]])
  assert.ok(isVerified(plan) && plan.moves!.length > 0)
  assert.equal(
    [0, 1, 2].map((id) => manager.getVcpuConfig(id)!.priority),
    [2, 5, 2],
  )
  assert.equal(seats(manager), { 0: [0], 1: [1], 2: [2] })
})

test('vCPUs that were configured by hand alone are planned as well', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  manager.setVcpuConfig(0, { affinity: [0] })
  manager.setVcpuConfig(1, { affinity: [7] })
  const { moved } = await manager.rebalanceVcpus()
  assert.is(moved, 1)
  assert.is(manager.getVcpuConfig(0)!.numaNode, manager.getVcpuConfig(1)!.numaNode)
})

test('rebalancing without vCPUs 0, 1, 2, ... is refused', async () => {
  const manager = VcpuAffinityManager.withTopology(flat)
  assert.match((await failure(manager.rebalanceVcpus())).message, /call of configureVcpuAffinity\(\) before, got none/)
  manager.setVcpuConfig(1, { affinity: [0] })
  assert.match((await failure(manager.rebalanceVcpus())).message, /^vcpus: expected vCPUs 0 to 0, got 1/)
})

test('whatever is changed by hand, a rebalancing leads to a verified plan that the configuration follows', async () => {
  const change = fc.record({
    id: fc.nat(3),
    affinity: fc.subarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], { minLength: 1, maxLength: 3 }),
    enableHt: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 5 }), fc.boolean(), async (changes, enableHt) => {
      const manager = VcpuAffinityManager.withTopology(smt)
      await manager.configureVcpuAffinity(4, { enableHt })
      for (const { id, ...config } of changes) {
        try {
          manager.setVcpuConfig(id, config)
        } catch (error) {
          assert.is((error as Error).name, 'InputError')
        }
      }
      const before = seats(manager)
      const { moved, moves, plan } = await manager.rebalanceVcpus()
      const after = seats(manager)
      assert.ok(isVerified(plan))
      for (const { vcpu, cpus: list } of plan.vms[0]!.vcpus) assert.is(formatCpulist(after[vcpu]!), list)
      const differing = Object.keys(after).filter((id) => `${after[Number(id)]}` !== `${before[Number(id)]}`)
      assert.equal(
        moves.map(({ vcpuId }) => `${vcpuId}`),
        differing,
      )
      assert.is(moved, differing.length)
    }),
    { numRuns: 30 },
  )
})

test('a vCPU whose CPU has gone offline, or left the cpuset, is moved to one that is there', async () => {
  const root = mkdtempSync(join(tmpdir(), 'homenode-manager-'))
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
  try {
    put('sys/devices/system/cpu/online', '0-3')
    for (const id of [0, 1, 2, 3]) put(`sys/devices/system/cpu/cpu${id}/topology/thread_siblings_list`, `${id}`)
    put('sys/devices/system/node/online', '0')
    put('sys/devices/system/node/node0/cpulist', '0-3')
    put('sys/devices/system/node/node0/meminfo', 'Node 0 MemTotal: 1048576 kB\nNode 0 MemFree: 524288 kB')
    put('proc/mounts', 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0')
    put('proc/self/cgroup', '0::/')
    put('sys/fs/cgroup/cpuset.cpus.effective', '0-3')
    const manager = new VcpuAffinityManager({ root })
    await manager.configureVcpuAffinity(2, { reserve: { cpus: '3' } })
    assert.equal(seats(manager), { 0: [0], 1: [1] })
    put('sys/devices/system/cpu/online', '0,2-3')
    put('sys/devices/system/node/node0/cpulist', '0,2-3')
    assert.equal((await manager.rebalanceVcpus()).moves, [{ vcpuId: 1, from: [1], to: [2] }])
    put('sys/devices/system/cpu/online', '0-3')
    put('sys/devices/system/node/node0/cpulist', '0-3')
    put('sys/fs/cgroup/cpuset.cpus.effective', '1-3')
    assert.equal((await manager.rebalanceVcpus()).moves, [{ vcpuId: 0, from: [0], to: [1] }])
    put('sys/fs/cgroup/cpuset.cpus.effective', '1,3')
    const error = await failure(manager.rebalanceVcpus())
    assert.match(error.message, /2 vCPUs do not fit/)
    assert.equal(seats(manager), { 0: [1], 1: [2] })
  } finally {
    rmSync(root, { recursive: true })
  }
})

test('the report names each vCPU, who shares its core, what it costs, and what was changed by hand', async () => {
  const manager = VcpuAffinityManager.withTopology(smt)
  assert.match(manager.diagnosticReport(), /^16 CPUs online \(16 allowed\), 8 cores, 2 nodes\nno vCPU is configured\n$/)
  await manager.configureVcpuAffinity(2, { priority: 3 })
  const lines = manager.diagnosticReport().split('\n')
  assert.match(lines[2]!, /^vCPU +node +CPUs +priority +shares its core with$/)
  assert.match(lines[3]!, /^0 +0 +0 +3 +vCPU 1$/)
  assert.match(lines[4]!, /^1 +0 +1 +3 +vCPU 0$/)
  assert.match(manager.diagnosticReport(), /\nplanned: 0 lost vCPUs \(lower bound 0, gap 0\)\n/)
  manager.setVcpuConfig(1, { affinity: [8, 9], enableHt: false })
  assert.match(manager.diagnosticReport(), /^1 +1 +8-9 +3 +nobody, as asked for$/m)
  assert.match(manager.diagnosticReport(), /changed by hand since, .*: vCPU 1\n/)
  const byHand = VcpuAffinityManager.withTopology(smt)
  byHand.setVcpuConfig(0, { numaNode: 1 })
  assert.match(byHand.diagnosticReport(), /^0 +1 +8-15 +0 +nobody$/m)
  assert.match(byHand.diagnosticReport(), /configured by hand/)
})

test("the topology is this machine's unless another is given, and its numbers are those of CpuTopology", () => {
  assert.is(VcpuAffinityManager.withTopology(flat).getTopology(), flat)
  assert.equal(VcpuAffinityManager.withTopology(flat).topologyStats(), flat.stats())
  const manager = new VcpuAffinityManager()
  assert.equal(manager.topologyStats().totalCpus, CpuTopology.detectSync().totalCpus)
  assert.is(manager.getTopology(), manager.getTopology())
  const nowhere = new VcpuAffinityManager({ root: '/nowhere' })
  assert.is(refusal(() => nowhere.getTopology()).name, 'InputError')
})

const { VcpuAffinityManager: Manager } = accel

testWithKvm('a guest gets the CPUs and priorities that are configured, before it runs and while it does', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
  const manager = Manager.withTopology(guest.topology)
  await manager.configureVcpuAffinity(cpus.length > 1 ? 2 : 1, { priority: -2 })
  assert.equal(manager.applyTo(guest), { enforced: true })
  for (const id of manager.vcpuIds()) {
    assert.is(allowedOf(guest, id), `${manager.getVcpuConfig(id)!.affinity}`)
    assert.is(niceOf(guest, id), getPriority() + 2)
    // accelWith has enabled the node that all are on.
    assert.is(guest.getVcpuNumaNode(id), node)
  }
  await guest.run()
  manager.setVcpuConfig(0, { affinity: cpus, priority: -4 })
  manager.applyTo(guest)
  assert.is(allowedOf(guest, 0), formatCpulist(cpus))
  assert.is(niceOf(guest, 0), getPriority() + 4)
  if (manager.vcpuIds().length > 1) {
    await manager.rebalanceVcpus()
    manager.applyTo(guest)
    assert.is(allowedOf(guest, 0), `${manager.getVcpuConfig(0)!.affinity}`)
    assert.not.equal(allowedOf(guest, 0), allowedOf(guest, 1))
  }
})

testWithKvm(
  'a vCPU is bound to its node only where the guest has that enabled and all of its CPUs are there',
  async () => {
    const topology = twoNodes()
    await using guest = await accelWith(count, {}, { vcpus: [0, 1], topology })
    const manager = Manager.withTopology(topology)
    manager.setVcpuConfig(0, { affinity: [otherCpu] })
    manager.setVcpuConfig(1, { affinity: cpus })
    manager.applyTo(guest)
    assert.equal([guest.getVcpuNumaNode(0), guest.getVcpuNumaNode(1)], [undefined, undefined])
    guest.enableNuma([7])
    manager.applyTo(guest)
    assert.is(guest.getVcpuNumaNode(0), 7)
    assert.is(allowedOf(guest, 0), `${otherCpu}`)
    assert.is(allowedOf(guest, 1), formatCpulist(cpus))
  },
)

testWithKvm('a guest without one of the vCPUs is left as it is', async () => {
  await using guest = await accelWith(count, {}, { vcpus: [0] })
  const manager = Manager.withTopology(guest.topology)
  manager.setVcpuConfig(0, { affinity: [cpu], priority: -1 })
  manager.setVcpuConfig(1, { affinity: [cpu] })
  const error = refusal(() => manager.applyTo(guest))
  assert.is(error.message, 'accel: expected a guest with vCPU 0-1: see createVcpu(), got vCPU 0')
  assert.equal([allowedOf(guest, 0), niceOf(guest, 0)], [formatCpulist(cpus), getPriority()])
})

test.run()
