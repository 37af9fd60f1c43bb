import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type CpuidEntry, formatCpuid, guestCpuid, parseCpuid, vendorOf } from '../../../executor/kvm/cpuid.js'
import { guestTopology } from '../../../executor/plan/guest-topology.js'
import type { Host, HostCpu, PlanVcpu } from '../../../src/types.js'
import { cpuids } from '../guests/programs.js'
import { MiB, planOf } from '../plans.js'
import { executor, first, testWithKvm, verified } from '../vms.js'

/** CPUs in packages, LLCs, cores and threads, numbered in that order. */
function cpusOf(packages: number, llcs: number, cores: number, threads: number): HostCpu[] {
  const perCore = threads
  const perLlc = perCore * cores
  return Array.from({ length: packages * llcs * perLlc }, (_, id) => ({
    id,
    node: Math.floor(id / (perLlc * llcs)),
    package: Math.floor(id / (perLlc * llcs)),
    llc: Math.floor(id / perLlc),
    core: Math.floor(id / perCore),
    thread: id % threads,
    online: true,
    allowed: true,
    isolated: false,
    capacity: 1024,
  }))
}

const pinned = (cpu: number, vcpu: number): PlanVcpu => ({ vcpu, cell: 0, node: 0, cpus: `${cpu}`, dedicated: true })

test('vCPUs on siblings, in LLCs and packages are threads, in LLCs and packages', () => {
  const topology = guestTopology([0, 1, 2, 3, 8, 9, 16].map(pinned), cpusOf(2, 2, 4, 2))
  assert.equal(
    topology.places.map(({ package: pack, llc, core, thread }) => [pack, llc, core, thread]),
    [
      [0, 0, 0, 0],
      [0, 0, 0, 1],
      [0, 0, 1, 0],
      [0, 0, 1, 1],
      [0, 1, 0, 0],
      [0, 1, 0, 1],
      [1, 0, 0, 0],
    ],
  )
  assert.equal([topology.threadBits, topology.coreBits, topology.llcBits], [1, 1, 1])
  assert.equal(topology.apicIds, [0, 1, 2, 3, 4, 5, 8])
})

test('three cores take two bits, and leave numbers out', () => {
  assert.equal(guestTopology([0, 1, 2, 3].map(pinned), cpusOf(2, 1, 3, 1)).apicIds, [0, 1, 2, 4])
})

test('vCPUs that float are cores of their own, and unknown CPUs share the LLC of their node', () => {
  const floating = [0, 1].map((vcpu) => ({ ...pinned(0, vcpu), cpus: '0-3', dedicated: false }))
  assert.equal(
    guestTopology(floating, cpusOf(1, 1, 2, 2)).places.map(({ core, thread }) => [core, thread]),
    [
      [0, 0],
      [1, 0],
    ],
  )
  const unknown = guestTopology([pinned(0, 0), pinned(1, 1), { ...pinned(2, 2), node: 1 }], [])
  assert.equal(
    unknown.places.map(({ package: pack, core }) => [pack, core]),
    [
      [0, 0],
      [0, 1],
      [1, 0],
    ],
  )
})

test('APIC ids are unique, the first is 0, and their bits say what vCPUs share', () => {
  const some = fc.record({
    cpus: fc.tuple(...[2, 3, 5, 2].map((max) => fc.integer({ min: 1, max }))),
    picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }),
  })
  fc.assert(
    fc.property(some, ({ cpus: [packages, llcs, cores, threads], picks }) => {
      const host = cpusOf(packages!, llcs!, cores!, threads!)
      const chosen = [...new Set(picks.map((pick) => pick % host.length))]
      const { apicIds, threadBits, coreBits, llcBits } = guestTopology(chosen.map(pinned), host)
      assert.is(new Set(apicIds).size, chosen.length)
      assert.is(apicIds[0], 0)
      for (const [i, a] of chosen.entries()) {
        for (const [j, b] of chosen.entries()) {
          const shares = (bits: number) => apicIds[i]! >>> bits === apicIds[j]! >>> bits
          assert.is(shares(threadBits), host[a]!.core === host[b]!.core)
          assert.is(shares(threadBits + coreBits), host[a]!.llc === host[b]!.llc)
          assert.is(shares(threadBits + coreBits + llcBits), host[a]!.package === host[b]!.package)
        }
      }
    }),
  )
})

test('each cell has packages of its own, also where two are in one package of the host', () => {
  const cells = [0, 1, 2, 3].map((cpu) => ({ ...pinned(cpu, cpu), cell: cpu >> 1 }))
  const topology = guestTopology(cells, cpusOf(1, 1, 2, 2))
  assert.equal(
    topology.places.map(({ package: pack, llc, core, thread }) => [pack, llc, core, thread]),
    [
      [0, 0, 0, 0],
      [0, 0, 0, 1],
      [1, 0, 0, 0],
      [1, 0, 0, 1],
    ],
  )
  assert.equal(topology.apicIds, [0, 1, 2, 3])
})

