/** A vCPU's thread that ends while it is changed: what it is given must not stay with a thread of the pool. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { transformSync } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { allocateBlock, blockOf, keepThread, PHASE, Phase, TID } from '../../../executor/wire/shared.js'

const source = readFileSync(new URL('../../../executor/wire/shared.ts', import.meta.url), 'utf8')
const { code } = transformSync(source, { loader: 'ts', format: 'esm' })
/** Indices that the test has for itself. */
const [GO, FREE] = [14, 15]
/** What a vCPU's thread does at its end. */
const THREAD = `
  const { workerData: block, parentPort } = require('node:worker_threads')
  import(${JSON.stringify(`data:text/javascript,${encodeURIComponent(code)}`)}).then(({ blockOf, waitUntilFree }) => {
    const { control } = blockOf(block)
    parentPort.postMessage('ready')
    Atomics.wait(control, ${GO}, 0)
    Atomics.store(control, ${PHASE}, ${Phase.done})
    Atomics.notify(control, ${PHASE})
    waitUntilFree(blockOf(block))
    Atomics.store(control, ${FREE}, 1)
    Atomics.notify(control, ${FREE})
  })
`

test('a thread that ends while it is changed waits until that is done', async () => {
  const buffer = allocateBlock()
  const { control } = blockOf(buffer)
  Atomics.store(control, TID, 7)
  const worker = new Worker(THREAD, { eval: true, workerData: buffer })
  await once(worker, 'message')
  const tid = keepThread(blockOf(buffer), (tid) => {
    Atomics.store(control, GO, 1)
    Atomics.notify(control, GO)
    Atomics.wait(control, PHASE, Phase.starting)
    Atomics.wait(control, FREE, 0, 50)
    assert.is(Atomics.load(control, FREE), 0, 'it has gone on')
    return tid
  })
  assert.is(tid, 7)
  Atomics.wait(control, FREE, 0)
  assert.is(
    keepThread(blockOf(buffer), (tid) => tid),
    0,
    'a thread that has ended has no number',
  )
  await worker.terminate()
})

test.run()
