/** Where AccelKvm's vCPUs may run and how much they count, read back from the kernel by thread. */

import { getPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../../../src/cpulist.js'
import { skipUnless } from '../../../skip.js'
import { count } from '../../guests/programs.js'
import { cpus } from '../../plans.js'
import { accel, number64, refusal, testWithKvm } from '../../vms.js'
import { accelWith, allowedOf, cpu, niceOf, node, otherCpu, topologyWith, twoNodes } from '../accels.js'

const { AccelKvm } = accel
const testWithTwoCpus = cpus.length > 1 ? testWithKvm : skipUnless(false, 'this process may use one CPU only')

/** Of this process, unless somebody has started it with `nice`, 0. */
const nice = getPriority()
const isRoot = process.getuid?.() === 0
const testAsUser = isRoot ? skipUnless(false, 'root may raise every priority') : testWithKvm
const testAsRoot = isRoot ? testWithKvm : skipUnless(false, 'raising a priority takes CAP_SYS_NICE')

testWithKvm('a waiting vCPU gets CPUs at once, one or several, in any order', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  assert.equal(guest.setVcpuAffinity(0, [otherCpu]), { enforced: true })
  assert.is(allowedOf(guest, 0), `${otherCpu}`)
  guest.setVcpuAffinity(0, [...cpus].reverse().concat(cpu))
  assert.is(allowedOf(guest, 0), formatCpulist(cpus))
  assert.equal(guest.getVcpuAffinity(0), cpus)
})

testWithTwoCpus('a running vCPU gets CPUs at once, and its guest goes on there', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
  guest.vcpu(1).setRegisters({ rdi: 0x4000n })
  await guest.run()
  const counted = () => number64(guest.read(0x3000, 8))
  for (const wanted of [otherCpu, cpu, otherCpu]) {
    guest.setVcpuAffinity(0, [wanted])
    assert.is(allowedOf(guest, 0), `${wanted}`)
    assert.is(allowedOf(guest, 1), formatCpulist(cpus))
    const at = counted()
    while (counted() <= at) await delay(2)
  }
})

testWithKvm('any set of CPUs that this process may use is what the kernel then says', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  await guest.run()
  fc.assert(
    fc.property(fc.subarray(cpus, { minLength: 1 }), (wanted) => {
      guest.setVcpuAffinity(0, wanted)
      assert.is(allowedOf(guest, 0), formatCpulist(wanted))
    }),
  )
})

testWithKvm('CPUs that cannot be had are refused with those that can, and the vCPU keeps what it has', async () => {
  const topology = topologyWith(({ cpus: all }) => ({
    cpus: [
      ...all,
      { ...all[0]!, id: 4000, online: false, package: null, llc: null, core: null, thread: null, capacity: null },
      { ...all[0]!, id: 4001, allowed: false },
    ],
  }))
  for (const options of [{ topology }, {}]) {
    await using guest = await accelWith(count, { rdi: 0x3000n }, options)
    guest.setVcpuAffinity(0, [cpu])
    const valid = `expected one or more of the CPUs that are online and allowed \\(${formatCpulist(cpus)}\\)`
    const cases: [unknown, string][] = [
      [[], 'an empty array'],
      ['0', '"0"'],
      [[cpu, 9999], '9999, which is not present'],
      [[-1], '-1, which is not present'],
      [[Number.NaN], 'NaN, which is not present'],
      [['0'], '"0", which is not present'],
    ]
    if (options.topology !== undefined) {
      cases.push([[4000], '4000, which is offline'], [[cpu, 4001], '4001, which is not in the cpuset of this process'])
    }
    for (const [wanted, got] of cases) {
      const error = refusal(() => guest.setVcpuAffinity(0, wanted as number[]))
      assert.is(error.name, 'InputError')
      assert.match(error.message, new RegExp(`^cpus: ${valid}, got ${got}$`))
      assert.is(allowedOf(guest, 0), `${cpu}`)
    }
  }
})

testWithKvm('an unknown vCPU is refused with those that there are', async () => {
  await using guest = await accelWith(count, {}, { vcpus: [0, 1, 4], name: 'web' })
  const calls = [
    () => guest.setVcpuAffinity(2, [cpu]),
    () => guest.getVcpuAffinity(2),
    () => guest.setVcpuPriority(2, 0),
    () => guest.bindVcpuToNumaNode(2, node),
    () => guest.getVcpuThread(2),
    () => guest.vcpu(2),
  ]
  for (const call of calls) {
    assert.is(refusal(call).message, 'vcpu: expected a number of a vCPU of VM "web" (0-1,4), got 2')
  }
  assert.is(guest.getVcpuNumaNode(2), undefined)
  await using empty = new AccelKvm()
  await empty.init()
  assert.match(refusal(() => empty.setVcpuAffinity(0, [cpu])).message, /\(none yet\), got 0/)
})

