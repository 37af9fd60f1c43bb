/** NumaOptimizer on this machine: what the kernel has of it, and how wrong calls end. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NumaOptimizer } from '../../../../executor/accel/index.js'
import { setAffinity } from '../../../../executor/ffi/threads.js'
import { syntheticHost } from '../../../../src/topology/index.js'
import { skipUnless } from '../../../skip.js'
import { bundleExecutor } from '../../bundle.js'
import { cpus, MiB, nodes } from '../../plans.js'
import { boundMappings, holdings, leftSince, settledHoldings, unmapUnseen } from '../../process.js'

const { accel, executor } = await bundleExecutor()
const mbind = executor.probeMbind()
const testBound = skipUnless(mbind.usable, mbind.usable ? '' : `memory cannot be bound: ${mbind.text}`)
const { CpuTopology, VcpuAffinityManager } = accel
const topology = await CpuTopology.detect()
const node = nodes.filter((id) => topology.getNodeCpus(id).length > 0).at(-1)!
const PAGE = topology.host.nodes[0]!.pages[0]!.size
const BUDGET = 64 * MiB
const NOWHERE = { name: 'TypeError', message: 'the NumaOptimizer is closed' }

function make(budget: number | Record<number, number> = { [node]: BUDGET }, options = {}): NumaOptimizer {
  return new accel.NumaOptimizer(topology, VcpuAffinityManager.withTopology(topology), budget, options)
}

/** The name and the message of the error that a call or a promise ends with. */
async function refusal(call: () => unknown): Promise<{ readonly name: string; readonly message: string }> {
  try {
    await call()
  } catch (error) {
    const { name, message } = error as Error
    return { name, message }
  }
  throw new Error('nothing was refused')
}

async function refuses(name: string, message: RegExp, call: () => unknown): Promise<void> {
  const error = await refusal(call)
  assert.is(error.name, name, error.message)
  assert.match(error.message, message)
}

test.before.each(unmapUnseen)

const isBound = (address: number) => boundMappings().some(({ start, end }) => start <= address && address < end)

// ------------------------------------------------------------------------------------------------------ memory

testBound('memory is bound to the node that is said, has all its pages there, and holds what is written', async () => {
  await using optimizer = make()
  const allocation = await optimizer.allocateMemory(3 * MiB + 1, node)
  const bytes = 3 * MiB + PAGE
  assert.equal(
    { ...allocation, address: 0, why: '' },
    { enforced: true, address: 0, node, bytes, residentBytes: { [node]: bytes }, basis: 'cost', why: '' },
  )
  assert.ok(isBound(allocation.address))
  assert.equal(await optimizer.residentBytes(allocation.address), { [node]: bytes })
  optimizer.memoryOf(allocation.address).fill(3)
  const end = optimizer.memoryOf(allocation.address, bytes - 2)
  assert.equal([...end], [3, 3])
  assert.is(optimizer.memoryOf(allocation.address, 8, 4).length, 4)
})

testBound('every strategy gives memory, and says by what it chose', async () => {
  await using optimizer = make()
  assert.is(optimizer.allocationStrategy, 'Adaptive')
  const bases = { LocalFirst: 'distance', LoadBalanced: 'budget in use', Adaptive: 'cost' } as const
  for (const [strategy, basis] of Object.entries(bases)) {
    optimizer.setAllocationStrategy(strategy as keyof typeof bases)
    const allocation = await optimizer.allocateMemory(PAGE)
    assert.is(allocation.basis, basis)
    assert.is(allocation.node, node)
    assert.ok(allocation.why.length > 0)
  }
  optimizer.setAllocationStrategy('BandwidthOptimized')
  await optimizer.updateStats()
  await optimizer.updateStats()
  const isMeasured = optimizer.nodeStats(node).bandwidth !== null
  const { basis } = await optimizer.allocateMemory(PAGE)
  assert.is(basis, isMeasured ? 'measured bandwidth' : 'vCPUs and memory there')
  await refuses(
    'InputError',
    /strategy: expected one of LocalFirst, LoadBalanced, BandwidthOptimized, Adaptive, got "x"/,
    () => optimizer.setAllocationStrategy('x' as never),
  )
})

