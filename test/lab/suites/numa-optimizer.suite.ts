/** NumaOptimizer on several nodes: where each strategy puts memory, what is moved, and what the kernel counts of it. */

import { CpuTopology, NumaOptimizer, VcpuAffinityManager } from 'homenode/accel'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { boundMemory, failure, leftBehind, MiB, machine, withCpus, withMemory } from './inside.js'

const topology = await CpuTopology.detect()
/** The suites run on CPU 0. */
const here = topology.cpuToNode.get(0)!
const last = withCpus.filter((id) => withMemory.includes(id)).at(-1)!
const BLOCK = 4 * MiB
const BUDGET = 4 * BLOCK

interface Setting {
  readonly optimizer: NumaOptimizer
  readonly manager: VcpuAffinityManager
}

/** An optimizer, and vCPUs on these nodes. */
async function withOptimizer(
  vcpuNodes: readonly number[],
  body: (setting: Setting) => Promise<void>,
  budget = BUDGET,
): Promise<void> {
  const manager = VcpuAffinityManager.withTopology(topology)
  for (const [id, node] of vcpuNodes.entries()) manager.setVcpuConfig(id, { affinity: topology.getNodeCpus(node) })
  await using optimizer = new NumaOptimizer(topology, manager, budget)
  await body({ optimizer, manager })
}

/** Nodes with memory, the nearest to this one first. */
function nearestTo(node: number): number[] {
  const distances = machine.distances[node]!
  return [...withMemory].sort((a, b) => distances[a]! - distances[b]! || a - b)
}

/** What numa_maps has to show of so many blocks on each node. */
function blocksOn(counts: Readonly<Record<number, number>>): ReturnType<typeof boundMemory> {
  const nodes = Object.entries(counts).filter(([, count]) => count > 0)
  return Object.fromEntries(nodes.map(([node, count]) => [`bind:${node}`, { [node]: count * BLOCK }]))
}

async function fill(optimizer: NumaOptimizer, counts: Readonly<Record<number, number>>): Promise<void> {
  optimizer.setAllocationStrategy('LocalFirst')
  for (const [node, count] of Object.entries(counts)) {
    await optimizer.allocateBatch(Array(count).fill(BLOCK), Number(node))
  }
  assert.equal(boundMemory(), blocksOn(counts))
}

test('LocalFirst fills the preferred node, then the nearest ones', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    optimizer.setAllocationStrategy('LocalFirst')
    const nodes: number[] = []
    for (let i = 0; i < 4 * withMemory.length; i++) nodes.push((await optimizer.allocateMemory(BLOCK, last)).node)
    assert.equal(
      nodes,
      nearestTo(last).flatMap((node) => [node, node, node, node]),
    )
    assert.equal(boundMemory(), blocksOn(Object.fromEntries(withMemory.map((node) => [node, 4]))))
    const error = await failure(optimizer.allocateMemory(1))
    assert.is(error.name, 'UnsupportedError')
    for (const node of withMemory) assert.match(error.message, `node ${node} has 0 bytes left of its budget of 16 MiB`)
  })
  assert.equal(leftBehind(), [])
})

test('LoadBalanced takes the nodes of whose budget the least is in use, until all are alike', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    await fill(optimizer, { [last]: 2 })
    optimizer.setAllocationStrategy('LoadBalanced')
    const others = withMemory.filter((node) => node !== last)
    const batch = await optimizer.allocateBatch(Array(2 * others.length).fill(BLOCK), last)
    assert.equal(
      batch.map(({ node }) => node).sort(),
      others.flatMap((node) => [node, node]),
    )
    assert.is(batch[0]!.basis, 'budget in use')
    assert.equal(boundMemory(), blocksOn(Object.fromEntries(withMemory.map((node) => [node, 2]))))
  })
})

test('BandwidthOptimized keeps away from vCPUs and memory, and says that nothing measures', async () => {
  await withOptimizer([last, last], async ({ optimizer }) => {
    optimizer.setAllocationStrategy('BandwidthOptimized')
    const { node, basis, residentBytes } = await optimizer.allocateMemory(BLOCK, last)
    assert.is.not(node, last)
    assert.is(basis, 'vCPUs and memory there')
    assert.equal(residentBytes, { [node]: BLOCK })
    // A node's own bandwidth counts where the firmware tells it: the slow one has neither vCPUs nor memory.
    if (machine.name === 'hmat') assert.is(node, 0)
    assert.match(await optimizer.diagnosticReport(), /by vCPUs and memory there: 0 vCPUs and 0 bytes there/)
  })
})

test('Adaptive takes the node that is the nearest to all vCPUs', async () => {
  await withOptimizer([last, last, here], async ({ optimizer }) => {
    const { node, basis } = await optimizer.allocateMemory(BLOCK)
    assert.is(node, last)
    assert.is(basis, 'cost')
    // Whoever is preferred is the one who uses it.
    assert.is((await optimizer.allocateMemory(BLOCK, here)).node, here)
  })
  await withOptimizer([], async ({ optimizer }) => {
    assert.is((await optimizer.allocateMemory(BLOCK)).node, here)
  })
})

