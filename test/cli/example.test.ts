/** The example that the README quotes, run as a user runs it. */

import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { probeMbind } from '../../executor/index.js'
import { skipUnless } from '../skip.js'
import { root } from './command.js'

const mbind = probeMbind()
const withMemory = skipUnless(mbind.usable, `memory cannot be bound: ${mbind.usable ? '' : mbind.text}`)

withMemory('the first plan is verified when it is run', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['examples/first-plan.mjs'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  assert.match(stdout, /^0 lost vCPUs, verified: true \((kvm|threads)\)\n/)
  assert.match(stdout, /residentBytes: \{ '\d+': 67108864 \}/)
})

test.run()