testBound('memory that is given back is unmapped, and its budget is there again', async () => {
  await using optimizer = make({ [node]: 2 * MiB })
  const { address } = await optimizer.allocateMemory(2 * MiB)
  assert.is(optimizer.nodeStats(node).budget.used, 2 * MiB)
  await refuses(
    'UnsupportedError',
    /memory-budget: no node has room for 4 KiB: node \d+ has 0 bytes left of its budget of 2 MiB/,
    () => optimizer.allocateMemory(1),
  )
  await optimizer.freeMemory(address)
  assert.is(isBound(address), false)
  assert.is(optimizer.nodeStats(node).budget.used, 0)
  assert.ok(isBound((await optimizer.allocateMemory(2 * MiB)).address))
})

testBound('a view that outlives its memory shows zeros', async () => {
  await using optimizer = make()
  const { address } = await optimizer.allocateMemory(MiB)
  const view = optimizer.memoryOf(address)
  view.fill(9)
  await optimizer.freeMemory(address)
  assert.equal([view[0], view[MiB - 1]], [0, 0])
  view[0] = 1
})

testBound('addresses that nothing is allocated at are refused with those that are', async () => {
  await using optimizer = make()
  await refuses(
    'InputError',
    /^address: expected the address of memory that is held \(there is none\), got 0x1000$/,
    () => optimizer.freeMemory(4096),
  )
  const { address } = await optimizer.allocateMemory(PAGE)
  const known = new RegExp(`\\(0x${address.toString(16)}\\), got `)
  await refuses('InputError', known, () => optimizer.memoryOf(address + 1))
  await refuses('InputError', known, () => optimizer.residentBytes('x' as never))
  await refuses('RangeError', /expected a part of/, () => optimizer.memoryOf(address, 1, PAGE))
  await optimizer.freeMemory(address)
  await refuses('InputError', /^address: /, () => optimizer.freeMemory(address))
})

test('sizes and nodes that make no sense are refused', async () => {
  await using optimizer = make()
  for (const size of [0, -1, 1.5, Number.NaN, '1' as never]) {
    await refuses('InputError', /^size: expected a whole number of bytes from 1, got /, () =>
      optimizer.allocateMemory(size),
    )
  }
  await refuses('InputError', /^preferredNode: expected one of the nodes .*, got 4711$/, () =>
    optimizer.allocateMemory(PAGE, 4711),
  )
  await refuses('InputError', /^sizes\[1\]: expected a whole number/, () => optimizer.allocateBatch([PAGE, 0]))
  await refuses('InputError', /^sizes: expected an array of sizes in bytes, got 7$/, () =>
    optimizer.allocateBatch(7 as never),
  )
  assert.is(optimizer.nodeStats(node).budget.used, 0)
})

testBound('a batch is there as a whole', async () => {
  await using optimizer = make()
  const batch = await optimizer.allocateBatch([PAGE, 2 * PAGE, MiB], node)
  assert.equal(
    batch.map(({ bytes, residentBytes }) => [bytes, residentBytes?.[node]]),
    [
      [PAGE, PAGE],
      [2 * PAGE, 2 * PAGE],
      [MiB, MiB],
    ],
  )
  assert.is(new Set(batch.map(({ address }) => address)).size, 3)
  assert.equal(await optimizer.allocateBatch([]), [])
})

testBound('a batch of which one part has no room leaves nothing behind', async () => {
  await using optimizer = make({ [node]: 2 * MiB })
  const before = boundMappings()
  await refuses('UnsupportedError', /no node has room for 1028 KiB: node \d+ has 1 MiB left/, () =>
    optimizer.allocateBatch([MiB, MiB + 1]),
  )
  assert.equal(boundMappings(), before)
  assert.is(optimizer.nodeStats(node).budget.used, 0)
})

