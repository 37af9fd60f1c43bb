/** `homenode top`: what it shows of given figures, what its keys do, and the command in a pipe and on a terminal. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Rates, VcpuRates, VmRates } from '../../executor/meter/rates.js'
import { styleOf } from '../../src/cli/output.js'
import { press, START, type TopState } from '../../src/cli/top-keys.js'
import { CSV_HEAD, csvLines, jsonLine } from '../../src/cli/top-records.js'
import { screenOf, showTop } from '../../src/cli/top-view.js'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { vmOf } from '../executor/found/vms.js'
import { skipUnless } from '../skip.js'
import { homenode } from './command.js'
import { canBeNobody, NOT_NOBODY, Nobody } from './nobody.js'
import { hasScript, NO_SCRIPT, Terminal } from './terminal.js'

const narrow = styleOf({ columns: 80 }, 'never')
const TIME = new Date(2026, 1, 3, 4, 5, 6)
const NOTHING = { use: null, delay: null, migrations: null, remoteFaults: null, exits: null, haltPolling: null }

function vcpu(number: number, figures: Partial<VcpuRates>): VcpuRates {
  return { ...NOTHING, vcpu: number, tid: 1000 + number, lastCpu: null, node: null, ...figures }
}

function vm(name: string, figures: Partial<VmRates> = {}): VmRates {
  const found = vmOf({ name, cpus: ['0', '1'], memory: [] })
  return { ...NOTHING, vm: found, vcpus: [], others: null, memory: null, remoteMemory: null, ...figures }
}

const busy = vm('busy', {
  use: 1.5,
  delay: 0.25,
  migrations: 12.34,
  others: 0.05,
  remoteMemory: 0.5,
  remoteFaults: 0.125,
  exits: { all: 12_345, byReason: { halt_exits: 20, io_exits: 1000, irq_exits: 0 } },
  haltPolling: 0.031,
  vcpus: [vcpu(0, { use: 1, delay: 0, lastCpu: 3, node: 1 }), vcpu(1, { use: 0.5, delay: 0.25, lastCpu: 0, node: 0 })],
})
const idle = vm('idle', { use: 0, delay: 0.5, vcpus: [vcpu(0, { use: 0 })] })
const dark = vm('dark')

function ratesOf(...vms: VmRates[]): Rates {
  const node = {
    cpus: [0, 1],
    total: 8 * 2 ** 30,
    free: 3 * 2 ** 30,
    reclaimable: null,
    foreign: 0,
    local: 990,
    other: 10,
  }
  return {
    seconds: 1,
    host: {
      nodes: [
        { ...node, node: 0, use: 0.5, hit: 1000, miss: 0, bandwidth: 3 * 2 ** 30, bandwidthLocal: null },
        { ...node, node: 1, use: null, hit: null, miss: null, bandwidth: null, bandwidthLocal: null },
      ],
      pressure: { cpu: { some: 0.25, full: null }, memory: { some: 0, full: 0 }, io: null },
      migratedPages: 0,
      hintFaults: null,
    },
    vms,
    missing: [{ what: 'the memory of 1 of 3 VMs', why: 'their numa_maps cannot be read', runAs: 'root' }],
  }
}

const rates = ratesOf(idle, dark, busy)

test('a line for each node and VM within 80 columns; what nothing measures is -', () => {
  const lines = showTop(rates, START, narrow, TIME).split('\n')
  assert.equal(lines, [
    '04:05:06  3 VMs, 6 vCPUs  pressure: CPU 25%, memory 0%, I/O -',
    'NODE  CPUS  USE  FREE  RECL  HIT  MISS  FOREIGN  LOCAL  OTHER  BW  NEAR',
    '   0  0-1   50%    3G     -   1k     0        0    990     10  3G     -',
    '   1  0-1     -    3G     -    -     -        0    990     10   -     -',
    '',
    'NAME  VCPU   USE  WAIT  MIGR  OTHER  LAST  FAR  FAULT  EXITS  POLL',
    'busy     2  150%   25%    12     5%  0,3   50%    13%    12k    3%',
    'idle     2    0%   50%     -      -  -       -      -      -     -',
    'dark     2     -     -     -      -  -       -      -      -     -',
    'not known: the memory of 1 of 3 VMs (their numa_maps cannot be read); known to',
    '  root',
  ])
})

test('long names and many CPUs are cut, and no line is longer than the terminal', () => {
  const cpus = Array.from({ length: 40 }, (_, at) => vcpu(at, { lastCpu: 3 * at }))
  const long = { ...vm('x'.repeat(255), { vcpus: cpus }) }
  const lines = showTop(ratesOf(busy, long), START, narrow, TIME).split('\n')
  assert.ok(
    lines.every((line) => line.length <= 80),
    lines.join('\n'),
  )
  assert.match(lines.join('\n'), /^xxxx+\+ .* 0,3,6.*\+ /m)
  assert.match(showTop(ratesOf(long), START, styleOf({}, 'never', {}), TIME), /^x{255} .*,117 /m)
})

test('vCPUs with their threads; exits by reason, the most frequent first', () => {
  const vcpus = showTop(rates, { ...START, view: 'vcpus' }, narrow, TIME)
  assert.match(
    vcpus,
    /^NAME +VCPU +TID +USE +WAIT +MIGR +LAST +NODE +FAULT +EXITS +POLL\nbusy +0 +1000 +100% +0% +- +3 +1 /m,
  )
  const exits = showTop(rates, { ...START, view: 'exits', sort: 'EXITS' }, narrow, TIME)
  assert.match(exits, /^busy +150% +12k +3% +port 1k, halt 20$/m)
  assert.match(exits, /^idle +0% +- +- +-$/m)
})

test('without VMs it says so', () => {
  assert.match(showTop(ratesOf(), START, narrow, TIME), /\n\nno VM runs here\n/)
})

const namesOf = (state: TopState, of = rates) =>
  screenOf(of, state, narrow, TIME, 20)
    .map((line) => /^(busy|idle|dark|vm\d+) /.exec(line)?.[1])
    .filter((name) => name !== undefined)

/** Keys as `node:readline` tells of them. */
function pressed(state: TopState, ...keys: string[]): TopState {
  const named: Record<string, string> = { '\r': 'return', '\u001b': 'escape', '\u007f': 'backspace' }
  return keys.reduce((now: TopState, sequence) => {
    const key = sequence.length > 1 ? { name: sequence, sequence: '' } : { name: named[sequence], sequence }
    const next = press(now, key)
    if (typeof next === 'string') throw new Error(next)
    return next
  }, state)
}

