import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isElf, parseElf } from '../../../executor/program/elf.js'
import { skipUnless } from '../../skip.js'
import { hasProgram } from '../programs.js'
import { executor, failure, makeVm, testWithKvm } from '../vms.js'

/** An ELF file with one segment, but for what is given. */
function elf(
  changes: Readonly<Record<number, number>> = {},
  { paddr = 0x2000, filesz = 4, memsz = 8, type = 1 } = {},
): Uint8Array {
  const file = new Uint8Array(64 + 56 + 4)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 62, true)
  view.setBigUint64(24, BigInt(paddr), true)
  view.setBigUint64(32, 64n, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true)
  view.setUint32(64, type, true)
  view.setBigUint64(64 + 8, 120n, true)
  view.setBigUint64(64 + 24, BigInt(paddr), true)
  view.setBigUint64(64 + 32, BigInt(filesz), true)
  view.setBigUint64(64 + 40, BigInt(memsz), true)
  file.set([0xf4, 1, 2, 3], 120)
  for (const [at, byte] of Object.entries(changes)) file[Number(at)] = byte
  return file
}

test('a segment is found with its address, its content and its size in memory', () => {
  assert.equal(parseElf(elf()), {
    entry: 0x2000,
    segments: [{ gpa: 0x2000, content: Uint8Array.of(0xf4, 1, 2, 3), bytes: 8 }],
  })
})

test('what is no static program for x86-64 is refused by what is wrong', () => {
  for (const [file, text] of [
    [elf({ 4: 1 }), '64 bits'],
    [elf({ 5: 2 }), 'little-endian'],
    [elf({ 18: 183 }), 'machine 62 (x86-64), got machine 183'],
    [elf({ 16: 3 }), '-static -no-pie'],
    [elf({}, { type: 3 }), 'a static program'],
    [elf({}, { type: 2 }), 'a static program'],
    [elf({}, { type: 4 }), 'something to load'],
    [elf({}, { filesz: 0, memsz: 0, paddr: 2 ** 60 }), 'something to load'],
    [elf({}, { filesz: 5 }), 'inside of the file'],
    [elf({}, { filesz: 4, memsz: 3 }), 'inside of the file'],
    [elf({ 56: 2 }), 'program headers inside of the file'],
    [elf().subarray(0, 40), 'an ELF header'],
    [Uint8Array.of(1, 2, 3), 'an ELF header'],
  ] as const) {
    let message = ''
    try {
      parseElf(file)
    } catch (error) {
      message = (error as Error).message
      assert.is((error as Error).name, 'InputError')
    }
    assert.ok(message.includes(text), `${message} (${text})`)
  }
  assert.is(isElf(Uint8Array.of(0x7f)), false)
})

test('no bytes make the reader do anything but refuse', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.nat(123).map(String), fc.nat(255)), (changes) => {
      try {
        for (const { content, bytes } of parseElf(elf(changes)).segments) assert.ok(content.length <= bytes)
      } catch (error) {
        assert.is((error as Error).name, 'InputError')
      }
    }),
  )
})

testWithKvm('a segment beyond the memory is refused with its address', async () => {
  await using vm = await makeVm()
  for (const [paddr, memsz] of [
    [2 ** 30, 8],
    [2 ** 26 - 4, 8],
    [0, 2 ** 60],
  ] as const) {
    const { message } = await failure(vm.load(elf({}, { paddr, memsz })))
    assert.is(message, `gpa: expected memory of VM "demo" (0x0-0x4000000), got ${memsz} bytes at ${paddr}`)
  }
})

testWithKvm('what a segment has beyond its content is zero', async () => {
  await using vm = await makeVm()
  vm.write(0x2000, new Uint8Array(16).fill(0xaa))
  await vm.load(elf())
  assert.equal([...vm.read(0x2000, 10)], [0xf4, 1, 2, 3, 0, 0, 0, 0, 0xaa, 0xaa])
})

const testWithLinker = skipUnless(
  process.arch === 'x64' && hasProgram('as') && hasProgram('ld') && executor.kvmStatus().usable,
  'it takes KVM and x86-64 binutils (Debian: binutils) to link a program and run it',
)

testWithLinker('a program that was linked runs from its entry, with its data where it expects them', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'homenode-elf-'))
  try {
    writeFileSync(
      join(dir, 'a.s'),
      `.globl _start
      .text
      ud2
_start: mov value(%rip), %eax
      add zero(%rip), %eax
      out %al, $0xf4
      .data
value: .long 41
      .bss
zero: .skip 8
`,
    )
    execFileSync('as', ['-o', join(dir, 'a.o'), join(dir, 'a.s')])
    execFileSync('ld', ['-static', '-Ttext=0x100000', '-o', join(dir, 'a'), join(dir, 'a.o')])
    await using vm = await makeVm()
    const { entry } = await vm.load(readFileSync(join(dir, 'a')))
    vm.vcpus[0]!.startInLongMode(entry)
    vm.exitPort()
    await vm.run()
    assert.is((await vm.wait()).exitCode, 41)
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test.run()
