import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { eventsFor, possible } from '../../bench/online/workload.js'
import { runBench } from './run.js'

test('both rules get the same VMs; nobody moves by best fit alone', () => {
  const { status, stdout, stderr } = runBench(['online', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  assert.equal(
    rows.map(({ rule }: { rule: string }) => rule),
    ['best fit', 'with moves'],
  )
  for (const row of rows) {
    assert.is(row.arrivals, rows[0].arrivals)
    assert.ok(row['accepted %'] > 0 && row['accepted %'] <= 100)
  }
  assert.is(rows[0]['moved an arrival'], 0)
})

test('events are by their seed and in their order, and ask for what is said', () => {
  const events = eventsFor(1000, 0.9, 20_000, 1)
  assert.equal(events, eventsFor(1000, 0.9, 20_000, 1))
  assert.is.not(JSON.stringify(eventsFor(1000, 0.9, 10, 2)), JSON.stringify(events.slice(0, 10)))
  assert.ok(events.every(({ at }, index) => index === 0 || at >= events[index - 1]!.at))
  const come = events.filter((event) => event.kind === 'come')
  const load = come.reduce((sum, { vm }) => sum + vm.vcpus, 0) / come.at(-1)!.at / 1000
  assert.ok(load > 0.85 && load < 0.95, `${load}`)
  const { accepted, asked } = possible(1000, events)
  assert.ok(accepted > 0.9 * asked && accepted <= asked)
})

test.run()