test('keys sort, turn the order around and go to the next view; what is not known is last', () => {
  assert.equal(namesOf(START), ['busy', 'idle', 'dark'])
  assert.equal(namesOf(pressed(START, 'w')), ['idle', 'busy', 'dark'])
  assert.equal(namesOf(pressed(START, 'w', 'r')), ['busy', 'idle', 'dark'])
  assert.equal(namesOf(pressed(START, 'n')), ['busy', 'dark', 'idle'])
  assert.is(pressed(START, '>').sort, 'WAIT')
  assert.is(pressed(START, '<', '<', '<').sort, 'POLL')
  assert.equal(pressed(START, 'f', 'v').sort, 'USE', 'vCPUs have no such column')
  assert.equal(
    [pressed(START, 'v').view, pressed(START, 'v', 'v').view, pressed(START, 'v', 'v', 'v').view],
    ['vcpus', 'exits', 'vms'],
  )
})

test('a filter is typed, and Esc shows all again', () => {
  const typing = pressed(START, '/', 'U', 'q', '\u007f', 'S')
  assert.is(typing.typed, 'US')
  assert.match(screenOf(rates, typing, narrow, TIME, 20).at(-1)!, /^show names with: US$/)
  const filtered = pressed(typing, '\r')
  assert.equal(namesOf(filtered), ['busy'])
  assert.equal(namesOf(pressed(filtered, '\u001b')).length, 3)
  assert.match(
    screenOf(rates, pressed(START, '/', 'z', '\r'), narrow, TIME, 20).join('\n'),
    /no VM has "z" in its name/,
  )
})

test('a screen has as many lines as the terminal, and scrolls until a row is left', () => {
  const many = ratesOf(...Array.from({ length: 50 }, (_, at) => vm(`vm${at}`, { use: 1 - at / 100 })))
  for (const height of [1, 2, 5, 12, 100]) {
    const lines = screenOf(many, START, narrow, TIME, height)
    assert.is(lines.length, Math.max(2, height))
  }
  assert.is(namesOf(START, many)[0], 'vm0')
  assert.is(namesOf(pressed(START, 'down', 'pagedown'), many)[0], 'vm11')
  assert.equal(namesOf({ ...START, first: 1000 }, many), ['vm49'])
  assert.is(pressed(START, 'down', 'up', 'up').first, 0)
})

