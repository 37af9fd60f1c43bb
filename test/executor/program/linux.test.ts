/** Kernels as files, and what is put into a guest's memory for them. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseKernel } from '../../../executor/program/kernel-image.js'
import { type LinuxImage, loadLinux } from '../../../executor/program/linux.js'
import { machineOf } from '../acpi/machines.js'
import { bzImageOf } from './kernels.js'

const MiB = 1024 ** 2
const GiB = 1024 ** 3

/** Memory of so many bytes, with what is written into it. */
function memoryOf(bytes: number) {
  const written: { gpa: number; bytes: Uint8Array }[] = []
  const low = Math.min(bytes, 3 * GiB)
  const memoryMap = [{ gpa: 0, bytes: low }, ...(bytes > low ? [{ gpa: 4 * GiB, bytes: bytes - low }] : [])]
  const room = {
    memory: {
      requireMemory: () => {},
      write: (gpa: number, content: Uint8Array) => void written.push({ gpa, bytes: content }),
    },
    memoryMap,
    tablesAt: low - 6 * 4096,
    identityTables: () => low - 6 * 4096,
  }
  const at = (gpa: number) => written.find((part) => part.gpa === gpa)?.bytes
  return { room, written, at }
}

const image = (changes: Partial<LinuxImage> = {}): LinuxImage => ({
  kernel: bzImageOf(Uint8Array.of(0xf4)),
  initrd: null,
  commandLine: 'console=ttyS0',
  machine: machineOf([2, 2]),
  ...changes,
})

async function refusal(changes: Partial<LinuxImage>, bytes: number): Promise<string> {
  const { room, written } = memoryOf(bytes)
  try {
    await loadLinux(image(changes), room)
  } catch (error) {
    assert.equal(written, [])
    return (error as Error).message
  }
  throw new Error('it was loaded')
}

test('a bzImage is entered 0x200 after the address that it prefers', () => {
  const kernel = parseKernel(bzImageOf(Uint8Array.of(1, 2, 3), { prefAddress: 32 * MiB, initSize: MiB }))
  assert.is(kernel.entry, 32 * MiB + 0x200)
  assert.is(kernel.end, 33 * MiB)
  assert.equal(kernel.segments[0]!.content.subarray(0x200), Uint8Array.of(1, 2, 3))
})

test('a kernel that looks for a table of the MultiProcessor Specification finds one at once, which leads to an empty one', async () => {
  const { room, at } = memoryOf(128 * MiB)
  await loadLinux(image(), room)
  const low = Buffer.from(at(0)!)
  const isWhole = (bytes: Uint8Array) => bytes.reduce((all, byte) => (all + byte) & 0xff, 0) === 0
  // As Linux looks at it: the signature, its length in units of 16 bytes, the sum, the revision.
  assert.equal([low.toString('latin1', 0, 4), low[8], low[9]], ['_MP_', 1, 4])
  assert.ok(isWhole(low.subarray(0, 16)))
  const table = low.subarray(low.readUInt32LE(4))
  assert.is(table.toString('latin1', 0, 4), 'PCMP')
  assert.ok(isWhole(table.subarray(0, table.readUInt16LE(4))))
  assert.equal([table.readUInt16LE(34), table.readUInt32LE(36)], [0, 0xfee00000])
})

test('what is no 64-bit kernel says what it is', async () => {
  const elf32 = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, ...new Array(60).fill(0))
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /kernel: expected a Linux kernel: a bzImage, or an ELF file \(vmlinux\), got neither/],
    [Buffer.from('#!/bin/sh\n'.repeat(100)), /a Linux kernel.*got neither/],
    [bzImageOf(Uint8Array.of(0), { magic: 'HdrX' }), /a Linux kernel.*got neither/],
    [bzImageOf(Uint8Array.of(0), { xloadFlags: 0 }), /a 64-bit kernel, got a bzImage without a 64-bit entry/],
    [bzImageOf(Uint8Array.of(0), { version: 0x20a }), /boot protocol 2\.10/],
    [elf32, /kernel: expected an ELF file with 64 bits, little-endian, got class 1/],
    [bzImageOf(Uint8Array.of(0)).subarray(0, 1024), /it is cut short/],
    [bzImageOf(new Uint8Array(64)).subarray(0, 1024 + 0x200 + 63), /expected 1600 bytes or more, got 1599/],
  ]
  for (const [kernel, expected] of cases) assert.match(await refusal({ kernel }, 64 * MiB), expected)
})

