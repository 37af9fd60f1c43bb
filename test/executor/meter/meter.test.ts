/** Readings of recorded systems, and what happened between them. */

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Meter } from '../../../executor/meter/meter.js'
import { type Rates, ratesBetween } from '../../../executor/meter/rates.js'
import type { Reading } from '../../../executor/meter/types.js'
import type { ProcessSpec } from '../found/tree.js'
import { holdings } from '../process.js'
import { cpuTimes, nameOf, numastatText, PID, QEMU, Recorded, statText } from './recorded.js'

/** As if just a second had gone by. */
function inASecond(before: Reading, after: Reading): Rates {
  const details = after.vms.flatMap(({ threads, kvm }) => [...threads.map((thread) => thread.details), kvm])
  for (const reading of details) if (reading?.before) Object.assign(reading.before, { at: reading.at - 1000 })
  return ratesBetween({ ...before, at: after.at - 1000 }, after)
}

test('use, waiting, migrations and last CPUs of a VM and its vCPUs', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  recorded.thread(101, {
    ns: 1.75e9,
    delayNs: 1.1e8,
    lastCpu: 1,
    migrations: 7,
    faults: [
      [30, 0],
      [60, 10],
    ],
  })
  recorded.thread(102, { ns: 1.25e9, delayNs: 1e8, lastCpu: 2, migrations: 5 })
  recorded.write(`proc/${PID}/stat`, statText({ ticks: 1110 }))
  const [vm] = inASecond(before, await meter.read()).vms
  assert.is(vm!.vm.name.value, 'db')
  assert.equal(
    vm!.vcpus.map(({ vcpu, tid, use, delay, lastCpu, node, migrations, remoteFaults }) => {
      return [vcpu, tid, use, delay, lastCpu, node, migrations, remoteFaults]
    }),
    [
      [0, 101, 0.75, 0.01, 1, 0, 2, 0.7],
      [1, 102, 0.25, 0, 2, 1, 0, null],
    ],
  )
  assert.equal([vm!.use, vm!.delay, vm!.migrations, vm!.remoteFaults], [1, 0.01, 2, 0.7])
  assert.is(Math.round(1e6 * vm!.others!), 1e5)
})

/** The kernel walks page tables meanwhile: a reading that has what came of it. */
async function withMemory(meter: Meter): Promise<Reading> {
  for (;;) {
    const reading = await meter.read()
    if (reading.vms.every(({ memory }) => memory !== null)) return reading
    await sleep(5)
  }
}

test('memory far from where vCPUs run, each weighed with its use', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  recorded.thread(101, { ns: 1.9e9, delayNs: 1e8, lastCpu: 1, migrations: 5 })
  recorded.thread(102, { ns: 1.1e9, delayNs: 1e8, lastCpu: 2, migrations: 5 })
  const [vm] = inASecond(before, await withMemory(meter)).vms
  assert.equal(vm!.memory!.nodes, [
    { node: 0, bytes: 100 * 4096 },
    { node: 1, bytes: 300 * 4096 },
  ])
  // 0.9 of the use is on node 0 with a quarter of the memory.
  assert.is(Math.round(1e6 * vm!.remoteMemory!), 0.9 * 0.75e6 + 0.1 * 0.25e6)
})

test('what nothing measures is null', async () => {
  const recorded = new Recorded()
  for (const tid of [101, 102]) {
    recorded.remove(`proc/${PID}/task/${tid}/sched`)
    recorded.write(`proc/${PID}/task/${tid}/schedstat`, '0 0 0\n')
  }
  recorded.remove('proc/pressure')
  recorded.remove('sys/devices/system/node/node1/numastat')
  using meter = await Meter.open({ root: recorded.root, memory: false })
  const before = await meter.read()
  recorded.write(`proc/${PID}/task/101/stat`, statText({ name: nameOf(101), ticks: 150, lastCpu: 3 }))
  const { vms, host } = inASecond(before, await meter.read())
  const [first, second] = vms[0]!.vcpus
  // By ticks, as the kernel has no better figures.
  assert.equal([first!.use, first!.delay, first!.migrations, first!.lastCpu], [0.5, null, null, 3])
  assert.equal([second!.use, second!.exits, second!.haltPolling], [0, null, null])
  assert.equal([vms[0]!.delay, vms[0]!.memory, vms[0]!.remoteMemory, vms[0]!.exits], [null, null, null, null])
  assert.equal(host.pressure, { cpu: null, memory: null, io: null })
  assert.equal([host.nodes[0]!.hit, host.nodes[1]!.hit, host.nodes[1]!.bandwidth], [0, null, null])
})

