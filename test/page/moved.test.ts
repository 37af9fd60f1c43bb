/** What the page knows without a browser: plans with a vCPU elsewhere, changes of requests, undo, links. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EXAMPLES, FIRST } from '../../src/page/examples.js'
import { movedPlan } from '../../src/page/moved.js'
import { problemOf } from '../../src/page/problem.js'
import { vmsOf, withChange, withField, withNewVm } from '../../src/page/request.js'
import { decodeState, encodeState, type History, type State, stepped } from '../../src/page/state.js'
import { plan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { checkPlan } from '../../src/verify.js'

const { host, request } = problemOf(FIRST)

test('a vCPU put on the CPU that it has changes nothing but what was proven of the plan', async () => {
  const made = await plan(host, request, { steps: 100 })
  const { name, vcpus } = made.vms[0]!
  const { plan: same, findings } = movedPlan(host, request, made, { vm: name, vcpu: 0, cpu: Number(vcpus[0]!.cpus) })
  assert.equal(findings, [])
  assert.equal(same.vms, made.vms)
  assert.is(same.cost.lostVcpus, made.cost.lostVcpus)
})

test('a vCPU anywhere else costs no less than the bound, or a rule forbids it; the verifier agrees', async () => {
  const made = await plan(host, request, { steps: 1000 })
  let held = 0
  for (const { name, vcpus } of made.vms.slice(0, 2)) {
    for (const { id } of host.cpus) {
      const { plan: moved, findings } = movedPlan(host, request, made, { vm: name, vcpu: vcpus[0]!.vcpu, cpu: id })
      assert.equal(checkPlan(host, request, moved), findings)
      if (findings.length > 0) continue
      held++
      assert.ok(moved.cost.lostVcpus >= made.cost.lowerBound - 1e-9)
      assert.is(moved.vms.find((vm) => vm.name === name)!.vcpus[0]!.cpus, String(id))
    }
  }
  assert.ok(held > 2 && held < 2 * host.cpus.length, `${held}`)
})

test('each change that a refusal names can be made, but for one of another VM on this host', async () => {
  const made = await plan(host, request, { steps: 1000 })
  const [refused] = made.refused
  assert.ok(refused!.nearest.length > 0)
  for (const { change } of refused!.nearest) {
    const text = withChange(FIRST.request, refused!.name, change)
    if (/^move: "[^"]*"$/.test(change)) {
      assert.is(text, null)
      continue
    }
    const changed = await plan(host, parseRequest(JSON.parse(text!)), { steps: 1000 })
    assert.is(
      changed.refused.find(({ name }) => name === refused!.name),
      undefined,
      change,
    )
  }
  assert.equal(
    vmsOf(withChange(FIRST.request, 'big', 'move: "db" to another host')!)!.map(({ name }) => name),
    ['web', 'batch', 'big'],
  )
  assert.is(withChange(FIRST.request, 'nobody', 'cells: 2'), null)
})

test('a field that is emptied is left out; a new VM has a name of its own', () => {
  const text = JSON.stringify({ vms: [{ name: 'vm2', vcpus: 1, memory: '1GiB', trust: 'a' }] })
  assert.equal(vmsOf(withField(text, 0, 'trust', undefined)), [{ name: 'vm2', vcpus: 1, memory: '1GiB' }])
  assert.equal(
    vmsOf(withNewVm(text))!.map(({ name }) => name),
    ['vm2', 'vm3'],
  )
  for (const wrong of ['{', '[]', '{"vms": 3}', '{"vms": [1]}']) assert.is(vmsOf(wrong), null)
})

test('undo and redo go through all states, and a new one ends what could be redone', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (seeds) => {
      const states: State[] = [FIRST]
      let history: History = { past: [], present: FIRST, future: [] }
      for (const seed of seeds) {
        const to = { ...FIRST, seed }
        history = stepped(history, { to })
        if (JSON.stringify(states.at(-1)) !== JSON.stringify(to)) states.push(to)
      }
      for (let at = states.length - 2; at >= 0; at--) {
        history = stepped(history, 'undo')
        assert.equal(history.present, states[at])
      }
      assert.is(stepped(history, 'undo'), history)
      for (const state of states.slice(1)) {
        history = stepped(history, 'redo')
        assert.equal(history.present, state)
      }
      assert.is(stepped(history, 'redo'), history)
      assert.equal(stepped(stepped(history, 'undo'), { to: { ...FIRST, seed: 77 } }).future, [])
    }),
  )
})

test('a link carries a state through, and others are refused', async () => {
  for (const state of Object.values(EXAMPLES)) assert.equal(await decodeState(await encodeState(state)), state)
  for (const wrong of [
    '',
    'nonsense',
    await encodeState({} as State),
    await encodeState({ ...FIRST, host: 3 } as never),
  ]) {
    const refused = await decodeState(wrong).then(
      () => false,
      () => true,
    )
    assert.ok(refused, wrong)
  }
})

test('the examples are good, and what is taken away is gone', () => {
  for (const [name, state] of Object.entries(EXAMPLES)) assert.ok(problemOf(state).request.vms.length > 0, name)
  const { host: less } = problemOf({ ...FIRST, away: { cpus: '17', nodes: '0' } })
  assert.equal(
    less.cpus.filter(({ allowed }) => !allowed).map(({ id }) => id),
    [...Array(16).keys(), 17],
  )
  assert.equal([less.nodes[0]!.allowed, less.nodes[0]!.memory.free], [false, 0])
  assert.throws(() => problemOf({ ...FIRST, away: { cpus: 'x', nodes: '' } }), /CPUs taken away: expected a cpulist/)
})

test.run()
