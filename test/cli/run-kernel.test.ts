/** `homenode run --kernel` with kernels of a few instructions. Real ones run in the lab. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus, probeMbind } from '../../executor/index.js'
import { bzImageOf } from '../executor/program/kernels.js'
import { skipUnless } from '../skip.js'
import { cli, homenode, requestOf, scratch } from './command.js'
import { hasScript, NO_SCRIPT, Terminal } from './terminal.js'

const kvm = kvmStatus()
const mbind = probeMbind()
const withKvm = skipUnless(kvm.usable && mbind.usable, `no usable KVM: ${kvm.usable ? '' : kvm.text}`)
const onTerminal = skipUnless(kvm.usable && mbind.usable && hasScript, kvm.usable ? NO_SCRIPT : 'no usable KVM')

const file = scratch()
const kernelOf = (name: string, hex: string) =>
  file(name, Buffer.from(bzImageOf(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')))))
/** mov $0x3f8, %dx; mov $'k', %al; out %al, %dx */
const PRINT = '66 ba f8 03 b0 6b ee'
const SPIN = 'eb fe'
const sevens = kernelOf('sevens', `${PRINT} b0 07 e6 f4 ${SPIN}`)
const resets = kernelOf('resets', `${PRINT} b0 01 66 ba 02 06 ee ${SPIN}`)
const off = kernelOf('off', `${PRINT} b0 34 66 ba 00 06 ee ${SPIN}`)
const faults = kernelOf('faults', `${PRINT} 0f 0b`)
const silent = kernelOf('silent', SPIN)
/** wait: mov $0x3fd, %dx; in %dx, %al; test $1, %al; jz wait; mov $0x3f8, %dx; in %dx, %al; out %al, $0xf4 */
const reads = kernelOf('reads', `${PRINT} 66 ba fd 03 ec a8 01 74 f7 66 ba f8 03 ec e6 f4 ${SPIN}`)
/** The same for 12 KiB, of which the last byte is the exit code. */
const readsMuch = kernelOf(
  'reads-much',
  `${PRINT} bb 00 30 00 00 66 ba fd 03 ec a8 01 74 f7 66 ba f8 03 ec ff cb 75 ee e6 f4 ${SPIN}`,
)
/** mov $0x100, %eax; out %eax, $0xf4 */
const wide = kernelOf('wide', `${PRINT} b8 00 01 00 00 e7 f4 ${SPIN}`)
const one = file('one.json', requestOf({ name: 'one', vcpus: 1, memory: '64MiB' }))
const two = file('two.json', requestOf(...['a', 'b'].map((name) => ({ name, vcpus: 1, memory: '4MiB' }))))

const run = (kernel: string, ...rest: readonly string[]) => homenode(['run', '--kernel', kernel, '-f', one, ...rest])

withKvm("the guest's output and exit code are those of homenode, the rest is on standard error", async () => {
  const { code, stdout, stderr } = await run(sevens)
  assert.is(code, 7, stderr)
  assert.is(stdout, 'k')
  assert.match(stderr, /^optimal: 1 of 1 VM placed.*ended with exit code 7.*guest sees: -.*verified: /s)
})

withKvm('a power-off is 0, a reset 1, and the report is JSON where that is asked for', async () => {
  const ended = await run(off, '--json')
  assert.is(ended.code, 0, ended.stderr)
  const report = JSON.parse(ended.stderr)
  assert.equal([report.kind, report.by, report.exitCode, report.guest], ['LinuxReport', 'power-off', null, null])
  assert.is((await run(resets)).code, 1)
})

withKvm('a triple fault and a guest that says nothing are one line', async () => {
  const fault = await run(faults)
  assert.is(fault.code, 1)
  assert.match(fault.stderr, /\nhomenode: VM "one", vCPU 0: exit shutdown: .*triple fault\)\n$/)
  const nothing = await run(silent, '--silence', '1')
  assert.is(nothing.code, 1)
  assert.match(nothing.stderr, /\nhomenode: VM "one": the guest has said nothing on its console \(ttyS0\) for 1 s.*\n$/)
})

withKvm('standard input is typed', async () => {
  const args = ['run', '--kernel', reads, '-f', one]
  assert.is((await homenode(args, { input: 'x' })).code, 'x'.charCodeAt(0))
})

