import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pingPong } from '../../../bench/guests/ping-pong.js'
import { portLoop } from '../../../bench/guests/port-loop.js'
import { spin } from '../../../bench/guests/spin.js'
import { KVM_EXIT_IO, kvm_run } from '../../../executor/abi/kvm.js'
import * as libc from '../../../executor/ffi/libc.js'
import type { Guest, GuestShare } from '../../../executor/guests/guest.js'
import { walk } from '../../../executor/guests/walk.js'
import { enterGuest, viewRunPage } from '../../../executor/kvm/kvm-vcpu.js'
import { VmMemory } from '../../../executor/memory/memory.js'
import { layoutVm, shareMemory } from '../../../executor/plan/layout.js'
import { bootBytes } from '../../../executor/program/boot.js'
import { kvmStatus } from '../../../executor/run/probe.js'
import type { RunOptions } from '../../../executor/run/run.js'
import type { RunProgress } from '../../../executor/run/watch.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { machineWith } from '../machines.js'
import { cpus, MiB, planOf } from '../plans.js'
import { hasProgram } from '../programs.js'
import * as behaviours from './behaviours.js'
import { chase, HOPS_PER_REPORT, linesOf } from './chase.js'
import { fill } from './fill.js'
import { hlt } from './hlt.js'
import * as programs from './programs.js'

const status = kvmStatus()
const testWithKvm = skipUnless(status.usable, status.usable ? '' : `KVM is not usable: ${status.text}`)

const testWithBinutils = skipUnless(
  process.arch === 'x64' && hasProgram('as') && hasProgram('objcopy'),
  'no x86-64 binutils (Debian: binutils)',
)

/** The machine code of an assembly source. */
function assemble(source: URL): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'homenode-guest-'))
  try {
    execFileSync('as', [fileURLToPath(source), '-o', join(dir, 'guest.o')])
    execFileSync('objcopy', ['-O', 'binary', '-j', '.text', join(dir, 'guest.o'), join(dir, 'guest.bin')])
    return readFileSync(join(dir, 'guest.bin'))
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** Where sources are: the product's guest, those of benches, those of tests. */
const FOLDERS = ['../../../executor/guests/', '../../../bench/guests/', './'].map(
  (path) => new URL(path, import.meta.url),
)

/** By the name of the guest. */
const sources = new Map(
  FOLDERS.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.S'))
      .map((file) => [file.replace('.S', ''), new URL(file, folder)] as const),
  ),
)

const guests = { chase, fill, hlt, 'ping-pong': pingPong(0), 'port-loop': portLoop, spin, walk }

for (const [name, guest] of Object.entries(guests)) {
  testWithBinutils(`the bytes of the guest "${name}" are its assembled source`, () => {
    const code = assemble(sources.get(name)!)
    assert.is(Buffer.from(guest.code).toString('hex'), code.toString('hex'))
  })
}

for (const [name, guest] of Object.entries(behaviours)) {
  testWithBinutils(`the bytes of the guest "${name}" are its assembled source`, () => {
    const code = assemble(sources.get(name)!)
    assert.is(Buffer.from(guest.code).toString('hex'), code.toString('hex'))
  })
}

for (const [name, code] of Object.entries(programs)) {
  testWithBinutils(`the bytes of the program "${name}" are its assembled source`, () => {
    assert.is(Buffer.from(code).toString('hex'), assemble(sources.get(name)!).toString('hex'))
  })
}

test('every source has its guest', () => {
  const known = Object.keys({ ...guests, ...behaviours, ...programs })
  assert.equal([...sources.keys()].sort(), known.sort())
})

test('a vCPU of the walking guest starts at its share', () => {
  const registers = walk.registers({ vcpu: 2, start: 0x5000, end: 0x9000 })
  assert.is(registers.rdi, 0x5000n)
  assert.is(registers.r8, 0x5000n)
  assert.is(registers.r9, 0x9000n)
  assert.is(registers.rbx, 3n)
})

test('the pointers that are chased fill the largest power of two of lines that a share has', () => {
  assert.is(linesOf({ start: 4096, end: 4096 + 64 }), 1)
  assert.is(linesOf({ start: 4096, end: 4096 + 127 * 64 }), 64)
  assert.is(linesOf({ start: 4096, end: 4096 + 128 * 64 }), 128)
})

/** A machine of one cell whose memory and reports a test looks at. */
interface Stage {
  readonly shares: readonly GuestShare[]
  /** Lets vCPU 0 run until its next report, and returns that. */
  report(): number
  /** 64-bit words of a share. */
  words(share: GuestShare): BigUint64Array
}

async function stage(guest: Guest, bytes: number, look: (stage: Stage) => void): Promise<void> {
  const layout = layoutVm(planOf({ vcpus: ['0'], cells: [bytes] }).vms[0]!)
  using memory = VmMemory.map(layout)
  using machine = await machineWith(memory, guest)
  const [vcpu] = machine.vcpus
  const run = new Uint32Array(viewRunPage(vcpu!.runPage))
  look({
    shares: shareMemory(layout, bootBytes(bytes)),
    report: () => {
      assert.is(enterGuest(vcpu!.fd), 0)
      assert.is(run[kvm_run.exit_reason / 4], KVM_EXIT_IO)
      return run[run[kvm_run['io.data_offset'] / 4]! / 4]!
    },
    words: ({ start, end }) => new BigUint64Array(libc.view(memory.addressOf(start), end - start)),
  })
}

testWithKvm('the filling guest writes every word of its share, each time the next number', async () => {
  await stage(fill, 32 * 1024, ({ shares: [share], report, words }) => {
    for (const round of [0n, 1n, 2n]) {
      assert.is(report(), Number(round) + 1)
      assert.ok(words(share!).every((word) => word === round))
    }
  })
})

testWithKvm('the chasing guest follows one cycle through every line', async () => {
  await stage(chase, 128 * 1024, ({ shares: [share], report, words }) => {
    assert.is(report(), HOPS_PER_REPORT)
    assert.is(report(), 2 * HOPS_PER_REPORT)
    const pointers = words(share!)
    const seen = new Set<number>()
    for (let at = share!.start; !seen.has(at); at = Number(pointers[(at - share!.start) / 8])) seen.add(at)
    assert.is(seen.size, linesOf(share!))
    assert.is(linesOf(share!), 1024)
  })
})

testWithKvm('both sides of ping-pong get on, by turns', async () => {
  const { run } = await bundleExecutor()
  const plan = planOf({ vcpus: [String(cpus[0]), String(cpus.at(-1))], cells: [MiB] })
  let exits = [0, 0]
  const enough = new AbortController()
  const onProgress = ({ vcpus }: RunProgress) => {
    exits = vcpus.map((vcpu) => vcpu.exits)
    if (exits.every((count) => count >= 3)) enough.abort()
  }
  const options: RunOptions = { seconds: 60, backend: 'kvm', signal: enough.signal, onProgress }
  await run.carryOut(plan, plan, options, pingPong(bootBytes(MiB))).then(
    () => assert.unreachable(),
    () => {},
  )
  // A report is of 1024 hand-overs, half of them one's own: neither gets far without the other.
  assert.ok(exits.every((count) => count >= 3) && Math.abs(exits[0]! - exits[1]!) <= 2, `${exits} reports`)
})

test.run()
