import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { portLoop } from '../../executor/guests/port-loop.js'
import { walk } from '../../executor/guests/walk.js'
import { skipUnless } from '../skip.js'
import * as behaviours from './guests/behaviours.js'
import { hasProgram } from './programs.js'

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

for (const [name, guest] of Object.entries({ walk, 'port-loop': portLoop })) {
  testWithBinutils(`the bytes of the guest "${name}" are its assembled source`, () => {
    const code = assemble(new URL(`../../executor/guests/${name}.S`, import.meta.url))
    assert.is(Buffer.from(guest.code).toString('hex'), code.toString('hex'))
  })
}

for (const [name, guest] of Object.entries(behaviours)) {
  testWithBinutils(`the bytes of the guest "${name}" are its assembled source`, () => {
    const code = assemble(new URL(`guests/${name}.S`, import.meta.url))
    assert.is(Buffer.from(guest.code).toString('hex'), code.toString('hex'))
  })
}

test('a vCPU of the walking guest starts at its share', () => {
  const registers = walk.registers({ vcpu: 2, start: 0x5000, end: 0x9000 })
  assert.is(registers.rdi, 0x5000n)
  assert.is(registers.r8, 0x5000n)
  assert.is(registers.r9, 0x9000n)
  assert.is(registers.rbx, 3n)
})

test.run()
