import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Case } from '../../../bench/planner/cases.js'
import { guide } from '../../../bench/planner/peers/guide.js'
import { hwloc } from '../../../bench/planner/peers/hwloc.js'
import { fitAll, nova } from '../../../bench/planner/peers/nova.js'
import type { Peer } from '../../../bench/planner/peers/peer.js'
import { planOf } from '../../../bench/planner/placement.js'
import { parseRequest } from '../../../src/request.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import type { Plan } from '../../../src/types.js'
import { checkPlan } from '../../../src/verify.js'
import { skipUnless } from '../../skip.js'

const testWithHwloc = skipUnless(hwloc.missing === undefined, hwloc.missing ?? '')
const testWithNova = skipUnless(nova.missing === undefined, nova.missing ?? '')

/** Two nodes of 8 GiB with four cores each. */
const host = syntheticHost('pack:2 [numa(memory=8GiB)] core:4 pu:1')

function caseOf(...vms: object[]): Case {
  const request = parseRequest({ vms: vms.map((vm, at) => ({ name: `vm${at}`, memory: '1GiB', ...vm })) })
  return { name: 'test', size: 'small', family: 'mixed', host, request }
}

function planBy(peer: Peer, one: Case): Plan {
  return planOf(host, one.request, peer.solve([one])[0]!.placements, { name: peer.name })
}

function cpusOf(plan: Plan): number[][] {
  return plan.vms.map((vm) => vm.vcpus.map(({ cpus }) => Number(cpus)))
}

function constraints(one: Case, plan: Plan): string[] {
  return [...new Set(checkPlan(host, one.request, plan).map(({ constraint }) => constraint))]
}

test('the guide puts vCPU i on node i mod n, CPU i mod CPUs of the node', () => {
  const one = caseOf({ vcpus: 4 })
  const plan = planBy(guide, one)
  assert.equal(cpusOf(plan), [[0, 5, 2, 7]])
  assert.equal(constraints(one, plan), [])
})

test('the guide gives a CPU twice as soon as i and i + 4 are of one node, and the verifier sees it', () => {
  const one = caseOf({ vcpus: 5 })
  assert.equal(constraints(one, planBy(guide, one)), ['cpu-exclusive'])
})

testWithHwloc('hwloc-distrib spreads over the nodes, and each vCPU has a CPU of its own', () => {
  const one = caseOf({ vcpus: 2 }, { vcpus: 2 })
  const plan = planBy(hwloc, one)
  assert.is(new Set(cpusOf(plan).flat()).size, 4)
  assert.equal(
    cpusOf(plan).map((cpus) => cpus.map((cpu) => cpu >> 2)),
    [
      [0, 0],
      [1, 1],
    ],
  )
  assert.equal(constraints(one, plan), [])
})

testWithNova('Nova places VMs one after the other and refuses what is left over', () => {
  const one = caseOf({ vcpus: 3 }, { vcpus: 3 }, { vcpus: 2 }, { vcpus: 2 })
  const plan = planBy(nova, one)
  assert.equal(
    plan.vms.map(({ name }) => name),
    ['vm0', 'vm1', 'vm2'],
  )
  assert.equal(constraints(one, plan), [])
})

testWithNova('Nova is stopped where it takes too long, and that is said', () => {
  const nodes = 9
  const tight = syntheticHost(`group:${nodes} [numa(memory=8GiB)] core:2 pu:1`)
  const vm = { name: 'vm', vcpus: 2 * nodes, memory: `${nodes}GiB`, cells: nodes }
  const request = parseRequest({ reserve: { cpus: `${2 * nodes - 1}` }, vms: [vm] })
  const [answer] = fitAll([{ host: tight, request }], 0.05)
  assert.is(answer!.outOfTime, true)
  assert.equal(answer!.vms, [null])
})

test.run()
