/** What the metrics say, of readings of a recorded system. */

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Meter } from '../../../executor/meter/meter.js'
import type { Reading } from '../../../executor/meter/types.js'
import { BalanceMetrics } from '../../../src/service/metrics/metrics.js'
import { METRICS, type MetricDefinition } from '../../../src/service/metrics/table.js'
import { keyOf } from '../../../src/service/metrics/vms.js'
import { cpuTimes, PID, QEMU, Recorded } from '../../executor/meter/recorded.js'
import { objections, testWithPromtool } from './promtool.js'
import { moveOf, recordOf, roundOf, seenOf } from './rounds.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** Series and their values: `name{label="value"}` -> `1.5`. */
async function seriesOf(metrics: BalanceMetrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line): [string, number] => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** Of those whose names begin so. */
function named(series: ReadonlyMap<string, number>, prefix: string): Record<string, number> {
  return Object.fromEntries([...series].filter(([name]) => name.startsWith(prefix)))
}

async function withMemory(meter: Meter): Promise<Reading> {
  for (;;) {
    const reading = await meter.read()
    if (reading.vms.some(({ memory }) => memory !== null)) return reading
    await sleep(5)
  }
}

test('counters of VMs and nodes are those of the kernel, in seconds and bytes', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const metrics = new BalanceMetrics(10)
  const before = await withMemory(meter)
  metrics.round(seenOf(roundOf('stay', 'even'), before), true)
  recorded.thread(101, {
    ns: 1.75e9,
    delayNs: 1.1e8,
    lastCpu: 1,
    migrations: 7,
    faults: [
      [30, 0],
      [60, 10],
    ],
  })
  recorded.thread(102, { ns: 1.25e9, delayNs: 1e8, lastCpu: 2, migrations: 5 })
  recorded.write('proc/stat', cpuTimes([150, 100, 100, 100], [100, 100, 200, 100]))
  // As if just a second had gone by.
  metrics.round(seenOf(roundOf('stay', 'even'), { ...(await meter.read()), at: before.at + 1000 }), true)
  const series = await seriesOf(metrics)
  assert.equal(named(series, 'homenode_vm_'), {
    'homenode_vm_vcpus{vm="db",node="0"}': 1,
    'homenode_vm_vcpus{vm="db",node="1"}': 1,
    'homenode_vm_vcpu_seconds_total{vm="db"}': 3,
    'homenode_vm_vcpu_delay_seconds_total{vm="db"}': 0.21,
    'homenode_vm_vcpu_migrations_total{vm="db"}': 12,
    'homenode_vm_process_seconds_total{vm="db"}': 10,
    'homenode_vm_memory_bytes{vm="db",node="0"}': 409_600,
    'homenode_vm_memory_bytes{vm="db",node="1"}': 1_228_800,
    'homenode_vm_remote_memory_ratio{vm="db"}': 0.75 * 0.75 + 0.25 * 0.25,
    'homenode_vm_remote_accesses_ratio{vm="db"}': 0.7,
  })
  assert.equal(named(series, 'homenode_node_cpu'), {
    'homenode_node_cpus{node="0"}': 2,
    'homenode_node_cpus{node="1"}': 2,
    'homenode_node_cpu_seconds_total{node="0",mode="busy"}': 2.5,
    'homenode_node_cpu_seconds_total{node="0",mode="idle"}': 2,
    'homenode_node_cpu_seconds_total{node="1",mode="busy"}': 2,
    'homenode_node_cpu_seconds_total{node="1",mode="idle"}': 3,
  })
  assert.equal(named(series, 'homenode_node_memory'), {
    'homenode_node_memory_bytes{node="0"}': 4_194_304_000,
    'homenode_node_memory_bytes{node="1"}': 4_194_304_000,
    'homenode_node_memory_free_bytes{node="0"}': 1_024_000,
    'homenode_node_memory_free_bytes{node="1"}': 2_048_000,
    ...named(series, 'homenode_node_memory_reclaimable'),
  })
  assert.is(series.get('homenode_node_allocated_pages_total{node="1",kind="other"}'), 100)
  assert.equal(named(series, 'homenode_pressure'), {
    'homenode_pressure_seconds_total{resource="cpu",share="some"}': 1,
  })
  assert.is(series.get('homenode_migrated_pages_total'), 100)
  assert.equal(named(series, 'homenode_local_hint'), { homenode_local_hint_faults_total: 20 })
})