testWithKvm('what the kernel does not do is an error, and the vCPU has the CPUs that it had', async () => {
  const topology = topologyWith(({ cpus: all }) => ({ cpus: [...all, { ...all[0]!, id: 4000 }] }))
  await using guest = await accelWith(count, { rdi: 0x3000n }, { topology, name: 'web' })
  guest.setVcpuAffinity(0, [cpu])
  const none = refusal(() => guest.setVcpuAffinity(0, [4000]))
  assert.is(none.name, 'VmError')
  assert.match(none.message, /^VM "web", vCPU 0: sched_setaffinity\(CPU 4000\): EINVAL/)
  const some = refusal(() => guest.setVcpuAffinity(0, [otherCpu, 4000]))
  assert.match(some.message, new RegExp(`the kernel gave CPU ${otherCpu} of CPU ${otherCpu},4000`))
  assert.is(allowedOf(guest, 0), `${cpu}`)
  assert.is(guest.state?.name, 'created')
})

testWithKvm('nodes are enabled by number or by name, and what the host does not have is refused', async () => {
  await using guest = new AccelKvm({ topology: twoNodes() })
  assert.equal(guest.numaConfig(), { enabled: false, nodes: 0, nodeIds: [] })
  guest.enableNuma(2)
  assert.equal(guest.numaConfig(), { enabled: true, nodes: 2, nodeIds: [node, 7] })
  guest.enableNuma(1)
  assert.equal(guest.numaConfig(), { enabled: true, nodes: 1, nodeIds: [node] })
  guest.enableNuma([7])
  assert.equal(guest.numaConfig(), { enabled: true, nodes: 1, nodeIds: [7] })
  for (const [nodes, says] of [
    [3, `nodes: expected how many of the host's nodes \\(${node},7\\): 1 to 2, got 3`],
    [0, 'got 0'],
    [1.5, 'got 1.5'],
    [[], 'at least one node, got an empty array'],
    [[7, 5], `nodes: expected one of the nodes ${node},7, got 5`],
  ] as const) {
    assert.match(refusal(() => guest.enableNuma(nodes)).message, new RegExp(says))
  }
  assert.equal(guest.numaConfig().nodeIds, [7])
  guest.disableNuma()
  assert.equal(guest.numaConfig(), { enabled: false, nodes: 0, nodeIds: [] })
})

testWithTwoCpus('a vCPU that is bound to a node has its CPUs, before and while it runs', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { topology: twoNodes(), vcpus: [0, 1] })
  guest.enableNuma(2)
  const other = formatCpulist(cpus.filter((each) => each !== otherCpu))
  assert.equal(guest.bindVcpuToNumaNode(0, 7), { enforced: true })
  assert.is(allowedOf(guest, 0), `${otherCpu}`)
  assert.is(guest.getVcpuNumaNode(0), 7)
  assert.is(guest.getVcpuNumaNode(1), undefined)
  await guest.run()
  guest.bindVcpuToNumaNode(0, node)
  guest.bindVcpuToNumaNode(1, 7)
  assert.equal([allowedOf(guest, 0), allowedOf(guest, 1)], [other, `${otherCpu}`])
  assert.equal([guest.getVcpuNumaNode(0), guest.getVcpuNumaNode(1)], [node, 7])
})

testWithTwoCpus('one that is pinned more tightly within its node stays so', async () => {
  // All CPUs are on one node, and the vCPU has one of them.
  await using guest = await accelWith(count, { rdi: 0x3000n })
  guest.setVcpuAffinity(0, [otherCpu])
  guest.bindVcpuToNumaNode(0, node)
  assert.is(allowedOf(guest, 0), `${otherCpu}`)
  guest.setVcpuAffinity(0, cpus)
  assert.is(guest.getVcpuNumaNode(0), node)
})

