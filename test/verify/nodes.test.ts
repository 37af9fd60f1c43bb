import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { coresOf, hostOf } from './support.js'
import { constraints, on0, on1, SMT, twins, vm } from './twins.js'

test("a strict device's node holds a cell", () => {
  const a = (cpu: number, memory: Record<number, number>) => ({
    a: { cells: [{ cpus: [cpu], memory }], emulator: cpu < 4 ? '2-3' : '6-7' },
  })
  twins('device', SMT, [vm('a', 1, { devices: [{ node: 1 }] })], a(4, on1), a(0, on0))
  assert.equal(constraints(SMT, { vms: [vm('a', 1, { devices: [{ node: 1, strict: false }] })] }, a(0, on0)), [])
})

test('VMs are apart, or together, as they ask', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([3, 1]) })
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '2' }
  const apart = { a, b: { cells: [{ cpus: [3], memory: on1 }], emulator: '2' } }
  const together = { a, b: { cells: [{ cpus: [1], memory: on0 }], emulator: '2' } }
  const options = { reserve: { cpus: '2' } }
  twins('separate', host, [vm('a', 1), vm('b', 1, { separateFrom: ['a'] })], apart, together, options)
  twins('near', host, [vm('a', 1), vm('b', 1, { near: ['a'] })], together, apart, options)
})

test('memory on the same node is a node in common', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 0 }, cores: coresOf([1, 1]) })
  const request = { vms: [vm('a', 1, { separateFrom: ['b'] }), vm('b', 1)] }
  const specs = { a: { cells: [{ cpus: [0], memory: on0 }] }, b: { cells: [{ cpus: [1], memory: on0 }] } }
  assert.equal(constraints(host, request, specs), ['separate'])
})

test('a VM that is refused asks for nothing', () => {
  const request = { vms: [vm('a', 1, { near: ['b'], separateFrom: ['b'] }), vm('b', 1)] }
  assert.equal(constraints(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } }), [])
})

test('shared demand stays within overcommit', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([2]) })
  const a = (count: number) => ({ a: { cells: [{ cpus: Array.from({ length: count }, () => [0, 1]), memory: on0 }] } })
  const shared = (count: number, demand: number) => [vm('a', count, { cpuPolicy: 'shared', demand })]
  assert.equal(constraints(host, { overcommit: 2, vms: shared(8, 0.5) }, a(8)), [])
  assert.equal(constraints(host, { overcommit: 2, vms: shared(8, 0.51) }, a(8)), ['overcommit'])
  assert.equal(constraints(host, { vms: shared(8, 1) }, a(8)), [])
  assert.equal(constraints(host, { vms: shared(9, 1) }, a(9)), ['overcommit'])
})

test('a node that has no shared CPU left holds no shared vCPU', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([1]) })
  const request = { vms: [vm('a', 1), vm('b', 1, { cpuPolicy: 'shared' })] }
  const specs = {
    a: { cells: [{ cpus: [0], memory: on0 }] },
    b: { cells: [{ cpus: [[]], memory: on0, node: 0 }], emulator: '' },
  }
  assert.equal(constraints(host, request, specs), ['overcommit'])
})

test.run()