test('a guest knows that it is one, whether its timer has deadlines, and whether its CPUs are its own', () => {
  const supported = [
    vendorEntry('AuthenticAMD'),
    entry(1, 0, { ecx: 2 ** 24 }),
    entry(0x40000001, 0, { eax: 0xff, edx: 2 }),
  ]
  const topology = guestTopology([pinned(0, 0)], cpusOf(1, 1, 1, 1))
  const found = (traits?: Parameters<typeof guestCpuid>[3]) => {
    const entries = guestCpuid(supported, topology, 0, traits)
    const [one, kvm] = [1, 0x40000001].map((leaf) => entries.find((each) => each.leaf === leaf)!)
    return { hypervisor: one!.ecx >>> 31, deadline: (one!.ecx >>> 24) & 1, eax: kvm!.eax, edx: kvm!.edx }
  }
  assert.equal(found(), { hypervisor: 1, deadline: 0, eax: 0xff, edx: 2 })
  assert.equal(found({ deadlineTimer: true, dedicated: true }), { hypervisor: 1, deadline: 1, eax: 0xff, edx: 3 })
})

const entry = (leaf: number, index = 0, values: Partial<CpuidEntry> = {}): CpuidEntry => ({
  leaf,
  index,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...values,
})

function vendorEntry(name: string): CpuidEntry {
  const [ebx, edx, ecx] = new Uint32Array(Uint8Array.from(Buffer.from(name)).buffer)
  return entry(0, 0, { eax: 0x1f, ebx: ebx!, ecx: ecx!, edx: edx! })
}

/** Type and level of a cache in EAX, with nonsense above. */
const cache = (type: number, level: number) => ({
  eax: (0xffffc000 | 0x100 | (level << 5) | type) >>> 0,
  ebx: 0x1c0003f,
})

/** 2 threads, 3 cores, 2 LLCs: 1 + 2 + 1 bits. */
const topology = guestTopology([0, 1, 2, 3, 4, 5, 6, 7, 12].map(pinned), cpusOf(2, 2, 3, 2))

function answers(supported: readonly CpuidEntry[], vcpu: number) {
  const entries = guestCpuid(supported, topology, vcpu)
  return (leaf: number, index = 0) => entries.find((each) => each.leaf === leaf && each.index === index)!
}

test('an Intel guest finds its topology in leaves 1, 4, 0xB and 0x1F', () => {
  const supported = [
    vendorEntry('GenuineIntel'),
    entry(1, 0, { ebx: 0x12345678, edx: 0x0fabfbff }),
    entry(4, 0, cache(1, 1)),
    entry(4, 2, cache(3, 2)),
    entry(4, 3, cache(3, 3)),
    entry(4, 4),
    entry(0xb, 0, { edx: 77 }),
    entry(0x1f, 0, { edx: 77 }),
  ]
  assert.is(vendorOf(supported), 'intel')
  // CPU 7: package 0, LLC 1, its first core, second thread.
  const answer = answers(supported, 7)
  assert.is(topology.apicIds[7], 0b1001)
  assert.is(answer(1).ebx, 0x09105678)
  assert.is(answer(1).edx & (1 << 28), 1 << 28)
  const shared = ({ eax }: CpuidEntry) => [((eax >>> 14) & 0xfff) + 1, (eax >>> 26) + 1, eax & 0x3fff]
  assert.equal(shared(answer(4, 0)), [2, 8, 0x121])
  assert.equal(shared(answer(4, 2)), [2, 8, 0x143])
  assert.equal(shared(answer(4, 3)), [8, 8, 0x163])
  assert.equal(answer(4, 4), entry(4, 4))
  for (const leaf of [0xb, 0x1f]) {
    const level = (index: number) => {
      const { flags, eax, ebx, ecx, edx } = answer(leaf, index)
      return { flags, eax, ebx, ecx, edx }
    }
    assert.equal(level(0), { flags: 1, eax: 1, ebx: 2, ecx: 0x100, edx: 9 })
    assert.equal(level(1), { flags: 1, eax: 4, ebx: 8, ecx: 0x201, edx: 9 })
    assert.equal(level(2), { flags: 1, eax: 0, ebx: 0, ecx: 2, edx: 9 })
  }
})

test('an AMD guest finds its topology in leaves 1, 0x80000008, 0x8000001D and 0x8000001E', () => {
  const supported = [
    vendorEntry('AuthenticAMD'),
    entry(1, 0, { ebx: 0x00020800 }),
    entry(0x80000001, 0, { ecx: 0x400000 }),
    entry(0x80000008, 0, { eax: 0x3030, ecx: 0x3f0ff }),
    entry(0x8000001d, 0, cache(1, 1)),
    entry(0x8000001d, 3, cache(3, 3)),
    entry(0x8000001e, 0, { eax: 99, ebx: 99, ecx: 99, edx: 99 }),
  ]
  assert.is(vendorOf(supported), 'amd')
  const answer = answers(supported, 8)
  assert.is(topology.apicIds[8], 0b10000)
  assert.is(answer(1).ebx, 0x10100800)
  assert.is(answer(0x80000001).ecx, 0x400000)
  assert.is(answers(supported, 0)(0x80000001).ecx, 0x400002)
  assert.is(answer(0x80000008).ecx, 0x34000)
  assert.is(answers(supported, 0)(0x80000008).ecx, 0x34007)
  assert.is(answer(0x80000008).eax, 0x3030)
  assert.is((answer(0x8000001d, 0).eax >>> 14) & 0xfff, 1)
  assert.is((answer(0x8000001d, 3).eax >>> 14) & 0xfff, 7)
  const { eax, ebx, ecx, edx } = answer(0x8000001e)
  // Alone on its core, in the second package.
  assert.equal({ eax, ebx, ecx, edx }, { eax: 16, ebx: 8, ecx: 1, edx: 0 })
  assert.is(answers(supported, 3)(0x8000001e).ebx, 0x101)
  assert.is(answer(0xb), undefined)
})

