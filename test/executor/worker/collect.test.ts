import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

test('a thread that collects has no garbage, and keeps no address space for it', async () => {
  const { href } = new URL('../../../executor/worker/collect.ts', import.meta.url)
  const script = `
    import('tsx/esm/api').then(async ({ register }) => {
      register()
      const { collectGarbage } = await import('${href}')
      const { readFileSync } = require('fs')
      const virtualMiB = () => Number(/^VmSize:\\s*(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
      // A weak reference holds its object until the end of the turn.
      const turn = () => new Promise((resolve) => setImmediate(resolve))
      const garbage = new WeakRef({})
      await turn()
      const before = [virtualMiB()]
      for (let call = 0; call < 4; call++) {
        collectGarbage()
        await turn()
        before.push(virtualMiB())
      }
      require('worker_threads').parentPort.postMessage({
        isGone: garbage.deref() === undefined,
        // Of each call; Node reserves address space for itself meanwhile, but not each time.
        grownMiB: Math.min(...before.slice(1).map((mib, call) => mib - before[call])),
      })
    })`
  const limit = 2048
  const { isGone, grownMiB } = await new Promise<{ isGone: boolean; grownMiB: number }>((resolve, reject) => {
    const worker = new Worker(script, { eval: true, resourceLimits: { maxOldGenerationSizeMb: limit } })
    worker.on('error', reject)
    worker.on('message', resolve)
  })
  assert.ok(isGone)
  assert.ok(grownMiB < limit / 4, `${grownMiB} MiB of address space are kept`)
})

test.run()