testBound('memory that the kernel does not have is refused before any of it is taken', async () => {
  const total = topology.host.nodes.find(({ id }) => id === node)!.memory.total!
  await using optimizer = make({ [node]: total })
  const before = boundMappings()
  await refuses('UnsupportedError', /^memory-budget: no node has room for .*, of which the kernel has .* free$/, () =>
    optimizer.allocateMemory(total - MiB),
  )
  assert.equal(boundMappings(), before)
  assert.is(optimizer.nodeStats(node).budget.used, 0)
})

testBound('the budget is kept by calls at the same time', async () => {
  await using optimizer = make({ [node]: 4 * MiB })
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => optimizer.allocateMemory(MiB)))
  assert.is(results.filter(({ status }) => status === 'fulfilled').length, 4)
  assert.is(optimizer.nodeStats(node).budget.used, 4 * MiB)
})

test('a budget is not larger than the node, and of nodes that there are', async () => {
  await refuses('InputError', /^memoryPerNode\[\d+\]: expected at most .*, got 4096 TiB$/, () => make(2 ** 52))
  await refuses('InputError', /^memoryPerNode: expected nodes among .*, got 4711$/, () => make({ 4711: 1 }))
})

type Step = { readonly allocate: number } | { readonly free: number }
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(fc.record({ allocate: fc.integer({ min: 1, max: 20 * PAGE }) }), fc.record({ free: fc.nat(20) })),
  { maxLength: 12 },
)

testBound('whatever is allocated and freed, the budget in use is what the kernel has bound', async () => {
  const before = boundBytes()
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      await using optimizer = make({ [node]: 40 * PAGE })
      const held: { address: number; bytes: number }[] = []
      const sum = () => held.reduce((total, { bytes }) => total + bytes, 0)
      for (const step of sequence) {
        if ('free' in step) {
          const [freed] = held.splice(step.free % Math.max(1, held.length), 1)
          if (freed !== undefined) await optimizer.freeMemory(freed.address)
        } else if (sum() + Math.ceil(step.allocate / PAGE) * PAGE <= 40 * PAGE) {
          held.push(await optimizer.allocateMemory(step.allocate))
        } else {
          assert.is((await refusal(() => optimizer.allocateMemory(step.allocate))).name, 'UnsupportedError')
        }
        assert.is(optimizer.nodeStats(node).budget.used, sum())
        assert.is(boundBytes() - before, sum())
      }
    }),
    { numRuns: 25 },
  )
  assert.is(boundBytes(), before)
})

function boundBytes(): number {
  return boundMappings().reduce((sum, { start, end }) => sum + end - start, 0)
}

// ---------------------------------------------------------------------------------------------- where the thread is

test('the current node is that of the CPU that the calling thread is on', async () => {
  await using optimizer = make()
  try {
    for (const cpu of cpus) {
      setAffinity(0, [cpu])
      assert.is(optimizer.currentNode(), topology.cpuToNode.get(cpu))
    }
  } finally {
    setAffinity(0, cpus)
  }
})

testBound('memory for the calling thread is on its node', async () => {
  await using optimizer = make(Object.fromEntries(nodes.map((id) => [id, MiB])))
  optimizer.setAllocationStrategy('LoadBalanced')
  const [cpu] = cpus
  try {
    setAffinity(0, [cpu!])
    const allocation = await optimizer.allocateMemoryNumaAware(PAGE)
    assert.is(allocation.basis, 'distance')
    assert.is(allocation.node, optimizer.currentNode())
  } finally {
    setAffinity(0, cpus)
  }
})

// -------------------------------------------------------------------------------------------------- statistics

