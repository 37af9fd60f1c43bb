/** The program of bench `guest-numa`, on this machine rather than in a guest. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compilePeer } from '../../bench/c/compile.js'
import { hasProgram } from '../executor/programs.js'
import { skipUnless } from '../skip.js'

const hasNodes = existsSync('/sys/devices/system/node/node0')
const testWithCompiler = skipUnless(hasProgram('cc') && hasNodes, 'no C compiler (Debian: gcc), or no NUMA support')

testWithCompiler('the chase and the copy of each node have a time and a speed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'homenode-guest-numa-'))
  try {
    const program = join(folder, 'guest-numa')
    assert.is(compilePeer('guest-numa', program), null)
    const lines = execFileSync(program, ['2'], { encoding: 'utf8' }).trim().split('\n')
    assert.ok(lines.length >= 1)
    for (const line of lines) {
      const [, chase, copy] = /^\d+ \d+ ([\d.]+) ([\d.]+)$/.exec(line) ?? []
      assert.ok(Number(chase) > 0 && Number(copy) > 0, line)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
