import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Mapping } from '../../../executor/ffi/mapping.js'
import { preferFirst } from '../../../executor/ffi/numa.js'
import { residentBytes } from '../../../executor/observe/residency.js'
import type { Host, MemoryPolicy } from '../../../src/types.js'
import { skipUnless } from '../../skip.js'
import { count } from '../guests/programs.js'
import { MiB, nodes, planOf } from '../plans.js'
import { leftSince, settledHoldings } from '../process.js'
import { executor, failure, first, last, makeVm, makeVmWith, number64, testWithKvm, verified, warmUp } from '../vms.js'

test.before(warmUp)

const node = nodes[0]!

/** What the kernel says of the mapping at an address: a line of numa_maps, a part of smaps. */
function numaMap(address: number): string {
  const lines = readFileSync('/proc/self/numa_maps', 'utf8').split('\n')
  return lines.find((line) => Number.parseInt(line, 16) === address) ?? ''
}

function smap(address: number): string {
  const [, after = ''] = readFileSync('/proc/self/smaps', 'utf8').split(
    new RegExp(`^${address.toString(16)}-.*\\n`, 'm'),
  )
  return after.split(/^[0-9a-f]+-/m)[0]!
}

testWithKvm('each memory policy is the kernel’s, with the nodes of the plan', async () => {
  for (const [policy, expected] of [
    ['strict', `bind:${node}`],
    ['preferred', `prefer`],
    ['interleave', `interleave:${node}`],
  ] as const) {
    await using vm = await makeVm({ cells: [4 * MiB] }, { memory: { policy } })
    assert.match(numaMap(vm.memory.addressOf(0)), new RegExp(` ${expected}`))
    const rows = await vm.readMemory()
    assert.equal(rows, [{ vm: 'demo', cell: 0, node, bytes: 4 * MiB, residentBytes: { [node]: 4 * MiB } }])
    assert.equal(vm.memoryFindings(rows), [])
  }
})

testWithKvm('the policy is that of the request which the plan was verified against', async () => {
  const vms = [{ name: 'demo', memoryPolicy: 'interleave' as MemoryPolicy, trust: 'demo' }]
  const plan = verified.sealPlan(planOf({ vcpus: [first] }), {
    host: { cpus: [] } as unknown as Host,
    request: { vms } as never,
  })
  await using vm = await executor.Vm.create(plan, 'demo')
  assert.match(numaMap(vm.memory.addressOf(0)), ` interleave:${node}`)
})

test('where the kernel prefers one node only, that is the first', () => {
  using mapping = Mapping.anonymous(MiB)
  assert.is(preferFirst(mapping.address, MiB, [node, 1000]), true)
  assert.match(numaMap(mapping.address), ` prefer:${node}`)
})

const thp = '/sys/kernel/mm/transparent_hugepage/enabled'
const hasThp = existsSync(thp) && !/\[never\]/.test(readFileSync(thp, 'utf8'))

skipUnless(hasThp && executor.kvmStatus().usable, `no transparent huge pages, or no KVM: ${thp}`)(
  'transparent huge pages are asked for, at addresses where there can be some',
  async () => {
    const bytes = 64 * MiB
    await using vm = await makeVm({ cells: [bytes] }, { memory: { transparentHugePages: true } })
    const address = vm.memory.addressOf(0)
    assert.is(address % (2 * MiB), 0)
    const text = smap(address)
    assert.match(text, /^VmFlags:.* hg/m)
    const joined = Number(/^AnonHugePages:\s+(\d+) kB/m.exec(text)?.[1]) * 1024
    assert.ok(joined > bytes / 2, `${joined} of ${bytes} bytes`)
    assert.equal(residentBytes({ address, bytes, pageSize: 4096 }), { [node]: bytes })
  },
)

skipUnless(hasThp && executor.kvmStatus().usable, `no transparent huge pages, or no KVM: ${thp}`)(
  'transparent huge pages are kept away where they are not wanted',
  async () => {
    await using vm = await makeVm({ cells: [8 * MiB] }, { memory: { transparentHugePages: false } })
    assert.match(smap(vm.memory.addressOf(0)), /^VmFlags:.* nh/m)
  },
)

testWithKvm('shared memory can be mapped by other processes, also when the VM is about to go', async () => {
  const before = await settledHoldings()
  {
    await using vm = await makeVmWith(
      count,
      { rdi: 0x3000n },
      { cells: [4 * MiB, 2 * MiB], vcpus: [first, last] },
      { memory: { shared: true } },
    )
    assert.is(vm.memoryFiles.length, 2)
    assert.match(numaMap(vm.memory.addressOf(0)), ` bind:${node} `)
    assert.equal((await vm.readMemory())[0]!.residentBytes, { [node]: 4 * MiB })
    vm.write(0x3000, new Uint8Array(8))
    await vm.run()
    while (number64(vm.read(0x3000, 8)) < 100n) await delay(2)
    const path = `/proc/${process.pid}/fd/${vm.memoryFiles[0]}`
    const seen = execFileSync('od', ['-An', '-tu8', `-j${0x3000}`, '-N8', path], { encoding: 'utf8' })
    assert.ok(Number(seen) >= 100, seen)
  }
  assert.equal(await leftSince(before), [])
})

testWithKvm('the progress of the prefaulting is told, to its end', async () => {
  const told: number[] = []
  const onProgress = ({ bytes, of }: { bytes: number; of: number }) => {
    assert.is(of, 512 * MiB)
    told.push(bytes)
  }
  await using vm = await makeVm({ cells: [512 * MiB] }, { onProgress })
  assert.is(told.at(-1), 512 * MiB)
  assert.equal(
    told,
    [...told].sort((a, b) => a - b),
  )
  assert.is(vm.layout.bytes, 512 * MiB)
})

testWithKvm('memory is moved while the guest runs, and read back; a node that does not exist is refused', async () => {
  await using vm = await makeVmWith(count, { rdi: 0x3000n }, { cells: [8 * MiB] })
  await vm.run()
  assert.equal(await vm.moveMemory(0, node), { [node]: 8 * MiB })
  const error = await failure(vm.moveMemory(0, 1000))
  assert.match(error.message, /^VM "demo": (memory-capacity: .* node 1000|mbind\(node 1000\): EINVAL)/)
  assert.match(
    (await failure(vm.moveMemory(3, node))).message,
    /^cell: expected a number of a cell of VM "demo", got 3/,
  )
  const at = number64(vm.read(0x3000, 8))
  // On a busy machine its next turn takes its time.
  for (let tries = 0; tries < 100 && number64(vm.read(0x3000, 8)) === at; tries++) await delay(20)
  assert.ok(number64(vm.read(0x3000, 8)) > at)
})

testWithKvm('moving ends when the VM is disposed of', async () => {
  const before = await settledHoldings()
  const vm = await makeVm({ cells: [256 * MiB] })
  const moving = vm.moveMemory(0, node).catch(() => {})
  await vm.close()
  await moving
  assert.equal(await leftSince(before), [])
})

test.run()