test('whatever the bytes of a kernel are, they are taken or refused as input', () => {
  const changed = fc.record({ at: fc.integer({ min: 0x1f0, max: 0x270 }), value: fc.nat(255) })
  fc.assert(
    fc.property(fc.array(changed, { maxLength: 12 }), fc.nat(0x600), (changes, length) => {
      const file = bzImageOf(new Uint8Array(256))
      for (const { at, value } of changes) file[at] = value
      try {
        parseKernel(file.subarray(0, file.length - Math.min(length, file.length)))
      } catch (error) {
        assert.is((error as Error).name, 'InputError')
      }
    }),
  )
})

test('what has no room says how much there is, before anything is written', async () => {
  const wide = bzImageOf(Uint8Array.of(0xf4), { initSize: 100 * MiB })
  assert.match(await refusal({ kernel: wide }, 64 * MiB), /memory: expected 117 MiB or more, .* got 64 MiB/)
  const initrd = new Uint8Array(60 * MiB)
  assert.match(await refusal({ initrd }, 64 * MiB), /initrd: expected at most [\d.,]+ [KM]iB, .* got 60 MiB/)
  const commandLine = 'x'.repeat(3000)
  assert.match(await refusal({ commandLine }, 64 * MiB), /append: expected up to 2047 bytes/)
  assert.match(await refusal({ commandLine: 'a\0b' }, 64 * MiB), /without NUL/)
  const boasts = Buffer.from(bzImageOf(Uint8Array.of(0xf4)))
  boasts.writeUInt32LE(0xffffffff, 0x238)
  const long = { kernel: new Uint8Array(boasts), commandLine: 'x'.repeat(0x80000) }
  assert.match(await refusal(long, 64 * MiB), /append: expected up to 524287 bytes .*got 524288/)
  const low = bzImageOf(Uint8Array.of(0xf4), { prefAddress: 0x10000 })
  assert.match(await refusal({ kernel: low }, 64 * MiB), /loaded at 1 MiB or above/)
  assert.match(await refusal({ machine: machineOf(Array(8).fill(400)) }, 64 * MiB), /whose ACPI tables take/)
})

test("the memory map has all memory but what is a PC's below 1 MiB", async () => {
  for (const bytes of [64 * MiB, 5 * GiB]) {
    const { room, at } = memoryOf(bytes)
    await loadLinux(image(), room)
    const parameters = Buffer.from(at(0x7000)!)
    const ranges = Array.from({ length: parameters[0x1e8]! }, (_, i) => ({
      start: Number(parameters.readBigUInt64LE(0x2d0 + 20 * i)),
      bytes: Number(parameters.readBigUInt64LE(0x2d0 + 20 * i + 8)),
      type: parameters.readUInt32LE(0x2d0 + 20 * i + 16),
    }))
    const memory = ranges.filter(({ type }) => type === 1)
    assert.is(
      memory.reduce((sum, range) => sum + range.bytes, 0),
      bytes - MiB + 0xa0000,
    )
    for (const range of memory) assert.not.ok(range.start < 4 * GiB && range.start + range.bytes > 3 * GiB)
    assert.is(Number(parameters.readBigUInt64LE(0x70)), 0xe0000)
    assert.is(Buffer.from(at(0xe0000)!.subarray(0, 8)).toString(), 'RSD PTR ')
    assert.is(Buffer.from(at(0x20000)!).toString(), 'console=ttyS0\0')
  }
})

test('the initramfs is above the kernel and below the page tables, wherever both are', () => {
  const sizes = fc.record({ memory: fc.integer({ min: 40, max: 5000 }), initrd: fc.integer({ min: 1, max: 20 * MiB }) })
  return fc.assert(
    fc.asyncProperty(sizes, async ({ memory, initrd }) => {
      const { room, at } = memoryOf(memory * MiB)
      await loadLinux(image({ initrd: new Uint8Array(initrd) }), room)
      const parameters = Buffer.from(at(0x7000)!)
      const [start, bytes] = [parameters.readUInt32LE(0x218), parameters.readUInt32LE(0x21c)]
      assert.is(bytes, initrd)
      assert.is(start % 4096, 0)
      assert.ok(start >= 0x1001000 && start + bytes <= Math.min(room.identityTables(), 0x80000000))
    }),
    { numRuns: 30 },
  )
})

test.run()
