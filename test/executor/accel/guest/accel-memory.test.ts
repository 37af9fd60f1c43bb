/** AccelKvm's memory: mapped where it is asked for, on its node page by page, and used by a guest. */

import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AccelKvm, NumaMemoryRequest } from '../../../../executor/accel/index.js'
import { pageNodes } from '../../../../executor/ffi/numa.js'
import { count, sweep } from '../../guests/programs.js'
import { MiB } from '../../plans.js'
import { boundMappings, leftSince, settledHoldings } from '../../process.js'
import { accel, failure, number64, refusal, testWithKvm, warmUp } from '../../vms.js'
import { accelWith, LOW, node, topologyWith, twoNodes } from '../accels.js'

const { AccelKvm: Accel } = accel
const GIB = 1024 ** 3
const PAGE = 4096
/** Where nothing is mapped, far from where the kernel puts things. */
const FREE_HVA = 0x1000_0000_0000

test.before(warmUp)

async function empty(options: ConstructorParameters<typeof Accel>[0] = {}): Promise<AccelKvm> {
  const guest = new Accel(options)
  await guest.init()
  guest.enableNuma([node])
  return guest
}

async function setUp(guest: AccelKvm, request: Partial<NumaMemoryRequest> = {}) {
  const memory = await guest.setupNumaMemory({ ...LOW, ...request })
  if (!memory.enforced) throw new Error(memory.reason)
  return memory
}

/** How many pages the kernel has on each node, asked page by page. */
function pagesByNode(hva: number, size: number): Record<string, number> {
  const status = new Int32Array(size / PAGE)
  pageNodes(hva, PAGE, status)
  const found: Record<string, number> = {}
  for (const each of status) found[each] = (found[each] ?? 0) + 1
  return found
}

function policyAt(hva: number): string | undefined {
  const line = readFileSync('/proc/self/numa_maps', 'utf8')
    .split('\n')
    .find((each) => Number.parseInt(each, 16) === hva)
  return line?.split(' ')[1]
}

testWithKvm('memory is bound to its node, and every page of it is there before anybody touches it', async () => {
  await using guest = await empty()
  const memory = await setUp(guest, { size: 3 * MiB, gpa: GIB })
  assert.equal({ ...memory, hva: 0 }, { enforced: true, node, size: 3 * MiB, gpa: GIB, hva: 0, pageSize: PAGE })
  assert.is(policyAt(memory.hva), `bind:${node}`)
  assert.equal(pagesByNode(memory.hva, 3 * MiB), { [node]: (3 * MiB) / PAGE })
  assert.equal(await guest.residentMemory(), [
    { node, gpa: GIB, size: 3 * MiB, hva: memory.hva, pageSize: PAGE, resident: { [node]: 3 * MiB } },
  ])
})

testWithKvm('memory is moved where it begins and nowhere else, and what is in it stays', async () => {
  await using guest = await empty({ topology: twoNodes() })
  guest.enableNuma([node, 7])
  const memory = await setUp(guest, { gpa: GIB })
  guest.write(GIB + 5, Uint8Array.of(77))
  assert.equal(await guest.moveNumaMemory(GIB, node), { enforced: true })
  assert.equal([...guest.read(GIB + 5, 1)], [77])
  assert.is(policyAt(memory.hva), `bind:${node}`)
  const cases: [number, number, string, RegExp][] = [
    [0, node, 'InputError', /^gpa: expected where memory begins \(0x40000000-0x40100000\), got 0x0/],
    [GIB + PAGE, node, 'InputError', /^gpa: .*got 0x40001000/],
    [Number.NaN, node, 'InputError', /^gpa: .*got NaN/],
    [GIB, 3, 'InputError', new RegExp(`^node: expected one of the nodes ${node},7, got 3`)],
    // The kernel has no such node.
    [GIB, 7, 'VmError', /^VM "accel": mbind\(node 7\): EINVAL/],
  ]
  for (const [gpa, to, name, says] of cases) {
    const error = await failure(guest.moveNumaMemory(gpa, to))
    assert.is(error.name, name, error.message)
    assert.match(error.message, says)
  }
  const [{ node: bound, resident }] = (await guest.residentMemory()) as [
    Awaited<ReturnType<typeof guest.residentMemory>>[0],
  ]
  assert.equal([bound, resident], [node, { [node]: MiB }])
})