test('what nothing measures has no series', async () => {
  const recorded = new Recorded()
  recorded.remove('proc/vmstat')
  recorded.remove(`proc/${PID}/task/102/schedstat`)
  using meter = await Meter.open({ root: recorded.root, memory: false })
  const metrics = new BalanceMetrics(10)
  metrics.round(seenOf(roundOf('stay', 'even'), await meter.read()), true)
  const series = await seriesOf(metrics)
  // Where one thread is not known the sum is not, either.
  for (const prefix of [
    'homenode_migrated_pages',
    'homenode_hint_faults',
    'homenode_vm_vcpu_delay_seconds_total',
    'homenode_vm_memory',
    'homenode_vm_lost',
    'homenode_vm_exits',
    'homenode_node_traffic',
    'homenode_balance_lost_vcpus',
    'homenode_balance_gain_vcpus',
    'homenode_balance_planned_lost_vcpus',
  ]) {
    assert.equal(named(series, prefix), {}, prefix)
  }
  assert.is(series.get('homenode_vms'), 1)
})

test('memory that the balancer found stands in for what the meter does not look at', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root, memory: false })
  const reading = await meter.read()
  const [{ vm }] = reading.vms as [Reading['vms'][0]]
  const mapping = { start: 0, policy: 'default', pageSize: 4096, file: null, shared: false, backend: null, cell: null }
  const [first, second] = [
    { ...mapping, bytes: 8192, resident: [{ node: 1, bytes: 8192 }], source: 'size' as const },
    {
      ...mapping,
      bytes: 8192,
      resident: [
        { node: 0, bytes: 4096 },
        { node: 1, bytes: 4096 },
      ],
      source: 'size' as const,
    },
  ]
  const metrics = new BalanceMetrics(10)
  metrics.round(
    { ...seenOf(roundOf('stay', 'even'), reading), found: { vms: [{ ...vm, mappings: [first, second] }] } },
    true,
  )
  const series = await seriesOf(metrics)
  assert.equal(named(series, 'homenode_vm_memory'), {
    'homenode_vm_memory_bytes{vm="db",node="0"}': 4096,
    'homenode_vm_memory_bytes{vm="db",node="1"}': 12_288,
  })
})

test('rounds are counted by decision and reason, actions by what became of them', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const reading = await meter.read()
  const metrics = new BalanceMetrics(10)
  const before = await seriesOf(metrics)
  assert.equal(named(before, 'homenode_balance_moved'), {
    homenode_balance_moved_vms_total: 0,
    homenode_balance_moved_bytes_total: 0,
  })
  const key = keyOf(reading.vms[0]!.vm)
  const figures = { ...roundOf('act', 'pays').figures, gain: 0.5, price: 3, held: 3, delay: 0.25, until: 130_000 }
  const paying = roundOf('act', 'pays', {
    now: { lostVcpus: 0.75, terms: { remoteMemory: 0.5, smt: 0.25 } },
    planned: { lostVcpus: 0.25, terms: { smt: 0.25 } },
    figures,
    moves: [moveOf('db', key)],
    vms: [recordOf(key, { lostVcpus: 0.5, demand: 0.9, decision: 'move' })],
  })
  metrics.round(seenOf(paying, reading, { kind: 'move', result: 'partial', bytes: 4096, vms: ['db'] }), true)
  const acted = await seriesOf(metrics)
  assert.equal(named(acted, 'homenode_balance_lost_vcpus'), {
    'homenode_balance_lost_vcpus{term="remoteMemory"}': 0.5,
    'homenode_balance_lost_vcpus{term="communication"}': 0,
    'homenode_balance_lost_vcpus{term="smt"}': 0.25,
    'homenode_balance_lost_vcpus{term="capacity"}': 0,
    'homenode_balance_lost_vcpus{term="cells"}': 0,
    'homenode_balance_lost_vcpus{term="device"}': 0,
    'homenode_balance_lost_vcpus{term="overcommit"}': 0,
    'homenode_balance_lost_vcpus{term="bandwidth"}': 0,
  })
  const figuresSeen = ['planned_lost_vcpus', 'gain_vcpus', 'price_vcpu_seconds', 'held_rounds', 'pause_seconds']
  assert.equal(
    figuresSeen.map((name) => acted.get(`homenode_balance_${name}`)),
    [0.25, 0.5, 3, 3, 30],
  )
  assert.is(acted.get('homenode_vm_lost_vcpus{vm="db"}'), 0.5)
  assert.is(acted.get('homenode_vm_demand_ratio{vm="db"}'), 0.9)
  metrics.round(
    seenOf(roundOf('undo', 'suffers'), reading, { kind: 'undo', result: 'done', bytes: 8192, vms: ['db'] }),
    false,
  )
  metrics.round(seenOf(roundOf('stay', 'even'), reading), true)
  metrics.round(seenOf(roundOf('stay', 'even'), reading), true)
  metrics.round({ ...seenOf(null, null), error: new Error('as the test has it') }, true)
  const series = await seriesOf(metrics)
  assert.equal(named(series, 'homenode_balance_rounds'), {
    'homenode_balance_rounds_total{decision="act",reason="pays"}': 1,
    'homenode_balance_rounds_total{decision="undo",reason="suffers"}': 1,
    'homenode_balance_rounds_total{decision="stay",reason="even"}': 2,
  })
  assert.equal(named(series, 'homenode_balance_actions'), {
    'homenode_balance_actions_total{action="move",result="partial"}': 1,
    'homenode_balance_actions_total{action="undo",result="done"}': 1,
  })
  const counted = [
    'action_seconds_total',
    'moved_vms_total',
    'moved_bytes_total',
    'late_rounds_total',
    'failed_rounds_total',
  ]
  assert.equal(
    counted.map((name) => series.get(`homenode_balance_${name}`)),
    [3, 1, 12_288, 1, 1],
  )
  assert.is(series.get('homenode_balance_round_duration_seconds_count'), 5)
  assert.is(series.get('homenode_balance_round_duration_seconds_bucket{le="0.1"}'), 0)
  assert.is(series.get('homenode_balance_round_duration_seconds_bucket{le="0.25"}'), 5)
  // What the last round did not look at is gone.
  assert.equal(named(series, 'homenode_balance_planned'), {})
})