test("statistics are the kernel's: none before the first update, no rates before the second", async () => {
  await using optimizer = make()
  const none = optimizer.nodeStats(node)
  assert.equal([none.memory.total, none.cpuUsage, none.numa, none.seconds], [null, null, null, null])
  // A virtual machine's memory may become more or less at any time.
  const total = () => CpuTopology.detectSync().host.nodes.find(({ id }) => id === node)!.memory.total
  const before = total()
  const first = (await optimizer.updateStats()).get(node)!
  assert.ok([before, total()].includes(first.memory.total))
  assert.ok(first.memory.usage! > 0 && first.memory.usage! < 1)
  assert.equal([first.cpuUsage, first.numa, first.localAccessRate, first.seconds], [null, null, null, null])
  assert.is(optimizer.localAccessRate(), null)
  // Ticks are 10 ms.
  for (const until = performance.now() + 60; performance.now() < until; );
  await optimizer.updateStats()
  const second = optimizer.nodeStats(node)
  assert.ok(second.seconds! >= 0.05)
  assert.ok(second.numa!.numa_hit >= 0)
  assert.equal([...optimizer.allNodeStats().keys()], [...topology.cpusPerNode.keys()])
  assert.is(optimizer.allNodeStats().get(node)!.seconds, second.seconds)
})

testBound('CPUs that work are seen to, and pages that are given out are counted', async () => {
  await using optimizer = make()
  await optimizer.updateStats()
  for (const until = performance.now() + 100; performance.now() < until; );
  await optimizer.allocateMemory(16 * MiB, node)
  await optimizer.updateStats()
  const own = optimizer.nodeStats(optimizer.currentNode()!)
  assert.ok(own.cpuUsage! > 0 && own.cpuUsage! <= 1)
  const { numa, localAccessRate } = optimizer.nodeStats(node)
  assert.ok(numa!.numa_hit > 0)
  assert.ok(localAccessRate! > 0 && localAccessRate! <= 1)
  assert.is(optimizer.localAccessRate(node), localAccessRate)
})

test('nodes that there are not are refused', async () => {
  await using optimizer = make()
  const expected = /^node: expected one of the nodes .*, got 4711$/
  await refuses('InputError', expected, () => optimizer.nodeStats(4711))
  await refuses('InputError', expected, () => optimizer.localAccessRate(4711))
  await refuses('InputError', expected, () => optimizer.recordMemoryAccess(cpus[0]!, 4711))
})

test('recorded accesses are kept apart from what the kernel counts', async () => {
  const host = syntheticHost('pack:2 [numa(memory=1GiB)] core:2 pu:1')
  const described = CpuTopology.of(host)
  const manager = VcpuAffinityManager.withTopology(described)
  await using optimizer = new accel.NumaOptimizer(described, manager, 0)
  manager.setVcpuConfig(5, { affinity: [2] })
  optimizer.recordMemoryAccess(0, 0)
  optimizer.recordMemoryAccess({ cpu: 1 }, 0, 2)
  optimizer.recordMemoryAccess({ vcpu: 5 }, 0, 4)
  optimizer.recordMemoryAccess({ node: 1 }, 1, 8)
  assert.equal(optimizer.nodeStats(0).recorded, { local: 3, remote: 4, localRate: 3 / 7 })
  assert.equal(optimizer.nodeStats(1).recorded, { local: 8, remote: 0, localRate: 1 })
  assert.is(optimizer.localAccessRate(0), null)
  await refuses('InputError', /^from: expected an online CPU, or \{vcpu\} or \{node\}, got 9$/, () =>
    optimizer.recordMemoryAccess(9, 0),
  )
  await refuses('InputError', /^from: .*got nothing$/, () => optimizer.recordMemoryAccess(undefined as never, 0))
  await refuses('InputError', /^from.vcpu: expected a configured vCPU \(5\), got 1$/, () =>
    optimizer.recordMemoryAccess({ vcpu: 1 }, 0),
  )
  await refuses('InputError', /^from.node: expected one of the nodes 0-1, got 2$/, () =>
    optimizer.recordMemoryAccess({ node: 2 }, 0),
  )
  await refuses('InputError', /^count: expected a whole number from 0, got -1$/, () =>
    optimizer.recordMemoryAccess(0, 0, -1),
  )
})

