/** CPUs for a run's vCPUs alone, here: it is done, or it is said why not. test/lab/suites/partition.suite.ts has a system where it can be done. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { planPartition } from '../../../executor/cpusets/partition.js'
import { skipUnless } from '../../skip.js'
import { bundleExecutor } from '../bundle.js'
import { cpus, planOf } from '../plans.js'

const { run, verified } = await bundleExecutor()
const cpu = String(cpus[0])
const asked = planPartition({ pid: process.pid, threads: [{ tid: process.pid, cpus: cpu }] })
const why = 'why' in asked ? asked.why : null
const whereRefused = skipUnless(why !== null, 'this system allows partitions of CPUs')
const whereAllowed = skipUnless(why === null, `this system allows no partition of CPUs: ${why}`)

/** With one dedicated vCPU. */
const plan = () => {
  const { vms, ...rest } = planOf({ vcpus: [cpu] })
  const own = vms.map((vm) => ({ ...vm, vcpus: vm.vcpus.map((vcpu) => ({ ...vcpu, dedicated: true })) }))
  return verified.sealPlan({ ...rest, vms: own })
}
const options = { seconds: 0.2, backend: 'threads', exclusive: 'root' } as const

whereRefused('it is an error that says why; relaxed, it is in the report', async () => {
  let message = ''
  await run.runPlan(plan(), options).catch((error: Error) => {
    message = error.message
  })
  assert.is(message, `exclusive CPUs: ${why}`)
  const report = await run.runPlan(plan(), { ...options, relaxed: true })
  assert.equal(report.findings, [{ constraint: 'refused', text: message }])
  assert.is(report.partition, undefined)
})

whereAllowed('it is made, held, and gone when the run has ended', async () => {
  const { findings, partition } = await run.runPlan(plan(), options)
  assert.equal(findings, [])
  assert.equal([partition?.cpus, partition?.held], [cpu, true])
  assert.equal(planPartition({ pid: process.pid, threads: [{ tid: process.pid, cpus: cpu }] }), asked)
})

test('another kind of partition than there is is an InputError', async () => {
  const error = await run.runPlan(plan(), { ...options, exclusive: 'member' as never }).catch((reason: Error) => reason)
  assert.is((error as Error).name, 'InputError')
  assert.match((error as Error).message, /^exclusive: expected "root", "isolated", got "member"/)
})

test.run()
