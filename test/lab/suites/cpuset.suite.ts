/** A cgroup v2 cpuset around homenode: it is seen, it is kept to, and where it shrinks that is said. */

import { mkdirSync } from 'node:fs'
import { detectHost, type Host } from 'homenode'
import { runPlan } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist, parseCpulist } from '../../../src/cpulist.js'
import { cpusOf } from '../machines.js'
import { failure, homenode, leftBehind, MiB, machine, onNode, planned, requestOf, SECONDS, write } from './inside.js'

const ROOT = '/sys/fs/cgroup'
const GROUP = `${ROOT}/lab`
mkdirSync(GROUP)

/** The last two nodes of the machine, and of each the CPUs but for the first. */
const nodes = [machine.nodes.length - 2, machine.nodes.length - 1]
const cpus = nodes.flatMap((node) => cpusOf(machine.nodes[node]!).slice(1))

function restrict(to: readonly number[], on: readonly number[]): void {
  write(`${GROUP}/cpuset.cpus`, formatCpulist(to))
  write(`${GROUP}/cpuset.mems`, formatCpulist(on))
}

test.before.each(() => {
  restrict(cpus, nodes)
  write(`${GROUP}/cgroup.procs`, process.pid)
})
test.after.each(() => write(`${ROOT}/cgroup.procs`, process.pid))

const allowedCpus = (host: Host) => host.cpus.filter(({ allowed }) => allowed).map(({ id }) => id)

test('CPUs and nodes outside of the cpuset are detected as not allowed', async () => {
  const host = await detectHost()
  assert.equal(allowedCpus(host), cpus)
  assert.equal(
    host.nodes.filter(({ allowed }) => allowed !== false).map(({ id }) => id),
    nodes,
  )
  for (const { allowed, memory } of host.nodes) assert.is(memory.free === 0, allowed === false)
})

test('homenode run keeps to the cpuset', async () => {
  const vms = cpus.slice(0, 2).map((_, i) => ({ name: `vm${i}` }))
  const { code, stdout, stderr } = await homenode(
    ['run', '-f', '-', '--seconds', `${SECONDS}`, '--json'],
    requestOf(...vms),
  )
  assert.is(code, 0, stderr)
  const report = JSON.parse(stdout)
  assert.is(report.verified, true)
  assert.equal(
    report.vcpus.map(({ lastCpu }: { lastCpu: number }) => cpus.includes(lastCpu)),
    [true, true],
  )
  for (const { node } of report.memory) assert.ok(nodes.includes(node))
})

test('a device on a node outside of the cpuset is met by a node inside', async () => {
  const { code, stdout } = await homenode(['plan', '-f', '-', '--json'], requestOf(onNode(0, 'out')))
  assert.is(code, 0)
  const placed: { node: number }[] = JSON.parse(stdout).vms[0].vcpus
  assert.ok(placed.every(({ node }) => nodes.includes(node)))
})

test('a CPU that left the cpuset after the plan is an error that names VM, vCPU, call and CPU', async () => {
  const plan = await planned(await detectHost(), requestOf(onNode(nodes[1]!, 'late')))
  const cpu = Number(plan.vms[0]!.vcpus[0]!.cpus)
  restrict(
    cpus.filter((id) => id !== cpu),
    nodes,
  )
  const error = await failure(runPlan(plan, { seconds: SECONDS }))
  assert.is(error.name, 'VmError')
  assert.match(error.message, new RegExp(`VM "late", vCPU 0: sched_setaffinity\\(CPU ${cpu}\\): EINVAL .*cpuset`))
  assert.equal(leftBehind(), [])
})

test('a node that left the cpuset after the plan is an error that names call and node', async () => {
  const plan = await planned(await detectHost(), requestOf(onNode(nodes[1]!, 'late')))
  restrict(cpus, [nodes[0]!])
  const error = await failure(runPlan(plan, { seconds: SECONDS }))
  assert.is(error.name, 'VmError')
  assert.match(error.message, new RegExp(`VM "late": mbind\\(node ${nodes[1]}\\): EINVAL .*allowed nodes`))
  assert.equal(leftBehind(), [])
})

test('a CPU that leaves the cpuset while its vCPU runs is found', async () => {
  const plan = await planned(await detectHost(), requestOf(onNode(nodes[1]!)))
  const cpu = Number(plan.vms[0]!.vcpus[0]!.cpus)
  const rest = cpus.filter((id) => id !== cpu)
  const report = await runPlan(plan, { seconds: SECONDS, onProgress: () => restrict(rest, nodes) })
  assert.is(report.verified, false)
  // Of where the thread went, and that it went, one look or the counters may tell.
  const found = new Set(report.findings.map(({ constraint }) => constraint))
  assert.ok(found.delete('affinity'))
  for (const also of ['last-cpu', 'migrated']) found.delete(also)
  assert.equal([...found], [])
  const affinity = parseCpulist(report.vcpus[0]!.affinity)
  assert.is(affinity.includes(cpu), false)
})

test('a node that leaves the cpuset takes the memory with it, which is found', async () => {
  const [stays, leaves] = [nodes[0]!, nodes[1]!]
  const plan = await planned(await detectHost(), requestOf(onNode(leaves)))
  const report = await runPlan(plan, { seconds: SECONDS, onProgress: () => restrict(cpus, [stays]) })
  assert.is(report.verified, false)
  // A page that the guest uses at that moment stays where it is.
  assert.ok((report.memory[0]!.residentBytes[stays] ?? 0) > 3 * MiB)
  assert.equal(
    report.findings.map(({ constraint }) => constraint),
    ['residency'],
  )
})

test.run()