test('nodes: use of their CPUs, memory, allocations; pressure and pages that moved', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  recorded.write('proc/stat', cpuTimes([150, 125, 100, 100], [150, 175, 200, 200]))
  recorded.write('sys/devices/system/node/node1/numastat', numastatText(1600, 20, 150))
  recorded.write('proc/pressure/cpu', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1250000\n')
  recorded.write('proc/vmstat', 'pgmigrate_success 612\nnuma_hint_faults 60\nnuma_hint_faults_local 24\n')
  const { host } = inASecond(before, await meter.read())
  const [first, second] = host.nodes
  assert.equal([first!.node, first!.cpus, first!.use, first!.free], [0, [0, 1], 0.375, 1_024_000])
  assert.equal([second!.use, second!.total, second!.free], [0, 4_194_304_000, 2_048_000])
  assert.equal([second!.hit, second!.miss, second!.foreign, second!.other, second!.local], [600, 20, 0, 50, 550])
  assert.equal(host.pressure.cpu, { some: 0.25, full: null })
  assert.equal([host.migratedPages, host.hintFaults], [512, { all: 10, local: 4 }])
})

test("memory traffic by node, all control groups' together, where each node has caches of its own", async () => {
  const recorded = new Recorded()
  recorded.write('proc/self/mountinfo', '40 23 0:40 / /sys/fs/resctrl rw - resctrl resctrl rw\n')
  for (const cpu of [0, 1, 2, 3]) {
    recorded.write(`sys/devices/system/cpu/cpu${cpu}/cache/index3/level`, '3\n')
    recorded.write(`sys/devices/system/cpu/cpu${cpu}/cache/index3/id`, `${cpu >> 1}\n`)
  }
  const counters = (group: string, cache: number, all: string, local: string) => {
    recorded.write(`sys/fs/resctrl/${group}mon_data/mon_L3_0${cache}/mbm_total_bytes`, all)
    recorded.write(`sys/fs/resctrl/${group}mon_data/mon_L3_0${cache}/mbm_local_bytes`, local)
  }
  counters('', 0, '1000\n', '900\n')
  counters('guests/', 0, '500\n', '500\n')
  counters('', 1, '1000\n', '1000\n')
  counters('guests/', 1, 'Unavailable\n', '0\n')
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  counters('', 0, '4000\n', '1900\n')
  counters('guests/', 0, '700\n', '600\n')
  const { nodes } = inASecond(before, await meter.read()).host
  assert.equal(
    nodes.map(({ bandwidth, bandwidthLocal }) => [bandwidth, bandwidthLocal]),
    [
      [3200, 1100],
      [null, null],
    ],
  )
})

test('exits by reason and polling, from debugfs', async () => {
  const recorded = new Recorded()
  recorded.write('proc/self/mountinfo', '41 23 0:7 / /sys/kernel/debug rw - debugfs none rw\n')
  const counters = (exits: number, ports: number, halts: number, polledNs: number) => {
    const values = {
      exits,
      io_exits: ports,
      halt_exits: halts,
      halt_poll_success_ns: polledNs,
      halt_poll_fail_ns: 0,
      pages_4k: 9,
    }
    for (const [name, value] of Object.entries(values)) {
      recorded.write(`sys/kernel/debug/kvm/${PID}-9/${name}`, `${value}\n`)
    }
  }
  counters(1000, 0, 100, 0)
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  assert.equal(before.vms[0]!.kvm!.value.exits, 1000)
  // The file of a reason is read after that of all: the vCPU went on exiting in between.
  counters(1500, 520, 140, 25e7)
  const [vm] = inASecond(before, await meter.read()).vms
  assert.equal(vm!.exits, { all: 500, byReason: { io_exits: 500, halt_exits: 40 } })
  assert.is(vm!.haltPolling, 0.25)
  // They are sums: nobody says which vCPU it was.
  assert.is(vm!.vcpus[0]!.exits, null)
})

const pidsOf = ({ vms }: Reading) => vms.map(({ vm }) => vm.pid)

