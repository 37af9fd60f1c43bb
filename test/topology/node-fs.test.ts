import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { parseHost } from '../../src/topology/hostfile.js'
import { detectHost, directoryReader } from '../../src/topology/node-fs.js'
import { skipUnless } from '../skip.js'
import { hasLstopo, lstopo, summaryOfHost, summaryOfLstopo } from './lstopo.js'

const scratch = mkdtempSync(join(tmpdir(), 'homenode-node-fs-'))
test.after(() => rmSync(scratch, { recursive: true }))

function write(path: string, content = ''): string {
  const file = join(scratch, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  return file
}

async function refusal(root: string): Promise<InputError> {
  try {
    await detectHost({ root })
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
  throw new Error('it was accepted')
}

test('this machine is detected, and its host is a valid host file', async () => {
  const host = await detectHost()
  assert.ok(host.cpus.some((cpu) => cpu.online && cpu.allowed))
  assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
})

test('the base page is that of the running kernel', async () => {
  const size = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))
  assert.is((await detectHost()).nodes[0]!.pages[0]!.size, size)
})

skipUnless(hasLstopo, 'lstopo is not installed')('this machine is what lstopo says', async () => {
  assert.equal(summaryOfHost(await detectHost()), summaryOfLstopo(lstopo(['--disallowed'])))
})

test('a root that is no Linux tree is refused, with its name and what was looked for', async () => {
  const empty = join(scratch, 'empty')
  mkdirSync(empty)
  const file = write('file', 'x')
  for (const root of [empty, file, join(scratch, 'missing'), join(file, 'below'), `${scratch}/nul\0`, '']) {
    const error = await refusal(root)
    assert.ok(error.where.startsWith(root), error.message)
    assert.match(error.message, 'sys/devices/system/cpu')
  }
})

test('links inside of the root are followed, those that lead out are not', () => {
  write('secret/file', 'secret')
  const root = join(scratch, 'root')
  write('root/real/file', 'content')
  symlinkSync('real', join(root, 'link'))
  symlinkSync('real/file', join(root, 'filelink'))
  symlinkSync('../secret', join(root, 'out'))
  symlinkSync('../secret/file', join(root, 'fileout'))
  symlinkSync(join(scratch, 'secret'), join(root, 'absolute'))
  symlinkSync('loop', join(root, 'loop'))
  const reader = directoryReader(root)
  assert.is(reader.readFile('link/file'), 'content')
  assert.is(reader.readFile('filelink'), 'content')
  assert.equal(reader.list('link'), ['file'])
  for (const path of ['out/file', 'fileout', 'absolute/file', '../secret/file', 'real/../../secret/file', 'loop']) {
    assert.is(reader.readFile(path), undefined, path)
  }
  for (const path of ['out', 'absolute', '..', 'loop']) assert.equal(reader.list(path), [], path)
})

test('a root may be a link, a relative path, or end in a slash', () => {
  write('there/file', 'content')
  symlinkSync('there', join(scratch, 'alias'))
  for (const root of [join(scratch, 'alias'), `${scratch}/there/`, join(scratch, 'alias/../there')]) {
    assert.is(directoryReader(root).readFile('file'), 'content')
  }
})

test('what is not a file is not read', () => {
  mkdirSync(join(scratch, 'odd/directory'), { recursive: true })
  execFileSync('mkfifo', [join(scratch, 'odd/pipe')])
  const reader = directoryReader(join(scratch, 'odd'))
  assert.is(reader.readFile('directory'), undefined)
  assert.is(reader.readFile('pipe') ?? '', '')
  assert.is(reader.readFile('missing/file'), undefined)
  assert.equal(reader.list('pipe'), [])
})

test('a long file is read to its end', () => {
  write('long', `${'x'.repeat(700_000)}\nthe end`)
  assert.match(directoryReader(scratch).readFile('long') ?? '', /^x{700000}\nthe end$/)
})

test('bytes come as characters, one for each', () => {
  writeFileSync(join(scratch, 'bytes'), Buffer.from([0, 255, 10]))
  assert.is(directoryReader(scratch).readFile('bytes'), '\0\u00ff\n')
})

test.run()
