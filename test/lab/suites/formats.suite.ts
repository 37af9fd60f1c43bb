/** Scripts of `homenode convert` on several nodes: where QEMU's memory and threads are, which is not asked of QEMU but of the kernel. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VerifiedPlan } from 'homenode'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import {
  boundAsPlanned,
  boundMemory,
  homenode,
  MiB,
  machine,
  requestOf,
  threadOf,
  withCpus,
  withMemory,
} from './inside.js'

const folder = mkdtempSync(join(tmpdir(), 'formats-'))
const script = join(folder, 'vm.sh')
const nodes = withCpus.filter((node) => withMemory.includes(node))
const hasHugePages = machine.nodes.every(({ hugePages = 0 }) => hugePages >= 8)

/** A cell of 16 MiB and two vCPUs on every node. */
const wide = {
  name: 'wide',
  vcpus: 2 * nodes.length,
  memory: `${16 * nodes.length}MiB`,
  cells: nodes.length,
  pageSize: hasHugePages ? '2MiB' : '4KiB',
  devices: nodes.map((node) => ({ node, strict: true })),
  cpuPolicy: 'mixed',
  dedicatedVcpus: '0',
}

/** What `homenode convert` writes for a request. */
async function converted(to: string): Promise<string> {
  const { code, stdout, stderr } = await homenode(['convert', '-', '--to', to], requestOf(wide))
  assert.is(code, 0, stderr)
  return stdout
}

function sh(...args: string[]): void {
  const { status, stderr } = spawnSync('sh', [script, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
}

test('QEMU has the memory of each cell on its node, and each thread on its CPUs', async () => {
  const plan = JSON.parse(await converted('json')) as VerifiedPlan
  const [{ cells, vcpus, emulator }] = plan.vms as unknown as [VerifiedPlan['vms'][number]]
  assert.equal(
    cells.flatMap(({ memory }) => memory),
    nodes.map((node) => ({ node, bytes: 16 * MiB })),
  )
  writeFileSync(script, await converted('qemu'))
  const pidFile = join(folder, 'pid')
  sh('start', '-accel', 'tcg', '-display', 'none', '-nodefaults', '-S', '-daemonize', '-pidfile', pidFile)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  try {
    sh('pin', `${pid}`)
    assert.equal(boundMemory(pid), boundAsPlanned(plan))
    const threads = readdirSync(`/proc/${pid}/task`).map((tid) => {
      return [readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim(), threadOf(Number(tid), pid).allowed]
    })
    const allowed = new Map(threads as [string, string][])
    assert.equal(
      vcpus.map(({ vcpu }) => allowed.get(`CPU ${vcpu}/TCG`)),
      vcpus.map(({ cpus }) => cpus),
    )
    assert.is(allowed.get('qemu-system-x86'), emulator)
  } finally {
    process.kill(pid)
  }
})

skipUnless(spawnSync('numactl', ['--show']).error === undefined, 'numactl is not installed')(
  'numactl binds a process to the nodes of all cells',
  async () => {
    writeFileSync(script, await converted('numactl'))
    const { stdout, stderr } = spawnSync('sh', [script, 'start', 'cat', '/proc/self/numa_maps'], { encoding: 'utf8' })
    assert.is(stderr, '')
    const policies = new Set(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[1]),
    )
    assert.equal([...policies], [`bind:0-${nodes.at(-1)}`])
  },
)

test.run()
