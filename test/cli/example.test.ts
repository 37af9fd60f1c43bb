/** The examples, run as a user runs them. */

import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kvmStatus, probeMbind } from '../../executor/index.js'
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

const { usable } = kvmStatus()

skipUnless(usable && mbind.usable, 'no usable KVM, or memory cannot be bound')('a guest says hello', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['examples/hello-vm.mjs'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  assert.is(stdout, "hello from the guest\n{ name: 'stopped', by: 'guest', exitCode: 0 }\n")
})

test.run()
