/** `pin` and `mem` on real guests. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { skipUnless } from '../skip.js'
import { type Ended, homenode } from './command.js'

const MANY = availableParallelism() > 1
const withQemu = skipUnless(hasQemu && MANY, MANY ? NO_QEMU : 'pinning shows where there is more than one CPU')
/** Others may run the same tests meanwhile. */
const NAME = `by hand ${process.pid}`
const TWIN = `twin ${process.pid}`

interface Hands {
  readonly pid: number
  /** With undo files in a folder of the test's own. */
  run(...args: string[]): Promise<Ended>
}

async function withGuest(name: string, work: (hands: Hands) => Promise<void>, args: string[] = []): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'homenode-state-'))
  const guest = await startQemu(['-accel', 'tcg', '-name', `guest=${name},debug-threads=on`, '-m', '64', ...args])
  try {
    await work({ pid: guest.pid, run: (...command) => homenode([...command, '--state', state]) })
  } finally {
    await guest.stop()
    rmSync(state, { recursive: true })
  }
}

function cpusOf(pid: number, isMeant: (name: string) => boolean): string[] {
  const found = readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
    return isMeant(/^Name:\s*(.*)$/m.exec(status)![1]!) ? [/^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!] : []
  })
  return [...new Set(found)]
}
const isVcpu = (name: string) => name.startsWith('CPU 0')
const isIoThread = (name: string) => name === 'IO io1'

withQemu('a vCPU, the emulator and an I/O thread are pinned, shown, and brought back', () =>
  withGuest(
    NAME,
    async ({ pid, run }) => {
      const all = cpusOf(pid, () => true)
      const shown = await homenode(['pin', NAME])
      assert.match(shown.stdout, /^THREAD +TID +CPUS +LAST\nvCPU 0 +\d+ .*\niothread:io1 +\d+ .*\nemulator +\d+ /)
      const vcpu = await run('pin', NAME, '0', '1')
      assert.is(vcpu.code, 0, vcpu.stderr)
      assert.match(vcpu.stdout, /^done: 1 of 1 change, 1 thread pinned/)
      assert.equal(cpusOf(pid, isVcpu), ['1'])
      assert.is((await run('pin', String(pid), 'emulator', '0')).code, 0)
      assert.equal(
        cpusOf(pid, (name) => !isVcpu(name) && !isIoThread(name)),
        ['0'],
      )
      assert.is((await run('pin', NAME, 'iothread', '1')).code, 0)
      assert.equal(cpusOf(pid, isIoThread), ['1'])
      const one = JSON.parse((await homenode(['pin', NAME, '0', '--json'])).stdout)
      assert.equal([one.kind, one.vm, one.threads.length, one.threads[0].cpus], ['Pins', NAME, 1, '1'])
      assert.match((await run('pin', NAME, '0', '1')).stdout, /^nothing to do: it is so already$/m)
      for (let left = 3; left > 0; left--) assert.is((await run('undo', '--yes')).code, 0)
      assert.equal(
        cpusOf(pid, () => true),
        all,
      )
    },
    ['-object', 'iothread,id=io1'],
  ),
)

withQemu('memory is shown, and moving it where it is does nothing', () =>
  withGuest(NAME, async ({ run }) => {
    const shown = await homenode(['mem', NAME])
    assert.match(shown.stdout, /^by hand \d+: 64 MiB, (none|0: [\d.]+ [KM]iB)\n$/)
    const { kind, mappings } = JSON.parse((await homenode(['mem', NAME, '--json'])).stdout)
    assert.equal([kind, mappings.length], ['Memory', 1])
    const nodes =
      execFileSync('ls', ['/sys/devices/system/node'])
        .toString()
        .match(/node\d+/g) ?? []
    if (nodes.length === 1) {
      const there = await run('mem', NAME, '--to', '0')
      assert.is(there.code, 0, there.stderr)
      assert.match(there.stdout, /nothing to do: it is so already/)
    }
    const nowhere = await run('mem', NAME, '--to', '999')
    assert.is(nowhere.code, 2)
    assert.match(nowhere.stderr, /999/)
  }),
)

withQemu('what is not there is bad input, with what is there, in one line', () =>
  withGuest(NAME, async ({ pid, run }) => {
    const before = cpusOf(pid, () => true)
    const cases: readonly [string[], RegExp][] = [
      [['pin', NAME, '7', '0'], /THREAD: expected a vCPU of by hand \d+ \(0 to 0\), emulator or iothread, got "7"/],
      [['pin', NAME, '-1', '0'], /unknown option '-1'|THREAD: /],
      [['pin', NAME, 'iothread', '0'], /THREAD: expected an I\/O thread of by hand \d+ \(it has none\)/],
      [['pin', NAME, 'vcpu', '0'], /THREAD: .*got "vcpu"/],
      [['pin', NAME, '0', '4000'], /4000/],
      [['pin', NAME, '0', 'x'], /CPUS: expected/],
      [['pin', NAME, '0', ''], /CPUS: expected/],
      [
        ['pin', 'no\nsuch', '0', '0'],
        /VM: expected the name or the pid of a VM that runs here \(.*by hand.*\), got "no\\nsuch"/,
      ],
      [['mem', 'no-such', '--to', '0'], /VM: expected the name or the pid/],
      [['mem', NAME, '--from', '0'], /--to: expected the node to move memory to, got nothing/],
      [['mem', NAME, '--to', '0-1'], /--to: expected the number of a node, got "0-1"/],
      [['mem', NAME, '--from', 'all', '--to', '0'], /--from: expected/],
    ]
    for (const [args, says] of cases) {
      const { code, stdout, stderr } = await run(...args)
      assert.is(code, 2, `${args}: ${stderr}`)
      assert.match(stderr, says)
      assert.match(stderr, /^homenode: [^\n]+\n([^\n]+\n)?$/)
      assert.is(stdout, '')
    }
    assert.equal(
      cpusOf(pid, () => true),
      before,
    )
  }),
)

withQemu('of two VMs with one name the pid says which is meant', () =>
  withGuest(TWIN, async ({ pid, run }) =>
    withGuest(TWIN, async (other) => {
      const unclear = await run('pin', TWIN, '0', '1')
      assert.is(unclear.code, 2)
      assert.match(
        unclear.stderr,
        /VM: expected one VM: give its pid \(\d+ or \d+\), got "twin \d+", which 2 are called/,
      )
      assert.is((await run('pin', String(other.pid), '0', '1')).code, 0)
      assert.equal([cpusOf(other.pid, isVcpu), cpusOf(pid, isVcpu).includes('1')], [['1'], false])
      assert.is((await run('pin', `${TWIN} (${pid})`, '0', '1')).code, 0)
      assert.equal(cpusOf(pid, isVcpu), ['1'])
    }),
  ),
)

test.run()
