import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus } from '../../executor/run/probe.js'
import { cpus } from '../executor/plans.js'
import { hasProgram } from '../executor/programs.js'
import { skipUnless } from '../skip.js'
import { runBench } from './run.js'

const kvm = kvmStatus()
const hasPeers = process.platform === 'linux' && hasProgram('cc')
const testWithPeer = skipUnless(kvm.usable && hasPeers, 'no KVM, or no C compiler (Debian: gcc)')
const testWithCompiler = skipUnless(hasPeers, 'no C compiler (Debian: gcc)')
const testWithTwoCpus = skipUnless(kvm.usable && hasPeers && cpus.length > 1, 'no KVM, no C compiler, or one CPU only')

type Row = Readonly<Record<string, string | number | null>>

/** Runs a bench as short as it can be; its rows, and its plot. */
function quick(name: string): { readonly rows: readonly Row[]; readonly svg: string } {
  const dir = mkdtempSync(join(tmpdir(), 'homenode-bench-test-'))
  try {
    const file = join(dir, 'plot.svg')
    const { status, stdout, stderr } = runBench([name, '--quick', '--json', '--svg', file])
    assert.is(status, 0, stderr)
    const bench = JSON.parse(stdout)
    assert.equal([bench.kind, bench.name], ['Bench', name])
    const svg = readFileSync(file, 'utf8')
    assert.match(svg, /^<svg .*<\/svg>\s*$/s)
    return { rows: bench.rows, svg }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

function above(least: number, rows: readonly Row[], ...columns: readonly string[]): void {
  for (const row of rows) {
    for (const column of columns) assert.ok(Number(row[column]) > least, `${column}: ${JSON.stringify(row)}`)
  }
}

testWithPeer('kick: a spinning guest is stopped in both, in a time with percentiles', () => {
  const { rows, svg } = quick('kick')
  assert.equal(
    rows.map(({ what }) => what),
    ['JavaScript, stop()', 'JavaScript, pause()', 'C'],
  )
  above(0, rows, 'p50us', 'p99us', 'maxUs')
  assert.ok(rows.every(({ p50us, p99us, maxUs }) => p50us! <= p99us! && p99us! <= maxUs!))
  assert.match(svg, 'JavaScript')
})

testWithPeer('startup: more vCPUs take more memory', () => {
  const { rows } = quick('startup')
  assert.equal(
    rows.map(({ vcpus }) => vcpus),
    [1, 4],
  )
  above(0, rows, 'javascriptMs', 'cMs')
  assert.is(rows[0]!.javascriptMiBPerVcpu, null)
  assert.ok(Number(rows[1]!.javascriptMiBPerVcpu) > 0)
})

testWithCompiler('prefault: base and huge pages have a speed in both', () => {
  const { rows } = quick('prefault')
  assert.equal(
    rows.map(({ pages }) => pages).filter((pages) => pages !== 'reserved huge'),
    ['base', 'transparent huge'],
  )
  above(0, rows, 'javascript', 'c', 'ratio')
})

testWithTwoCpus('pinning: each placement has both sides, and a planned vCPU stays off the noisy CPU', () => {
  const { rows } = quick('pinning')
  assert.equal(
    rows.map(({ placement, what }) => `${placement}: ${what}`),
    ['not pinned', 'round robin', 'planned'].flatMap((placement) => [`${placement}: JavaScript`, `${placement}: C`]),
  )
  above(0, rows, 'exitsPerSecond')
  for (const row of rows.filter(({ placement }) => placement === 'planned')) {
    assert.not.ok(
      String(row.cpus)
        .split(/[,| ]+/)
        .includes(String(cpus[0])),
      String(row.cpus),
    )
  }
})

testWithTwoCpus('pingpong: vCPUs hand over on one CPU and on two', () => {
  const { rows } = quick('pingpong')
  assert.equal(
    rows.map(({ what }) => what),
    ['one CPU', 'two CPUs'],
  )
  above(0, rows, 'javascript', 'c', 'ratio')
})

test.run()
