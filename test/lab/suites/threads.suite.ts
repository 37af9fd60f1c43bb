/** Where there is no KVM: threads instead of guests, on SMT siblings and on whole cores. */

import { existsSync } from 'node:fs'
import { detectHost, type PlanVm, type RunReport } from 'homenode'
import { runPlan } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  boundAsPlanned,
  boundMemory,
  homenode,
  onlyMemoryOn,
  onNode,
  planned,
  requestOf,
  SECONDS,
  threadOf,
} from './inside.js'

const host = await detectHost()
const coreOf = (cpus: string) => host.cpus[Number(cpus)]!.core
const coresOf = ({ vcpus }: PlanVm) => vcpus.map(({ cpus }) => coreOf(cpus))

function checkReport(report: RunReport): void {
  assert.equal(report.findings, [])
  assert.is(report.verified, true)
  assert.is(report.backend, 'threads')
  for (const { affinity, planned, lastCpu, exitReasons } of report.vcpus) {
    assert.is(affinity, planned)
    assert.is(`${lastCpu}`, planned)
    assert.ok(exitReasons.walk! > 0)
  }
  for (const { node, bytes, residentBytes } of report.memory) assert.equal(residentBytes, { [node]: bytes })
}

test('homenode run --backend threads runs without /dev/kvm', async () => {
  assert.not.ok(existsSync('/dev/kvm'))
  const request = requestOf(...[0, 1].map((node) => onNode(node)))
  const args = ['run', '-f', '-', '--backend', 'threads', '--seconds', `${SECONDS}`, '--json']
  const { code, stdout, stderr } = await homenode(args, request)
  assert.is(code, 0, stderr)
  const report: RunReport = JSON.parse(stdout)
  checkReport(report)
  assert.match(report.noGuest!, 'no guest ran')
})

test('siblings go to one VM, and isolated vCPUs to cores of their own', async () => {
  const whole = { name: 'whole', vcpus: 2, threadPolicy: 'require' }
  const alone = { name: 'alone', vcpus: 2, threadPolicy: 'isolate', cells: 1 }
  const verified = await planned(host, requestOf(whole, alone))
  const report = await runPlan(verified, {
    seconds: SECONDS,
    backend: 'threads',
    onProgress: ({ vcpus }) =>
      assert.equal(
        vcpus.map(({ tid }) => threadOf(tid)),
        verified.vms.flatMap((vm) => vm.vcpus.map(({ cpus }) => ({ allowed: cpus, last: Number(cpus) }))),
      ),
  })
  checkReport(report)
  const [first, second] = verified.vms.map(coresOf)
  assert.is(new Set(first).size, 1)
  assert.is(new Set(second).size, 2)
  assert.is(new Set([...first!, ...second!]).size, 3)
})

test('threads walk over memory that is bound to the other node', async () => {
  const verified = await planned(onlyMemoryOn(host, 1), requestOf(onNode(0)))
  let bound: unknown
  const report = await runPlan(verified, {
    seconds: SECONDS,
    backend: 'threads',
    onProgress: () => {
      bound ??= boundMemory()
    },
  })
  checkReport(report)
  assert.equal(bound, boundAsPlanned(verified))
  assert.equal(boundMemory(), {})
})

test('guests are refused with the reason', async () => {
  const { code, stderr } = await homenode(['run', '-f', '-', '--backend', 'kvm'], requestOf({ name: 'a' }))
  assert.is(code, 1)
  assert.match(stderr, '/dev/kvm')
})

test.run()