test('a VM that ends is gone from the next reading, and one that came is in it', async () => {
  const recorded = new Recorded([QEMU, { ...QEMU, pid: 90 }])
  recorded.move('proc/90', 'elsewhere')
  using meter = await Meter.open({ root: recorded.root })
  const first = await meter.read()
  assert.equal(pidsOf(first), [PID])
  recorded.move('elsewhere', 'proc/90')
  await sleep(2100)
  const second = await meter.read()
  assert.equal(pidsOf(second), [90, PID])
  const [came] = ratesBetween(first, second).vms
  assert.equal([came!.vm.pid, came!.use, came!.others], [90, null, null])
  // What the kernel shows of a process that has ended.
  recorded.write(`proc/${PID}/stat`, '')
  assert.equal(pidsOf(await meter.read()), [90])
})

test('a vCPU that is added is found, and other threads that come make no new VM of it', async () => {
  const added = { ...QEMU, argv: [...QEMU.argv], threads: [...QEMU.threads, { tid: 103, name: 'CPU 2/KVM' }] }
  const recorded = new Recorded([{ ...added, descriptors: {} }])
  recorded.move(`proc/${PID}/task/103`, 'elsewhere')
  using meter = await Meter.open({ root: recorded.root })
  const [first] = (await meter.read()).vms
  recorded.write(`proc/${PID}/stat`, statText({ threads: 4 }))
  await sleep(5100)
  assert.is((await meter.read()).vms[0]!.vm, first!.vm)
  recorded.move('elsewhere', `proc/${PID}/task/103`)
  recorded.write(`proc/${PID}/stat`, statText({ threads: 5 }))
  await sleep(5100)
  const [last] = (await meter.read()).vms
  assert.equal(
    last!.threads.map(({ vcpu, tid }) => [vcpu, tid]),
    [
      [0, 101],
      [1, 102],
      [2, 103],
    ],
  )
})

test('a vCPU whose thread has ended has no figures, nor has the sum of all', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  recorded.write(`proc/${PID}/task/102/stat`, '')
  recorded.write(`proc/${PID}/task/102/schedstat`, '')
  const [vm] = inASecond(before, await meter.read()).vms
  assert.equal(
    vm!.vcpus.map(({ tid }) => tid),
    [101],
  )
  assert.equal([vm!.use, vm!.vcpus[0]!.use], [null, 0])
})

test('a counter that was begun anew gives no rate', async () => {
  const recorded = new Recorded()
  using meter = await Meter.open({ root: recorded.root })
  const before = await meter.read()
  recorded.thread(101, { ns: 1e6, delayNs: 0, lastCpu: 0, migrations: 0 })
  recorded.write('sys/devices/system/node/node0/numastat', numastatText(5, 0, 0))
  const { vms, host } = inASecond(before, await meter.read())
  assert.equal([vms[0]!.vcpus[0]!.use, vms[0]!.vcpus[0]!.migrations, host.nodes[0]!.hit], [null, null, null])
})

test('details of many vCPUs are read by turns', async () => {
  const large = (pid: number): ProcessSpec => {
    const vcpus = Array.from({ length: 96 }, (_, vcpu) => ({ tid: pid + 1 + vcpu, name: `CPU ${vcpu}/KVM` }))
    return { pid, argv: ['qemu-kvm', '-smp', '96'], threads: [{ tid: pid, name: 'qemu-kvm' }, ...vcpus] }
  }
  const recorded = new Recorded([large(300), large(400)])
  using meter = await Meter.open({ root: recorded.root })
  const read: boolean[][] = []
  let last = await meter.read()
  for (let round = 0; round < 4; round++) {
    const reading: Reading = await meter.read()
    const detailsAt = ({ vms }: Reading) => vms.map(({ threads }) => threads[0]!.details?.at)
    const before = detailsAt(last)
    read.push(detailsAt(reading).map((at, which) => at !== before[which]))
    last = reading
  }
  assert.equal(read, [
    [false, true],
    [true, false],
    [false, true],
    [true, false],
  ])
})

test('files stay open, and are closed with the meter', async () => {
  const open = () => holdings().fds.length
  const before = open()
  const meter = await Meter.open({ root: new Recorded().root, memory: false })
  await meter.read()
  const first = open()
  await meter.read()
  assert.is(open(), first)
  assert.ok(first > before + 6, `${before} -> ${first}`)
  meter.close()
  assert.is(open(), before)
})

test.run()