/** A copy of what this machine shows of its nodes, in which numbers can be changed. */
function recordedRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'homenode-optimizer-'))
  process.on('exit', () => rmSync(root, { recursive: true, force: true }))
  for (const id of topology.cpusPerNode.keys()) {
    const directory = join(root, `sys/devices/system/node/node${id}`)
    mkdirSync(directory, { recursive: true })
    for (const file of ['meminfo', 'numastat']) {
      // Read and written: copyFile does not get to the end of a file of sysfs.
      writeFileSync(join(directory, file), readFileSync(`/sys/devices/system/node/node${id}/${file}`))
    }
  }
  mkdirSync(join(root, 'proc'))
  return root
}

test('statistics come from the files below the root that is given', async () => {
  const root = recordedRoot()
  const stat = (busy: number, idle: number) => {
    const lines = [...topology.cpuToNode.keys()].map((cpu) => `cpu${cpu} ${busy} 0 0 ${idle} 0 0 0 0 0 0\n`)
    writeFileSync(join(root, 'proc/stat'), lines.join(''))
  }
  const numastat = (pages: number) =>
    writeFileSync(
      join(root, `sys/devices/system/node/node${node}/numastat`),
      `numa_hit ${pages}\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node ${pages / 4}\nother_node ${(3 * pages) / 4}\n`,
    )
  stat(0, 100)
  numastat(0)
  await using optimizer = make({ [node]: BUDGET }, { root })
  await optimizer.updateStats()
  stat(30, 170)
  numastat(400)
  await delay(5)
  await optimizer.updateStats()
  const { cpuUsage, numa, seconds } = optimizer.nodeStats(node)
  assert.is(cpuUsage, topology.getNodeCpus(node).length > 0 ? 0.3 : null)
  assert.ok(Math.abs(numa!.numa_hit * seconds! - 400) < 1e-6, `${numa!.numa_hit} a second in ${seconds} s`)
  // Of rates, which are rounded.
  assert.ok(Math.abs(optimizer.localAccessRate(node)! - 0.25) < 1e-9, `${optimizer.localAccessRate(node)}`)
  assert.is(optimizer.currentNode(), undefined)
  assert.match(await optimizer.diagnosticReport(), /cache misses: unknown: the files are of another system/)
})

testBound('where resctrl measures every node, bandwidth is known, and BandwidthOptimized goes by it', async () => {
  const root = recordedRoot()
  const file = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const own = topology.getNodeCpus(node)
  for (const cpu of own) {
    const cache = `sys/devices/system/cpu/cpu${cpu}/cache/index3`
    file(`${cache}/level`, '3\n')
    file(`${cache}/id`, '0\n')
    file(`${cache}/shared_cpu_list`, `${own.join(',')}\n`)
  }
  const measured = (bytes: number) => {
    file('sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes', `${2 * bytes}\n`)
    file('sys/fs/resctrl/mon_data/mon_L3_00/mbm_local_bytes', `${bytes}\n`)
  }
  await using optimizer = make({ [node]: BUDGET }, { root })
  optimizer.setAllocationStrategy('BandwidthOptimized')
  measured(0)
  await optimizer.updateStats()
  assert.is((await optimizer.allocateMemory(PAGE)).basis, 'vCPUs and memory there')
  measured(1000 * MiB)
  await delay(5)
  await optimizer.updateStats()
  const { bandwidth, seconds } = optimizer.nodeStats(node)
  assert.ok(Math.abs(bandwidth!.localBytesPerSecond * seconds! - 1000 * MiB) < 1)
  assert.ok(Math.abs(bandwidth!.bytesPerSecond * seconds! - 2000 * MiB) < 1)
  const { basis, why, residentBytes } = await optimizer.allocateMemory(PAGE)
  assert.is(basis, 'measured bandwidth')
  assert.match(why, /\/s measured/)
  assert.equal(residentBytes, { [node]: PAGE })
  assert.match(await optimizer.diagnosticReport(), /bandwidth: resctrl, of the nodes whose CPUs it measures/)
})

