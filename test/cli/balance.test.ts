/** `homenode balance` as a process, on real guests where there are any: what it says, how it ends, what /proc says. */

import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { cli, homenode, scratch } from './command.js'

const file = scratch()
const MANY = availableParallelism() > 1
const withQemu = skipUnless(hasQemu && MANY, MANY ? NO_QEMU : 'moving shows where there is more than one CPU')

const folder = mkdtempSync(join(tmpdir(), 'homenode-balance-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let states = 0
const newState = () => join(folder, `state-${++states}`)

/** Others may run guests meanwhile: none of them is touched. */
const onlyOurs = (name: string) => `
rules:
  - {name: others, set: {moves: never}}
  - {name: ours, match: {name: "${name}-*"}, set: {moves: null}}
`

interface Line {
  readonly kind: string
  readonly [field: string]: unknown
}

/** A `balance --json` that runs, with the lines that it has said. */
function started(args: readonly string[]) {
  const child = spawn(process.execPath, [cli, 'balance', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  let [rest, stderr, isClosed] = ['', '', false]
  const wake = () => {
    for (const one of waiting) one()
  }
  child.stdout.on('data', (chunk) => {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop()!
    lines.push(...parts.map((text) => JSON.parse(text)))
    wake()
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      isClosed = true
      wake()
      resolve(code)
    }),
  )
  /** The first line that is so, of those that come from now on or were there after the first `from`. */
  const until = async (isMeant: (line: Line) => boolean, from = 0): Promise<Line> => {
    for (;;) {
      const found = lines.slice(from).find(isMeant)
      if (found !== undefined) return found
      if (lines.length - from > MOST_LINES) throw new Error(`it does not come: ${JSON.stringify(lines.at(-1))}`)
      if (isClosed) throw new Error(`it ended: ${stderr} ${JSON.stringify(lines.at(-1))}`)
      await new Promise<void>((resolve) => {
        const one = () => {
          waiting.delete(one)
          resolve()
        }
        waiting.add(one)
      })
    }
  }
  return { child, lines, until, ended, stderr: () => stderr }
}

/** Far more rounds than anything takes. */
const MOST_LINES = 300

const isRound = ({ kind }: Line) => kind === 'BalanceRound'
const quick = ['--interval', '0.3']

test('the first run is a dry run: it says so, decides once, and changes nothing but its state', async () => {
  const state = newState()
  const { code, stdout, stderr } = await homenode(['balance', '--once', ...quick, '--state', state])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^\d\d:\d\d:\d\d {2}a dry run: nothing is changed, [^\n]* --act/)
  assert.match(stdout, /^\d\d:\d\d:\d\d {2}(stay|wait|act|back-off): \S/m)
  assert.equal(readdirSync(state).sort(), ['balance.json', 'balance.lock'])
})

test('JSON: a line for the start and one for each round, which goes on where the last run ended', async () => {
  const state = newState()
  for (const number of [1, 2]) {
    const { code, stdout } = await homenode(['balance', '--once', '--json', ...quick, '--state', state])
    assert.is(code, 0)
    const [start, round, ...rest] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(rest, [])
    assert.equal(
      [start.schemaVersion, start.kind, start.mode, start.rounds],
      [1, 'BalanceStart', 'dry-run', number - 1],
    )
    assert.equal([round.kind, round.mode, round.round, round.error], ['BalanceRound', 'dry-run', number, null])
    assert.ok(round.decision && round.reason && round.why && round.figures, stdout)
    assert.ok(Math.abs(Date.parse(round.time) - Date.now()) < 3_600_000)
  }
})

test('bad input is refused with its place, and exit code 2', async () => {
  const bad = file('bad.yaml', 'rules:\n  - {name: x, set: {moves: sometimes}}\n')
  const cases: readonly [readonly string[], RegExp][] = [
    [['--interval', '0'], /--interval: expected a time such as 30s/],
    [['--interval', '10 min'], /--interval: expected a time/],
    [['--act', '--dry-run'], /cannot be used with/],
    [['--max-bytes', 'many'], /--max-bytes: /],
    [['--patience', '0'], /patience: expected at least 1/],
    [['--set', 'percentile'], /--set: expected a name and a number/],
    [['--set', 'speed=3'], /speed: expected one of the fields .*percentile/],
    [['--policy', bad], /bad\.yaml: rules\[0\]\.set\.moves: expected /],
    [['--policy', join(folder, 'none.yaml')], /none\.yaml: expected a file that can be read, got no such file/],
    [['--state', ''], /--state: expected the name of a folder/],
  ]
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await homenode(['balance', '--once', '--state', newState(), ...args])
    assert.is(code, 2, `${args}: ${stderr}`)
    assert.match(stderr, message)
    assert.is(stdout, '')
  }
})

test('a state folder that cannot be, or that others may write to, is refused', async () => {
  const plain = file('plain', '')
  const { code, stderr } = await homenode(['balance', '--once', '--state', join(plain, 'below')])
  assert.is(code, 1)
  assert.match(stderr, /state folder: .* cannot be made/)
  const link = join(folder, 'link')
  symlinkSync(folder, link)
  for (const [state, why] of [
    [plain, 'is no folder'],
    [link, 'is a symbolic link: name the folder that it leads to'],
  ] as const) {
    const refused = await homenode(['balance', '--once', '--state', state])
    assert.is(refused.stderr, `homenode: state folder: ${state} ${why}\n`)
    assert.is(refused.code, 1)
  }
})

test('a state that can neither be read nor put aside is refused by its name, and left alone', async () => {
  const state = newState()
  mkdirSync(join(state, 'balance.json.damaged', 'x'), { recursive: true, mode: 0o700 })
  const content = '{"kind": "Bal'
  writeFileSync(join(state, 'balance.json'), content, { mode: 0o600 })
  const { code, stderr } = await homenode(['balance', '--once', ...quick, '--state', state])
  assert.is(code, 1)
  assert.match(stderr, /^homenode: state folder: [^\n]*EISDIR[^\n]*\n$/)
  assert.ok(stderr.includes(state), stderr)
  assert.is(readFileSync(join(state, 'balance.json'), 'utf8'), content)
})

test('a second one with the same state is told who the first is', async () => {
  const state = newState()
  const first = started([...quick, '--state', state])
  await first.until(({ kind }) => kind === 'BalanceStart')
  const { code, stderr } = await homenode(['balance', '--once', '--state', state])
  assert.is(code, 1)
  assert.match(stderr, new RegExp(`process ${first.child.pid} keeps VMs balanced with this state folder`))
  first.child.kill('SIGKILL')
  await first.ended
  assert.is((await homenode(['balance', '--once', ...quick, '--state', state])).code, 0)
})

test('SIGTERM ends it with 0, Ctrl-C with 130, with the state saved; a state that is damaged is said and left aside', async () => {
  const state = newState()
  for (const [signal, wanted] of [
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const) {
    const one = started([...quick, '--state', state])
    const { round } = await one.until(isRound)
    one.child.kill(signal)
    assert.is(await one.ended, wanted, one.stderr())
    const saved = JSON.parse(readFileSync(join(state, 'balance.json'), 'utf8'))
    assert.ok(saved.engine.round >= (round as number))
  }
  writeFileSync(join(state, 'balance.json'), '{"schemaVersion": 1')
  const { code, stdout, stderr } = await homenode(['balance', '--once', ...quick, '--state', state])
  assert.is(code, 0)
  assert.match(stderr, /what was remembered in .*balance\.json is left aside, as balance\.json\.damaged: /)
  assert.match(stdout, /, new$/m)
  assert.is(readFileSync(join(state, 'balance.json.damaged'), 'utf8'), '{"schemaVersion": 1')
})

test('a pipe that nobody reads any more ends it in order', async () => {
  const state = newState()
  const one = started(['--interval', '0.1', '--state', state])
  await one.until(isRound)
  one.child.stdout.destroy()
  assert.is(await one.ended, 0, one.stderr())
})

test('SIGHUP reads the policy again; one with an error leaves the old one in force, and says where it is', async () => {
  const policy = file('policy.yaml', 'rules:\n  - {name: x, set: {weight: 2}}\n')
  const one = started([...quick, '--state', newState(), '--policy', policy])
  const signal = async () => {
    const from = one.lines.length
    one.child.kill('SIGHUP')
    return one.until(({ kind }) => kind === 'BalancePolicy', from)
  }
  await one.until(isRound)
  writeFileSync(policy, 'rules:\n  - {name: x, set: {moves: never}}\n')
  assert.is((await signal()).error, null)
  writeFileSync(policy, 'rules:\n  - {name: x, set: {move: never}}\n')
  assert.match(String((await signal()).error), /policy\.yaml: rules\[0\]\.set\.move: expected /)
  const from = one.lines.length
  await one.until(isRound, from)
  one.child.kill('SIGTERM')
  assert.is(await one.ended, 0)
})

/** Firmware that does nothing but run: `jmp` to itself, where a CPU starts. */
function busyFirmware(): string {
  const rom = Buffer.alloc(65_536)
  rom.set([0xeb, 0xfe], 65_536 - 16)
  return file('busy.bin', rom)
}

/** Of a guest that touches nothing it would not be known where it is. */
const PREALLOCATED = ['-machine', 'memory-backend=m', '-object', 'memory-backend-ram,id=m,size=64M,prealloc=on']

const vcpuCpus = (pid: number) => {
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
    if (/^Name:\s*CPU 0/m.test(status)) return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!
  }
  throw new Error('it has no vCPU')
}

withQemu(
  'two busy guests that share a CPU are set free in three rounds; undo brings them back; --act is remembered',
  async () => {
    const name = `busy-${process.pid}`
    const state = newState()
    const policy = file('ours.yaml', onlyOurs(name))
    const firmware = busyFirmware()
    const start = (which: string) =>
      startQemu([
        '-accel',
        'tcg',
        '-name',
        `guest=${name}-${which},debug-threads=on`,
        '-m',
        '64',
        '-bios',
        firmware,
        ...PREALLOCATED,
      ])
    const guests = [await start('a'), await start('b')]
    try {
      for (const { pid } of guests) assert.is(spawnSync('taskset', ['-acp', '0', `${pid}`]).status, 0)
      const settings = [
        '--interval',
        '1',
        '--set',
        'leastKnown=2',
        '--set',
        'window=10',
        '--policy',
        policy,
        '--state',
        state,
      ]

      const dry = started(settings)
      const would = await dry.until(({ decision }) => decision === 'act')
      assert.equal([would.mode, (would.action as { result: string }).result], ['dry-run', 'dry'])
      dry.child.kill('SIGTERM')
      assert.is(await dry.ended, 0)
      assert.equal(
        guests.map(({ pid }) => vcpuCpus(pid)),
        ['0', '0'],
      )

      const acting = started(['--act', ...settings])
      const done = await acting.until(({ action }) => (action as { result: string } | null)?.result === 'done')
      acting.child.kill('SIGTERM')
      assert.is(await acting.ended, 0)
      const { moves, figures } = done as unknown as { moves: { vm: string }[]; figures: { gain: number; held: number } }
      assert.ok(moves.length > 0 && moves.every(({ vm }) => vm.startsWith(name)), JSON.stringify(done))
      assert.ok(figures.gain > 0.3 && figures.held >= 3, JSON.stringify(figures))
      const cpus = guests.map(({ pid }) => vcpuCpus(pid))
      assert.ok(
        cpus.some((list) => list !== '0'),
        `${cpus}`,
      )

      const undone = await homenode(['undo', '--yes', '--state', state])
      assert.is(undone.code, 0, undone.stderr)
      assert.equal(
        guests.map(({ pid }) => vcpuCpus(pid)),
        ['0', '0'],
      )
      const again = started(settings)
      assert.is((await again.until(({ kind }) => kind === 'BalanceStart')).mode, 'act')
      again.child.kill('SIGTERM')
      await again.ended
    } finally {
      for (const guest of guests) await guest.stop()
    }
  },
)

test.run()
