import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from './run.js'

test('commands are held against a Node that does nothing', () => {
  const { status, stdout, stderr } = runBench(['cli', '--quick', '--json'])
  assert.is(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  assert.equal(
    rows.map(({ what }: { what: string }) => what.replace('homenode ', '')),
    ['node -e 0', '--version', '--help', 'plan --help', 'topo', 'plan'],
  )
  const [node, ...commands] = rows
  assert.is(node.ratioToNode, 1)
  for (const { what, ms, ratioToNode } of commands) {
    assert.ok(Math.abs(ratioToNode - ms / node.ms) < 0.01, `${what}: ${ratioToNode}, ${ms} ms`)
  }
})

test.run()
