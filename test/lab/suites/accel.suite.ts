/** Guests made by hand with homenode/accel: their vCPUs and their memory on every node, seen by thread and by page. */

import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { AccelKvm, CpuTopology, VcpuAffinityManager } from 'homenode/accel'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pageNodes } from '../../../executor/ffi/numa.js'
import { formatCpulist } from '../../../src/cpulist.js'
import { sweep } from '../../executor/guests/programs.js'
import { cpusOf } from '../machines.js'
import { boundMemory, CPUS, failure, leftBehind, MiB, machine, NODES, threadOf, withCpus, write } from './inside.js'

const PAGE = 4096
const GIB = 1024 ** 3
const nodeCpus = (node: number) => cpusOf(machine.nodes[node]!)
const allCpus = machine.nodes.flatMap(cpusOf)
/** Where the part of each node is. */
const gpaOf = (node: number) => (node + 1) * GIB

/** A guest with memory on each node; vCPU n counts in every page of node n's. */
async function everywhere(): Promise<AccelKvm> {
  const accel = new AccelKvm({ name: 'lab' })
  try {
    await accel.init()
    accel.enableNuma(machine.nodes.length)
    await accel.setupNumaMemory({ node: 0, size: MiB, gpa: 0 })
    for (const node of withCpus) {
      await accel.setupNumaMemory({ node, size: MiB, gpa: gpaOf(node) })
      await accel.createVcpu(node)
    }
    const { entry } = await accel.load(sweep, PAGE)
    for (const node of withCpus) {
      accel.vcpu(node).startInLongMode(entry, { rdi: BigInt(gpaOf(node)), rsi: BigInt(gpaOf(node) + MiB) })
    }
    return accel
  } catch (error) {
    await accel.close()
    throw error
  }
}

function counted(accel: AccelKvm, vcpu: number, page: number): number {
  const word = accel.read(gpaOf(vcpu) + page * PAGE, 8)
  return Number(new DataView(word.buffer).getBigUint64(0, true))
}

async function untilCounted(accel: AccelKvm, vcpu: number): Promise<void> {
  const from = counted(accel, vcpu, 0)
  while (counted(accel, vcpu, 0) <= from) await delay(10)
}

const seen = (accel: AccelKvm, vcpu: number) => threadOf(accel.getVcpuThread(vcpu))

test('each part of the memory is on its node page by page, and a guest counts in all of its pages', async () => {
  const accel = await everywhere()
  try {
    const onEach = Object.fromEntries(withCpus.map((node) => [`bind:${node}`, { [node]: node === 0 ? 2 * MiB : MiB }]))
    assert.equal(boundMemory(), onEach)
    await accel.run()
    for (const node of withCpus) while (counted(accel, node, MiB / PAGE - 1) < 2) await delay(10)
    await accel.pause()
    for (const node of withCpus) {
      for (let page = 0; page < MiB / PAGE; page++) assert.ok(counted(accel, node, page) >= 2)
    }
    for (const { gpa, size, node, hva, resident } of await accel.residentMemory()) {
      const status = new Int32Array(size / PAGE)
      pageNodes(hva, PAGE, status)
      assert.ok(status.every((found) => found === node))
      assert.equal(resident, { [node]: size }, `${gpa}`)
    }
  } finally {
    await accel.close()
  }
  assert.equal(leftBehind(), [])
})

test('a vCPU goes to every CPU of the machine, and to several, while its guest runs', async () => {
  const accel = await everywhere()
  try {
    await accel.run()
    for (const cpu of [...allCpus].reverse()) {
      assert.equal(accel.setVcpuAffinity(0, [cpu]), { enforced: true })
      await untilCounted(accel, 0)
      assert.equal(seen(accel, 0), { allowed: `${cpu}`, last: cpu })
    }
    const some = [allCpus[0]!, allCpus.at(-1)!]
    accel.setVcpuAffinity(0, some)
    await untilCounted(accel, 0)
    assert.is(seen(accel, 0).allowed, formatCpulist(some))
    assert.ok(some.includes(seen(accel, 0).last))
    assert.equal(accel.getVcpuAffinity(0), some)
  } finally {
    await accel.close()
  }
})

