/** Guests that are started as kernels are: a few instructions each, in a bzImage. Real kernels boot in the lab. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LinuxReport, RunLinuxOptions } from '../../../executor/index.js'
import { planOf } from '../plans.js'
import { leftSince, settledHoldings } from '../process.js'
import { program } from '../program/elf-head.js'
import { bzImageOf } from '../program/kernels.js'
import { executor, failure, first, last, makeVm, testWithKvm, verified, warmUp } from '../vms.js'

const code = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const kernel = (hex: string) => bzImageOf(code(hex))

/** mov $letter, %al; mov $0x3f8, %dx; out %al, %dx */
const print = (letter: string) => `b0 ${letter.charCodeAt(0).toString(16)} 66 ba f8 03 ee`
/** mov $value, %al; mov $port, %dx; out %al, %dx */
const out = (port: number, value: number) => {
  const hex = (byte: number) => byte.toString(16).padStart(2, '0')
  return `b0 ${hex(value)} 66 ba ${hex(port & 0xff)} ${hex(port >> 8)} ee`
}
const spin = 'eb fe'
/** out %al, $0xf4 */
const exit = 'e6 f4'

function run(hex: string, options: Partial<RunLinuxOptions> = {}, sketch = {}): Promise<LinuxReport> {
  const plan = verified.sealPlan(planOf({ vcpus: [first], name: 'demo', ...sketch }))
  return executor.runLinux(plan, { kernel: kernel(hex), ...options })
}

testWithKvm('a guest ends by the exit port, by ACPI, by the keyboard controller and by the chipset', async () => {
  const ends: readonly (readonly [string, LinuxReport['by'], number | null])[] = [
    [`b0 07 ${exit} ${spin}`, 'guest', 7],
    [`${out(0x600, 0x34)} ${spin}`, 'power-off', null],
    [`${out(0x602, 1)} ${spin}`, 'reset', null],
    [`${out(0x64, 0xfe)} ${spin}`, 'reset', null],
    [`${out(0xcf9, 6)} ${spin}`, 'reset', null],
  ]
  for (const [hex, by, exitCode] of ends) {
    const report = await run(hex)
    assert.equal({ by: report.by, exitCode: report.exitCode }, { by, exitCode })
  }
})

testWithKvm('values that end nothing end nothing', async () => {
  const harmless = [out(0x600, 0x14), out(0x600, 0x20), out(0x602, 2), out(0x64, 0xd1), out(0xcf9, 2)].join(' ')
  assert.is((await run(`${harmless} b0 03 ${exit} ${spin}`)).exitCode, 3)
})

testWithKvm('what it prints comes in its order, with the time of its first word', async () => {
  let text = ''
  const hex = `${print('o')} ${print('k')} b0 00 ${exit} ${spin}`
  const { firstWordSeconds, seconds } = await run(hex, {
    onConsole: (bytes) => {
      text += Buffer.from(bytes).toString()
    },
  })
  assert.is(text, 'ok')
  assert.ok(firstWordSeconds! >= 0 && firstWordSeconds! <= seconds)
})

testWithKvm('a kernel finds its parameters by RSI: here the first letter of its command line', async () => {
  // mov 0x228(%rsi), %ebx; mov (%rbx), %al
  assert.is((await run(`8b 9e 28 02 00 00 8a 03 ${exit} ${spin}`)).exitCode, 'c'.charCodeAt(0))
})

testWithKvm('where nothing is, all ones are read: at ports, and in the hole below 4 GiB', async () => {
  assert.is((await run(`e4 80 ${exit} ${spin}`)).exitCode, 0xff)
  // mov $0xfed00000, %ecx; mov %eax, (%rcx); mov (%rcx), %eax
  assert.is((await run(`b9 00 00 d0 fe 89 01 8b 01 ${exit} ${spin}`)).exitCode, 0xff)
})

testWithKvm('the guest is given what the machine is: a hypervisor, and a timer with deadlines', async () => {
  // mov $1, %eax; cpuid; shr $24, %ecx; and $0x81, %cl; mov %cl, %al
  assert.is((await run(`b8 01 00 00 00 0f a2 c1 e9 18 80 e1 81 88 c8 ${exit} ${spin}`)).exitCode, 0x81)
})

testWithKvm(
  'the first virtio device is a console where the command line ends with it, else the source of random bytes',
  async () => {
    // mov $0xd0000008, %ecx; mov (%rcx), %eax: the device's id
    const device = async (append: string) => (await run(`b9 08 00 00 d0 8b 01 ${exit} ${spin}`, { append })).exitCode
    assert.is(await device('console=tty0 console=hvc0'), 3)
    assert.is(await device('console=hvc0,115200'), 3)
    assert.is(await device('console=hvc0 console=ttyS0'), 4)
    assert.is(await device('console=hvc01 hvc0'), 4)
  },
)