test('answers are written as they are read', () => {
  const word = fc.nat(2 ** 32 - 1)
  const some = fc.array(fc.tuple(word, word, word, word, word, word, word))
  fc.assert(
    fc.property(some, (rows) => {
      const entries = rows.map(([leaf, index, flags, eax, ebx, ecx, edx]) => ({
        leaf,
        index,
        flags,
        eax,
        ebx,
        ecx,
        edx,
      }))
      assert.equal(parseCpuid(formatCpuid(entries)), entries)
    }),
  )
})

const vendor = /^vendor_id\s*: (\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]

testWithKvm('what a guest reads with the instruction is the planned topology', async () => {
  // As if the host had a second thread, core and LLC: none of it matters to where the vCPUs run.
  const places: readonly (readonly [number, number, number])[] = [
    [0, 0, 0],
    [0, 0, 1],
    [0, 1, 2],
    [1, 2, 3],
  ]
  const host = places.map(([llc, core], id): HostCpu => ({ ...cpusOf(1, 1, 1, 1)[0]!, id, llc, core, package: 0 }))
  const sketch = planOf({ vcpus: places.map(() => first), cells: [64 * MiB] })
  // The plan says CPUs that this machine may not have, so that each vCPU runs on the first one instead.
  const vcpus = sketch.vms[0]!.vcpus.map((vcpu, i) => ({ ...vcpu, cpus: `${i}` }))
  const sealed = verified.sealPlan(
    { ...sketch, vms: [{ ...sketch.vms[0]!, vcpus }] },
    { host: { cpus: host } as unknown as Host, request: { vms: [] } as never },
  )
  await using vm = await executor.Vm.create(sealed, 'demo')
  for (const { vcpu } of vm.vcpus) vm.repin(vcpu, first)
  const asked = [
    [0, 0],
    [1, 0],
    [0xb, 0],
    [0xb, 1],
    [0xb, 2],
    ...(vendor === 'GenuineIntel'
      ? [[4, 3]]
      : [
          [0x8000001d, 3],
          [0x8000001e, 0],
          [0x80000008, 0],
        ]),
  ]
  const question = new Uint32Array(asked.flat())
  vm.write(0x2000, new Uint8Array(question.buffer))
  const { entry: start } = await vm.load(cpuids, 0x1000)
  vm.vcpus.forEach((vcpu, i) => {
    vcpu.startInLongMode(start, { rsi: 0x2000n, rdi: BigInt(0x4000 + i * 0x1000), r8: BigInt(asked.length) })
  })
  await vm.run()
  await vm.wait()
  const apicIds = [0, 1, 2, 4]
  places.forEach((_, i) => {
    const words = new Uint32Array(vm.read(0x4000 + i * 0x1000, asked.length * 16).buffer)
    const read = (leaf: number, index = 0) => {
      const at = 4 * asked.findIndex(([a, b]) => a === leaf && b === index)
      return { eax: words[at]!, ebx: words[at + 1]!, ecx: words[at + 2]!, edx: words[at + 3]! }
    }
    const apicId = apicIds[i]!
    assert.is(read(1).ebx >>> 24, apicId)
    assert.is((read(1).ebx >>> 16) & 0xff, 8)
    assert.is((read(1).edx >>> 28) & 1, 1)
    if (read(0).eax >= 0xb && read(0xb).ebx > 0) {
      assert.equal(read(0xb, 0), { eax: 1, ebx: i < 2 ? 2 : 1, ecx: 0x100, edx: apicId })
      assert.equal(read(0xb, 1), { eax: 3, ebx: 4, ecx: 0x201, edx: apicId })
    }
    if (vendor === 'GenuineIntel') {
      assert.is((read(4, 3).eax >>> 14) & 0xfff, 3)
    } else {
      const { eax, ebx, ecx } = read(0x8000001e)
      assert.equal([eax, ebx, ecx], [apicId, (apicId >> 1) | (i < 2 ? 0x100 : 0), 0])
      assert.equal([read(0x80000008).ecx & 0xff, (read(0x80000008).ecx >>> 12) & 0xf], [3, 3])
      if ((read(0x8000001d, 3).eax & 0x1f) > 0) assert.is((read(0x8000001d, 3).eax >>> 14) & 0xfff, 3)
    }
  })
})

test.run()
