/** `apply`, `undo`, `diff` and `check --drift` on real guests: what /proc says, not what the commands say. */

import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Guest, hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { cli, homenode, scratch } from './command.js'

const file = scratch()
const MANY = availableParallelism() > 1
const withQemu = skipUnless(hasQemu && MANY, MANY ? NO_QEMU : 'pinning shows where there is more than one CPU')

interface Place {
  readonly guest: Guest
  /** Folder of undo files. */
  readonly state: string
  /** A plan for this guest alone: others may run here meanwhile. */
  readonly plan: string
  /** The CPU that the plan gives its vCPU, and those of its other threads. */
  readonly wanted: { readonly vcpu: string; readonly emulator: string }
}

/** Others may run the same tests meanwhile. */
const own = (name: string) => `${name}-${process.pid}`

async function planFor(name: string, fields: object = {}): Promise<{ file: string; wanted: Place['wanted'] }> {
  const vm = { name, vcpus: 1, memory: '64MiB', pageSize: '4KiB', cells: 1, ...fields }
  const { stdout } = await homenode(['plan', '-f', '-', '--json'], { input: JSON.stringify({ vms: [vm] }) })
  const [planned] = JSON.parse(stdout).vms
  return { file: file(`${name}.json`, stdout), wanted: { vcpu: planned.vcpus[0].cpus, emulator: planned.emulator } }
}

async function withGuest(name: string, work: (place: Place) => Promise<void>): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'homenode-state-'))
  const guest = await startQemu(['-accel', 'tcg', '-name', `guest=${name},debug-threads=on`, '-m', '64'])
  try {
    const { file: plan, wanted } = await planFor(name)
    await work({ guest, state, plan, wanted })
  } finally {
    await guest.stop()
    rmSync(state, { recursive: true })
  }
}

/** By thread: its name and where the kernel lets it run. */
function affinities(pid: number): Map<number, { readonly name: string; readonly cpus: string }> {
  const tids = readdirSync(`/proc/${pid}/task`).map(Number)
  return new Map(
    tids.map((tid) => {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
      const field = (label: string) => new RegExp(`^${label}:\\s*(.*)$`, 'm').exec(status)![1]!
      return [tid, { name: field('Name'), cpus: field('Cpus_allowed_list') }]
    }),
  )
}

const vcpuOf = (pid: number) => [...affinities(pid).values()].find(({ name }) => name.startsWith('CPU 0'))!.cpus
const othersOf = (pid: number) => {
  const others = [...affinities(pid).values()].filter(({ name }) => !name.startsWith('CPU 0'))
  return [...new Set(others.map(({ cpus }) => cpus))]
}

withQemu('a plan is applied, seen by diff and check --drift, and undone', () =>
  withGuest(own('apply-whole'), async ({ guest: { pid }, state, plan, wanted }) => {
    const before = affinities(pid)
    const drift = await homenode(['check', plan, '--drift', '--json'])
    assert.is(drift.code, 5, drift.stderr)
    const { kind, holds, differences } = JSON.parse(drift.stdout)
    assert.equal([kind, holds], ['Drift', false])
    assert.ok(
      differences.some(({ what }: { what: string }) => /vCPU 0/.test(what)),
      drift.stdout,
    )
    const seen = await homenode(['diff', plan], { env: { COLUMNS: '80' } })
    assert.is(seen.code, 0)
    assert.match(seen.stdout, /^\d+ differences?\n\nVM +WHAT +WANTED +FOUND\n(.*\n)*apply-whole-/)

    const applied = await homenode(['apply', plan, '--yes', '--state', state], { env: { COLUMNS: '80' } })
    assert.is(applied.code, 0, applied.stderr)
    assert.is(vcpuOf(pid), wanted.vcpu)
    assert.equal(othersOf(pid), [wanted.emulator])
    assert.match(applied.stdout, /lost vCPUs now, [\d.]+ lost vCPUs? afterwards\n\n1 VM to change: \d+ threads to pin/)
    assert.match(applied.stdout, new RegExp(`vCPU 0 -> ${wanted.vcpu} \\(now `))
    assert.match(applied.stdout, /^done: \d+ of \d+ changes?, /m)
    assert.ok(
      applied.stdout.split('\n').every((line) => line.length <= 80 || line.includes(state)),
      applied.stdout,
    )
    const [undoFile] = readdirSync(state).filter((name) => name.startsWith('undo-'))
    assert.ok(applied.stdout.includes(join(state, undoFile!)))

    const none = await homenode(['diff', plan])
    assert.match(none.stdout, /^no difference: 1 VM as planned/)
    assert.is((await homenode(['check', plan, '--drift'])).code, 0)
    const again = await homenode(['apply', plan, '--yes', '--state', state])
    assert.is(again.code, 0)
    assert.match(again.stdout, /nothing to do: all is as planned/)

    const undone = await homenode(['undo', '--yes', '--state', state])
    assert.is(undone.code, 0, undone.stderr)
    assert.equal(affinities(pid), before)
    const nothing = await homenode(['undo', '--yes', '--state', state])
    assert.is(nothing.code, 2)
  }),
)