test('a running vCPU is bound to one node after the other, and stays where it is pinned more tightly', async () => {
  const accel = await everywhere()
  try {
    accel.bindVcpuToNumaNode(0, withCpus.at(-1)!)
    assert.is(seen(accel, 0).allowed, formatCpulist(nodeCpus(withCpus.at(-1)!)))
    await accel.run()
    for (const node of withCpus) {
      assert.equal(accel.bindVcpuToNumaNode(0, node), { enforced: true })
      await untilCounted(accel, 0)
      assert.is(seen(accel, 0).allowed, formatCpulist(nodeCpus(node)))
      assert.ok(nodeCpus(node).includes(seen(accel, 0).last))
      assert.is(accel.getVcpuNumaNode(0), node)
    }
    const last = withCpus.at(-1)!
    const [cpu] = nodeCpus(last)
    accel.setVcpuAffinity(0, [cpu!])
    accel.bindVcpuToNumaNode(0, last)
    assert.equal(accel.getVcpuAffinity(0), [cpu])
    assert.is(accel.getVcpuNumaNode(0), last)
    accel.bindVcpuToNumaNode(0, 0)
    accel.disableNuma()
    assert.is(seen(accel, 0).allowed, `${cpu}`)
    assert.is(accel.getVcpuNumaNode(0), undefined)
  } finally {
    await accel.close()
  }
})

test('memory is added on every node while the guest runs, at host addresses of choice', async () => {
  const accel = await everywhere()
  try {
    await accel.run()
    for (const node of withCpus) {
      const hva = 0x1000_0000_0000 + node * GIB
      const memory = await accel.setupNumaMemory({ node, size: 2 * MiB, gpa: 64 * GIB + node * GIB, hva })
      assert.equal(memory, { enforced: true, node, size: 2 * MiB, gpa: 64 * GIB + node * GIB, hva, pageSize: PAGE })
      const status = new Int32Array((2 * MiB) / PAGE)
      pageNodes(hva, PAGE, status)
      assert.ok(status.every((found) => found === node))
    }
    await untilCounted(accel, 0)
  } finally {
    await accel.close()
  }
  assert.equal(leftBehind(), [])
})

test('memory goes from node to node while the guest counts in it, and nothing that it counted is lost', async () => {
  const accel = await everywhere()
  try {
    await accel.run()
    for (const node of [...withCpus].reverse()) {
      await untilCounted(accel, 0)
      const before = counted(accel, 0, 0)
      assert.equal(await accel.moveNumaMemory(gpaOf(0), node), { enforced: true })
      const part = (await accel.residentMemory()).find(({ gpa }) => gpa === gpaOf(0))!
      assert.equal([part.node, part.resident], [node, { [node]: MiB }])
      const status = new Int32Array(MiB / PAGE)
      pageNodes(part.hva, PAGE, status)
      assert.ok(status.every((found) => found === node))
      assert.ok(counted(accel, 0, 0) >= before)
      await untilCounted(accel, 0)
    }
  } finally {
    await accel.close()
  }
  assert.equal(leftBehind(), [])
})

test('a node without room for it gives nothing, with the numbers, and the guest goes on', async () => {
  const accel = await everywhere()
  const target = withCpus.at(-1)!
  const pool = `${NODES}/node${target}/hugepages/hugepages-2048kB/nr_hugepages`
  try {
    await accel.run()
    const before = boundMemory()
    // Reserving huge pages takes all that the node has, but for a little.
    write(pool, 100_000)
    const error = await failure(accel.setupNumaMemory({ node: target, size: 192 * MiB, gpa: 64 * GIB }))
    assert.match(
      error.message,
      new RegExp(`^VM "lab": memory-capacity: 192 MiB is needed from node ${target}, .* free now`),
    )
    assert.equal(boundMemory(), before)
    await untilCounted(accel, 0)
  } finally {
    write(pool, 0)
    await accel.close()
  }
})

test('huge pages of a node are taken from its pool', async () => {
  const target = withCpus.at(-1)!
  const pool = `${NODES}/node${target}/hugepages/hugepages-2048kB`
  const accel = new AccelKvm()
  write(`${pool}/nr_hugepages`, 4)
  try {
    await accel.init()
    accel.enableNuma([target])
    const size = 6 * MiB
    await accel.setupNumaMemory({ node: target, size, gpa: 0, pageSize: 2 * MiB })
    assert.equal(boundMemory(), { [`bind:${target}`]: { [target]: size } })
    for (const { resident, pageSize } of await accel.residentMemory()) {
      assert.equal([resident, pageSize], [{ [target]: size }, 2 * MiB])
    }
    const error = await failure(accel.setupNumaMemory({ node: target, size, gpa: GIB, pageSize: 2 * MiB }))
    assert.match(error.message, /6 MiB is needed from node \d+, in pages of 2 MiB, where 2 MiB is free now/)
  } finally {
    await accel.close()
    write(`${pool}/nr_hugepages`, 0)
  }
})

