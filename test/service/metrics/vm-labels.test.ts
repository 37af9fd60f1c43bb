/** Names of VMs as labels. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { VmLabels } from '../../../src/service/metrics/vm-labels.js'

const vm = (pid: number, name: string) => ({ key: `${pid}:1`, pid, name })

test('who has a label keeps it for as long as it runs', () => {
  const labels = new VmLabels(2)
  const of = (...vms: ReturnType<typeof vm>[]) => Object.fromEntries(labels.update(vms))
  assert.equal(of(vm(5, 'a'), vm(6, 'a')), { '5:1': 'a', '6:1': 'a (6)' })
  assert.equal(of(vm(1, 'b'), vm(6, 'a')), { '6:1': 'a (6)', '1:1': 'b' })
  assert.equal(of(vm(1, 'b'), vm(5, 'a'), vm(6, 'a')), { '6:1': 'a (6)', '1:1': 'b' })
  assert.equal(of(vm(5, 'a')), { '5:1': 'a' })
})

test("a name that looks like one with a pid takes nobody's label", () => {
  const labels = new VmLabels(3)
  const all = labels.update([vm(1, 'a'), vm(2, 'a (3)'), vm(3, 'a')])
  assert.is(new Set(all.values()).size, all.size)
})

test('whoever comes and goes, labels are of one VM each, no more than places, and of VMs that run', () => {
  const vms = fc.uniqueArray(
    fc.record({ pid: fc.integer({ min: 1, max: 9 }), name: fc.constantFrom('a', 'b', 'a (3)') }),
    {
      selector: ({ pid }) => pid,
    },
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 }), fc.array(vms, { maxLength: 8 }), (places, times) => {
      const labels = new VmLabels(places)
      let before = new Map<string, string>()
      for (const time of times) {
        const here = time.map(({ pid, name }) => vm(pid, name))
        const now = new Map(labels.update(here))
        assert.ok(now.size <= places)
        assert.is(new Set(now.values()).size, now.size)
        for (const key of now.keys()) assert.ok(here.some((one) => one.key === key))
        for (const { key } of here) if (before.has(key)) assert.is(now.get(key), before.get(key))
        before = now
      }
    }),
  )
})

test.run()