withQemu('JSON: what would be done, what was done', () =>
  withGuest(own('apply-json'), async ({ guest: { pid }, state, plan, wanted }) => {
    const before = affinities(pid)
    const dry = await homenode(['apply', plan, '--dry-run', '--json', '--state', state])
    assert.is(dry.code, 0, dry.stderr)
    const changes = JSON.parse(dry.stdout)
    assert.equal([changes.schemaVersion, changes.kind], [1, 'Changes'])
    const threads = changes.steps.flatMap((step: { threads: object[] }) => step.threads)
    assert.ok(threads.some(({ role, to }: { role: string; to: string }) => role === 'vcpu' && to === wanted.vcpu))
    assert.equal(affinities(pid), before)
    assert.equal(readdirSync(state), [])

    const done = await homenode(['apply', plan, '--yes', '--json', '--state', state])
    const applied = JSON.parse(done.stdout)
    assert.equal([applied.schemaVersion, applied.kind, applied.stopped, applied.differences], [1, 'Applied', false, []])
    assert.is(vcpuOf(pid), wanted.vcpu)
    const undone = await homenode(['undo', applied.undoFile, '--yes', '--json', '--state', state])
    assert.is(undone.code, 0, undone.stderr)
    assert.equal(affinities(pid), before)
  }),
)

withQemu('without a terminal and without --yes nobody is asked, and nothing is changed', () =>
  withGuest(own('apply-silent'), async ({ guest: { pid }, state, plan }) => {
    const before = affinities(pid)
    for (const args of [['apply', plan], ['apply', '--running'], ['undo'], ['apply', plan, '--json']]) {
      const { code, stdout, stderr } = await homenode([...args, '--state', state], { input: 'y\n' })
      assert.is(code, 2)
      assert.is(stdout, '')
      assert.match(
        stderr,
        /^homenode: --yes: expected the option, as nobody is asked, got (no terminal to ask at|--json alone)$/m,
      )
    }
    assert.equal(affinities(pid), before)
  }),
)

const hasScript = spawnSync('script', ['--version']).status === 0
const atTerminal = skipUnless(hasQemu && MANY && hasScript, 'a terminal takes script of util-linux, and QEMU')

atTerminal('at a terminal it asks: no and Ctrl-C change nothing, yes does', () =>
  withGuest(own('apply-asked'), async ({ guest: { pid }, state, plan, wanted }) => {
    const before = affinities(pid)
    const command = `${process.execPath} ${cli} apply ${plan} --state ${state}`
    const answer = async (input: string) => {
      const child = spawn('script', ['-qec', command, '/dev/null'])
      let stdout = ''
      let isAnswered = false
      child.stdout.on('data', (chunk) => {
        stdout += chunk
        if (isAnswered || !stdout.includes('[y/N]')) return
        isAnswered = true
        child.stdin.write(input)
      })
      const status = await new Promise((resolve) => child.once('close', resolve))
      return { status, stdout }
    }
    const no = await answer('n\n')
    assert.ok(no.stdout.includes('Change them'), no.stdout)
    assert.match(no.stdout, /Change them\? \[y\/N\]/)
    assert.is(no.status, 1, no.stdout)
    assert.match(no.stdout, /nothing was changed/)
    const interrupted = await answer('\u0003')
    assert.is(interrupted.status, 130, interrupted.stdout)
    assert.equal(affinities(pid), before)
    const yes = await answer('y\n')
    assert.is(yes.status, 0, yes.stdout)
    assert.is(vcpuOf(pid), wanted.vcpu)
  }),
)

withQemu('a plan that is for other VMs, or does not hold any more, changes nothing', () =>
  withGuest(own('apply-other'), async ({ guest: { pid }, state }) => {
    const before = affinities(pid)
    const apply = (plan: string) => homenode(['apply', plan, '--yes', '--state', state])
    const wider = await planFor(own('apply-other'), { vcpus: 2, cpuPolicy: 'shared' })
    const refused = await apply(wider.file)
    assert.is(refused.code, 3)
    assert.match(refused.stderr, /the plan does not hold for what runs now: apply-other-\d+: 2 vCPUs, 1 asked for/)
    const stranger = await apply((await planFor('nobody-here')).file)
    assert.is(stranger.code, 1)
    assert.match(stranger.stderr, /no VM of the plan runs here/)
    assert.equal(affinities(pid), before)
    const ended = await homenode(['check', (await planFor('nobody-here')).file, '--drift'])
    assert.is(ended.code, 5)
    assert.match(ended.stdout, /nobody-here +VM +runs +does not run/)
  }),
)

