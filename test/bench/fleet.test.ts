import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { arrivalsFor } from '../../bench/fleet/workload.js'
import { runBench } from './run.js'

test('every rule gets the same VMs, and what is accepted is some of them', () => {
  const { status, stdout, stderr } = runBench(['fleet', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  const rules = rows.map(({ rule }: { rule: string }) => rule).filter((rule: string) => rule !== 'hail')
  assert.equal(rules, ['first fit', "Nova's rule", 'rank'])
  for (const row of rows) {
    assert.is(row.vms, 40)
    assert.ok(row.accepted > 0 && row.accepted <= row.vms)
    assert.ok(row['lost %'] >= 0)
  }
})

test('VMs are by their seed, ask for what is said, and most are small', () => {
  const arrivals = arrivalsFor(1000, 1.2, 20_000, 1)
  assert.equal(arrivals, arrivalsFor(1000, 1.2, 20_000, 1))
  assert.is.not(JSON.stringify(arrivalsFor(1000, 1.2, 10, 2)), JSON.stringify(arrivals.slice(0, 10)))
  const small = arrivals.filter(({ vm }) => vm.vcpus <= 2).length / arrivals.length
  assert.ok(small > 0.78 && small < 0.82, `${small}`)
  const wanted = arrivals.reduce((sum, { at, until, vm }) => sum + (until - at) * vm.vcpus, 0)
  const load = wanted / arrivals.at(-1)!.at / 1000
  assert.ok(load > 1.1 && load < 1.3, `${load}`)
})

test.run()
