/** Debian's kernel as a guest of four vCPUs in two cells: booted, asked what it sees, held against what is seen from outside. */

import { readdirSync, rmSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { boundMemory, leftBehind, MiB, threadOf } from './inside.js'
import { CELL_MIB, folder, homenode, request } from './linux-guests.js'

/** The threads of a process that are pinned to one CPU, which the vCPUs' are. */
function pinnedThreads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => threadOf(Number(tid), pid).allowed)
    .filter((allowed) => /^\d+$/.test(allowed))
    .sort()
}

test('four vCPUs in two cells boot, the guest sees what was planned, and from outside it is where it was planned', async () => {
  const command = [
    'echo started',
    'nproc',
    'for node in 0 1; do cat /sys/devices/system/node/node$node/cpulist /sys/devices/system/node/node$node/distance; done',
    "dmesg | grep -E 'WARNING:|BUG:|Call Trace|SLIT.*invalid|[Uu]nsynchronized|unstable|not on the same node' >&2",
    // A loop on each vCPU, and one that shows that all of them have come to their end.
    'for cpu in 0 1 2 3; do taskset -c $cpu sh -c "i=0; while [ \\$i -lt 2000 ]; do i=\\$((i+1)); done; echo looped $cpu" & done; wait',
    'echo done',
    'exit 42',
  ].join('\n')
  const run = homenode(['--exec', command, '--json'], request)
  await run.until(/started/)
  const pid = run.child.pid!
  assert.equal(pinnedThreads(pid).length, 4)
  const bound = boundMemory(pid)
  assert.is(bound['bind:0']?.['0'], CELL_MIB * MiB)
  assert.is(bound['bind:1']?.['1'], CELL_MIB * MiB)
  const code = await run.ended
  const lines = run.stdout().trim().split('\n')
  assert.equal(lines.slice(0, 6), ['started', '4', '0-1', '10 21', '2-3', '21 10'])
  assert.equal(
    lines.slice(6, 10).sort(),
    [0, 1, 2, 3].map((cpu) => `looped ${cpu}`),
  )
  assert.is(lines.at(-1), 'done')
  const said = run.stderr()
  const report = JSON.parse(said.slice(said.indexOf('{')))
  assert.is(said.slice(0, said.indexOf('{')), '')
  assert.is(code, 42, said)
  assert.equal(report.findings, [])
  assert.is(report.verified, true)
  assert.is(report.guest.cpus, 4)
  assert.equal(
    report.guest.nodes.map(({ cpus, distances }: { cpus: string; distances: number[] }) => [cpus, distances]),
    [
      ['0-1', [10, 21]],
      ['2-3', [21, 10]],
    ],
  )
  for (const { planned, affinity } of report.vcpus) assert.is(affinity, planned)
  assert.equal(leftBehind(), [])
})

test.after(() => rmSync(folder, { recursive: true }))

test.run()
