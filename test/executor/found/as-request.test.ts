import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { requestOf } from '../../../executor/found/as-request.js'
import { parseRequest } from '../../../src/request.js'
import { syntheticHost } from '../../../src/topology/index.js'
import { vmOf } from './vms.js'

const GIB = 2 ** 30
const MIB = 2 ** 20
/** CPUs 0-3 on node 0, 4-7 on node 1. */
const HOST = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')

test('a VM with its vCPUs, all of its memory, and where both are now', () => {
  const vm = vmOf({ name: 'db', cpus: ['0', '0-7,64'], memory: [{ bytes: GIB, resident: { 0: 8192, 1: 4096 } }] })
  const { request, running, left } = requestOf([vm], HOST)
  const [parsed] = parseRequest(request).vms
  assert.equal(left, [])
  assert.equal([parsed!.name, parsed!.vcpus, parsed!.memory, parsed!.cells], ['db', 2, GIB, 1])
  assert.equal([parsed!.cpuPolicy, parsed!.memoryPolicy, parsed!.pageSize], ['dedicated', 'strict', 4096])
  assert.equal(parsed!.current!.vcpus, [
    { vcpu: 0, cell: 0, node: 0, cpus: '0', dedicated: true },
    { vcpu: 1, cell: 0, node: 0, cpus: '0-7', dedicated: false },
  ])
  assert.equal(running[0]!.cells[0]!.memory, [
    { node: 0, bytes: 8192 },
    { node: 1, bytes: 4096 },
  ])
})

test('what guests have is free for the plan, in pages of their size', () => {
  const small = vmOf({ name: 'a', cpus: ['0'], memory: [{ bytes: GIB, resident: { 1: 8 * MIB } }] })
  const host = {
    ...HOST,
    nodes: HOST.nodes.map((node) => ({
      ...node,
      memory: { total: 16 * GIB, free: GIB },
      pages: [
        { size: 4096, total: (16 * GIB) / 4096, free: GIB / 4096 },
        { size: 2 * MIB, total: 512, free: 3 },
      ],
    })),
  }
  const huge = vmOf({
    name: 'b',
    cpus: ['1'],
    memory: [{ bytes: 4 * MIB, pageSize: 2 * MIB, resident: { 0: 4 * MIB } }],
  })
  const [first, second] = requestOf([small, huge], host).host.nodes
  assert.equal([first!.memory.free, first!.pages[1]!.free], [GIB, 5])
  assert.equal([second!.memory.free, second!.pages[0]!.free], [GIB + 8 * MIB, (GIB + 8 * MIB) / 4096])
  assert.is(second!.pages[1]!.free, 3)
})

test('CPUs that a VM has to itself through homenode can be its own again; those of another cgroup are left out', () => {
  const cpus = HOST.cpus.map((cpu) => ({ ...cpu, allowed: cpu.id < 4 }))
  const group = { version: 2, mems: '0-1', threads: 1 } as const
  const vm = vmOf({ name: 'db', cpus: ['5'], memory: [{ bytes: GIB, resident: { 1: GIB } }] })
  const groups = ['/homenode-100-101', '/vms/homenode-1', '/other'].map((path, at) => ({
    ...group,
    path,
    cpus: `${at + 5}`,
  }))
  const { host } = requestOf([{ ...vm, cgroups: groups }], { ...HOST, cpus })
  assert.equal(
    host.cpus.filter(({ allowed }) => allowed).map(({ id }) => id),
    [0, 1, 2, 3, 5],
  )
})

test('guest nodes stay as they are, with their own memory', () => {
  const cells = [
    { cell: 0, vcpus: [1], memory: GIB },
    { cell: 3, vcpus: [0], memory: 2 * GIB },
  ]
  const memory = [
    { bytes: GIB, resident: { 1: 4096 }, cell: 0 },
    { bytes: 2 * GIB, resident: { 0: 8192 }, cell: 3 },
  ]
  const { request, running } = requestOf([vmOf({ name: 'a', cpus: ['0', '4'], memory, cells })], HOST)
  assert.equal(parseRequest(request).vms[0]!.cells, [
    { vcpus: [1], memory: GIB },
    { vcpus: [0], memory: 2 * GIB },
  ])
  assert.equal(
    running[0]!.vcpus.map(({ cell }) => cell),
    [1, 0],
  )
  assert.equal(
    running[0]!.cells.map((cell) => cell.memory[0]!.node),
    [1, 0],
  )
})

test('memory that may be of either guest node counts where that makes no difference, else it is said', () => {
  const cells = [
    { cell: 0, vcpus: [0], memory: GIB },
    { cell: 1, vcpus: [1], memory: GIB },
  ]
  const twins = (a: number, b: number) =>
    vmOf({
      name: 'a',
      cpus: ['0', '4'],
      memory: [
        { bytes: GIB, resident: { [a]: 8192 } },
        { bytes: GIB, resident: { [b]: 4096 } },
      ],
      cells,
    })
  const together = requestOf([twins(1, 1)], HOST)
  assert.equal(
    together.running[0]!.cells.map(({ memory }) => memory),
    [[{ node: 1, bytes: 8192 }], [{ node: 1, bytes: 4096 }]],
  )
  const apart = requestOf([twins(0, 1)], HOST)
  assert.equal([apart.running.length, apart.left.length], [0, 1])
  assert.match(apart.left[0]!.why, /which guest node/)
})

test('too many vCPUs for the CPUs share them, each as busy as it has been', () => {
  const vms = [1, 2, 3].map((n) =>
    vmOf({
      name: `vm${n}`,
      cpus: ['0-7', '0-7', '0-7'],
      load: n === 3 ? 0 : 0.25,
      memory: [{ bytes: GIB, resident: { 0: 4096 } }],
    }),
  )
  const parsed = parseRequest(requestOf(vms, HOST).request).vms
  assert.equal(
    parsed.map(({ cpuPolicy, demand }) => [cpuPolicy, demand]),
    [
      ['shared', 0.25],
      ['shared', 0.25],
      ['shared', 0.01],
    ],
  )
})

test('VMs with one name are told apart by their pids; an untouched guest is nowhere; unknown ones are left', () => {
  const memory = [{ bytes: GIB, resident: { 0: 0 } }]
  const unknown = { ...vmOf({ name: 'c', cpus: [], memory, pid: 300 }) }
  const vms = [vmOf({ name: 'a', cpus: ['0'], memory }), vmOf({ name: 'a', pid: 200, cpus: ['1'], memory }), unknown]
  const { request, left } = requestOf(vms, HOST)
  const parsed = parseRequest(request).vms
  assert.equal(
    parsed.map(({ name, current }) => [name, current]),
    [
      ['a (100)', null],
      ['a (200)', null],
    ],
  )
  assert.equal(
    left.map(({ vm, why }) => [vm.pid, why]),
    [[300, 'which threads run its vCPUs is not known']],
  )
})

test('interleaved memory stays interleaved, odd sizes are rounded to pages', () => {
  const memory = [{ bytes: 5 * MIB, pageSize: 2 * MIB, policy: 'interleave:0-1', resident: { 0: 2 * MIB } }]
  const [vm] = parseRequest(requestOf([vmOf({ name: 'a', cpus: ['0'], memory })], HOST).request).vms
  assert.equal([vm!.memoryPolicy, vm!.memory, vm!.pageSize], ['interleave', 6 * MIB, 2 * MIB])
})

test.run()