test('quit, interrupt, stop; help shows all keys', () => {
  assert.is(press(START, { sequence: 'q' }), 'quit')
  assert.is(press(START, { name: 'c', ctrl: true }), 'interrupt')
  assert.is(press({ ...START, typed: 'x' }, { name: 'c', ctrl: true }), 'interrupt')
  assert.is(press(START, { name: 'z', ctrl: true }), 'suspend')
  const help = screenOf(rates, pressed(START, '?'), narrow, TIME, 16)
  assert.match(help.join('\n'), /^q Ctrl-C +quit$/m)
  assert.ok(help.length <= 16)
})

test('CSV: a line for each node, VM and vCPU with all fields, empty where nothing measures it', () => {
  const lines = csvLines(ratesOf(busy, vm('a,"b"')), TIME).map((line) => line.replace(TIME.toISOString(), 'T'))
  assert.is(CSV_HEAD.split(',').length, 25)
  assert.equal(lines, [
    'T,node,,,,,,0,0.5,,,,,,,,3221225472,,1000,0,0,990,10,3221225472,',
    'T,node,,,,,,1,,,,,,,,,3221225472,,,,0,990,10,,',
    'T,vm,busy,100,,,,,1.5,0.25,0.05,12.34,0.5,0.125,12345,0.031,,,,,,,,,',
    'T,vcpu,busy,100,0,1000,3,1,1,0,,,,,,,,,,,,,,,',
    'T,vcpu,busy,100,1,1001,0,0,0.5,0.25,,,,,,,,,,,,,,,',
    'T,vm,"a,""b""",100,,,,,,,,,,,,,,,,,,,,,',
  ])
})

test('JSON: an object a line, with null where nothing measures it', () => {
  const line = jsonLine(rates, TIME)
  assert.not.match(line, /\n/)
  const { kind, vms, host, missing } = JSON.parse(line)
  assert.equal([kind, missing.length, host.nodes[1].use, vms[1].name, vms[1].use], ['Top', 1, null, 'dark', null])
  assert.equal([vms[2].exits.byReason.io_exits, vms[2].vcpus[1].delay], [1000, 0.25])
})

const withQemu = skipUnless(hasQemu, NO_QEMU)
const NAMED = ['-accel', 'tcg', '-name', 'guest=top-test,debug-threads=on', '-m', '64', '-smp', '2']

withQemu('a real guest in a pipe: plain lines, CSV and JSON', async () => {
  const guest = await startQemu(NAMED)
  try {
    const plain = await homenode(['top', '-n', '2', '--interval', '0.3', '--filter', 'TOP-'], {
      env: { COLUMNS: '80' },
    })
    assert.equal([plain.code, plain.stderr], [0, ''])
    assert.is(plain.stdout.match(/^NODE /gm)!.length, 2)
    assert.match(plain.stdout, /^top-test +2 +\d+% +\d+% /m)
    assert.not.ok(plain.stdout.includes('\u001b'))
    assert.ok(plain.stdout.split('\n').every((line) => line.length <= 80))
    const json = JSON.parse((await homenode(['top', '--json', '-n', '1', '--interval', '0.3'])).stdout)
    const found = json.vms.find(({ pid }: { pid: number }) => pid === guest.pid)
    assert.equal([found.name, found.vcpus.length, found.exits], ['top-test', 2, null])
    const csv = (await homenode(['top', '--csv', '-n', '1', '--interval', '0.3'])).stdout.split('\n')
    assert.is(csv[0], CSV_HEAD)
    assert.is(csv.filter((line) => line.includes(`vcpu,top-test,${guest.pid}`)).length, 2)
  } finally {
    await guest.stop()
  }
})

const asNobody = skipUnless(hasQemu && canBeNobody, NOT_NOBODY)

