/** CpuTopology, on this machine and on trees of files. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CpuTopology } from '../../../executor/accel/index.js'
import { InputError } from '../../../src/errors.js'
import { syntheticHost } from '../../../src/topology/index.js'
import { skipUnless } from '../../skip.js'
import { hasProgram } from '../programs.js'

const testWithLscpu = skipUnless(hasProgram('lscpu'), 'no lscpu (Debian: util-linux)')
const root = mkdtempSync(join(tmpdir(), 'homenode-accel-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))

interface FakeCpu {
  readonly node: number
  readonly siblings: string
  readonly l3: string
}

/** Three nodes, the last without CPUs; two caches on node 0; SMT there; CPU 7 is offline. */
const CPUS: Readonly<Record<number, FakeCpu>> = {
  0: { node: 0, siblings: '0,4', l3: '0,4' },
  1: { node: 0, siblings: '1,5', l3: '1,5' },
  2: { node: 3, siblings: '2', l3: '2-3' },
  3: { node: 3, siblings: '3', l3: '2-3' },
  4: { node: 0, siblings: '0,4', l3: '0,4' },
  5: { node: 0, siblings: '1,5', l3: '1,5' },
  6: { node: 5, siblings: '6', l3: '6' },
}
const NODES = {
  0: { cpus: '0-1,4-5', distance: '10 31 21 40' },
  3: { cpus: '2-3', distance: '31 10 21 40' },
  5: { cpus: '6', distance: '21 21 10 40' },
  8: { cpus: '', distance: '40 40 40 10' },
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), `${text}\n`)
}

put('sys/devices/system/cpu/present', '0-7')
put('sys/devices/system/cpu/online', '0-6')
put('sys/devices/system/cpu/cpu7/online', '0')
for (const [id, { siblings, l3, node }] of Object.entries(CPUS)) {
  const directory = `sys/devices/system/cpu/cpu${id}`
  put(`${directory}/topology/thread_siblings_list`, siblings)
  put(`${directory}/topology/physical_package_id`, String(node))
  put(`${directory}/cache/index3/level`, '3')
  put(`${directory}/cache/index3/type`, 'Unified')
  put(`${directory}/cache/index3/shared_cpu_list`, l3)
  put(`${directory}/cache/index3/size`, '1024K')
  put(`${directory}/cache/index1/level`, '1')
  put(`${directory}/cache/index1/type`, 'Instruction')
  put(`${directory}/cache/index1/shared_cpu_list`, siblings)
}
// Without a size, in other words, and one that is broken.
put('sys/devices/system/cpu/cpu6/cache/index3/size', 'much')
put('sys/devices/system/cpu/cpu2/cache/index3/size', '2M')
put('sys/devices/system/cpu/cpu3/cache/index3/size', '2M')
put('sys/devices/system/cpu/cpu3/cache/index4/level', '4')
put('sys/devices/system/node/online', '0,3,5,8')
for (const [id, { cpus, distance }] of Object.entries(NODES)) {
  put(`sys/devices/system/node/node${id}/cpulist`, cpus)
  put(`sys/devices/system/node/node${id}/distance`, distance)
  put(`sys/devices/system/node/node${id}/meminfo`, `Node ${id} MemTotal: 1048576 kB\nNode ${id} MemFree: 524288 kB`)
}

test('online CPUs and all nodes are counted, under the numbers of the kernel', async () => {
  const topology = await CpuTopology.detect({ root })
  assert.is(topology.totalCpus, 7)
  assert.is(topology.numaNodes, 4)
  assert.equal(
    [...topology.cpusPerNode],
    [
      [0, [0, 1, 4, 5]],
      [3, [2, 3]],
      [5, [6]],
      [8, []],
    ],
  )
  assert.equal(
    [...topology.cpuToNode],
    [
      [0, 0],
      [1, 0],
      [2, 3],
      [3, 3],
      [4, 0],
      [5, 0],
      [6, 5],
    ],
  )
  assert.equal(topology.getNodeCpus(3), [2, 3])
  assert.equal(topology.getNodeCpus(8), [])
})

test('the closest CPUs are siblings, then the cache, the node, and other nodes by distance', async () => {
  const topology = await CpuTopology.detect({ root })
  assert.equal(topology.getClosestCpus(0, 99), [4, 1, 5, 6, 2, 3])
  assert.equal(topology.getClosestCpus(3, 99), [2, 6, 0, 1, 4, 5])
  assert.equal(topology.getClosestCpus(5, 2), [1, 0])
  assert.equal(topology.getClosestCpus(5, 0), [])
})