if (machine.name === 'four-node') {
  test('from the same state, each of the four strategies takes another node', async () => {
    await withOptimizer([1, 1, 3], async ({ optimizer }) => {
      await fill(optimizer, { 0: 2, 1: 2, 2: 1 })
      const taken: Record<string, number> = {}
      for (const strategy of ['LocalFirst', 'LoadBalanced', 'BandwidthOptimized', 'Adaptive'] as const) {
        optimizer.setAllocationStrategy(strategy)
        const { address, node } = await optimizer.allocateMemory(BLOCK)
        assert.equal(await optimizer.residentBytes(address), { [node]: BLOCK })
        taken[strategy] = node
        await optimizer.freeMemory(address)
      }
      assert.equal(taken, { LocalFirst: 0, LoadBalanced: 3, BandwidthOptimized: 2, Adaptive: 1 })
    })
  })
}

test('memory for the calling thread is on its node, whatever the strategy is', async () => {
  await withOptimizer([last], async ({ optimizer }) => {
    assert.is(optimizer.currentNode(), here)
    for (const strategy of ['BandwidthOptimized', 'Adaptive'] as const) {
      optimizer.setAllocationStrategy(strategy)
      const { node, residentBytes } = await optimizer.allocateMemoryNumaAware(BLOCK)
      assert.is(node, here)
      assert.equal(residentBytes, { [here]: BLOCK })
    }
  })
})

// ------------------------------------------------------------------------------------------------------- moves

test('pages that somebody has moved away are brought back, and counted', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    const { address } = await optimizer.allocateMemory(BLOCK, last)
    optimizer.memoryOf(address).fill(42)
    migratePages(last, here)
    const away = (await optimizer.residentBytes(address))![here]!
    assert.ok(away > BLOCK / 2)
    const kinds = (await optimizer.optimizationSuggestions()).map(({ kind, node, figure }) => [
      kind,
      node,
      figure.value,
    ])
    assert.equal(
      kinds.filter(([kind]) => kind === 'stray-pages'),
      [['stray-pages', last, away]],
    )
    const { enforced, movedBytes, movedPages, moves } = await optimizer.rebalanceMemory()
    assert.equal([enforced, movedBytes, movedPages], [true, away, away / 4096])
    assert.equal(
      moves.map(({ address: at, to, bytes }) => [at, to, bytes]),
      [[address, last, away]],
    )
    assert.equal(boundMemory(), blocksOn({ [last]: 1 }))
    assert.ok(optimizer.memoryOf(address).every((byte) => byte === 42))
  })
})

test('LocalFirst brings home what was given out elsewhere, when there is room again', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    await fill(optimizer, { [last]: 3 })
    const { address: full } = await optimizer.allocateMemory(BLOCK, last)
    const spilled = await optimizer.allocateMemory(BLOCK, last)
    assert.is(spilled.node, nearestTo(last)[1])
    optimizer.memoryOf(spilled.address)[BLOCK - 1] = 7
    const far = (await optimizer.optimizationSuggestions()).filter(({ kind }) => kind === 'far-memory')
    assert.equal(
      far.map(({ node, figure }) => [node, figure.value]),
      [[last, BLOCK]],
    )
    assert.is((await optimizer.rebalanceMemory()).movedBytes, 0)
    await optimizer.freeMemory(full)
    assert.is((await optimizer.rebalanceMemory()).movedBytes, BLOCK)
    assert.equal(boundMemory(), blocksOn({ [last]: 4 }))
    assert.is(optimizer.memoryOf(spilled.address)[BLOCK - 1], 7)
    assert.is(optimizer.nodeStats(last).budget.used, BUDGET)
  })
})

test('LoadBalanced spreads what is on one node', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    await fill(optimizer, { [last]: 4 })
    optimizer.setAllocationStrategy('LoadBalanced')
    const { movedBytes, moves, failed } = await optimizer.rebalanceMemory()
    const targets = moves.map(({ to }) => to)
    assert.equal(failed, [])
    assert.is(movedBytes, moves.length * BLOCK)
    const counts = Object.fromEntries(withMemory.map((node) => [node, targets.filter((to) => to === node).length]))
    counts[last] = 4 - moves.length
    assert.ok(Math.max(...Object.values(counts)) - Math.min(...Object.values(counts)) <= 1, JSON.stringify(counts))
    assert.equal(boundMemory(), blocksOn(counts))
    for (const node of withMemory) assert.is(optimizer.nodeStats(node).budget.used, counts[node]! * BLOCK)
    assert.is((await optimizer.rebalanceMemory()).movedBytes, 0)
  })
})

