/** Descriptors of other processes. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, statSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pidfd } from '../../../executor/ffi/pidfd.js'

test('what another process has open, and no descriptor of a process that has ended', async () => {
  const child = spawn('sh', ['-c', 'exec 7</etc/passwd; echo ready; read line'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  using process = Pidfd.open(child.pid!)
  const fd = process.descriptor(7)
  assert.is(fstatSync(fd).ino, statSync('/etc/passwd').ino)
  closeSync(fd)
  assert.throws(() => process.descriptor(99), /pidfd_getfd\(99\).*EBADF/)
  child.stdin.end()
  await once(child, 'close')
  assert.throws(() => process.descriptor(7), /pidfd_getfd\(7\).*ESRCH.*the process has ended/)
  assert.throws(() => Pidfd.open(child.pid!), /pidfd_open\(\d+\).*ESRCH/)
})

test.run()