test('a CPU that has gone offline since is refused with those that are left, and one that is back is taken', async () => {
  const accel = await everywhere()
  const cpu = allCpus.at(-1)!
  const others = formatCpulist(allCpus.slice(0, -1))
  try {
    await accel.run()
    accel.setVcpuAffinity(0, [cpu])
    accel.setVcpuAffinity(0, [allCpus[0]!])
    write(`${CPUS}/cpu${cpu}/online`, 0)
    for (const wanted of [[cpu], [allCpus[0]!, cpu]]) {
      const error = await failure((async () => accel.setVcpuAffinity(0, wanted))())
      const says = `^cpus: expected .* online and allowed \\(${others}\\), got ${cpu}, which is offline`
      assert.match(error.message, new RegExp(says))
      assert.is(seen(accel, 0).allowed, `${allCpus[0]}`)
    }
    const last = withCpus.at(-1)!
    accel.bindVcpuToNumaNode(0, last)
    assert.is(seen(accel, 0).allowed, formatCpulist(nodeCpus(last).filter((each) => each !== cpu)))
    write(`${CPUS}/cpu${cpu}/online`, 1)
    accel.setVcpuAffinity(0, [cpu])
    assert.is(seen(accel, 0).allowed, `${cpu}`)
    await untilCounted(accel, 0)
  } finally {
    write(`${CPUS}/cpu${cpu}/online`, 1)
    await accel.close()
  }
})

test('CPUs and nodes outside of the cpuset are refused with those inside', async () => {
  const root = '/sys/fs/cgroup'
  const group = `${root}/accel`
  const node = withCpus.at(-1)!
  const inside = nodeCpus(node)
  mkdirSync(group, { recursive: true })
  write(`${group}/cpuset.cpus`, formatCpulist(inside))
  write(`${group}/cpuset.mems`, node)
  write(`${group}/cgroup.procs`, process.pid)
  const accel = new AccelKvm()
  try {
    await accel.init()
    accel.enableNuma(machine.nodes.length)
    await accel.createVcpu(0)
    const list = formatCpulist(inside)
    assert.is(seen(accel, 0).allowed, list)
    const refused = async (call: () => unknown) => (await failure((async () => call())())).message
    assert.match(
      await refused(() => accel.setVcpuAffinity(0, [nodeCpus(0)[0]!])),
      new RegExp(`allowed \\(${list}\\), got ${nodeCpus(0)[0]}, which is not in the cpuset`),
    )
    assert.match(
      await refused(() => accel.bindVcpuToNumaNode(0, 0)),
      new RegExp(`\\(${node}\\), got 0, which has none`),
    )
    assert.match(
      await refused(() => accel.setupNumaMemory({ node: 0, size: MiB, gpa: 0 })),
      new RegExp(`memory that this process may use \\(${node}\\), got 0, which is not in the cpuset`),
    )
    accel.bindVcpuToNumaNode(0, node)
    assert.is(seen(accel, 0).allowed, list)
    await accel.setupNumaMemory({ node, size: MiB, gpa: 0 })
    assert.equal(boundMemory(), { [`bind:${node}`]: { [node]: MiB } })
  } finally {
    write(`${root}/cgroup.procs`, process.pid)
    await accel.close()
  }
})

test('vCPUs are where the manager has planned them, and go back there when they are moved away', async () => {
  const accel = await everywhere()
  try {
    const manager = VcpuAffinityManager.withTopology(await CpuTopology.detect())
    await manager.configureVcpuAffinity(withCpus.length, {
      cells: withCpus.length,
      memory: `${withCpus.length * 4}MiB`,
      strategy: 'spread',
    })
    assert.equal(manager.applyTo(accel), { enforced: true })
    await accel.run()
    const asConfigured = () => {
      for (const id of manager.vcpuIds()) {
        const { affinity, numaNode } = manager.getVcpuConfig(id)!
        assert.is(seen(accel, id).allowed, `${affinity}`)
        assert.ok(affinity.cpus().every((cpu) => nodeCpus(numaNode).includes(cpu)))
        assert.is(accel.getVcpuNumaNode(id), numaNode)
      }
    }
    asConfigured()
    const { numaNode, affinity } = manager.getVcpuConfig(0)!
    const used = manager.vcpuIds().flatMap((id) => manager.getVcpuConfig(id)!.affinity.cpus())
    const elsewhere = allCpus.find((cpu) => !nodeCpus(numaNode).includes(cpu) && !used.includes(cpu))!
    manager.setVcpuConfig(0, { affinity: [elsewhere] })
    manager.applyTo(accel)
    asConfigured()
    await untilCounted(accel, 0)
    assert.is(seen(accel, 0).last, elsewhere)
    const { moved, moves } = await manager.rebalanceVcpus()
    manager.applyTo(accel)
    asConfigured()
    assert.is(moved, moves.length)
    assert.equal([moves[0]?.vcpuId, moves[0]?.from], [0, [elsewhere]])
    assert.equal(manager.getVcpuConfig(0)!.numaNode, numaNode)
    assert.is(affinity.cpus().length, 1)
  } finally {
    await accel.close()
  }
  assert.equal(leftBehind(), [])
})

test.run()