testWithKvm('a guest closes while its memory is moved', async () => {
  const guest = await empty()
  await setUp(guest, { size: 64 * MiB })
  const moved = guest.moveNumaMemory(0, node).then(
    () => 'moved',
    (error: Error) => error.name,
  )
  await guest.close()
  assert.ok(['moved', 'VmError'].includes(await moved))
  assert.equal(await failure(guest.moveNumaMemory(0, node)).then(({ name }) => name), 'VmStateError')
})

testWithKvm('memory is exactly at the address that is asked for, and what is there already stays', async () => {
  await using guest = await empty()
  const memory = await setUp(guest, { hva: FREE_HVA })
  assert.is(memory.hva, FREE_HVA)
  assert.equal(pagesByNode(FREE_HVA, MiB), { [node]: MiB / PAGE })
  guest.write(0x5000, Uint8Array.of(77))
  const before = boundMappings()
  for (const hva of [FREE_HVA, FREE_HVA + PAGE, FREE_HVA - PAGE]) {
    const error = await failure(guest.setupNumaMemory({ ...LOW, gpa: GIB, hva }))
    assert.is(error.name, 'VmError')
    assert.match(
      error.message,
      new RegExp(`mmap\\(1048576 bytes at 0x${hva.toString(16)}\\): EEXIST .*/proc/self/maps`),
    )
  }
  assert.equal(boundMappings(), before)
  assert.equal([...guest.read(0x5000, 1)], [77])
})

testWithKvm('a guest uses memory at every address that it was given, and the host sees what it wrote', async () => {
  // Low, in the middle, above 4 GiB, and right behind another part.
  const gpas = [GIB, GIB + MiB, 5 * GIB, 2 ** 36 - MiB]
  await using guest = await accelWith(sweep)
  for (const gpa of gpas) await setUp(guest, { gpa })
  for (const gpa of gpas) assert.equal(guest.read(gpa, 8), new Uint8Array(8))
  await using others = await accelWith(sweep, {}, { vcpus: gpas.map((_, i) => i) })
  for (const [i, gpa] of gpas.entries()) {
    await setUp(others, { gpa })
    others.vcpu(i).startInLongMode(0x1000, { rdi: BigInt(gpa), rsi: BigInt(gpa + MiB) })
  }
  // Tables that were made before the last memory do not reach it.
  for (const [i, gpa] of gpas.entries()) {
    others.vcpu(i).startInLongMode(0x1000, { rdi: BigInt(gpa), rsi: BigInt(gpa + MiB) })
  }
  await others.run()
  for (const gpa of gpas) while (number64(others.read(gpa + MiB - PAGE, 8)) < 2n) await new Promise(setImmediate)
  await others.pause()
  for (const gpa of gpas) {
    for (let page = 0; page < MiB / PAGE; page++) assert.ok(number64(others.read(gpa + page * PAGE, 8)) >= 2n)
  }
  for (const { resident } of await others.residentMemory()) assert.equal(resident, { [node]: MiB })
})

testWithKvm('page tables are made in memory that is above 4 GiB alone', async () => {
  await using guest = await empty()
  await guest.createVcpu(0)
  await setUp(guest, { gpa: 4 * GIB })
  await guest.load(count, 4 * GIB)
  guest.vcpu(0).startInLongMode(4 * GIB, { rdi: BigInt(4 * GIB + 0x8000) })
  await guest.run()
  while (number64(guest.read(4 * GIB + 0x8000, 8)) < 10n) await new Promise(setImmediate)
})

testWithKvm('a guest without room for page tables is told so', async () => {
  await using guest = await empty()
  await guest.createVcpu(0)
  await setUp(guest, { size: 2 * PAGE })
  assert.match(refusal(() => guest.vcpu(0).startInLongMode(0)).message, /^memory: expected 24576 bytes .*page tables/)
})

testWithKvm('memory that is added while the guest runs is there for it', async () => {
  // in %dx, %eax; incq (%rdi); hlt
  await using guest = await accelWith(Uint8Array.of(0xed, 0x48, 0xff, 0x07, 0xf4), { rdx: 0x60n, rdi: BigInt(GIB) })
  guest.onPort({ start: 0x60 }, { read: () => setUp(guest, { gpa: GIB }).then(() => {}) })
  await guest.run()
  assert.is((await guest.wait()).by, 'halt')
  assert.is(number64(guest.read(GIB, 8)), 1n)
})

