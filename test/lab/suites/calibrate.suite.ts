/** `homenode calibrate` on two nodes: it runs, and has every pair. The times are the emulation's. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Host, parseHost, plan, verifyPlan } from 'homenode'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { requestOf } from './inside.js'

const cli = join(process.env.LAB_PACKAGE ?? '', 'dist/cli.js')

/** On all CPUs of the machine: a suite begins on one. */
function calibrate(): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn('taskset', ['-c', '0-7', process.execPath, ...process.execArgv, cli, 'calibrate', '--json'])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

test('latency, bandwidth and hand-over are measured for each pair of nodes, and a plan goes by them', async () => {
  const { code, stdout, stderr } = await calibrate()
  assert.is(code, 0, stderr)
  const host: Host = parseHost(JSON.parse(stdout))
  const { latencies, bandwidths, hops, spread } = host
  for (const from of [0, 1]) {
    for (const to of [0, 1]) {
      for (const [matrix, spreads] of [
        [latencies, spread?.latencies],
        [bandwidths, spread?.bandwidths],
      ]) {
        assert.ok(matrix![from]![to]! > 0 && spreads![from]![to]! >= 0, `from ${from} to ${to}: ${stdout}`)
      }
      const own = hops!.nodes[from]![to]
      if (from === to) assert.is(own, null)
      else assert.ok(own! > 0, stdout)
    }
  }
  assert.ok(hops!.llc! > 0, stdout)
  // Each node has one LLC, and each core one CPU.
  assert.equal([hops!.node, hops!.core, host.smt], [null, null, null])
  const request = requestOf({ name: 'wide', vcpus: 2, memory: '8MiB', cells: 2, separateFrom: [] })
  const verified = verifyPlan(host, request, await plan(host, request))
  assert.is(verified.refused.length, 0)
})

test.run()