testWithTwoCpus('CPUs of another node end a binding; disableNuma gives back the CPUs from before it', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { topology: twoNodes(), vcpus: [0, 1] })
  guest.enableNuma(2)
  guest.setVcpuAffinity(1, [cpu])
  for (const id of [0, 1]) guest.bindVcpuToNumaNode(id, 7)
  guest.disableNuma()
  assert.equal([allowedOf(guest, 0), allowedOf(guest, 1)], [formatCpulist(cpus), `${cpu}`])
  assert.equal([guest.getVcpuNumaNode(0), guest.getVcpuNumaNode(1)], [undefined, undefined])
  assert.match(refusal(() => guest.bindVcpuToNumaNode(0, 7)).message, /node: expected a call of enableNuma\(\) before/)
  guest.enableNuma(2)
  guest.bindVcpuToNumaNode(0, 7)
  guest.setVcpuAffinity(0, [cpu])
  assert.is(guest.getVcpuNumaNode(0), undefined)
  guest.disableNuma()
  assert.is(allowedOf(guest, 0), `${cpu}`)
})

testWithKvm('a node that is not enabled, or has no CPU to use, binds nobody', async () => {
  const withCpuless = topologyWith(({ nodes }) => ({
    nodes: [nodes[0]!, { ...nodes[0]!, id: 7 }],
    distances: [
      [10, 21],
      [21, 10],
    ],
  }))
  await using guest = await accelWith(count, { rdi: 0x3000n }, { topology: withCpuless })
  assert.is(refusal(() => guest.bindVcpuToNumaNode(0, 7)).message, `node: expected one of the nodes ${node}, got 7`)
  guest.enableNuma(2)
  const expected = `expected a node with CPUs that are online and allowed (${node})`
  assert.is(refusal(() => guest.bindVcpuToNumaNode(0, 7)).message, `node: ${expected}, got 7, which has none`)
  assert.is(guest.getVcpuNumaNode(0), undefined)
  assert.is(allowedOf(guest, 0), formatCpulist(cpus))
})

testWithKvm('a lower priority is a nice value of the thread at once, which the next user does not find', async () => {
  {
    await using guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
    assert.equal(guest.setVcpuPriority(0, -5), { enforced: true })
    assert.equal([niceOf(guest, 0), niceOf(guest, 1)], [nice + 5, nice])
    await guest.run()
    guest.setVcpuPriority(1, -7)
    assert.equal([niceOf(guest, 0), niceOf(guest, 1)], [nice + 5, nice + 7])
  }
  await using guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
  assert.equal([niceOf(guest, 0), niceOf(guest, 1)], [nice, nice])
  for (const priority of [21, -20, 0.5, Number.NaN, '5']) {
    assert.match(
      refusal(() => guest.setVcpuPriority(0, priority as number)).message,
      /^priority: expected a whole number from -19 to 20/,
    )
  }
})

testWithKvm('for a vCPU that has halted nothing is enforced, and nobody else is changed', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { vcpus: [0, 1] })
  guest.write(0x5000, Uint8Array.of(0xf4))
  guest.vcpu(0).setRegisters({ rip: 0x5000n })
  await guest.run()
  while (guest.getVcpuThread(0) !== 0) await delay(2)
  const reason = 'vCPU 0 has halted, and has no thread any more'
  assert.equal(guest.setVcpuAffinity(0, [cpu]), { enforced: false, reason })
  assert.equal(guest.setVcpuPriority(0, -5), { enforced: false, reason })
  assert.equal(guest.bindVcpuToNumaNode(0, node), { enforced: false, reason })
  assert.is(guest.getVcpuNumaNode(0), undefined)
  assert.equal(guest.getVcpuAffinity(0), cpus)
  assert.is(getPriority(), nice)
  const manager = accel.VcpuAffinityManager.withTopology(guest.topology)
  for (const id of [0, 1]) manager.setVcpuConfig(id, { affinity: [cpu], priority: -3 })
  assert.equal(manager.applyTo(guest), { enforced: false, reason })
  assert.equal([allowedOf(guest, 1), niceOf(guest, 1), getPriority()], [`${cpu}`, nice + 3, nice])
})

testAsUser('without the right to it a higher priority is refused, and the vCPU keeps its own', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n }, { name: 'web' })
  const error = refusal(() => guest.setVcpuPriority(0, 5))
  assert.match(error.message, /^VM "web", vCPU 0: setpriority\(-?\d+\): EACCES .*CAP_SYS_NICE/)
  assert.is(niceOf(guest, 0), nice)
})

testAsRoot('a higher priority is a negative nice value', async () => {
  await using guest = await accelWith(count, { rdi: 0x3000n })
  // Nice values end at -20.
  const priority = Math.min(11, nice + 20)
  guest.setVcpuPriority(0, priority)
  assert.is(niceOf(guest, 0), nice - priority)
  guest.setVcpuPriority(0, 0)
  assert.is(niceOf(guest, 0), nice)
})

test.run()
