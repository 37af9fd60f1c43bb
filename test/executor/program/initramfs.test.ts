/** Archives for guests, unpacked by cpio where that is installed. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpioArchive } from '../../../executor/program/cpio.js'
import { execInitramfs } from '../../../executor/program/exec-initramfs.js'
import { skipUnless } from '../../skip.js'
import { hasProgram } from '../programs.js'
import { program } from './elf-head.js'

const testWithCpio = skipUnless(hasProgram('cpio'), 'no cpio (Debian: cpio)')
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

testWithCpio('cpio finds every file with its content and its mode', () => {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-cpio-'))
  try {
    const archive = cpioArchive([
      { kind: 'folder', path: 'bin' },
      { kind: 'file', path: 'bin/tool', content: bytes('#!/bin/sh\n'), executable: true },
      { kind: 'file', path: 'empty', content: bytes(''), executable: false },
      { kind: 'file', path: 'odd', content: bytes('12345'), executable: false },
    ])
    execFileSync('cpio', ['-i', '--quiet'], { cwd: folder, input: archive })
    assert.is(readFileSync(join(folder, 'bin/tool'), 'utf8'), '#!/bin/sh\n')
    assert.is(statSync(join(folder, 'bin/tool')).mode & 0o777, 0o755)
    assert.is(statSync(join(folder, 'empty')).size, 0)
    assert.is(readFileSync(join(folder, 'odd'), 'utf8'), '12345')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

testWithCpio('an initramfs for a command has busybox, the console, the command and the files, folders first', () => {
  const files = [{ path: 'opt/data/chase', content: bytes('x'), executable: true }]
  const archive = execInitramfs({ busybox: program(1), command: 'echo "$HOME"', files })
  const listed = execFileSync('cpio', ['-it', '--quiet'], { input: archive, encoding: 'utf8' }).trim().split('\n')
  const expected = ['bin', 'dev', 'opt', 'opt/data', 'dev/console', 'bin/busybox', 'init', 'opt/data/chase', 'command']
  assert.equal(listed, expected)
  assert.ok(Buffer.from(archive).includes('echo "$HOME"\n'))
})

testWithCpio('modules are in a folder of their own, with the order in which they are loaded', () => {
  const modules = ['virtio_mmio', 'ext4'].map((name) => ({ name, content: bytes(name) }))
  const archive = execInitramfs({ busybox: program(1), command: null, modules })
  const listed = execFileSync('cpio', ['-it', '--quiet'], { input: archive, encoding: 'utf8' }).trim().split('\n')
  assert.equal(listed.slice(-3), ['modules/virtio_mmio', 'modules/ext4', 'modules/order'])
  assert.ok(listed.indexOf('modules') < listed.indexOf('modules/ext4'))
  assert.ok(Buffer.from(archive).includes('virtio_mmio\next4\n'))
})

test('a busybox that wants libraries, and names that lead elsewhere, are refused', () => {
  const make = (busybox: Uint8Array, path = 'bin/x') =>
    execInitramfs({ busybox, command: null, files: [{ path, content: bytes(''), executable: false }] })
  assert.throws(() => make(program(1, 3)), /busybox: expected a static program .*dynamic linker/)
  assert.throws(() => make(bytes('#!/bin/sh')), /busybox: expected a static program .*got 9 bytes without one/)
  const changed = (at: number, value: number) => program(1, 1).map((byte, i) => (i === at ? value : byte))
  assert.throws(() => make(changed(18, 183)), /busybox: expected a static program for x86-64 .*got machine 183/)
  assert.throws(() => make(changed(4, 1)), /busybox: .*got class 1/)
  // Program headers of a byte each, and beyond the file.
  assert.throws(() => make(changed(54, 1)), /busybox: .*got 2 of 1 bytes at 64/)
  assert.throws(() => make(changed(33, 1)), /busybox: .*got 2 of 56 bytes at 320/)
  for (const path of [
    '/etc/x',
    '../x',
    'a//b',
    '',
    'a/./b',
    'a\0b',
    'TRAILER!!!',
    'x'.repeat(256),
    `${'x/'.repeat(2048)}x`,
  ]) {
    assert.throws(() => make(program(1), path), /files: expected paths/)
  }
})

test('no file takes the place of another, or of what the first process needs', () => {
  const modules = [{ name: 'ext4', content: bytes('') }]
  const make = (...paths: readonly string[]) =>
    execInitramfs({
      ...{ busybox: program(1), command: 'true', modules },
      files: paths.map((path) => ({ path, content: bytes(''), executable: true })),
    })
  for (const paths of [
    ['bin/a', 'bin/a'],
    ['a', 'a/b'],
    ['bin'],
    ['init'],
    ['command'],
    ['bin/busybox'],
    ['dev/console'],
  ]) {
    assert.throws(() => make(...paths), /files: expected another place for each file and folder, got ".*" twice/)
  }
  assert.throws(() => make('modules/ext4'), /"modules\/ext4" twice/)
  assert.ok(make('bin/a', 'bin/b', 'a/a', 'TRAILER!!!/a').length > 0)
})

test('the first process is a script that its shell takes', () => {
  const archive = Buffer.from(execInitramfs({ busybox: program(1), command: 'true' }))
  const start = archive.indexOf('#!/bin/busybox sh')
  const script = archive.subarray(start, archive.indexOf('finish $?\n') + 10)
  execFileSync('sh', ['-n'], { input: script })
  assert.ok(script.includes(`printf "\\\\$(printf %o $1)" | dd of=/dev/port bs=1 seek=244`))
})

test.run()