testWithKvm('without that memory the guest fails, with the address', async () => {
  await using guest = await accelWith(count, { rdi: BigInt(GIB) }, { name: 'web' })
  await guest.run().catch(() => {})
  assert.match((await failure(guest.wait())).message, /^VM "web", vCPU 0: exit mmio: the guest read 0x40000000, where/)
})

testWithKvm('reads and writes go from one part into the next, and nowhere else', async () => {
  await using guest = await empty()
  for (const gpa of [0, MiB, 3 * MiB]) await setUp(guest, { gpa })
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i)
  guest.write(MiB - 32, bytes)
  assert.equal(guest.read(MiB - 32, 64), bytes)
  const where = 'memory of VM "accel" \\(0x0-0x100000, 0x100000-0x200000, 0x300000-0x400000\\)'
  for (const [gpa, length] of [
    [2 * MiB - 1, 2],
    [2 * MiB, 1],
    [4 * MiB, 0],
    [-1, 1],
    [0.5, 1],
  ] as const) {
    assert.match(
      refusal(() => guest.read(gpa, length)).message,
      new RegExp(`^gpa: expected ${where}, got ${length} bytes`),
    )
  }
  assert.is(refusal(() => guest.write(2 * MiB - 1, Uint8Array.of(9, 9))).name, 'InputError')
  assert.equal([...guest.read(2 * MiB - 1, 1)], [0])
  assert.is((await failure(guest.load(new Uint8Array(2 * MiB), MiB))).name, 'InputError')
})

