import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus } from '../../executor/run/probe.js'
import { hasProgram } from '../executor/programs.js'
import { skipUnless } from '../skip.js'
import { runBench } from './run.js'

const kvm = kvmStatus()
const testWithKvm = skipUnless(kvm.usable, kvm.usable ? '' : `KVM is not usable: ${kvm.text}`)
const testWithPeer = skipUnless(kvm.usable && hasProgram('cc'), 'no KVM, or no C compiler (Debian: gcc)')

testWithPeer('JavaScript and C each have a cost of an exit, and the ratio is C over JavaScript', () => {
  const { status, stdout, stderr } = runBench(['exits', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { kind, name, host, rows, ratio } = JSON.parse(stdout)
  assert.equal([kind, name], ['Bench', 'exits'])
  assert.is(host.node, process.version)
  assert.equal(
    rows.map((row: { what: string }) => row.what),
    ['JavaScript', 'C', 'JavaScript, sampled', 'JavaScript, coalesced', 'C, coalesced'],
  )
  const [javascript, c, , coalesced, coalescedC] = rows
  assert.ok(javascript.nsPerExit > 0 && c.nsPerExit > 0)
  assert.ok(Math.abs(ratio - c.nsPerWrite / javascript.nsPerWrite) < 0.001, `${ratio}`)
  assert.ok(Math.abs(coalesced.ratio - coalescedC.nsPerWrite / coalesced.nsPerWrite) < 0.001, `${coalesced.ratio}`)
})

testWithKvm('without a C compiler there is no ratio, and both streams say why', () => {
  const { status, stdout, stderr } = runBench(['exits', '--quick', '--json'], { ...process.env, PATH: '/nonexistent' })
  assert.is(status, 0, stderr)
  const bench = JSON.parse(stdout)
  assert.ok(bench.rows.every(({ what }: { what: string }) => what.startsWith('JavaScript')))
  assert.ok(bench.rows.every((row: { ratio: number | null }) => row.ratio === null))
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
