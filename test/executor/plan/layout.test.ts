import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { prefaultRanges } from '../../../executor/memory/prefault.js'
import { addressLimit, gpaOf, gpaRanges, lowMemoryEnd, offsetOf } from '../../../executor/plan/address-map.js'
import { layoutVm, shareMemory } from '../../../executor/plan/layout.js'
import { bootBytes } from '../../../executor/program/boot.js'
import { sharedSpan, takeSteps } from '../../../executor/wire/shared-span.js'
import type { PlanVm } from '../../../src/types.js'
import { MiB, planOf } from '../plans.js'

const GiB = 1024 ** 3

/**
 * VMs with one to four cells, each over one to three nodes, and one to six vCPUs on any of the nodes and cells. Each cell
 * has ten pages or more: four for the boot image and one for each vCPU.
 */
const vms: fc.Arbitrary<PlanVm> = fc
  .array(
    fc.record({
      pageSize: fc.constantFrom(4096, 2 * MiB),
      pages: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .chain((cells) =>
    fc
      .array(fc.record({ cell: fc.nat(cells.length - 1), node: fc.nat(2) }), { minLength: 1, maxLength: 6 })
      .map((vcpus) => ({
        ...planOf({ vcpus: ['0'] }).vms[0]!,
        cells: cells.map(({ pageSize, pages }, cell) => ({
          cell,
          pageSize,
          memory: pages.map((count, node) => ({ node, bytes: (node === 0 ? count + 10 : count) * pageSize })),
        })),
        vcpus: vcpus.map((vcpu, i) => ({ ...vcpu, vcpu: i, cpus: '0', dedicated: true })),
      })),
  )

test('cells lie one after another, and their ranges fill them', () => {
  fc.assert(
    fc.property(vms, (vm) => {
      let at = 0
      for (const cell of layoutVm(vm).cells) {
        assert.is(cell.offset, at)
        for (const range of cell.ranges) {
          assert.is(range.offset, at)
          at += range.bytes
        }
        assert.is(cell.offset + cell.bytes, at)
      }
      assert.is(layoutVm(vm).bytes, at)
    }),
  )
})

test('every page is prefaulted, from CPUs of its node, by no more threads than these or whole parts', () => {
  const cpusOf = (node: number) => Array.from({ length: node + 1 }, (_, i) => 10 * node + i)
  fc.assert(
    fc.property(vms, fc.integer({ min: 1, max: 200 }), (vm, scale) => {
      const cells = vm.cells.map((cell) => ({
        ...cell,
        memory: cell.memory.map(({ node, bytes }) => ({ node, bytes: bytes * scale })),
      }))
      const layout = layoutVm({ ...vm, cells })
      const whole = layout.cells.flatMap(({ ranges }) => ranges)
      const found = prefaultRanges(layout, cpusOf)
      assert.equal(
        found.map(({ offset, bytes, cpus }) => ({ offset, bytes, cpus })),
        whole.map(({ offset, bytes, node }) => ({ offset, bytes, cpus: cpusOf(node) })),
      )
      for (const { bytes, cpus, threads } of found) {
        assert.ok(threads >= 1 && threads <= cpus.length)
        assert.ok((threads - 1) * 64 * MiB < bytes)
      }
    }),
  )
})

test('those who share a span take each page once, in whole pages', () => {
  const pages = fc.record({ pageSize: fc.constantFrom(4096, 2 * MiB, GiB), pages: fc.integer({ min: 1, max: 3000 }) })
  const turns = fc.infiniteStream(fc.nat(2))
  fc.assert(
    fc.property(pages, turns, fc.constantFrom(4 * MiB, 256 * MiB), ({ pageSize, pages }, turns, least) => {
      const span = { address: GiB, bytes: pages * pageSize, pageSize }
      const shared = sharedSpan(span)
      const takers = Array.from({ length: 3 }, () => takeSteps(shared, least))
      const steps: { address: number; bytes: number }[] = []
      while (takers.length > 0) {
        const taker = takers[turns.next().value! % takers.length]!
        const { done, value } = taker.next()
        if (done) takers.splice(takers.indexOf(taker), 1)
        else steps.push(value)
      }
      let at = span.address
      for (const { address, bytes } of steps) {
        assert.is(address, at)
        assert.ok(bytes > 0 && bytes % pageSize === 0)
        at += bytes
      }
      assert.is(at, span.address + span.bytes)
    }),
  )
})

test('shares are whole pages of the own cell, beside the boot image, and do not overlap', () => {
  fc.assert(
    fc.property(vms, (vm) => {
      const layout = layoutVm(vm)
      const reserved = 4 * 4096
      const shares = shareMemory(layout, reserved)
      shares.forEach((share, i) => {
        const cell = layout.cells.find(({ cell }) => cell === layout.vcpus[i]!.cell)!
        assert.is(share.vcpu, layout.vcpus[i]!.vcpu)
        assert.is((share.end - share.start) % 4096, 0)
        assert.ok(share.end > share.start)
        assert.ok(share.start >= Math.max(cell.offset, reserved))
        assert.ok(share.end <= cell.offset + cell.bytes)
      })
      const sorted = [...shares].sort((a, b) => a.start - b.start)
      for (let i = 1; i < sorted.length; i++) assert.ok(sorted[i - 1]!.end <= sorted[i]!.start)
    }),
  )
})

test('a cell that cannot give each vCPU a page is refused with its size', () => {
  const layout = layoutVm(planOf({ name: 'tiny', vcpus: ['0', '1'], cells: [16384] }).vms[0]!)
  assert.throws(() => shareMemory(layout, 12288), /cell 0 of VM "tiny" has 16 KiB/)
})

test('memory leaves out the last GiB below 4 GiB', () => {
  assert.equal(gpaRanges(0, GiB), [{ offset: 0, gpa: 0, bytes: GiB }])
  assert.equal(gpaRanges(3 * GiB, GiB), [{ offset: 3 * GiB, gpa: 4 * GiB, bytes: GiB }])
  assert.equal(gpaRanges(2 * GiB, 2 * GiB), [
    { offset: 2 * GiB, gpa: 2 * GiB, bytes: GiB },
    { offset: 3 * GiB, gpa: 4 * GiB, bytes: GiB },
  ])
})

test('each byte of memory has one physical address, and the hole has none', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (offset) => {
      assert.is(offsetOf(gpaOf(offset)), offset)
    }),
  )
  assert.is(offsetOf(3 * GiB), null)
  assert.is(offsetOf(4 * GiB - 1), null)
  assert.equal([addressLimit(MiB), addressLimit(3 * GiB), addressLimit(4 * GiB)], [4 * GiB, 4 * GiB, 5 * GiB])
  assert.equal([lowMemoryEnd(MiB), lowMemoryEnd(8 * GiB)], [MiB, 3 * GiB])
})

test('the boot image has a page of tables for each GiB', () => {
  assert.is(bootBytes(64 * MiB), 4 * 4096)
  assert.is(bootBytes(GiB + 4096), 5 * 4096)
  assert.is(bootBytes(1024 * GiB), (2 + 2 + 1024) * 4096)
})

test.run()
