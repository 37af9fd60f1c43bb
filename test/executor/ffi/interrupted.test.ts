/** Calls that signals interrupt are made again. In a process of its own, which has a storm of signals. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runScript } from '../script.js'
import { testWithKvm } from '../vms.js'

testWithKvm('VMs are made, run and closed while signals arrive without end', () => {
  const { status, stdout, stderr } = runScript(`
    const { spawn } = await import('node:child_process')
    process.on('SIGUSR2', () => {})
    const script = 'while kill -USR2 ' + process.pid + ' 2>/dev/null; do :; done'
    const storm = spawn('sh', ['-c', script], { stdio: 'ignore' })
    // The storm has begun.
    await new Promise((resolve) => process.once('SIGUSR2', resolve))
    for (let i = 0; i < 25; i++) {
      const vm = await spinning()
      await vm.pause()
      await vm.resume()
      await vm.close()
    }
    storm.kill('SIGKILL')
    console.log('done')`)
  assert.is(status, 0, stderr)
  assert.is(stdout.trim(), 'done')
})

test.run()
