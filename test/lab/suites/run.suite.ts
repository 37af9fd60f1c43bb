/** Guests on every node, as planned: what homenode reports, and what the kernel shows beside it while they run. */

import { detectHost, type RunReport, type VerifiedPlan } from 'homenode'
import { runPlan } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cpusOf } from '../machines.js'
import {
  boundAsPlanned,
  boundMemory,
  homenode,
  leftBehind,
  machine,
  onlyMemoryOn,
  onNode,
  planned,
  requestOf,
  SECONDS,
  threadOf,
  withCpus,
  withMemory,
} from './inside.js'

const host = await detectHost()

/** Everything that a verified report has to say, derived from its plan. */
function checkReport(report: RunReport): void {
  assert.equal(report.findings, [])
  assert.is(report.verified, true)
  assert.is(report.backend, 'kvm')
  assert.equal(
    report.vcpus.map(({ vm, vcpu, affinity }) => [vm, vcpu, affinity]),
    report.plan.vms.flatMap((vm) => vm.vcpus.map(({ vcpu, cpus }) => [vm.name, vcpu, cpus])),
  )
  for (const { lastCpu, affinity, exits, exitReasons } of report.vcpus) {
    assert.is(`${lastCpu}`, affinity)
    assert.ok(exits > 0)
    assert.is(exitReasons.io, exits)
  }
  assert.equal(
    report.memory.map(({ vm, cell, node, residentBytes }) => ({ vm, cell, node, residentBytes })),
    report.plan.vms.flatMap(({ name, cells }) =>
      cells.flatMap(({ cell, memory }) =>
        memory.map(({ node, bytes }) => ({ vm: name, cell, node, residentBytes: { [node]: bytes } })),
      ),
    ),
  )
}

/** Runs a plan and looks into procfs meanwhile. */
async function runWatched(verified: VerifiedPlan): Promise<RunReport> {
  const threads = verified.vms.flatMap((vm) => vm.vcpus.map(({ cpus }) => ({ allowed: cpus, last: Number(cpus) })))
  let looks = 0
  const report = await runPlan(verified, {
    seconds: SECONDS,
    onProgress: ({ vcpus }) => {
      assert.equal(
        vcpus.map(({ tid }) => threadOf(tid)),
        threads,
      )
      if (looks++ === 0) assert.equal(boundMemory(), boundAsPlanned(verified))
    },
  })
  assert.ok(looks > 0)
  checkReport(report)
  assert.equal(leftBehind(), [])
  return report
}

test('homenode run places, runs and verifies a VM that suits the host', async () => {
  const { code, stdout, stderr } = await homenode(['run', '--seconds', `${SECONDS}`, '--json'])
  assert.is(code, 0, stderr)
  checkReport(JSON.parse(stdout))
})

test('a VM on each node with CPUs, all at once', async () => {
  // A node without memory holds vCPUs whose memory is on the nearest node that has some.
  const report = await runWatched(await planned(host, requestOf(...withCpus.map((node) => onNode(node)))))
  assert.equal(
    report.plan.vms.map(({ vcpus }) => vcpus[0]!.node),
    withCpus,
  )
})

/** Its vCPUs are on CPUs of their own, of which `one-cpu` has one. */
const testWithTwoCpus = machine.nodes.flatMap(cpusOf).length > 1 ? test : test.skip

testWithTwoCpus('a VM with two cells, on the first and the last node with CPUs', async () => {
  const cells = [
    { vcpus: '0', memory: '4MiB' },
    { vcpus: '1', memory: '8MiB' },
  ]
  const [first, last] = [withCpus[0]!, withCpus.at(-1)!]
  const devices = [first, last].map((node) => ({ node, strict: true }))
  const request = requestOf({ name: 'wide', vcpus: 2, memory: '12MiB', cells, devices })
  const report = await runWatched(await planned(host, request))
  assert.equal(report.plan.vms[0]!.vcpus.map(({ node }) => node).sort(), [first, last])
})

test(`memory is bound to the last node, ${withMemory.at(-1)}, while its vCPU is on the first`, async () => {
  const last = withMemory.at(-1)!
  const report = await runWatched(await planned(onlyMemoryOn(host, last), requestOf(onNode(withCpus[0]!))))
  assert.is(report.vcpus[0]!.planned, `${machine.nodes[0]!.cpus}`.split(/[-,]/)[0])
  assert.equal(report.memory[0]!.residentBytes, { [last]: 4 * 1024 ** 2 })
})

test.run()
