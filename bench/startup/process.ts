/**
 * A process of the bench `startup`: makes a VM with so many vCPUs, each pinned to one CPU, and prints how long it took until each
 * had left its guest once, in nanoseconds, and the bytes that the process then had.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { REPORT_PORT } from '../../executor/guests/walk.js'
import { observeThread } from '../../executor/observe/observe.js'
import { bundleExecutor } from '../../test/executor/bundle.js'
import { portLoop } from '../guests/port-loop.js'
import { createVm } from '../vm/vcpus.js'

const [, , memoryBytes, ...cpus] = process.argv

const bundle = await bundleExecutor()
const start = performance.now()
await using vm = await createVm(bundle, { guest: portLoop, memoryBytes: Number(memoryBytes), cpus })
vm.attach('port', { start: REPORT_PORT }, { kind: 'report' })
await vm.run()
while (vm.vcpus.some((_, i) => vm.block(i).exits.every((count) => count === 0))) await delay(0.5)
const elapsed = performance.now() - start
const resident = process.memoryUsage.rss()
for (const [i, { tid }] of vm.vcpus.entries()) {
  const { affinity } = observeThread(tid)
  if (affinity.join() !== cpus[i]) throw new Error(`vCPU ${i} is on CPU ${affinity.join()} instead of ${cpus[i]}`)
}
console.log(`${Math.round(elapsed * 1e6)} ${resident}`)