test('unknown nodes and CPUs are refused with those that there are', async () => {
  const topology = await CpuTopology.detect({ root })
  const refuses = (ask: () => unknown, says: RegExp) =>
    assert.throws(ask, (error: unknown) => error instanceof InputError && says.test(error.message))
  refuses(() => topology.getNodeCpus(1), /node: expected one of the nodes 0,3,5,8, got 1/)
  refuses(() => topology.getClosestCpus(7, 1), /cpu: expected one of the online CPUs 0-6, got 7/)
  refuses(() => topology.getClosestCpus(-1, 1), /online CPUs 0-6, got -1/)
  refuses(() => topology.getClosestCpus(0, -1), /count: .*got -1/)
  refuses(() => topology.getClosestCpus(0, Number.NaN), /count: .*got NaN/)
})

test('each cache is there once, with its size and the CPUs that share it', async () => {
  const { cacheTopology } = await CpuTopology.detect({ root })
  const rows = cacheTopology.map(({ level, type, sizeKiB, sharedCpus }) => [level, type, sizeKiB, sharedCpus.join()])
  assert.equal(rows, [
    [1, 'Instruction', null, '0,4'],
    [1, 'Instruction', null, '1,5'],
    [1, 'Instruction', null, '2'],
    [1, 'Instruction', null, '3'],
    [1, 'Instruction', null, '6'],
    [3, 'Unified', 1024, '0,4'],
    [3, 'Unified', 1024, '1,5'],
    [3, 'Unified', 2048, '2,3'],
    [3, 'Unified', null, '6'],
  ])
})

test('the numbers of what is online are those of the files', async () => {
  const topology = await CpuTopology.detect({ root })
  const MiB = 1024 ** 2
  assert.equal(topology.stats(), {
    totalCpus: 7,
    allowedCpus: 7,
    numaNodes: 4,
    packages: 3,
    cores: 5,
    llcs: 4,
    threadsPerCore: 2,
    cpusPerNode: { 0: 4, 3: 2, 5: 1, 8: 0 },
    coresPerNode: { 0: 2, 3: 2, 5: 1, 8: 0 },
    memoryPerNode: { 0: 1024 * MiB, 3: 1024 * MiB, 5: 1024 * MiB, 8: 1024 * MiB },
  })
  assert.equal(CpuTopology.detectSync({ root }).stats(), topology.stats())
})

test('a described host is a topology without caches', () => {
  const topology = CpuTopology.of(syntheticHost('pack:2 [numa(memory=64GB)] l3:1 core:4 pu:2'))
  assert.equal(topology.getNodeCpus(1), [8, 9, 10, 11, 12, 13, 14, 15])
  assert.equal(topology.cacheTopology, [])
  assert.is(topology.stats().threadsPerCore, 2)
})

testWithLscpu('the caches of this machine are those of lscpu', () => {
  const { cacheTopology, totalCpus } = CpuTopology.detectSync()
  const listed = JSON.parse(execFileSync('lscpu', ['-C', '--json', '--bytes'], { encoding: 'utf8' })).caches
  for (const { name, 'one-size': oneSize, level } of listed) {
    const kind = /^L\di/.test(name) ? 'Instruction' : /^L\dd/.test(name) ? 'Data' : 'Unified'
    const ours = cacheTopology.filter((cache) => cache.level === Number(level) && cache.type === kind)
    assert.ok(ours.length > 0 && ours.every(({ sizeKiB }) => sizeKiB === Number(oneSize) / 1024), name)
    assert.is(new Set(ours.flatMap(({ sharedCpus }) => sharedCpus)).size, totalCpus)
  }
})

test('a root without CPUs is refused', async () => {
  try {
    await CpuTopology.detect({ root: join(root, 'nowhere') })
    assert.unreachable()
  } catch (error) {
    assert.instance(error, InputError)
  }
})

test('this machine has the CPUs that the kernel has online', async () => {
  const topology = await CpuTopology.detect()
  const present = readdirSync('/sys/devices/system/cpu').filter((name) => /^cpu\d+$/.test(name))
  assert.ok(topology.totalCpus > 0 && topology.totalCpus <= present.length)
  for (const [cpu, node] of topology.cpuToNode) assert.ok(topology.getNodeCpus(node).includes(cpu))
  const [first] = topology.cpuToNode.keys()
  assert.is(topology.getClosestCpus(first!, 65_535).length, topology.totalCpus - 1)
})

test.run()