testWithKvm('what is typed arrives', async () => {
  // wait: mov $0x3fd, %dx; in %dx, %al; test $1, %al; jz wait; mov $0x3f8, %dx; in %dx, %al
  const hex = `66 ba fd 03 ec a8 01 74 f7 66 ba f8 03 ec ${exit} ${spin}`
  const { exitCode } = await run(hex, { onStart: ({ serial }) => serial[0]!.write(Buffer.from('x')) })
  assert.is(exitCode, 'x'.charCodeAt(0))
})

testWithKvm('a triple fault is an error that says so', async () => {
  assert.match((await failure(run(`0f 0b ${spin}`))).message, /^VM "demo", vCPU 0: exit shutdown: .*triple fault/)
})

testWithKvm('a guest that never says a word is given up', async () => {
  const { message } = await failure(run(spin, { silenceSeconds: 1 }))
  assert.match(message, /^VM "demo": the guest has said nothing on its console \(ttyS0\) for 1 s/)
})

testWithKvm('a signal ends it with its reason', async () => {
  const controller = new AbortController()
  const running = run(`${print('.')} ${spin}`, {
    signal: controller.signal,
    onConsole: () => controller.abort(new Error('enough')),
  })
  assert.is((await failure(running)).message, 'enough')
})

testWithKvm('bad input is refused, and nothing is left behind by it, or by any end', async () => {
  await warmUp()
  await run(`b0 00 ${exit} ${spin}`)
  const folder = mkdtempSync(join(tmpdir(), 'homenode-disk-'))
  const disk = join(folder, 'disk')
  writeFileSync(disk, new Uint8Array(4096))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const circle = join(folder, 'circle')
  symlinkSync(circle, circle)
  const made = { busybox: program(1), command: null }
  const before = await settledHoldings()
  const refused: readonly (readonly [Partial<RunLinuxOptions>, RegExp])[] = [
    [{ kernel: Buffer.from('no kernel') }, /kernel: expected a Linux kernel/],
    [{ initrd: new Uint8Array(70 * 1024 ** 2) }, /initrd: expected at most/],
    [{ kernel: bzImageOf(code('f4'), { initSize: 2 ** 30 }) }, /memory: expected 1.* or more/],
    [{ disks: [{ path: folder }] }, /expected a file of a sector/],
    [
      {
        disks: [
          { path: disk, writable: true },
          { path: disk, writable: true },
        ],
      },
      /nobody else has locked/,
    ],
    [{ disks: [{ path: join(folder, 'none') }] }, /disk ".*none": expected a file to read, got no such file/],
    [{ disks: [{ path: circle }] }, /disk ".*circle": expected a file to read, got a symbolic link that leads in a/],
    [{ disks: [{ path: pipe }] }, /got something else than a file/],
    [
      { initrd: { ...made, modules: [{ name: '../x', content: new Uint8Array(1) }] } },
      /modules: expected names such as/,
    ],
    [{ silenceSeconds: 0 }, /silenceSeconds: expected 1 or more, got 0/],
    [{ append: 'x'.repeat(5000) }, /append: expected up to 2047 bytes/],
  ]
  for (const [options, expected] of refused) {
    assert.match((await failure(run(`b0 00 ${exit}`, options))).message, expected)
  }
  for (const hex of [`b0 01 ${exit} ${spin}`, `${out(0x602, 1)} ${spin}`, `0f 0b ${spin}`]) {
    await run(hex, { disks: [{ path: disk, writable: true }] }).catch(() => {})
  }
  rmSync(folder, { recursive: true })
  assert.equal(await leftSince(before), [])
})

testWithKvm('all vCPUs but the first wait, and are held and stopped as others are', async () => {
  const report = await run(`b0 05 ${exit} ${spin}`, {}, { vcpus: [first, last, first] })
  assert.is(report.exitCode, 5)
  assert.equal(
    report.vcpus.map(({ planned, affinity }) => planned === affinity),
    [true, true, true],
  )
})

testWithKvm('a VM without interrupt controllers boots no Linux', async () => {
  const vm = await makeVm()
  try {
    const booting = vm.bootLinux({ kernel: kernel(spin), serial: [() => {}] })
    assert.match((await failure(booting)).message, /irqchip: expected true/)
  } finally {
    await vm.close()
  }
})

test.run()
