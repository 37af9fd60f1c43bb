import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkPlan } from '../../src/verify.js'
import { coresOf, GIB, hostOf, planOf } from './support.js'
import { constraints, on0, SMT, twins, vm } from './twins.js'

test('a CPU holds one dedicated vCPU', () => {
  const a = (second: number) => ({ a: { cells: [{ cpus: [0, second], memory: on0 }], emulator: '2-3' } })
  twins('cpu-exclusive', SMT, [vm('a', 2)], a(1), a(0))
})

test('a dedicated vCPU has one CPU and says so', () => {
  const request = { vms: [vm('a', 1)] }
  assert.equal(constraints(SMT, request, { a: { cells: [{ cpus: [[0, 1]], memory: on0 }], emulator: '0-3' } }), [
    'cpu-exclusive',
  ])
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  assert.equal(checkPlan(SMT, request, plan), [])
  const wide = { ...plan, vms: [{ ...plan.vms[0]!, vcpus: [{ ...plan.vms[0]!.vcpus[0]!, cpus: '0-1' }] }] }
  const [finding] = checkPlan(SMT, request, wide)
  assert.is(finding?.constraint, 'cpu-exclusive')
  assert.is(finding?.vm, 'a')
  assert.is(finding?.cell, 0)
  assert.is(finding?.vcpu, 0)
  assert.match(finding!.text, /has 2 CPUs/)
})

