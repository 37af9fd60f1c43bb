/** The electric fence itself: who touches memory that has been unmapped does not go on. */

import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../../skip.js'
import { compileShim, hasCompiler } from './shim.js'

const testFence = skipUnless(hasCompiler, 'gcc is not installed')

testFence('behind the fence unmapped memory is never given out again, and ends who reads it', () => {
  const script = `
    const koffi = require('koffi')
    const lib = koffi.load(process.env.SHIM)
    const mmap = lib.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)')
    const munmap = lib.func('int munmap(uintptr_t, size_t)')
    const address = mmap(0, 4096, 3, 0x22, -1, 0)
    const view = new Uint8Array(koffi.view(address, 4096))
    view[0] = 7
    munmap(address, 4096)
    for (let i = 0; i < 100; i++) if (mmap(0, 4096, 3, 0x22, -1, 0) === address) console.log('again')
    console.log('before')
    console.log(view[0])`
  const env = { ...process.env, SHIM: compileShim('FENCE') }
  const { signal, stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env })
  assert.is(stdout, 'before\n')
  assert.is(signal, 'SIGSEGV')
})

test.run()
