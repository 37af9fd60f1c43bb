/** Parts of plans: some VMs go, all others stay where they are. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PlanError } from '../../src/errors.js'
import { Planner } from '../../src/planner/index.js'
import { type PlanPart, partOf } from '../../src/planner/part.js'
import { parseRequest, withVms } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import type { Request, VerifiedPlan } from '../../src/types.js'
import { isVerified } from '../../src/verified.js'
import { costAsIs, type Resident, residentsAfter, verifyPart } from '../../src/verify.js'

const GIB = 2 ** 30
const host = syntheticHost('pack:2 [numa(memory=16GB)] l3:1 core:4 pu:1')
const planner = await Planner.load()

interface At {
  readonly name: string
  readonly cpus: readonly string[]
  readonly memory: number
  readonly gib?: number
  readonly fields?: object
}

function requestOf(vms: readonly At[]): Request {
  return parseRequest({
    overcommit: 100,
    vms: vms.map(({ name, cpus, memory, gib = 2, fields = {} }) => {
      const dedicated = 'cpuPolicy' in fields
      const current = {
        cells: [{ cell: 0, pageSize: 4096, memory: [{ node: memory, bytes: gib * GIB }] }],
        vcpus: cpus.map((list, vcpu) => {
          return { vcpu, cell: 0, node: Number.parseInt(list, 10) < 4 ? 0 : 1, cpus: list, dedicated }
        }),
      }
      const usual = { cpuPolicy: 'shared', demand: 0.5, pageSize: '4KiB', cells: 1, span: true }
      return { ...usual, name, vcpus: cpus.length, memory: `${gib}GiB`, ...fields, current }
    }),
  })
}

function residentsOf({ vms }: Request): Resident[] {
  return vms.map(({ name, current }) => ({ name, vcpus: current!.vcpus, cells: current!.cells }))
}

function textsOf(request: Request, part: PlanPart): string {
  try {
    verifyPart(host, request, part, residentsOf(request))
  } catch (error) {
    if (error instanceof PlanError) return error.findings.map(({ text }) => text).join('; ')
    throw error
  }
  return ''
}

/** Two whose memory is on the other node. */
const TWO: readonly At[] = [
  { name: 'one', cpus: ['0-3', '0-3'], memory: 1 },
  { name: 'two', cpus: ['4-7', '4-7'], memory: 0 },
]

function part(request: Request, ...names: string[]): PlanPart {
  return partOf(host, request, planner.plan(host, request), new Set(names))
}

test('one of two goes, and what all lose then is what costAsIs says, with the moves', () => {
  const request = requestOf(TWO)
  const verified: VerifiedPlan = verifyPart(host, request, part(request, 'one'), residentsOf(request))
  assert.ok(isVerified(verified))
  assert.equal(
    verified.vms.map(({ name }) => name),
    ['one'],
  )
  const after = costAsIs(host, request, residentsAfter(residentsOf(request), verified.vms))
  const { lostVcpus, terms } = verified.cost
  assert.ok(Math.abs(lostVcpus - terms.migration - after.lostVcpus) < 1e-9)
  assert.ok(terms.migration > 0)
  assert.ok(lostVcpus < costAsIs(host, request, residentsOf(request)).lostVcpus)
  assert.is(verified.vms[0]!.cost.terms.migration, terms.migration)
})

test('all of a plan is a part of it', () => {
  const request = requestOf(TWO)
  assert.is(textsOf(request, part(request, 'one', 'two')), '')
})

test('nobody goes: that is a part, too', () => {
  const request = requestOf(TWO)
  const verified = verifyPart(host, request, part(request), residentsOf(request))
  assert.equal([verified.vms, verified.moves], [[], []])
})

test('shared vCPUs float beside dedicated ones that stay where the plan would not have them', () => {
  const pinned: At = { name: 'pinned', cpus: ['5', '6'], memory: 1, fields: { cpuPolicy: 'dedicated' } }
  const away: At = { name: 'away', cpus: ['0-3', '0-3'], memory: 1, fields: { memoryNodes: '1' } }
  const request = requestOf([pinned, away])
  const plan = planner.plan(host, request)
  const [floating] = partOf(host, request, plan, new Set(['away'])).vms
  assert.equal(
    floating!.vcpus.map(({ cpus }) => cpus),
    ['4,7', '4,7'],
  )
  assert.is(textsOf(request, partOf(host, request, plan, new Set(['away']))), '')
  const wide = { ...floating!, vcpus: floating!.vcpus.map((vcpu) => ({ ...vcpu, cpus: '4-7' })) }
  assert.match(
    textsOf(request, { ...partOf(host, request, plan, new Set(['away'])), vms: [wide] }),
    'floats over CPUs 4-7',
  )
})

test('a VM that has to be apart from one that stays may not go to it', () => {
  const apart: At = { name: 'one', cpus: ['0-3', '0-3'], memory: 0, fields: { separateFrom: ['two'] } }
  const other: At = { name: 'two', cpus: ['4-7', '4-7'], memory: 1 }
  const free = requestOf([{ ...apart, fields: {} }, other])
  const bound = requestOf([apart, other])
  const there = free.vms.map((vm) => ({ ...vm, memoryNodes: vm.name === 'one' ? [1] : null }))
  const plan = planner.plan(host, withVms(free, there))
  assert.is(textsOf(free, partOf(host, free, plan, new Set(['one']))), '')
  const part = partOf(host, bound, plan, new Set(['one']))
  assert.ok(part.spare !== undefined || textsOf(bound, part) !== '')
  assert.is.not(textsOf(bound, part), '')
})

test('memory that has no room while the others stay is refused', () => {
  const large = (name: string, cpus: string, memory: number): At => ({ name, cpus: [cpus], memory, gib: 9 })
  const request = requestOf([large('one', '0-3', 1), large('two', '4-7', 0)])
  const plan = planner.plan(host, request)
  const swapped = {
    ...plan,
    vms: plan.vms.map((vm, at) => ({
      ...vm,
      cells: [{ cell: 0, pageSize: 4096, memory: [{ node: at, bytes: 9 * GIB }] }],
      vcpus: [{ vcpu: 0, cell: 0, node: at, cpus: at === 0 ? '0-3' : '4-7', dedicated: false }],
    })),
  }
  const alone = partOf(host, request, swapped, new Set(['one']))
  assert.ok(alone.spare !== undefined)
  assert.match(textsOf(request, alone), 'one')
})

test('what is no part of a plan is refused', () => {
  const request = requestOf(TWO)
  const good = part(request, 'one')
  assert.match(textsOf(request, { ...good, moves: [] }), 'do not end where the plan has it')
  const [first] = good.vms
  assert.match(textsOf(request, { ...good, vms: [{ ...first!, name: 'three' }] }), 'three')
  assert.match(textsOf(request, { ...good, vms: [{ ...first!, emulator: '0' }] }), 'emulator')
  assert.match(textsOf(request, { ...good, vms: [{ ...first!, vcpus: [] }] }), /./)
  const nowhere = withVms(
    request,
    request.vms.map((vm) => ({ ...vm, current: null })),
  )
  assert.throws(() => verifyPart(host, nowhere, good, residentsOf(request)), /nowhere yet/)
})

test.run()
