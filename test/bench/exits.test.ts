import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus } from '../../executor/probe.js'
import { hasProgram } from '../executor/programs.js'
import { skipUnless } from '../skip.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const kvm = kvmStatus()
const testWithKvm = skipUnless(kvm.usable, kvm.usable ? '' : `KVM is not usable: ${kvm.text}`)
const testWithPeer = skipUnless(kvm.usable && hasProgram('cc'), 'no KVM, or no C compiler (Debian: gcc)')

/** The bench as `npm run bench` starts it. */
function runBench(options: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const values = ['--import', 'tsx', 'bench/run.ts', ...options]
  return spawnSync(process.execPath, values, { cwd: root, env, encoding: 'utf8' })
}

testWithPeer('JavaScript and C each have a cost of an exit, and the ratio is C over JavaScript', () => {
  const { status, stdout, stderr } = runBench(['exits', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { kind, name, host, rows, ratio } = JSON.parse(stdout)
  assert.equal([kind, name], ['Bench', 'exits'])
  assert.is(host.node, process.version)
  assert.equal(
    rows.map((row: { what: string }) => row.what),
    ['JavaScript', 'C'],
  )
  const [javascript, c] = rows.map((row: { nsPerExit: number }) => row.nsPerExit)
  assert.ok(javascript > 0 && c > 0)
  assert.ok(Math.abs(ratio - c / javascript) < 0.001, `${ratio} for ${c} / ${javascript}`)
})

testWithKvm('without a C compiler there is no ratio, and both streams say why', () => {
  const { status, stdout, stderr } = runBench(['exits', '--quick', '--json'], { ...process.env, PATH: '/nonexistent' })
  assert.is(status, 0, stderr)
  const bench = JSON.parse(stdout)
  assert.equal(
    bench.rows.map((row: { what: string }) => row.what),
    ['JavaScript'],
  )
  assert.not.ok('ratio' in bench)
  assert.match(bench.notes.join('\n'), 'no C compiler')
  assert.match(stderr, 'no C compiler')
})

test('a bench that does not exist is refused with the names of those that do', () => {
  const { status, stdout, stderr } = runBench(['nonexistent'])
  assert.is(status, 2)
  assert.is(stdout, '')
  assert.match(stderr, /usage: .*exits.*topology/)
})

test.run()
