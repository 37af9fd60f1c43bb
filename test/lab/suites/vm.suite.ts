/** VMs that are moved from node to node while their guest runs: their vCPU, and their memory page by page. */

import { setTimeout as delay } from 'node:timers/promises'
import { detectHost } from 'homenode'
import { Vm } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pageNodes } from '../../../executor/ffi/numa.js'
import { sweep } from '../../executor/guests/programs.js'
import { cpusOf } from '../machines.js'
import { failure, leftBehind, MiB, machine, onNode, planned, requestOf, threadOf, withCpus, write } from './inside.js'

const host = await detectHost()
const PAGE = 4096
const BYTES = 4 * MiB
const FIRST_PAGE = 16

/** A VM on this node whose guest counts in every page from `FIRST_PAGE` on, but those of its page tables. */
async function sweeping(node: number, memoryMiB = BYTES / MiB): Promise<Vm> {
  const plan = await planned(host, requestOf({ ...onNode(node), memory: `${memoryMiB}MiB` }))
  const vm = await Vm.create(plan, `n${node}`)
  const { entry } = await vm.load(sweep, PAGE)
  vm.vcpus[0]!.startInLongMode(entry, { rdi: BigInt(FIRST_PAGE * PAGE), rsi: BigInt(BYTES - 16 * PAGE) })
  return vm
}

/** What the guest has counted in each of its pages. */
function counts(vm: Vm): bigint[] {
  const words = new BigUint64Array(vm.read(0, BYTES).buffer)
  return Array.from({ length: BYTES / PAGE - 16 - FIRST_PAGE }, (_, i) => words[((FIRST_PAGE + i) * PAGE) / 8]!)
}

async function untilCounted(vm: Vm, more: bigint): Promise<void> {
  const [from] = counts(vm)
  while (counts(vm)[0]! < from! + more) await delay(10)
}

/** How many pages of the VM the kernel has on each node, asked page by page. */
function pagesByNode(vm: Vm): Record<string, number> {
  const status = new Int32Array(BYTES / PAGE)
  pageNodes(vm.memory.addressOf(0), PAGE, status)
  const found: Record<string, number> = {}
  for (const node of status) found[node] = (found[node] ?? 0) + 1
  return found
}

test('memory goes from node to node while the guest runs, every page of it, and no count is lost', async () => {
  const [start] = withCpus
  const vm = await sweeping(start!)
  try {
    await vm.run()
    assert.equal(pagesByNode(vm), { [start!]: BYTES / PAGE })
    for (const node of [...withCpus.slice(1), start!]) {
      await untilCounted(vm, 2n)
      assert.equal(await vm.moveMemory(0, node), { [node]: BYTES })
      assert.equal(pagesByNode(vm), { [node]: BYTES / PAGE })
    }
    await untilCounted(vm, 2n)
    await vm.pause()
    const counted = counts(vm)
    // One after the other: a page has as many as the first one, or one less.
    const [first] = counted
    assert.ok(
      counted.every((count, i) => count <= first! && count >= first! - 1n && count <= counted[Math.max(0, i - 1)]!),
    )
  } finally {
    await vm.close()
  }
  assert.equal(leftBehind(), [])
})

test('a vCPU goes to every CPU of the machine while its guest runs, and is found there', async () => {
  const vm = await sweeping(withCpus[0]!)
  try {
    await vm.run()
    const { tid } = vm.vcpus[0]!
    for (const cpu of machine.nodes.flatMap(cpusOf).reverse()) {
      assert.is(vm.repin(0, `${cpu}`), `${cpu}`)
      await untilCounted(vm, 1n)
      assert.equal(threadOf(tid), { allowed: `${cpu}`, last: cpu })
    }
  } finally {
    await vm.close()
  }
})

test('a move to a node without room for it is refused, with the numbers, and the guest goes on', async () => {
  const [start] = withCpus
  const target = withCpus.at(-1)!
  const vm = await sweeping(start!, 192)
  const pool = `/sys/devices/system/node/node${target}/hugepages/hugepages-2048kB/nr_hugepages`
  try {
    await vm.run()
    // Reserving huge pages takes all that the node has, but for a little.
    write(pool, 100_000)
    const error = await failure(vm.moveMemory(0, target))
    assert.match(error.message, new RegExp(`^VM "n${start}": .*node ${target}`))
    await untilCounted(vm, 1n)
    assert.is(vm.state.name, 'running')
  } finally {
    write(pool, 0)
    await vm.close()
  }
})

test('interleaved memory is dealt out page by page, to the nodes of the plan, as the request says', async () => {
  const nodes = withCpus.length
  const shape = { name: 'all', vcpus: host.cpus.length, cells: nodes, memory: '8MiB' }
  const plan = await planned(host, requestOf({ ...shape, memoryPolicy: 'interleave' }))
  const used = [...new Set(plan.vms[0]!.vcpus.map(({ node }) => node))]
  // A huge page would be on one node as a whole.
  const vm = await Vm.create(plan, 'all', { memory: { transparentHugePages: false } })
  try {
    const rows = await vm.readMemory()
    assert.is(rows.length, nodes * used.length)
    assert.equal(vm.memoryFindings(rows), [])
    for (const { bytes, node, residentBytes } of rows) assert.equal(residentBytes, { [node]: bytes })
    const status = new Int32Array(used.length)
    pageNodes(vm.memory.addressOf(0), PAGE, status)
    assert.equal([...status].sort(), used.sort())
  } finally {
    await vm.close()
  }
})

test('preferred memory is where it is preferred, and can be moved', async () => {
  const [a, b] = withCpus
  const plan = await planned(host, requestOf({ ...onNode(a!), memoryPolicy: 'preferred' }))
  const vm = await Vm.create(plan, `n${a}`)
  try {
    assert.equal(pagesByNode(vm), { [a!]: BYTES / PAGE })
    assert.equal(await vm.moveMemory(0, b!), { [b!]: BYTES })
  } finally {
    await vm.close()
  }
})

test.run()
