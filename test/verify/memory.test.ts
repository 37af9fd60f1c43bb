import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { coresOf, GIB, hostOf } from './support.js'
import { constraints, on0, on1, SMT, twins, vm } from './twins.js'

test('a node gives no more pages than it has free', () => {
  const a = (memory: object) => ({
    a: { cells: [{ cpus: [0], memory: memory as Record<number, number> }], emulator: '2-3' },
  })
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2) })
  const request = (memory: string, reserve: string) => ({ reserve: { memory: reserve }, vms: [vm('a', 1, { memory })] })
  assert.equal(constraints(host, request('4GiB', '0B'), a({ 0: 4 * GIB })), [])
  assert.equal(constraints(host, request('4GiB', '4KiB'), a({ 0: 4 * GIB })), ['memory-capacity'])
  assert.equal(constraints(host, request('5GiB', '0B'), a({ 0: 5 * GIB })), ['memory-capacity'])
})

test('unknown free memory counts as none', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2) })
  const blind = { ...host, nodes: [{ ...host.nodes[0]!, memory: { total: null, free: null } }] }
  const request = { vms: [vm('a', 1)] }
  assert.equal(constraints(blind, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } }), [
    'memory-capacity',
  ])
})

test('strict memory is where its vCPUs are', () => {
  const a = (memory: Record<number, number>) => ({ a: { cells: [{ cpus: [0], memory }], emulator: '2-3' } })
  twins('memory-policy', SMT, [vm('a', 1)], a(on0), a(on1))
  twins('memory-policy', SMT, [vm('a', 1)], a(on0), a({ 0: GIB / 2, 1: GIB / 2 }))
})

test('strict memory of a node without memory is on the nearest node that has some', () => {
  const host = hostOf({
    nodes: { 0: 4, 2: 4, 5: 0 },
    distances: [
      [10, 20, 15],
      [20, 10, 12],
      [30, 12, 10],
    ],
    cores: [{ node: 5, cpus: [0] }],
  })
  const a = (node: number) => ({ a: { cells: [{ cpus: [0], memory: { [node]: GIB } }] } })
  twins('memory-policy', host, [vm('a', 1)], a(2), a(0))
})

test('strict memory of a cell that spans is in proportion to its vCPUs', () => {
  const cpus = [0, 1, 4]
  const emulator = '2-3,6-7'
  const a = (zero: number, one: number) => ({
    a: { cells: [{ cpus, memory: { 0: zero * 4096, 1: one * 4096 } }], emulator },
  })
  const vms = [vm('a', 3, { span: true, memory: '40KiB' })]
  twins('memory-policy', SMT, vms, a(7, 3), a(5, 5))
  twins('memory-policy', SMT, vms, a(6, 4), a(8, 2))
})

test('preferred memory spills to the nearest node, and only from a full one', () => {
  const host = hostOf({
    nodes: { 0: 1, 1: 4, 2: 4 },
    distances: [
      [10, 30, 20],
      [30, 10, 20],
      [20, 20, 10],
    ],
    cores: coresOf([1]),
  })
  const vms = [vm('a', 1, { memoryPolicy: 'preferred', memory: '2GiB' })]
  const a = (memory: Record<number, number>) => ({ a: { cells: [{ cpus: [0], memory }] } })
  twins('memory-policy', host, vms, a({ 0: GIB, 2: GIB }), a({ 0: GIB, 1: GIB }))
  twins('memory-policy', host, vms, a({ 0: GIB, 2: GIB }), a({ 2: 2 * GIB }))
})

test('interleaved memory is even over the nodes of the VM', () => {
  const vms = [vm('a', 2, { cells: 2, memoryPolicy: 'interleave', memory: '2GiB' })]
  const even = { 0: GIB / 2, 1: GIB / 2 }
  const a = (first: Record<number, number>, second: Record<number, number>) => ({
    a: {
      cells: [
        { cpus: [0], memory: first },
        { cpus: [4], memory: second },
      ],
      emulator: '2-3,6-7',
    },
  })
  twins('memory-policy', SMT, vms, a(even, even), a(on0, on1))
})

test('a cell has whole pages of the size asked for', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 512 })
  const a = (pageSize: number) => ({ a: { cells: [{ cpus: [0], memory: on0, pageSize }], emulator: '2-3' } })
  twins('page-size', host, [vm('a', 1, { pageSize: '2MiB' })], a(2 ** 21), a(4096))
  twins('page-size', host, [vm('a', 1, { pageSize: '4KiB' })], a(4096), a(2 ** 21))
  assert.equal(constraints(host, { vms: [vm('a', 1, { pageSize: '1GiB' })] }, a(GIB)), ['page-size', 'memory-capacity'])
  const odd = { vms: [vm('a', 1, { pageSize: '2MiB', memory: '3MiB' })] }
  const plan = { a: { cells: [{ cpus: [0], memory: { 0: 3 * 2 ** 20 }, pageSize: 2 ** 21 }], emulator: '2-3' } }
  assert.equal([...new Set(constraints(host, odd, plan))], ['page-size'])
})

test('any page size means the largest that divides and is free', () => {
  const a = (pageSize: number) => ({ a: { cells: [{ cpus: [0], memory: on0, pageSize }], emulator: '2-3' } })
  const enough = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 512 })
  twins('page-size', enough, [vm('a', 1)], a(2 ** 21), a(4096))
  const short = hostOf({ nodes: { 0: 4 }, cores: coresOf([2], 2), hugePages: 511 })
  twins('memory-capacity', short, [vm('a', 1)], a(4096), a(2 ** 21))
})

test.run()
