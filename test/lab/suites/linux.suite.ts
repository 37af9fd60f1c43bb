/** Debian's kernel as a guest of four vCPUs in two cells: booted, asked what it sees, held against what is seen from outside. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { boundMemory, leftBehind, MiB, threadOf } from './inside.js'

const packageRoot = process.env.LAB_PACKAGE ?? ''
const boot = join(packageRoot, '../boot')
const kernel = join(boot, 'kernel')
const folder = mkdtempSync(join(tmpdir(), 'linux-'))
const CELL_MIB = 128
const request = join(folder, 'request.json')
const cells = [0, 2].map((first) => ({ vcpus: `${first}-${first + 1}`, memory: `${CELL_MIB}MiB` }))
const vm = { name: 'linux', vcpus: 4, cells, memory: `${2 * CELL_MIB}MiB` }
// With three CPUs of each node left, two cells of two vCPUs are not on one.
const reserve = { cpus: '3,7' }
writeFileSync(request, JSON.stringify({ schemaVersion: 1, kind: 'Request', vms: [vm], reserve }))
const single = join(folder, 'single.json')
writeFileSync(
  single,
  JSON.stringify({ schemaVersion: 1, kind: 'Request', vms: [{ name: 'one', vcpus: 1, memory: '192MiB' }] }),
)

/**
 * The emulated CPU counts time as one counter for all, without saying so, and sets the state that XSAVE saves without telling
 * its KVM: a guest that trusts the one and leaves the other alone has nothing to warn of.
 */
const APPEND = 'quiet nokaslr mitigations=off tsc=reliable noxsave'

interface Run {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
  /** Resolves when the output has this. */
  until(pattern: RegExp): Promise<void>
}

function homenode(args: readonly string[], file = request): Run {
  const cli = join(packageRoot, 'dist/cli.js')
  const run = ['run', '--kernel', kernel, '--append', APPEND, '-f', file, ...args]
  const child = spawn('taskset', ['-c', '0-7', process.execPath, ...process.execArgv, cli, ...run])
  const text = { stdout: '', stderr: '' }
  let look = () => {}
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk) => {
      text[stream] += chunk
      look()
    })
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      look = () => {
        if (pattern.test(text.stdout)) resolve()
      }
      look()
      void ended.then(() => reject(new Error(`it ended before ${pattern}: ${text.stdout}\n${text.stderr}`)))
    })
  return { child, ended, until, stdout: () => text.stdout, stderr: () => text.stderr }
}

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
    "dmesg | grep -iE 'warn|slit.*(invalid|bad)|unsync|unstable|not on the same node|BUG|Call Trace' >&2",
    // A loop on each vCPU, and one that shows that all of them have come to their end.
    'for cpu in 0 1 2 3; do taskset -c $cpu sh -c "i=0; while [ \\$i -lt 2000 ]; do i=\\$((i+1)); done; echo looped $cpu" & done; wait',
    'echo done',
    'exit 42',
  ].join('\n')
  const run = homenode(['--exec', command, '--json'])
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

test('a shell on the console takes what is typed, and its exit code is that of homenode', async () => {
  const run = homenode(['--initrd', 'auto'], single)
  await run.until(/[#$] /)
  run.child.stdin!.write('echo answer $((6 * 7)); exit 9\n')
  assert.is(await run.ended, 9, run.stderr())
  assert.match(run.stdout(), /answer 42/)
  assert.match(run.stderr(), /guest sees: 1 CPU, 1 node\n {2}node 0: CPUs 0, /)
})

test('a kernel that panics ends with its last words', async () => {
  const run = homenode(['--exec', 'true', '--append', `${APPEND} rdinit=/none init=/none root=none`], single)
  assert.is(await run.ended, 1)
  assert.match(run.stderr(), /the guest ended \(reset\) before the command did.*Kernel panic/s)
})

test("disks are read and written by the kernel's own drivers, and random bytes come", async () => {
  const modules = modulesOf('virtio_mmio', 'virtio_blk', 'virtio_rng')
  const [data, target] = ['data', 'target'].map((name) => join(folder, name))
  writeFileSync(data!, Buffer.alloc(MiB, 'sector of data. '))
  writeFileSync(target!, Buffer.alloc(64 * 1024))
  const command = [
    ...modules.map((path) => `insmod /bin/${path.split('/').at(-1)}`),
    'cat /sys/block/vda/ro /sys/block/vdb/ro /sys/block/vda/size',
    'cat /sys/devices/virtual/misc/hw_random/rng_current',
    'cmp -n 32768 /dev/vda /dev/vda && dd if=/dev/vda of=/dev/vdb bs=4096 count=8 conv=fsync 2>/dev/null && echo copied',
    'head -c 16 /dev/hwrng | wc -c',
  ].join('\n')
  const files = modules.flatMap((path) => ['--file', path])
  const run = homenode(['--exec', command, ...files, '--disk', data!, '--disk', `${target},rw`], single)
  assert.is(await run.ended, 0, run.stderr())
  const lines = run.stdout().trim().split('\n')
  assert.equal(lines.slice(0, 3), ['1', '0', '2048'])
  assert.match(lines[3]!, /^virtio_rng/)
  assert.equal(lines.slice(4), ['copied', '16'])
  const written = readFileSync(target!)
  assert.equal(written.subarray(0, 32768), readFileSync(data!).subarray(0, 32768))
  assert.ok(written.subarray(32768).every((byte) => byte === 0))
})

/** Files of modules, with those that they need first. */
function modulesOf(...names: readonly string[]): string[] {
  const [version] = readdirSync(join(boot, 'lib/modules'))
  const root = join(boot, 'lib/modules', version!)
  const dependencies = new Map(
    readFileSync(join(root, 'modules.dep'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [path, rest = ''] = line.split(':')
        return [path!, rest.trim().split(' ').filter(Boolean)]
      }),
  )
  const pathOf = (name: string) =>
    [...dependencies.keys()].find(
      (path) =>
        path
          .split('/')
          .at(-1)!
          .replace(/\.ko.*$/, '')
          .replaceAll('-', '_') === name,
    )!
  const all = names.map(pathOf).flatMap((path) => [...[...dependencies.get(path)!].reverse(), path])
  return [...new Set(all)].map((path) => join(root, path))
}

test.after(() => rmSync(folder, { recursive: true }))

test.run()