withQemu('that nobody reads what it says does not end it in the middle', () =>
  withGuest(own('apply-unread'), async ({ guest: { pid }, state, plan, wanted }) => {
    const { code } = await homenode(['apply', plan, '--yes', '--state', state], {
      started: (child) => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      },
    })
    assert.is(code, 0)
    assert.is(vcpuOf(pid), wanted.vcpu)
    assert.equal(othersOf(pid), [wanted.emulator])
  }),
)

const hasSetpriv = process.geteuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0
const withoutRights = skipUnless(hasQemu && MANY && hasSetpriv, 'giving rights away takes root, setpriv and QEMU')

withoutRights('threads of another user, without the right to pin them, are left with the reason', async () => {
  const state = mkdtempSync(join(tmpdir(), 'homenode-state-'))
  const guest = await startQemu([
    '-accel',
    'tcg',
    '-name',
    `guest=${own('theirs')},debug-threads=on`,
    '-m',
    '64',
    '-runas',
    'nobody',
  ])
  try {
    const before = affinities(guest.pid)
    const { file: plan } = await planFor(own('theirs'))
    const rights = ['--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice']
    const args = [...rights, process.execPath, cli, 'apply', plan, '--yes', '--state', state]
    const { status, stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8' })
    assert.is(status, 4, stderr)
    assert.match(stdout, /nothing can be changed\n\nleft as it is: theirs-\d+\n {2}its threads: .*CAP_SYS_NICE/)
    assert.equal(affinities(guest.pid), before)
    assert.equal(readdirSync(state), [])
  } finally {
    await guest.stop()
    rmSync(state, { recursive: true })
  }
})

withQemu('a folder that cannot be made, or others may write to, is refused before anything is touched', () =>
  withGuest(own('apply-nowhere'), async ({ guest: { pid }, state, plan }) => {
    const before = affinities(pid)
    const impossible = await homenode(['apply', plan, '--yes', '--state', '/proc/homenode/state'])
    assert.is(impossible.code, 1)
    assert.match(impossible.stderr, /\/proc\/homenode\/state cannot be made: ENOENT/)
    chmodSync(state, 0o777)
    const open = await homenode(['apply', plan, '--yes', '--state', state])
    assert.is(open.code, 1)
    assert.match(open.stderr, /may be written by others/)
    assert.equal(affinities(pid), before)
  }),
)

test('which plan has to be said, and what is none is refused with its place', async () => {
  const neither = await homenode(['apply', '--yes'])
  assert.is(neither.code, 2)
  assert.match(neither.stderr, /PLAN: expected a plan file, or --running, got neither/)
  assert.match((await homenode(['apply', 'x.json', '--running', '--yes'])).stderr, /got both/)
  const none = file('none.json', '{"kind": "Plan"}')
  for (const command of [
    ['apply', none, '--yes'],
    ['diff', none],
    ['check', none, '--drift'],
  ]) {
    const { code, stderr } = await homenode(command)
    assert.is(code, 2)
    assert.match(stderr, /none\.json: schemaVersion: expected/)
  }
  for (const [rate, says] of [
    ['fast', /--rate: expected a size/],
    ['0B', /--rate: expected more than 0/],
    ['7', /unit/],
  ] as const) {
    const { code, stderr } = await homenode(['apply', '--running', '--yes', '--rate', rate])
    assert.is(code, 2)
    assert.match(stderr, says)
  }
  assert.is((await homenode(['check', none, '--drift', '-f', none])).code, 2)
  const nowhere = await homenode(['undo', '--yes', '--state', ''])
  assert.is(nowhere.code, 2)
  assert.match(nowhere.stderr, /--state: expected the name of a folder, got ""/)
})

test('help with examples, within 80 columns', async () => {
  for (const command of ['apply', 'undo', 'pin', 'mem', 'diff']) {
    const { code, stdout } = await homenode([command, '--help'])
    assert.is(code, 0)
    assert.match(stdout, new RegExp(`Usage: homenode ${command} [^]*Examples:\n {2}(sudo )?homenode ${command}`))
    assert.ok(
      stdout.split('\n').every((line) => line.length <= 80),
      stdout,
    )
  }
})

test.run()
