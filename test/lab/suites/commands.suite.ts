/** `apply`, `undo`, `pin` and `mem` on the command line, and stopped in the middle: guests that check their memory, read from procfs. */

import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { affinities, affinityOf, backend, folder, type Guest, memoryOf, pinTo, startGuest } from './guests.js'
import { homenode } from './inside.js'

const state = join(folder, 'state')
const planFile = join(folder, 'plan.json')

interface PlannedVm {
  readonly name: string
  readonly vcpus: readonly { readonly vcpu: number; readonly cpus: string }[]
  readonly emulator: string
  readonly cells: readonly { readonly memory: readonly { readonly node: number }[] }[]
}

/** All memory on node 1, all threads on node 0. */
async function withAstray(body: (guests: readonly Guest[]) => Promise<void>): Promise<void> {
  const bound = backend('ram', 'policy=bind,host-nodes=1')
  const guests = await Promise.all(['db', 'web'].map((name) => startGuest(name, bound)))
  try {
    for (const { pid } of guests) pinTo(pid, '0-3')
    await body(guests)
  } finally {
    await Promise.all(guests.map((guest) => guest.stop()))
  }
}

/** A plan that has to move memory: node 1 keeps no CPU for guests. */
async function planFor(): Promise<readonly PlannedVm[]> {
  const { code, stdout, stderr } = await homenode(['plan', '--running', '--json', '-f', '-'], WISHES)
  assert.is(code, 0, stderr)
  writeFileSync(planFile, stdout)
  return JSON.parse(stdout).vms
}
const WISHES = { reserve: { cpus: '4-7' } }
const wishes = join(folder, 'wishes.json')
writeFileSync(wishes, JSON.stringify(WISHES))
const APPLY = ['apply', planFile, '-f', wishes, '--yes', '--state', state]

function requirePlanned(vms: readonly PlannedVm[], guests: readonly Guest[]): void {
  for (const { pid, name } of guests) {
    const planned = vms.find((vm) => vm.name === name)!
    for (const { vcpu, cpus } of planned.vcpus) assert.is(affinityOf(pid, `CPU ${vcpu}/KVM`), cpus, name)
    assert.is(affinities(pid)[pid], planned.emulator, name)
    assert.equal(Object.keys(memoryOf(pid)), [`${planned.cells[0]!.memory[0]!.node}`], name)
  }
}

function start(args: readonly string[]): {
  readonly child: ChildProcess
  readonly ended: Promise<[number | null, string]>
} {
  const cli = join(process.env.LAB_PACKAGE ?? '', 'dist/cli.js')
  const child = spawn(process.execPath, [...process.execArgv, cli, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  return { child, ended: new Promise((resolve) => child.on('close', (code) => resolve([code, stdout]))) }
}

const onFirst = (pid: number) => Math.round(memoryOf(pid)[0] ?? 0)

test('apply --running: shown, done, read back by ps and diff, undone', async () => {
  await withAstray(async (guests) => {
    const before = guests.map(({ pid }) => [affinities(pid), memoryOf(pid)])
    const vms = await planFor()
    const applied = await homenode(['apply', '--running', '-f', wishes, '--yes', '--state', state])
    assert.is(applied.code, 0, applied.stderr)
    assert.match(
      applied.stdout,
      /^1\.\d+ lost vCPUs now, 0 lost vCPUs afterwards\n\n2 VMs to change: .* 128 MiB to copy$/m,
    )
    assert.match(applied.stdout, /1: 64 MiB -> 0: 64 MiB +64 MiB$/m)
    assert.match(applied.stdout, /^done: .* 128 MiB copied; read back from the kernel/m)
    requirePlanned(vms, guests)
    const { lost } = JSON.parse((await homenode(['ps', '--json'])).stdout)
    assert.ok(lost.now < 0.01, `${lost.now}`)
    assert.is((await homenode(['check', planFile, '--drift'])).code, 0)
    const undone = await homenode(['undo', '--yes', '--state', state])
    assert.is(undone.code, 0, undone.stderr)
    assert.equal(
      guests.map(({ pid }) => [affinities(pid), memoryOf(pid)]),
      before,
    )
    const drift = await homenode(['check', planFile, '--drift'])
    assert.is(drift.code, 5)
    assert.match(drift.stdout, /^db +64 MiB of memory at .* 64 MiB on node 0 +64 MiB on node 1$/m)
    for (const guest of guests) assert.ok(await guest.isSound(), guest.name)
  })
})

test('Ctrl-C stops between two batches and says so; the plan can be applied again; a second apply has to wait', async () => {
  await withAstray(async (guests) => {
    const vms = await planFor()
    const { child, ended } = start([...APPLY, '--rate', '4MiB'])
    while (!guests.some(({ pid }) => onFirst(pid) > 0)) await sleep(100)
    // It is held in the middle, however long the second one takes to start; it finds the signal when it goes on.
    child.kill('SIGSTOP')
    const second = await homenode(APPLY)
    child.kill('SIGINT')
    child.kill('SIGCONT')
    assert.is(second.code, 1)
    assert.match(second.stderr, new RegExp(`${child.pid}`))
    const [code, stdout] = await ended
    assert.is(code, 130)
    assert.match(stdout, /^stopped: \d of \d changes, /m)
    assert.match(stdout, /it was asked to stop/)
    const moved = guests.map(({ pid }) => onFirst(pid)).reduce((sum, mib) => sum + mib, 0)
    assert.ok(moved > 0 && moved < 128, `${moved}`)
    const again = await homenode(APPLY)
    assert.is(again.code, 0, again.stderr)
    requirePlanned(vms, guests)
    for (const guest of guests) assert.ok(await guest.isSound(), guest.name)
  })
})

test('mem and pin of one VM by hand', async () => {
  await withAstray(async ([guest]) => {
    const { pid, name } = guest!
    const part = await homenode(['mem', name, '--from', '1', '--to', '0', '--rate', '1GiB', '--state', state, '--json'])
    assert.is(part.code, 0, part.stderr)
    assert.is(JSON.parse(part.stdout).moved, 64 * 2 ** 20)
    assert.equal(Object.keys(memoryOf(pid)), ['0'])
    assert.match((await homenode(['mem', name])).stdout, /^db: 64 MiB, 0: 64 MiB$/m)
    assert.is((await homenode(['pin', name, '1', '6', '--state', state])).code, 0)
    assert.is(affinityOf(pid, 'CPU 1/KVM'), '6')
    assert.ok(await guest!.isSound())
  })
})

test.run()