testWithKvm('addresses and sizes that do not go are refused, and nothing of them is left', async () => {
  await using guest = await empty({ topology: twoNodes() })
  guest.enableNuma([node, 7])
  await setUp(guest, { gpa: MiB })
  guest.onMmio({ start: 0xd000_0000, length: 16 }, { read() {} })
  const before = boundMappings()
  const cases: [Partial<NumaMemoryRequest>, RegExp][] = [
    [{ size: PAGE + 1 }, /^size: expected bytes, a multiple of 4 KiB, more than 0, got 4097/],
    [{ size: 0 }, /^size: .*got 0/],
    [{ size: -PAGE }, /^size: .*got -4096/],
    [{ size: Number.NaN }, /^size: .*got NaN/],
    [{ size: 2 ** 52 }, /^gpa: expected addresses below .*, got 0x0-0x10000000000000/],
    [{ size: '1MiB' as never }, /^size: .*got "1MiB"/],
    [{ gpa: 4097 }, /^gpa: expected a multiple of 4 KiB, from 0, got 0x1001/],
    [{ gpa: -PAGE }, /^gpa: .*got -4096/],
    [{ gpa: 2 ** 52 }, /^gpa: expected addresses below 0x[0-9a-f]+, which is all that a guest here has/],
    [{ gpa: MiB }, /^gpa: expected addresses where no memory is \(there is some at 0x100000-0x200000\), got 0x100000/],
    [{ gpa: PAGE }, /where no memory is/],
    [{ gpa: 2 * MiB - PAGE }, /where no memory is/],
    [{ gpa: 0xd000_0000 - MiB + PAGE }, /addresses that no device has, got 0xcff01000-0xd0001000/],
    [{ gpa: 0xfee0_0000 }, /outside of 0xfee00000-0xfee01000, where the local APIC is/],
    [{ gpa: 0xfec0_0000 - MiB + PAGE }, /where the I\/O APIC is/],
    [{ gpa: 0xfeff_0000 }, /where KVM's identity map and TSS is/],
    [{ hva: FREE_HVA + 1 }, /^hva: expected a multiple of 4 KiB, above 0 and below 0x7ffffffff000, got 0x100000000001/],
    [{ hva: 0 }, /^hva: .*got 0x0/],
    [{ hva: 2 ** 47 }, /^hva: .*got 0x800000000000/],
    [{ hva: 2 ** 47 - MiB }, /^hva: /],
    [{ node: 3 }, new RegExp(`^node: expected one of the nodes ${node},7, got 3`)],
    [{ node: '0' as never }, /^node: .*got "0"/],
    [{ pageSize: 12345 }, /^pageSize: expected bytes of a page that node \d+ has \(4096.*\), got 12345/],
  ]
  for (const [request, says] of cases) {
    const error = await failure(guest.setupNumaMemory({ node, size: MiB, gpa: 0, ...request }))
    assert.is(error.name, 'InputError', error.message)
    assert.match(error.message, says)
  }
  assert.equal(boundMappings(), before)
  assert.is((await guest.residentMemory()).length, 1)
  guest.disableNuma()
  assert.match((await failure(guest.setupNumaMemory({ ...LOW }))).message, /call of enableNuma\(\) before, got none/)
})

testWithKvm('a node without memory, or that is not allowed, is refused with those that have some', async () => {
  for (const [change, why] of [
    [{ memory: { total: 0, free: 0 } }, 'has none'],
    [{ allowed: false }, 'is not in the cpuset'],
  ] as const) {
    const topology = topologyWith(({ nodes }) => ({
      nodes: [nodes[0]!, { ...nodes[0]!, id: 7, ...change }],
      distances: [
        [10, 21],
        [21, 10],
      ],
    }))
    await using guest = await empty({ topology })
    guest.enableNuma(2)
    const expected = `expected a node with memory that this process may use \\(${node}\\), got 7, which ${why}`
    assert.match((await failure(guest.setupNumaMemory({ ...LOW, node: 7 }))).message, new RegExp(`^node: ${expected}$`))
  }
})

testWithKvm(
  'memory that the node has not got is refused before any of it is taken, and what the kernel refuses leaves nothing',
  async () => {
    await using guest = await empty({ topology: twoNodes(), name: 'web' })
    guest.enableNuma(2)
    const before = boundMappings()
    const tooMuch = await failure(guest.setupNumaMemory({ node, size: 2 ** 35, gpa: 4 * GIB }))
    assert.is(tooMuch.name, 'VmError')
    assert.match(tooMuch.message, /^VM "web": memory-capacity: 32 GiB is needed from node \d+, .* is free now$/)
    // The kernel does not have the node that the topology tells of.
    const refused = await failure(guest.setupNumaMemory({ ...LOW, node: 7 }))
    assert.match(refused.message, /^VM "web": mbind\(node 7\): EINVAL .*does not exist/)
    assert.equal(boundMappings(), before)
    // Not even the addresses are taken.
    await setUp(guest)
  },
)

testWithKvm(
  'whatever is asked for, the guest has what does not overlap, page by page, and keeps what is written there',
  async () => {
    const PAGES = 24
    const part = fc.record({ page: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 6 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
        await using guest = await empty()
        const owner = new Array<number>(PAGES + 6).fill(-1)
        for (const [i, { page, pages }] of parts.entries()) {
          const wanted = owner.slice(page, page + pages)
          const taking = guest.setupNumaMemory({ node, size: pages * PAGE, gpa: page * PAGE })
          if (wanted.some((each) => each >= 0)) assert.is((await failure(taking)).name, 'InputError')
          else {
            await taking
            owner.fill(i, page, page + pages)
            guest.write(page * PAGE, new Uint8Array(pages * PAGE).fill(i + 1))
          }
        }
        for (const [page, i] of owner.entries()) {
          if (i < 0) assert.is(refusal(() => guest.read(page * PAGE, 1)).name, 'InputError')
          else assert.equal(guest.read(page * PAGE, PAGE), new Uint8Array(PAGE).fill(i + 1))
        }
        const found = (await guest.residentMemory()).reduce((sum, { resident }) => sum + resident[node]!, 0)
        assert.is(found, owner.filter((each) => each >= 0).length * PAGE)
      }),
      { numRuns: 25 },
    )
  },
)

testWithKvm('two that are set up at the same time do not get the same addresses', async () => {
  await using guest = await empty()
  const both = await Promise.allSettled([
    setUp(guest, { size: 8 * MiB }),
    setUp(guest, { size: 8 * MiB, gpa: 4 * MiB }),
  ])
  assert.equal(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  assert.is((await guest.residentMemory()).length, 1)
})

testWithKvm('memory is given back with the VM, and while it is being taken', async () => {
  // An address of its own each time: behind the electric fence none is given out twice.
  const once = async (hva: number) => {
    const guest = await empty()
    await setUp(guest, { hva })
    const taking = guest.setupNumaMemory({ node, size: 512 * MiB, gpa: GIB }).catch((error) => error)
    await new Promise(setImmediate)
    await guest.close()
    await taking
  }
  await once(FREE_HVA + 2 * GIB)
  const before = await settledHoldings()
  assert.equal(before.mappings, [])
  await once(FREE_HVA + GIB)
  assert.equal(await leftSince(before), [])
  // Behind the fence the addresses are somebody's, and no guest's.
  assert.ok([undefined, 'default'].includes(policyAt(FREE_HVA + GIB)))
})

test.run()
