/** A CPU that goes offline: before its vCPU starts, and while it runs. */

import { detectHost } from 'homenode'
import { runPlan } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CPUS, leftBehind, onNode, planned, requestOf, SECONDS, write } from './inside.js'

const host = await detectHost()
const node = host.nodes.at(-1)!.id
const plan = await planned(host, requestOf(onNode(node, 'web'), onNode(0, 'db')))
const cpu = Number(plan.vms[0]!.vcpus[0]!.cpus)
const turn = (online: 0 | 1) => write(`${CPUS}/cpu${cpu}/online`, online)

test.after.each(() => turn(1))

test('a CPU that is offline when its vCPU starts fails that VM, by the CPU, and the other one runs', async () => {
  turn(0)
  assert.is((await detectHost()).cpus.find(({ id }) => id === cpu)!.online, false)
  const report = await runPlan(plan, { seconds: SECONDS })
  assert.equal(
    report.findings.map(({ constraint, vm, vcpu }) => ({ constraint, vm, vcpu })),
    [{ constraint: 'failed', vm: 'web', vcpu: 0 }],
  )
  const text = `VM "web", vCPU 0: sched_setaffinity\\(CPU ${cpu}\\): EINVAL .*online`
  assert.match(report.findings[0]!.text, new RegExp(text))
  assert.equal(
    report.vcpus.map(({ vm, planned, affinity }) => ({ vm, asPlanned: planned === affinity })),
    [{ vm: 'db', asPlanned: true }],
  )
  assert.equal(leftBehind(), [])
})

test('a CPU that goes offline while its vCPU runs is found, and the other VM is as planned', async () => {
  let looks = 0
  const report = await runPlan(plan, {
    seconds: SECONDS,
    onProgress: () => {
      if (looks++ === 0) turn(0)
    },
  })
  assert.is(report.verified, false)
  const found = new Set(report.findings.map(({ constraint }) => constraint))
  assert.ok(found.delete('affinity') && found.delete('last-cpu'))
  found.delete('migrated')
  assert.equal([...found], [])
  for (const { vm, vcpu } of report.findings) assert.equal({ vm, vcpu }, { vm: 'web', vcpu: 0 })
  assert.is.not(report.vcpus[0]!.lastCpu, cpu)
  assert.is(`${report.vcpus[1]!.lastCpu}`, report.vcpus[1]!.planned)
  assert.equal(leftBehind(), [])
})

test.run()