withKvm('of a long input no more is read than the guest takes', async () => {
  const input = openSync(file('long', Buffer.alloc(64 * 1024 ** 2, 9)), 'r')
  try {
    const child = spawn(process.execPath, [cli, 'run', '--kernel', readsMuch, '-f', one], {
      stdio: [input, 'ignore', 'ignore'],
    })
    const [code] = await once(child, 'close')
    assert.is(code, 9)
    // The file's place is the same in all processes that have it.
    const place = Number(/^pos:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${input}`, 'utf8'))![1])
    assert.ok(place >= 12 * 1024 && place < 1024 ** 2, `${place}`)
  } finally {
    closeSync(input)
  }
})

withKvm('an exit code of more than a byte is not 0', async () => {
  assert.is((await run(wide)).code, 1)
})

withKvm('an interrupt ends the guest, with 130', async () => {
  const { code, stderr } = await homenode(['run', '--kernel', reads, '-f', one], {
    started: (child) => child.stdout!.once('data', () => child.kill('SIGINT')),
  })
  assert.is(code, 130)
  assert.match(stderr, /interrupted by SIGINT/)
})

test('bad input says what is wrong, with 2', async () => {
  const text = file('text', 'no kernel at all')
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--exec', 'true'], /--exec: expected also --kernel, got none/],
    [['--disk', 'x'], /--disk: expected also --kernel/],
    [
      ['--kernel', sevens, '--exec', 'true', '-f', '-', '--file', '-'],
      /one option that reads it, got "-" for --request and --file/,
    ],
    [['--kernel', '/none/there', '-f', one], /\/none\/there: expected a file that can be read, got no such file/],
    [['--kernel', sevens, '-f', two], /two\.json: vms: expected one VM/],
    [['--kernel', sevens, '--initrd', 'x', '--exec', 'true'], /--exec: expected --initrd auto, got --initrd "x"/],
    [['--kernel', sevens, '--file', 'x'], /--file: expected --initrd auto, got none/],
    [['--kernel', sevens, '--modules', 'x'], /--modules: expected --initrd auto, got none/],
    [
      ['--kernel', sevens, '--exec', 'true', '--modules', '/none', '--disk', text],
      /--modules: expected a kernel's folder of modules, with modules\.dep \(depmod\), got "\/none"/,
    ],
    [['--kernel', sevens, '--seconds', '3'], /'--kernel \[file\]' cannot be used with option '--seconds/],
    [
      ['--kernel', sevens, '--exec', 'true', '--busybox', text, '-f', one],
      /busybox: expected a static program for x86-64/,
    ],
  ]
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await homenode(['run', ...args])
    assert.is(code, 2, args.join(' '))
    assert.is(stdout, '')
    assert.match(stderr.split('\n').find((line) => line.startsWith('homenode: ')) ?? '', expected)
  }
})

withKvm('so does a file that is no kernel, and one that does not fit', async () => {
  const text = file('text', 'no kernel at all')
  const refused = await run(text)
  assert.is(refused.code, 2)
  assert.match(refused.stderr, /kernel: expected a Linux kernel: a bzImage, or an ELF file \(vmlinux\), got neither/)
  const initrd = file('large', Buffer.alloc(70 * 1024 ** 2))
  assert.match((await run(sevens, '--initrd', initrd)).stderr, /initrd: expected at most .* got 70 MiB/)
})

/** Waits until keys go through one by one. */
async function untilRaw(terminal: Terminal): Promise<void> {
  await terminal.untilTrue(() => {
    const tty = /TTY=(\S+)/.exec(terminal.screen.join('\n'))?.[1]
    if (tty === undefined) return false
    return spawnSync('stty', ['-F', tty, '-a'], { encoding: 'utf8' }).stdout.includes('-icanon')
  }, 'raw mode')
}

for (const [what, key, code] of [
  ['Ctrl-C goes to the guest', '\u0003', 3],
  ['Ctrl-] ends it', '\u001d', 130],
] as const) {
  onTerminal(`on a terminal ${what}, and the terminal is as before`, async () => {
    const terminal = new Terminal(['run', '--kernel', reads, '-f', one])
    try {
      await untilRaw(terminal)
      terminal.press(key)
      const after = await terminal.end()
      assert.is(after.code, code)
      assert.is(after.settings[0], after.settings[1])
    } finally {
      terminal.kill()
    }
  })
}

test.run()
