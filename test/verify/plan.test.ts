import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PlanError } from '../../src/errors.js'
import { isVerified } from '../../src/verified.js'
import { checkPlan, verifyPlan } from '../../src/verify.js'
import { GIB, planOf } from './support.js'
import { constraints, on0, on1, SMT, twins, vm } from './twins.js'

test('cells are as many and as large as asked for', () => {
  const one = { a: { cells: [{ cpus: [0, 2, 4], memory: { 0: GIB } }], emulator: '1' } }
  const options = { reserve: { cpus: '1' } }
  const two = (first: number[], second: number[], zero: number, rest: number) => ({
    a: {
      cells: [
        { cpus: first, memory: { 0: zero } },
        { cpus: second, memory: { 1: rest } },
      ],
      emulator: '1',
    },
  })
  const memory = { memory: '12KiB' }
  twins(
    'cells',
    SMT,
    [vm('a', 3, { ...memory, cells: 2 })],
    two([0, 2], [4], 8192, 4096),
    two([0, 2], [4], 4096, 8192),
    options,
  )
  twins('cells', SMT, [vm('a', 3, memory)], two([0, 2], [4], 8192, 4096), two([0], [4, 6], 4096, 8192), options)
  assert.ok(constraints(SMT, { ...options, vms: [vm('a', 3, { cells: 2 })] }, one).includes('cells'))
})

test('explicit cells keep their vCPUs and their memory', () => {
  const cells = [
    { vcpus: '0,2', memory: '4KiB' },
    { vcpus: '1', memory: '8KiB' },
  ]
  const a = (zero: number, one: number) => ({
    a: {
      cells: [
        { cpus: [0, 2], memory: { 0: zero } },
        { cpus: [4], memory: { 1: one } },
      ],
      emulator: '1',
    },
  })
  twins('cells', SMT, [vm('a', 3, { memory: '12KiB', cells })], a(4096, 8192), a(8192, 4096), {
    reserve: { cpus: '1' },
  })
})

test('every VM of the request is placed or refused, once', () => {
  const request = { vms: [vm('a', 1), vm('b', 1)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  assert.equal(checkPlan(SMT, request, plan), [])
  const shapes = (candidate: object) => checkPlan(SMT, request, candidate).map((finding) => finding.text)
  assert.match(shapes({ ...plan, refused: [] })[0]!, /b is neither placed nor refused/)
  assert.match(shapes({ ...plan, refused: [...plan.refused, ...plan.refused] })[0]!, /b is placed or refused 2 times/)
  assert.match(shapes({ ...plan, vms: [...plan.vms, ...plan.vms] })[0]!, /a is placed or refused 2 times/)
  assert.match(shapes({ ...plan, refused: [{ ...plan.refused[0]!, name: 'c' }] }).join(), /has no VM "c".*b is neither/)
})

test('a plan whose numbers stand for nothing is malformed', () => {
  const request = { vms: [vm('a', 2, { iothreads: 1 })] }
  const plan = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 1], memory: on0 }], emulator: '2-3', iothreads: ['2-3'] },
  })
  assert.equal(checkPlan(SMT, request, plan), [])
  const [a] = plan.vms
  const [first, second] = a!.vcpus
  const text = (change: object) => {
    const findings = checkPlan(SMT, request, { ...plan, vms: [{ ...a, ...change }] })
    assert.equal([...new Set(findings.map(({ constraint }) => constraint))], ['format'])
    return findings.map((finding) => finding.text).join('; ')
  }
  assert.match(text({ vcpus: [first] }), /a: 1 vCPUs, 2 asked for/)
  assert.match(text({ vcpus: [second, first] }), /vCPU 1 where vCPU 0 belongs/)
  assert.match(text({ vcpus: [first, { ...second, cell: 1 }] }), /vCPU 1 is in cell 1, there are 1/)
  assert.match(text({ vcpus: [first, { ...second, node: 9 }] }), /vCPU 1 is on node 9, which does not exist/)
  assert.match(text({ vcpus: [first, { ...second, cpus: '3-1' }] }), /vms\[0\]\.vcpus\[1\]\.cpus: .*got "3-1"/)
  assert.match(text({ cells: [{ ...a!.cells[0], cell: 1 }] }), /cell 1 where cell 0 belongs/)
  assert.match(text({ cells: [{ ...a!.cells[0], memory: [{ node: 9, bytes: GIB }] }] }), /node 9, which does not exist/)
  const half = { node: 0, bytes: GIB / 2 }
  assert.match(text({ cells: [{ ...a!.cells[0], memory: [half, half] }] }), /cell 0 lists a node twice/)
  assert.match(text({ iothreads: [] }), /0 I\/O threads, 1 asked for/)
  assert.match(text({ extra: 1 }), /vms\[0\]\.extra/)
})