test('shared vCPUs float over the shared CPUs of their node, all of them', () => {
  const vms = [vm('a', 1), vm('b', 1, { cpuPolicy: 'shared' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' }
  const b = (cpus: number[]) => ({ cells: [{ cpus: [cpus], memory: on0 }], emulator: '2-3' })
  twins('cpu-exclusive', SMT, vms, { a, b: b([2, 3]) }, { a, b: b([1, 2, 3]) })
  twins('overcommit', SMT, vms, { a, b: b([2, 3]) }, { a, b: b([2]) })
})

test('offline, reserved, foreign and unknown CPUs are not usable', () => {
  const host = hostOf({
    nodes: { 0: 4 },
    cores: [
      { node: 0, cpus: [0] },
      { node: 0, cpus: [1] },
      { node: 0, cpus: [2], offline: true },
      { node: 0, cpus: [3], allowed: false },
    ],
  })
  const on = (cpu: number) => ({ a: { cells: [{ cpus: [cpu], memory: on0, node: 0 }], emulator: '0' } })
  for (const cpu of [0, 2, 3, 77]) {
    twins('cpu-usable', host, [vm('a', 1)], on(1), on(cpu), { reserve: { cpus: '0' } })
  }
})

test('the vCPUs of a cell are on one node, unless it spans', () => {
  const across = { a: { cells: [{ cpus: [0, 4], memory: { 0: GIB / 2, 1: GIB / 2 } }], emulator: '2-3,6-7' } }
  assert.equal(constraints(SMT, { vms: [vm('a', 2)] }, across), ['cell-node'])
  assert.equal(constraints(SMT, { vms: [vm('a', 2, { span: true })] }, across), [])
})

test('a vCPU is on the node of its CPU', () => {
  const at = (node: number) => ({
    a: { cells: [{ cpus: [0], memory: { [node]: GIB }, node }], emulator: node ? '4-7' : '2-3' },
  })
  twins('cell-node', SMT, [vm('a', 1)], at(0), at(1))
})

test('an isolated vCPU has its core alone', () => {
  const vms = [vm('a', 1, { threadPolicy: 'isolate', trust: 't' }), vm('b', 1, { trust: 't' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '4-7' }
  const b = (cpu: number) => ({ cells: [{ cpus: [cpu], memory: on0 }], emulator: '4-7' })
  const options = { reserve: { cpus: '4-7' } }
  twins('thread-policy', SMT, vms, { a, b: b(2) }, { a, b: b(1) }, options)
})

test('require takes whole cores, all but one of them full', () => {
  const host = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([4, 1], 2) })
  const options = { reserve: { cpus: '8' } }
  const a = (cpus: number[]) => ({ a: { cells: [{ cpus, memory: on0 }], emulator: '8' } })
  twins('thread-policy', host, [vm('a', 3, { threadPolicy: 'require' })], a([0, 1, 2]), a([0, 2, 4]), options)
  const vms = [vm('a', 1, { threadPolicy: 'require', trust: 't' }), vm('b', 1, { trust: 't' })]
  const b = (cpu: number) => ({ ...a([0]), b: { cells: [{ cpus: [cpu], memory: on0 }], emulator: '8' } })
  twins('thread-policy', host, vms, b(2), b(1), options)
})

test('with all CPUs but some reserved, those are usable', () => {
  const on = (cpu: number) => ({ a: { cells: [{ cpus: [cpu], memory: on0 }], emulator: '0-1,3' } })
  twins('cpu-usable', SMT, [vm('a', 1)], on(2), on(1), { reserve: { cpus: 'all,^2' } })
})

test('a reserved sibling, on which the host runs, keeps a core from being whole or alone', () => {
  const a = (cpu: number, emulator: string) => ({ a: { cells: [{ cpus: [cpu], memory: on0 }], emulator } })
  const reserve = { cpus: '1' }
  twins('thread-policy', SMT, [vm('a', 1, { threadPolicy: 'require' })], a(2, '1'), a(0, '1'), { reserve })
  twins('thread-policy', SMT, [vm('a', 1, { threadPolicy: 'isolate' })], a(2, '1'), a(0, '2-3'), { reserve })
})

test('prefer and spread never refuse', () => {
  for (const threadPolicy of ['prefer', 'spread']) {
    const request = { vms: [vm('a', 2, { threadPolicy })] }
    const emulator = { emulator: '4-7' }
    assert.equal(
      constraints(
        SMT,
        { ...request, reserve: { cpus: '4-7' } },
        { a: { cells: [{ cpus: [0, 1], memory: on0 }], ...emulator } },
      ),
      [],
    )
    assert.equal(
      constraints(
        SMT,
        { ...request, reserve: { cpus: '4-7' } },
        { a: { cells: [{ cpus: [0, 2], memory: on0 }], ...emulator } },
      ),
      [],
    )
  }
})

test('a core holds one trust domain', () => {
  const spec = (cpu: number) => ({
    a: { cells: [{ cpus: [0], memory: on0 }], emulator: '7' },
    b: { cells: [{ cpus: [cpu], memory: on0 }], emulator: '7' },
  })
  const options = { reserve: { cpus: '7' } }
  twins('trust', SMT, [vm('a', 1), vm('b', 1)], spec(2), spec(1), options)
  twins('trust', SMT, [vm('a', 1, { trust: 'b' }), vm('b', 1)], spec(2), spec(1), options)
  const named = [vm('a', 1, { trust: 'ours' }), vm('b', 1, { trust: 'ours' })]
  assert.equal(constraints(SMT, { ...options, vms: named }, spec(1)), [])
})

test('a mixed VM has its dedicated vCPUs dedicated and the others shared', () => {
  const vms = [vm('a', 3, { cpuPolicy: 'mixed', dedicatedVcpus: '0' })]
  const a = (second: number | number[]) => ({
    a: { cells: [{ cpus: [0, second, [2, 3]], memory: on0 }], emulator: '2-3' },
  })
  twins('cpu-exclusive', SMT, vms, a([2, 3]), a(1))
})

test('housekeeping is on reserved CPUs near, reserved CPUs far, shared CPUs, its own CPUs, in this order', () => {
  const a = (emulator: string, cpus = [0]) => ({
    a: { cells: [{ cpus, memory: on0 }], emulator, iothreads: [emulator] },
  })
  const check = (good: string, bad: string, reserve: string, cpus = [0]) =>
    twins('emulator', SMT, [vm('a', cpus.length, { iothreads: 1 })], a(good, cpus), a(bad, cpus), {
      reserve: { cpus: reserve },
    })
  check('3', '3,7', '3,7')
  check('7', '2-3', '7')
  check('2-3', '0', '')
  check('1,3', '3', 'all,^0,^2,^4-7')
  check('0,2', '1,3', '', [0, 2])
})

test('a dedicated emulator and its I/O threads have CPUs of their own on the first node', () => {
  const vms = [vm('a', 1, { emulator: 'dedicated', iothreads: 1 })]
  const a = (emulator: string, iothread: string) => ({
    a: { cells: [{ cpus: [0], memory: on0 }], emulator, iothreads: [iothread] },
  })
  twins('emulator', SMT, vms, a('1', '2'), a('1', '4'))
  twins('emulator', SMT, vms, a('1', '2'), a('2', '2'))
  twins('emulator', SMT, vms, a('1', '2'), a('1-2', '3'))
  twins('cpu-exclusive', SMT, vms, a('1', '2'), a('0', '2'))
  twins('cpu-usable', SMT, vms, a('1', '2'), a('1', '3'), { reserve: { cpus: '3' } })
})

test('nobody shares the core of a dedicated emulator', () => {
  const host = hostOf({ nodes: { 0: 4 }, cores: coresOf([3], 2) })
  const vms = [vm('a', 1, { emulator: 'dedicated' }), vm('b', 1, { cpuPolicy: 'shared' })]
  const a = { cells: [{ cpus: [0], memory: on0 }], emulator: '2' }
  const b = (cpus: number[]) => ({ cells: [{ cpus: [cpus], memory: on0 }], emulator: '4-5' })
  twins('cpu-exclusive', host, vms, { a, b: b([4, 5]) }, { a, b: b([2, 4, 5]) })
  twins('cpu-exclusive', host, vms, { a, b: b([4, 5]) }, { a, b: b([3, 4, 5]) })
})

test.run()