test('Adaptive moves memory to the vCPUs, and vCPUs are placed near memory', async () => {
  await withOptimizer([], async ({ optimizer, manager }) => {
    const { address } = await optimizer.allocateMemory(BLOCK)
    assert.equal(boundMemory(), blocksOn({ [here]: 1 }))
    manager.setVcpuConfig(0, { affinity: topology.getNodeCpus(last).slice(0, 1) })
    const suggestions = await optimizer.optimizationSuggestions()
    const placement = suggestions.find(({ kind }) => kind === 'vcpu-placement')!
    const lost = 0.3 * (machine.distances[last]![here]! / 10 - 1)
    assert.ok(Math.abs(placement.figure.value - lost) < 1e-6, `${placement.figure.value} lost vCPUs`)
    assert.is((await optimizer.rebalanceMemory()).movedBytes, BLOCK)
    assert.equal(await optimizer.residentBytes(address), { [last]: BLOCK })
    assert.equal(
      (await optimizer.optimizationSuggestions()).filter(({ kind }) => kind === 'vcpu-placement'),
      [],
    )
    manager.setVcpuConfig(0, { affinity: topology.getNodeCpus(here).slice(0, 1) })
    const { nodes, plan } = await optimizer.optimizeVcpuPlacement(1)
    assert.equal([...nodes], [[0, last]])
    assert.is(manager.getVcpuConfig(0)!.numaNode, last)
    assert.is(plan.cost.terms.remoteMemory, 0)
  })
})

test('vCPUs are shared out among the nodes that have their memory', async () => {
  await withOptimizer([], async ({ optimizer }) => {
    await fill(optimizer, { [here]: 1, [last]: 1 })
    const { nodes } = await optimizer.optimizeVcpuPlacement(2 * topology.getNodeCpus(here).length)
    const count = (node: number) => [...nodes.values()].filter((each) => each === node).length
    assert.equal([count(here), count(last)], Array(2).fill(topology.getNodeCpus(here).length))
  })
})

// -------------------------------------------------------------------------------------------------- statistics

test('pages that are given out are counted on their node, as local or for another one', async () => {
  // More than the CPUs keep at hand of pages that were free before, which are not counted as free.
  const bytes = 64 * MiB
  const body = async ({ optimizer }: Setting) => {
    for (const node of withMemory) {
      let fewer = 0
      // Others may give back as many pages meanwhile: what ends, and files that are read no more.
      for (let attempt = 0; attempt < 4 && fewer <= bytes / 4; attempt++) {
        await optimizer.updateStats()
        const before = optimizer.nodeStats(node).memory.free!
        const { address } = await optimizer.allocateMemory(bytes, node)
        await optimizer.updateStats()
        fewer = before - optimizer.nodeStats(node).memory.free!
        if (fewer <= bytes / 4) await optimizer.freeMemory(address)
      }
      const { numa, seconds, localAccessRate, cpuUsage, bandwidth } = optimizer.nodeStats(node)
      const pages = (rate: number) => Math.round(rate * seconds!)
      // The kernel may join pages: 2 MiB are one then.
      assert.ok(pages(numa!.numa_hit) >= bytes / (2 * MiB), `${pages(numa!.numa_hit)} pages`)
      assert.ok(fewer > bytes / 4, `${fewer} bytes less are free`)
      // All threads are on CPU 0 here, those that fault the memory in as well.
      const [given, rest] = node === here ? [numa!.local_node, numa!.other_node] : [numa!.other_node, numa!.local_node]
      assert.ok(given > rest, `node ${node}: ${given} against ${rest} pages a second`)
      assert.ok(node === here ? localAccessRate! > 0.5 : localAccessRate! < 0.5)
      assert.is(cpuUsage === null, !withCpus.includes(node))
      assert.is(bandwidth, null)
      if (node !== here) {
        const remote = (await optimizer.optimizationSuggestions()).find(
          (each) => each.kind === 'remote-allocations' && each.node === node,
        )!
        assert.is(remote.figure.value, localAccessRate)
      }
    }
    const busy = optimizer.nodeStats(here).cpuUsage!
    assert.ok(busy > 0)
    // One of its CPUs works all the time; nobody is on the others.
    if (last !== here) assert.ok(busy > optimizer.nodeStats(last).cpuUsage!)
    assert.ok(optimizer.localAccessRate()! < 1)
  }
  await withOptimizer([], body, bytes)
  assert.equal(leftBehind(), [])
})

/** migrate_pages(2) of this process, 256 on x86-64. */
function migratePages(from: number, to: number): void {
  const call = koffi.load(null).func('long syscall(long, long, long, void *, void *)')
  const bit = (id: number) => BigUint64Array.of(1n << BigInt(id))
  const left = call(256, 0, 65, bit(from), bit(to))
  assert.ok(left >= 0, `migrate_pages: errno ${koffi.errno()}`)
}

test.run()
