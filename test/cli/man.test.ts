/** The man page that the build makes. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeProgram } from '../../src/cli/program.js'
import { skipUnless } from '../skip.js'
import { root } from './command.js'

const page = join(root, 'dist/homenode.1')
const withMan = skipUnless(spawnSync('man', ['--version']).status === 0, 'man is not installed')

function man(...args: string[]): { readonly text: string; readonly warnings: string; readonly status: number | null } {
  const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', MANWIDTH: '200' }
  const { stdout, stderr, status } = spawnSync('man', args, { encoding: 'utf8', env })
  return { text: stdout, warnings: stderr, status }
}

withMan('man has no warning', () => {
  const { status, warnings } = man('--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', page)
  assert.equal([status, warnings], [0, ''])
})

withMan('it shows every command with its options, what they are, and its examples', () => {
  const { text } = man('-l', page)
  const plain = text.replace(/\s+/g, ' ')
  for (const command of makeProgram().commands.flatMap((one) => [one, ...one.commands])) {
    for (const { flags, description } of command.options) {
      assert.ok(plain.includes(`${flags} ${description}`.replace(/\s+/g, ' ')), `${command.name()} ${flags}`)
    }
    assert.ok(plain.includes(command.description()), command.name())
  }
  assert.match(text, /^ +homenode topo --synthetic "pack:2 \[numa\(memory=64GB\)\] l3:2 core:8 pu:2"$/m)
  assert.match(text, /'\.vms\[\] \| \{name: \.name\.value, pid, lost: \.lost\.now\}'/)
})

test('no line of text is taken for a request, and hyphens can be copied', () => {
  const lines = readFileSync(page, 'utf8').split('\n')
  const requests = new Set(lines.flatMap((line) => /^[.'](\w*)/.exec(line)?.[1] ?? []))
  assert.equal([...requests].sort(), ['B', 'BR', 'EE', 'EX', 'PP', 'RE', 'RS', 'SH', 'SS', 'TH', 'TP'])
  for (const line of lines) assert.not.match(line, /(^|[^\\])--/)
})

test.run()
