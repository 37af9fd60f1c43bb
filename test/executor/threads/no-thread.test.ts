/** Threads that cannot be started: whoever waits for one hears of it. In processes of their own. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nodes } from '../plans.js'
import { runScript } from '../script.js'

/** `tried(work)` prints how it ended. Who is never answered leaves the process with exit code 13. */
const TRIED = `
  const { createRequire } = await import('node:module')
  const { MemoryBlock } = await import(process.env.BUNDLE + '/executor.js')
  const workerThreads = createRequire('/')('node:worker_threads')
  const tried = async (work) => {
    try { await work(); console.log('done') } catch (error) { console.log(error.name + ': ' + error.message) }
  }
  const allocate = async () => {
    const block = await MemoryBlock.allocate(1 << 20, ${nodes[0]!})
    await block.close()
  }`

function outcomes(script: string, prefix = ''): string[] {
  const { status, stdout, stderr } = runScript(`${TRIED}\n${script}`, prefix)
  assert.is(status, 0, `exit code ${status}: ${stderr}`)
  return stdout.trim().split('\n')
}

test('without descriptors for a thread its task fails, and says what is missing', () => {
  const ends = outcomes(
    `const { openSync, closeSync } = await import('node:fs')
    const open = []
    try { for (;;) open.push(openSync('/dev/null')) } catch {}
    for (let free = 1; free <= 24; free++) {
      closeSync(open.pop())
      await tried(allocate)
    }
    for (const fd of open) closeSync(fd)
    await tried(allocate)`,
    'ulimit -n 128;',
  )
  assert.is(ends.length, 25)
  assert.match(ends[0]!, /^UnsupportedError: a thread: it could not be started: .*EMFILE.*ulimit -n/)
  for (const end of ends) assert.match(end, /^done$|^UnsupportedError: a thread: .*EMFILE|EMFILE/)
  assert.is(ends.at(-1), 'done')
})

test('where the kernel makes no thread its task fails, is done by no other, and the next one is', () => {
  const [refused, done, bound] = outcomes(`
    const { readFileSync } = await import('node:fs')
    const { Worker } = workerThreads
    workerThreads.Worker = class { constructor() { throw new Error('EAGAIN') } }
    await tried(allocate)
    workerThreads.Worker = Worker
    await tried(allocate)
    console.log(/^\\w+ bind/m.test(readFileSync('/proc/self/numa_maps', 'utf8')))`)
  assert.match(refused!, /^UnsupportedError: a thread: it could not be started: EAGAIN: .*pids\.max/)
  assert.equal([done, bound], ['done', 'false'])
})

for (const [what, source, text] of [
  ['fails when it starts', 'throw new Error("no room")', /could not be started: no room/],
  ['ends when it starts', 'process.exit(7)', /it could not be started: |exited with code: 7/],
  // Timers go a hundred times as fast.
  ['never comes to its work', 'setInterval(() => {}, 1000)', /could not be started: not in 120 s/],
] as const) {
  test(`a thread that ${what} fails its task`, () => {
    const [end] = outcomes(`
      const { Worker } = workerThreads
      workerThreads.Worker = class extends Worker {
        constructor(_, options) { super(${JSON.stringify(source)}, { ...options, eval: true }) }
      }
      const { setTimeout } = globalThis
      globalThis.setTimeout = (call, ms, ...more) => setTimeout(call, ms / 100, ...more)
      await tried(allocate)
      process.exit()`)
    assert.match(end!, /^UnsupportedError: a thread: /)
    assert.match(end!, text)
  })
}

test.run()
