/** The dashboard shows metrics that there are, by queries that Prometheus understands. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { dashboard } from '../../src/service/dashboard.js'
import { METRICS, type MetricDefinition } from '../../src/service/metrics/table.js'
import { PROMTOOL, testWithPromtool } from './metrics/promtool.js'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[]
}

const made = JSON.parse(JSON.stringify(dashboard())) as {
  readonly panels: readonly Panel[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[]
  }
}
const targets = made.panels.flatMap(({ targets = [] }) => targets)
const definitions: Readonly<Record<string, MetricDefinition>> = METRICS

/** Metrics of a query, with what histograms put behind their names taken off. */
function metricsIn(query: string): string[] {
  return [...query.matchAll(/\b(?:homenode|process)_\w+/g)].map(([name]) => {
    const whole = name.replace(/_(bucket|sum|count)$/, '')
    return definitions[whole]?.type === 'histogram' ? whole : name
  })
}

test('each query is of metrics that there are, each rate of a counter', () => {
  assert.ok(targets.length > 30)
  for (const { expr } of targets) {
    const names = metricsIn(expr)
    assert.ok(names.length > 0, expr)
    for (const name of names) assert.ok(name in definitions, `${name} in ${expr}`)
    for (const [, name = ''] of expr.matchAll(/(?:rate|increase)\((\w+)/g)) {
      assert.is.not(definitions[metricsIn(name)[0]!]!.type, 'gauge', expr)
    }
  }
  const instances = made.templating.list.find(({ name }) => name === 'instance')!.query as { readonly query: string }
  assert.ok(metricsIn(instances.query).every((name) => name in definitions))
})

test('labels in queries and legends are those of their metrics', () => {
  for (const { expr, legendFormat } of targets) {
    const known = new Set(['instance', 'le', ...metricsIn(expr).flatMap((name) => definitions[name]!.labels)])
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
    const matched = [...expr.matchAll(/[{,](\w+)=/g)].map(([, label]) => label!)
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!)
    for (const label of [...grouped, ...matched, ...shown]) assert.ok(known.has(label), `${label} in ${expr}`)
    const isSum = /^(sum|histogram_quantile)\b/.test(expr)
    if (isSum) for (const label of shown) assert.ok(grouped.includes(label), `${label} is summed up in ${expr}`)
  }
})

test('it shows all metrics but these', () => {
  const shown = new Set(targets.flatMap(({ expr }) => metricsIn(expr)))
  assert.equal(
    Object.keys(definitions).filter((name) => !shown.has(name)),
    ['homenode_node_cpus', 'homenode_node_memory_bytes', 'homenode_build_info', 'process_start_time_seconds'],
  )
})

test('panels have numbers of their own, are within the grid, and do not overlap', () => {
  const { panels } = made
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = new Set<string>()
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.not.ok(cells.has(`${x}/${y}`), `${title} at ${x}/${y}`)
        cells.add(`${x}/${y}`)
      }
    }
  }
})

testWithPromtool('Prometheus understands each query', () => {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-rules-'))
  try {
    const check = (queries: readonly string[]) => {
      const rules = queries.map((expr, i) => ({ record: `panel:query:${i}`, expr }))
      // JSON is YAML.
      writeFileSync(join(folder, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }))
      const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'rules', join(folder, 'rules.yaml')], {
        encoding: 'utf8',
      })
      return { status, said: `${stdout}${stderr}` }
    }
    const filled = targets.map(({ expr }) =>
      expr.replace(/\$__(rate_interval|range)/g, '5m').replaceAll('$instance', '.*'),
    )
    const { status, said } = check(filled)
    assert.is(status, 0, said)
    assert.match(said, new RegExp(`${filled.length} rules found`))
    assert.is.not(check(['rate(homenode_vms{)']).status, 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