/** A process of QEMU under this name, as `Recorded` has one. */
function qemu(pid: number, name: string) {
  const threads = [
    { tid: pid, name: 'qemu-system-x86' },
    { tid: pid + 1, name: 'CPU 0/KVM' },
  ]
  const argv = ['qemu-system-x86_64', '-name', `guest=${name},debug-threads=on`, '-smp', '1', '-m', '64']
  return { ...QEMU, pid, argv, threads }
}

test('a VM that has ended has no series; more VMs than places are counted', async () => {
  const recorded = new Recorded([QEMU, qemu(200, 'web'), qemu(300, 'web'), qemu(400, 'x"\\\\y')])
  using meter = await Meter.open({ root: recorded.root })
  const few = new BalanceMetrics(10, 2)
  const all = new BalanceMetrics(10)
  const vmsOf = async (metrics: BalanceMetrics) =>
    Object.keys(named(await seriesOf(metrics), 'homenode_vm_process_seconds_total')).map((name) =>
      name.slice('homenode_vm_process_seconds_total{vm='.length, -1),
    )
  const reading = await meter.read()
  for (const metrics of [few, all]) metrics.round(seenOf(roundOf('stay', 'even'), reading), true)
  assert.equal(await vmsOf(few), ['"db"', '"web"'])
  assert.is((await seriesOf(few)).get('homenode_vms_without_series'), 2)
  const escaped = `"${reading.vms[3]!.vm.name.value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  assert.equal(await vmsOf(all), ['"db"', '"web"', '"web (300)"', escaped])
  assert.is((await seriesOf(all)).get('homenode_vms_without_series'), 0)
  const without = { ...reading, vms: reading.vms.filter(({ vm }) => vm.pid !== 200) }
  for (const metrics of [few, all]) metrics.round(seenOf(roundOf('stay', 'even'), without), true)
  assert.equal(await vmsOf(few), ['"db"', '"web"'])
  assert.equal(await vmsOf(all), ['"db"', '"web (300)"', escaped])
  assert.is((await seriesOf(few)).get('homenode_vms'), 3)
})

testWithPromtool('promtool has nothing against them', async () => {
  const recorded = new Recorded([QEMU, qemu(400, 'x"\\\\y')])
  using meter = await Meter.open({ root: recorded.root })
  const metrics = new BalanceMetrics(10)
  assert.is(objections(await metrics.text()), '')
  const reading = await withMemory(meter)
  const key = keyOf(reading.vms[0]!.vm)
  const round = roundOf('act', 'pays', {
    now: { lostVcpus: 1, terms: { smt: 1 } },
    vms: [recordOf(key, { lostVcpus: 1 })],
  })
  metrics.round(seenOf(round, reading, { kind: 'move', result: 'done', bytes: 1, vms: ['db'] }), true)
  assert.is(objections(await metrics.text()), '')
  assert.is.not(objections('# TYPE wrongTotal counter\nwrongTotal 1\n'), '')
})

const definitions: readonly (readonly [string, MetricDefinition])[] = Object.entries(METRICS)

test('docs/metrics.md has a line for each metric, and no other', () => {
  const rows = definitions.map(([name, { type, labels, help }]) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ') || '-'} | ${help} |`
  })
  const text = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  assert.equal(
    text.split('\n').filter((line) => /^\| `(homenode|process)_/.test(line)),
    rows,
  )
})

test('docs/metrics.md says what each label may be', () => {
  const text = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
  for (const label of new Set(definitions.flatMap(([, { labels }]) => labels))) {
    assert.match(text, new RegExp(`^\\| \`${label}\` \\| `, 'm'), label)
  }
})

test.run()
