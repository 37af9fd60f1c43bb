/**
 * `npm run bench -- NAME [--quick] [--json] [--svg FILE]`: runs one bench and prints the host, a table and notes, or the
 * JSON object; with `--svg` its plot is written, too.
 */

import { readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Bench, BenchModule, Row } from './bench.js'

/** Files of this folder that measure nothing; what one bench alone needs is in a folder of its name. */
const NOT_BENCHES = ['bench.ts', 'plot.ts', 'run.ts']
const names = readdirSync(dirname(fileURLToPath(import.meta.url)))
  .filter((file) => file.endsWith('.ts') && !NOT_BENCHES.includes(file))
  .map((file) => file.replace(/\.ts$/, ''))

/** Rows with the same columns make a table. */
function tables(rows: readonly Row[]): Row[][] {
  const byColumns = new Map<string, Row[]>()
  for (const row of rows) {
    const columns = Object.keys(row).join()
    byColumns.set(columns, [...(byColumns.get(columns) ?? []), row])
  }
  return [...byColumns.values()]
}

function print(bench: Bench): void {
  console.log(`${bench.name}: ${Object.values(bench.host).join(', ')}`)
  for (const rows of tables(bench.rows)) {
    const columns = Object.keys(rows[0]!)
    const table = new Table({ head: columns, style: { head: [], border: [] } })
    for (const row of rows) table.push(columns.map((column) => `${row[column] ?? '-'}`))
    console.log(table.toString())
  }
  if (bench.ratio !== undefined) console.log(`ratio: ${bench.ratio}`)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
})
const [name = ''] = positionals
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--quick] [--json] [--svg FILE], with NAME one of: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  const { default: module }: { default: BenchModule } = await import(`./${name}.js`)
  if (values.svg !== undefined && module.plot === undefined) {
    console.error(`${name} has no plot`)
    process.exitCode = 2
  } else {
    const bench = await module.run({ quick: values.quick })
    if (values.json) console.log(JSON.stringify(bench))
    else print(bench)
    for (const note of bench.notes ?? []) console.error(`note: ${note}`)
    if (values.svg !== undefined) writeFileSync(values.svg, module.plot!(bench))
  }
}