// ------------------------------------------------------------------------------- placement, moves, suggestions

testBound('vCPUs are placed near the memory that is allocated, and the manager has them so', async () => {
  const manager = VcpuAffinityManager.withTopology(topology)
  await using optimizer = new accel.NumaOptimizer(topology, manager, { [node]: BUDGET })
  const without = await optimizer.optimizeVcpuPlacement(1)
  assert.equal([...without.nodes.keys()], [0])
  await optimizer.allocateMemory(4 * MiB, node)
  const { nodes: placed, plan } = await optimizer.optimizeVcpuPlacement(1)
  assert.is(plan.vms[0]!.cells[0]!.memory[0]!.node, node)
  assert.is(plan.vms[0]!.cells[0]!.memory[0]!.bytes, 4 * MiB)
  assert.is(placed.get(0), manager.getVcpuConfig(0)!.numaNode)
  assert.is(plan.cost.terms.remoteMemory, 0)
  await refuses('UnsupportedError', /vCPUs do not fit/, () => optimizer.optimizeVcpuPlacement(cpus.length + 1))
  await refuses('InputError', /^n: /, () => optimizer.optimizeVcpuPlacement(0))
  assert.equal(manager.vcpuIds(), [0])
})

test('on a host that is described, the nodes of the vCPUs are those of the memory', async () => {
  const described = CpuTopology.of(syntheticHost('pack:4 [numa(memory=1GiB)] core:2 pu:1'))
  const platform = { name: 'haiku', warn: () => {} }
  const manager = VcpuAffinityManager.withTopology(described)
  await using optimizer = new accel.NumaOptimizer(described, manager, MiB, { platform })
  optimizer.setAllocationStrategy('LocalFirst')
  await optimizer.allocateMemory(MiB, 3)
  await optimizer.allocateMemory(MiB, 2)
  const { nodes: placed } = await optimizer.optimizeVcpuPlacement(4)
  assert.equal([...placed.values()].sort(), [2, 2, 3, 3])
})

testBound('there is nothing to move where everything is where it should be', async () => {
  await using optimizer = make()
  await optimizer.allocateBatch([MiB, MiB])
  for (const strategy of ['LocalFirst', 'LoadBalanced', 'BandwidthOptimized', 'Adaptive'] as const) {
    optimizer.setAllocationStrategy(strategy)
    assert.equal(await optimizer.rebalanceMemory(), {
      enforced: true,
      movedBytes: 0,
      movedPages: 0,
      moves: [],
      failed: [],
    })
  }
})

testBound('a full budget is suggested to be looked at, with the figure', async () => {
  await using optimizer = make({ [node]: 10 * PAGE })
  const kinds = async () => (await optimizer.optimizationSuggestions()).map(({ kind }) => kind)
  assert.is((await kinds()).includes('budget-used'), false)
  await optimizer.allocateMemory(10 * PAGE)
  const found = (await optimizer.optimizationSuggestions()).find(({ kind }) => kind === 'budget-used')!
  assert.equal(found.figure, { name: 'share of the budget', value: 1, limit: 0.9, unit: 'of 1' })
  assert.is(found.node, node)
  assert.is((await kinds()).includes('one-node'), nodes.length === 1)
})

