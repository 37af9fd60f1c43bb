/** Modules of a kernel for an initramfs, from folders as depmod leaves them. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kernelVersionOf, modulesOf } from '../../src/cli/kernel-modules.js'
import { hasProgram } from '../executor/programs.js'
import { skipUnless } from '../skip.js'

const folders: string[] = []
const withXz = skipUnless(hasProgram('xz'), 'no xz (Debian: xz-utils)')

/** A folder with these files; a module has its own path as its content. */
function folderOf(files: Readonly<Record<string, string | Buffer>>, modules: readonly string[] = []): string {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-modules-'))
  folders.push(folder)
  for (const [path, content] of [...Object.entries(files), ...modules.map((path) => [path, path] as const)]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

const folder = folderOf(
  {
    'modules.dep': [
      'kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2.ko kernel/fs/mbcache.ko',
      'kernel/fs/jbd2.ko: kernel/fs/mbcache.ko',
      'kernel/fs/mbcache.ko:',
      'kernel/lib/crc16.ko:',
      'kernel/drivers/virtio-blk.ko:',
      'kernel/crypto/crc32c_generic.ko:',
      'kernel/crypto/crc32c-intel.ko:',
      '',
    ].join('\n'),
    'modules.alias': 'alias crypto-crc32c crc32c_intel\nalias crypto-crc32c crc32c_generic\nalias loop loop\n',
    'modules.softdep': 'softdep ext4 pre: crypto-crc32c none\nsoftdep crc32c_generic pre: ext4 post: crc16\n',
    'modules.builtin': 'kernel/drivers/virtio/virtio_mmio.ko\n',
  },
  [
    ...['kernel/fs/ext4/ext4.ko', 'kernel/fs/jbd2.ko', 'kernel/fs/mbcache.ko', 'kernel/lib/crc16.ko'],
    ...['kernel/drivers/virtio-blk.ko', 'kernel/crypto/crc32c_generic.ko', 'kernel/crypto/crc32c-intel.ko'],
  ],
)

test('what a module needs is loaded before it, each once; also what its file does not name', async () => {
  const found = await modulesOf(folder, ['ext4', 'crc16', 'virtio_mmio', 'virtio_blk'])
  const names = found.map(({ name }) => name)
  assert.equal([...names].sort(), [...new Set(names)].sort())
  assert.equal(names, ['crc32c_intel', 'crc32c_generic', 'mbcache', 'jbd2', 'crc16', 'ext4', 'virtio_blk'])
  assert.is(Buffer.from(found.at(-1)!.content).toString(), 'kernel/drivers/virtio-blk.ko')
})

test('a name that is unknown, and a folder that has none, are refused', async () => {
  const refused = async (from: string, name: string) => {
    try {
      await modulesOf(from, [name])
      return 'nothing'
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : ''
    }
  }
  assert.match(await refused(folder, 'xfs'), /^InputError: --modules: expected a folder with the module xfs, got "/)
  assert.match(await refused(folder, 'loop'), /the module loop/)
  assert.match(await refused(tmpdir(), 'ext4'), /^InputError: --modules: .* with modules\.dep/)
  const empty = folderOf({ 'modules.dep': 'a.ko:\nb.ko.lzma:\nc.ko.gz:\n', 'b.ko.lzma': '', 'c.ko.gz': 'no gzip' })
  assert.match(await refused(empty, 'a'), /^InputError: .*a\.ko: expected a file that can be read, got no such file/)
  assert.match(
    await refused(empty, 'b'),
    /^InputError: --modules: expected modules in xz, zstd or gzip, got "b\.ko\.lzma"/,
  )
  assert.match(await refused(empty, 'c'), /^InputError: --modules: .*c\.ko\.gz: gzip refuses it/)
})

test('a list that goes in circles, or as deep as it is long, is followed', async () => {
  const circle = folderOf({ 'modules.dep': 'a.ko: b.ko\nb.ko: a.ko b.ko\n' }, ['a.ko', 'b.ko'])
  assert.equal(
    (await modulesOf(circle, ['a', 'b'])).map(({ name }) => name),
    ['b', 'a'],
  )
  const lines = Array.from({ length: 20_000 }, (_, i) => `m${i}.ko: m${i + 1}.ko`)
  const deep = folderOf({ 'modules.dep': lines.join('\n') })
  const found = await modulesOf(deep, ['m0']).catch((error) => error)
  assert.match(`${found}`, /^InputError: .*m\d+\.ko: expected a file that can be read, got no such file/)
})

test('a list that cannot be read is an error that names it', async () => {
  const error = await modulesOf(folderOf({ 'modules.dep/x': '' }), ['a']).catch((reason) => reason)
  assert.match(`${error}`, /^InputError: .*modules\.dep: expected a file that can be read, got a directory/)
})

test('a packed module is unpacked', async () => {
  const packed = folderOf({ 'modules.dep': 'a.ko.gz:\n', 'a.ko.gz': gzipSync('content') })
  const [module] = await modulesOf(packed, ['a'])
  assert.equal({ name: module!.name, content: `${Buffer.from(module!.content)}` }, { name: 'a', content: 'content' })
  // A folder that looks like an option.
  const here = process.cwd()
  process.chdir(packed)
  try {
    mkdirSync('-folder')
    writeFileSync('-folder/modules.dep', 'a.ko.gz:\n')
    writeFileSync('-folder/a.ko.gz', gzipSync('content'))
    assert.is(`${Buffer.from((await modulesOf('-folder', ['a']))[0]!.content)}`, 'content')
  } finally {
    process.chdir(here)
  }
})

withXz('so is one in xz', async () => {
  const packed = folderOf({ 'modules.dep': 'a.ko.xz:\n', 'a.ko.xz': execFileSync('xz', ['-c'], { input: 'content' }) })
  assert.is(`${Buffer.from((await modulesOf(packed, ['a']))[0]!.content)}`, 'content')
})

test('a kernel says its version, packed or not', () => {
  const packed = Buffer.alloc(2048)
  packed.write('HdrS', 0x202)
  packed.writeUInt16LE(0x300, 0x20e)
  packed.write('6.1.0-57-amd64 (debian) #1\0', 0x500)
  assert.is(kernelVersionOf(packed), '6.1.0-57-amd64')
  assert.is(kernelVersionOf(Buffer.from('\u007fELF ... Linux version 6.12.3+ (x) #1')), '6.12.3+')
  assert.is(kernelVersionOf(Buffer.from('something else')), null)
  assert.is(kernelVersionOf(packed.subarray(0, 0x300)), null)
  assert.is(kernelVersionOf(new Uint8Array(0)), null)
})

test.after(() => {
  for (const made of folders) rmSync(made, { recursive: true })
})

test.run()