asNobody('an ordinary user sees use and waiting, and what is known to root', async () => {
  using nobody = await Nobody.withCommand()
  const guest = await startQemu(NAMED)
  try {
    const { status, stdout, stderr } = nobody.homenode('top', '-n', '2', '--interval', '0.3', '--filter', 'top-test')
    assert.equal([status, stderr], [0, ''])
    assert.match(stdout, /^top-test +2 +\d+% +\d+% +[\d.-]+ +\d+% +[\d,-]+ +- +- +- +-$/m)
    assert.match(stdout, /not known: the memory of \d+ of \d+ VMs \(their numa_maps cannot be read\); known to root/)
  } finally {
    await guest.stop()
  }
})

test('it ends quietly when who reads it has seen enough', async () => {
  const { code, stderr } = await homenode(['top', '--csv', '--interval', '0.05'], {
    started: (child) => child.stdout!.once('data', () => child.stdout!.destroy()),
  })
  assert.equal([code, stderr], [0, ''])
})

test('wrong input: a column that is not there, an interval of nothing, two formats', async () => {
  const wrong = async (...args: string[]) => {
    const { code, stderr } = await homenode(['top', ...args])
    assert.is(code, 2, stderr)
    return stderr
  }
  assert.match(await wrong('--sort', 'size'), /--sort: expected a column of this view: NAME, VCPU, USE, .*"size"/)
  assert.match(
    await wrong('--view', 'vcpus', '--sort', 'far'),
    /--sort: expected a column of this view: NAME, VCPU, TID/,
  )
  assert.match(await wrong('--interval', '0'), /--interval: expected a number above 0/)
  assert.match(await wrong('--csv', '--json'), /--csv|--json/)
})

const onTerminal = skipUnless(hasScript, NO_SCRIPT)

onTerminal('keys on a terminal; q gives it back as it was', async () => {
  const terminal = new Terminal(['top', '--interval', '0.3'])
  try {
    await terminal.until(/^NODE .*q: quit/ms)
    assert.is(terminal.screen.length, 16)
    terminal.press('v')
    await terminal.until(/vcpus, by USE/)
    terminal.press('w')
    await terminal.until(/vcpus, by WAIT/)
    terminal.press('/no-such-vm')
    await terminal.until(/show names with: no-such-vm/)
    terminal.press('\r')
    await terminal.until(/no VM has "no-such-vm" in its name|no VM runs here/)
    terminal.resize(10, 60)
    await terminal.untilTrue(() => terminal.screen.length === 10)
    terminal.press('q')
    const { code, settings, wasTaken, isBack } = await terminal.end()
    assert.equal([code, wasTaken, isBack], [0, true, true])
    assert.match(settings[0], /:/)
    assert.is(settings[1], settings[0])
  } finally {
    terminal.kill()
  }
})

onTerminal('Ctrl-C and signals give it back, too', async () => {
  const ways: readonly ((terminal: Terminal) => void)[] = [
    (terminal) => terminal.press('\u0003'),
    (terminal) => process.kill(terminal.pid, 'SIGTERM'),
    (terminal) => process.kill(terminal.pid, 'SIGHUP'),
  ]
  for (const way of ways) {
    const terminal = new Terminal(['top'])
    try {
      await terminal.until(/q: quit/)
      way(terminal)
      const { code, settings, isBack } = await terminal.end()
      assert.equal([code, isBack], [130, true])
      assert.is(settings[1], settings[0])
    } finally {
      terminal.kill()
    }
  }
})

onTerminal('Ctrl-Z gives it back, and SIGCONT takes it again', async () => {
  const terminal = new Terminal(['top', '--interval', '0.3'])
  try {
    await terminal.until(/q: quit/)
    terminal.press('\u001a')
    await terminal.untilTrue(() => terminal.isStopped && terminal.isBack)
    process.kill(terminal.pid, 'SIGCONT')
    await terminal.untilTrue(() => !terminal.isBack)
    terminal.press('q')
    const { code, settings, isBack } = await terminal.end()
    assert.equal([code, isBack], [0, true])
    assert.is(settings[1], settings[0])
  } finally {
    terminal.kill()
  }
})

onTerminal('-n ends it on a terminal, and --batch draws no screen', async () => {
  for (const [args, hasScreen] of [
    [['top', '-n', '1', '--interval', '0.1'], true],
    [['top', '-b', '-n', '1', '--interval', '0.1'], false],
  ] as const) {
    const { code, wasTaken, isBack } = await new Terminal(args).end()
    assert.equal([code, wasTaken, isBack], [0, hasScreen, true])
  }
})

test.run()
