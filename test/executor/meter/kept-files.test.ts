/** Files that stay open. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KeptFiles } from '../../../executor/meter/kept-files.js'
import { holdings } from '../process.js'

const root = mkdtempSync(join(tmpdir(), 'homenode-kept-'))
process.on('exit', () => rmSync(root, { recursive: true }))
const write = (path: string, text: string) => writeFileSync(join(root, path), text)
const open = () => holdings().fds.length

test('a file is read from its beginning each time, however long it is', () => {
  using files = new KeptFiles(root)
  const file = files.file('/a')
  for (const text of ['one', 'x'.repeat(200_000), '', 'three']) {
    write('a', text)
    assert.is(file.text(), text)
  }
})

test('what is not there is nothing, also when it comes later; a closed file is opened again', () => {
  using files = new KeptFiles(root)
  const missing = files.file('/later')
  assert.is(missing.text(), null)
  write('later', 'here')
  assert.is(missing.text(), null)
  const file = files.file('/later')
  assert.is(file.text(), 'here')
  file.close()
  file.close()
  assert.is(file.text(), 'here')
})

test('no more files stay open than this process may have; the others are read all the same', () => {
  const before = open()
  const files = new KeptFiles(root, 3)
  const texts = Array.from({ length: 10 }, (_, at) => {
    write(`f${at}`, `${at}`)
    return files.file(`/f${at}`)
  })
  for (const [at, file] of texts.entries()) assert.is(file.text(), `${at}`)
  assert.is(open(), before + 3)
  for (const [at, file] of texts.entries()) assert.is(file.text(), `${at}`)
  files.close()
  assert.is(open(), before)
})

test.run()