testBound('the report has the strategy, every node, every allocation, and where the figures come from', async () => {
  await using optimizer = make()
  const before = await optimizer.diagnosticReport()
  assert.match(before, /^NUMA optimizer\nstrategy: Adaptive\n/)
  assert.match(before, /rates: none, since it takes two calls/)
  assert.match(before, /memory that is given out: none/)
  const { address } = await optimizer.allocateMemory(2 * MiB)
  await optimizer.updateStats()
  await delay(5)
  await optimizer.updateStats()
  const report = await optimizer.diagnosticReport()
  for (const id of topology.cpusPerNode.keys()) assert.match(report, new RegExp(`^node ${id}$`, 'm'))
  assert.match(
    report,
    new RegExp(`0x${address.toString(16)}: 2 MiB for node ${node}, found 2 MiB on node ${node} \\(by cost: `),
  )
  assert.match(report, /rates: of the \d+\.\d\d s between/)
  assert.match(report, /budget: 2 MiB of 64 MiB given out/)
})

/** This machine, with a node more than there is. */
function withGhost() {
  const [first] = topology.host.nodes
  const ghost = { ...first!, id: GHOST }
  const described = CpuTopology.of({ ...topology.host, nodes: [...topology.host.nodes, ghost], distances: [] })
  const manager = VcpuAffinityManager.withTopology(described)
  return new accel.NumaOptimizer(described, manager, { [node]: BUDGET, [GHOST]: BUDGET })
}
const GHOST = 1000

testBound('what the kernel refuses is an error with the call, and nothing stays behind', async () => {
  await using optimizer = withGhost()
  optimizer.setAllocationStrategy('LocalFirst')
  const before = boundMappings()
  await refuses('SyscallError', /^mbind\(node 1000\): EINVAL .*the node does not exist/, () =>
    optimizer.allocateMemory(MiB, GHOST),
  )
  await refuses('SyscallError', /^mbind\(node 1000\): EINVAL/, () =>
    optimizer.allocateBatch([BUDGET, MiB, MiB, MiB], node),
  )
  assert.equal(boundMappings(), before)
  for (const id of [node, GHOST]) assert.is(optimizer.nodeStats(id).budget.used, 0)
})

testBound('memory that cannot be moved stays where it is, as do the budgets, and the reason is told', async () => {
  await using optimizer = withGhost()
  optimizer.setAllocationStrategy('LocalFirst')
  const [first, second] = await optimizer.allocateBatch([MiB, MiB], node)
  optimizer.memoryOf(first!.address).fill(5)
  optimizer.setAllocationStrategy('LoadBalanced')
  const { enforced, movedBytes, movedPages, moves, failed } = await optimizer.rebalanceMemory()
  assert.equal([enforced, movedBytes, movedPages, moves], [false, 0, 0, []])
  assert.equal(
    failed.map(({ address, to }) => [address, to]),
    [[first!.address, GHOST]],
  )
  assert.match(failed[0]!.reason, /^mbind\(node 1000\): EINVAL/)
  for (const { address } of [first!, second!]) assert.equal(await optimizer.residentBytes(address), { [node]: MiB })
  assert.is(optimizer.memoryOf(first!.address)[MiB - 1], 5)
  assert.equal(
    [node, GHOST].map((id) => optimizer.nodeStats(id).budget.used),
    [2 * MiB, 0],
  )
})

testBound('memory can be freed while it is moved, and taken while others are', async () => {
  await using optimizer = withGhost()
  optimizer.setAllocationStrategy('LocalFirst')
  const batch = await optimizer.allocateBatch(Array<number>(20).fill(MiB), node)
  optimizer.setAllocationStrategy('LoadBalanced')
  const work = [optimizer.rebalanceMemory(), optimizer.rebalanceMemory(), optimizer.diagnosticReport()]
  await Promise.all([...work, ...batch.map(({ address }) => optimizer.freeMemory(address))])
  assert.is(optimizer.nodeStats(node).budget.used, 0)
  assert.is(
    batch.some(({ address }) => isBound(address)),
    false,
  )
})

// ----------------------------------------------------------------------------------------------- other platforms