test('the status says what is placed', () => {
  const request = { vms: [vm('a', 1)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0], memory: on0 }], emulator: '2-3' } })
  const statuses = (candidate: object) => checkPlan(SMT, request, candidate).map((finding) => finding.constraint)
  assert.is(plan.status, 'optimal')
  assert.equal(statuses({ ...plan, status: 'feasible' }), ['status'])
  assert.equal(statuses({ ...plan, status: 'partial' }), ['status'])
  assert.equal(statuses({ ...plan, status: 'infeasible' }), ['status'])
  const none = planOf(SMT, request, {})
  assert.equal(statuses(none), [])
  assert.equal(statuses({ ...none, status: 'partial' }), ['status'])
})

test('what is claimed of the cost is what it is', () => {
  const request = { vms: [vm('a', 2)] }
  const plan = planOf(SMT, request, { a: { cells: [{ cpus: [0, 2], memory: on0 }], emulator: '1,3' } })
  // Both cores hold a dedicated vCPU: nothing is left to share.
  const own = { ...plan, vms: [{ ...plan.vms[0]!, emulator: '0,2' }] }
  assert.is(own.cost.lostVcpus, 0.38)
  assert.equal(checkPlan(SMT, request, own), [])
  const texts = (cost: object) =>
    checkPlan(SMT, request, { ...own, cost: { ...own.cost, ...cost } }).map(({ text }) => text)
  assert.equal(texts({ lostVcpus: 0.3, gap: 0.3 }).length, 2)
  assert.equal(texts({ lowerBound: 0.39, gap: 0.01 }).length, 1)
  assert.equal(texts({ lowerBound: 0.1, gap: 0.1 }).length, 1)
  assert.equal(texts({ lowerBound: 0.1, gap: 0.28 }), [])
  assert.equal(texts({ lowerBound: 0.1000005, gap: 0.2799995 }).length, 1)
  assert.equal(texts({ lostVcpus: 0.38 + 1e-12 }), [])
  assert.match(texts({ lostVcpus: 0.3800002 })[0]!, /lostVcpus is said to be 0\.3800002, it is 0\.38/)
})

test('all violations are listed, and only a plan without any is sealed', () => {
  const request = { vms: [vm('a', 2), vm('b', 1)] }
  const bad = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 5], memory: on1 }], emulator: '2-3' },
    b: { cells: [{ cpus: [1], memory: on0 }], emulator: '2-3' },
  })
  assert.throws(
    () => verifyPlan(SMT, request, bad),
    (error: unknown) =>
      error instanceof PlanError &&
      ['cell-node', 'trust', 'emulator', 'memory-policy'].every((id) =>
        error.findings.some((finding) => finding.constraint === id),
      ),
  )
  const good = planOf(SMT, request, {
    a: { cells: [{ cpus: [0, 1], memory: on0 }], emulator: '2-3' },
    b: { cells: [{ cpus: [4], memory: on1 }], emulator: '6-7' },
  })
  const verified = verifyPlan(SMT, request, good)
  assert.equal(verified, good)
  assert.ok(isVerified(verified))
  assert.not(isVerified(good))
  assert.not(isVerified({ ...verified }))
  assert.not(isVerified(null))
  assert.throws(() => {
    ;(verified.vms[0]!.vcpus[0] as { cpus: string }).cpus = '7'
  }, TypeError)
})

test.run()