for (const [name, warnings] of [
  ['darwin', 2],
  ['win32', 0],
] as const) {
  test(`on ${name} memory is ordinary, and nobody is misled`, async () => {
    const said: string[] = []
    const platform = { name, warn: (text: string) => said.push(text) }
    const before = boundMappings()
    await using optimizer = make({ [node]: 2 * MiB }, { platform })
    const allocation = await optimizer.allocateMemory(MiB, node)
    assert.is(allocation.enforced, false)
    assert.match(
      'reason' in allocation ? allocation.reason : '',
      new RegExp(`NumaOptimizer.allocateMemory has no effect on ${name}`),
    )
    assert.equal([allocation.node, allocation.bytes, allocation.residentBytes], [node, MiB, null])
    assert.equal(boundMappings(), before)
    // The address is real: the memory is in a mapping of this process.
    optimizer.memoryOf(allocation.address)[0] = 77
    assert.is(optimizer.memoryOf(allocation.address)[0], 77)
    assert.is(await optimizer.residentBytes(allocation.address), null)
    await refuses('UnsupportedError', /no node has room for 2 MiB/, () => optimizer.allocateMemory(2 * MiB))
    await optimizer.allocateMemory(PAGE)
    const { enforced, movedPages } = await optimizer.rebalanceMemory()
    assert.equal([enforced, movedPages], [false, 0])
    await optimizer.rebalanceMemory()
    assert.match(await optimizer.diagnosticReport(), /nothing is bound: only Linux binds memory to nodes/)
    assert.is(said.length, warnings, said.join('\n'))
    const view = optimizer.memoryOf(allocation.address)
    await optimizer.freeMemory(allocation.address)
    assert.is(view[0], 77)
    await refuses('InputError', /^address: /, () => optimizer.memoryOf(allocation.address))
  })
}

// ---------------------------------------------------------------------------------------------------- the end

testBound('a closed optimizer has given everything back, and gives nothing more', async () => {
  const sizes = Array.from({ length: 20 }, () => MiB)
  {
    // Threads of the pool, and the JavaScript engine's memory, are there before anything is counted.
    await using warm = make()
    await warm.allocateBatch(sizes)
    await warm.updateStats()
  }
  const before = await settledHoldings()
  const optimizer = make()
  const batch = await optimizer.allocateBatch(sizes)
  await optimizer.updateStats()
  assert.ok(batch.every(({ address }) => isBound(address)))
  await Promise.all([optimizer.close(), optimizer.close()])
  assert.is(
    batch.some(({ address }) => isBound(address)),
    false,
  )
  assert.equal(await leftSince(before), [])
  // Nor is anything of others closed; a thread of the pool that ends meanwhile takes its event loop along, and the loop's pipes.
  const lasting = (fds: readonly string[]) =>
    fds.filter((name) => !name.startsWith('anon_inode:[event') && name !== 'pipe')
  assert.equal(lasting(holdings().fds), lasting(before.fds))
  await optimizer.close()
  const { address } = batch[0]!
  for (const call of [
    () => optimizer.allocateMemory(PAGE),
    () => optimizer.allocateBatch([PAGE]),
    () => optimizer.allocateMemoryNumaAware(PAGE),
    () => optimizer.freeMemory(address),
    () => optimizer.memoryOf(address),
    () => optimizer.residentBytes(address),
    () => optimizer.updateStats(),
    () => optimizer.rebalanceMemory(),
    () => optimizer.optimizeVcpuPlacement(1),
    () => optimizer.optimizationSuggestions(),
    () => optimizer.diagnosticReport(),
  ]) {
    assert.equal(await refusal(call), NOWHERE)
  }
})

testBound('memory that is on its way when the optimizer is closed is given back', async () => {
  const before = boundMappings()
  const optimizer = make()
  const pending = optimizer.allocateBatch([8 * MiB, 8 * MiB]).catch((error: Error) => error.name)
  await optimizer.close()
  assert.is(await pending, 'TypeError')
  assert.equal(boundMappings(), before)
})

test.run()
