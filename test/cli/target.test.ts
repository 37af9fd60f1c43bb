/** A plan file's placement as the target of what runs now, on hosts that do not exist. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { requestOf } from '../../executor/found/as-request.js'
import type { FoundVm } from '../../executor/found/types.js'
import { aimAt } from '../../src/cli/target.js'
import { plan as makePlan } from '../../src/plan.js'
import { parseRequest } from '../../src/request.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, Plan } from '../../src/types.js'
import { isVerified } from '../../src/verified.js'
import { vmOf } from '../executor/found/vms.js'

const GIB = 2 ** 30
/** CPUs 0-3 on node 0, 4-7 on node 1. */
const HOST = syntheticHost('pack:2 [numa(memory=64GiB)] l3:1 core:4 pu:1')
const on = (node: number) => [{ bytes: 4 * GIB, resident: { [node]: 4 * GIB } }]
const db = vmOf({ name: 'db', pid: 100, cpus: ['0-7', '0-7'], memory: on(1) })
const web = vmOf({ name: 'web', pid: 200, cpus: ['0', '1'], memory: on(1) })

async function planOf(vms: FoundVm[], wishes?: object, host: Host = HOST): Promise<Plan> {
  const asked = requestOf(vms, host, wishes)
  return makePlan(asked.host, parseRequest(asked.request))
}

const aim = (vms: FoundVm[], plan: Plan, wishes?: object, host: Host = HOST) =>
  aimAt({ found: { vms, missing: [] }, host }, { plan, file: 'plan.json' }, {}, wishes)

/** As the plan has it. */
function arrived(vm: FoundVm, plan: Plan): FoundVm {
  const { vcpus, cells } = plan.vms.find(({ name }) => name === vm.name.value)!
  return {
    ...vm,
    vcpus: vm.vcpus.map((thread, at) => ({ ...thread, cpus: vcpus[at]!.cpus })),
    mappings: vm.mappings.map((mapping) => ({ ...mapping, resident: cells[0]!.memory })),
  }
}

test('for the VMs that it was made for it is the same plan, without a bound', async () => {
  const plan = await planOf([db, web])
  const target = await aim([db, web], plan)
  assert.ok(isVerified(target.plan))
  assert.equal(target.plan.vms, plan.vms)
  assert.equal(target.plan.moves, plan.moves)
  assert.equal(target.plan.cost.terms, plan.cost.terms)
  assert.equal([target.gone, target.beside], [[], []])
})

test('what has arrived does not move again', async () => {
  const plan = await planOf([db, web])
  assert.ok(plan.moves!.some(({ vm }) => vm === 'db'))
  const half = await aim([arrived(db, plan), web], plan)
  assert.not.ok(half.plan.moves!.some(({ vm }) => vm === 'db'))
  assert.ok(half.plan.moves!.some(({ vm }) => vm === 'web'))
  const whole = await aim([arrived(db, plan), arrived(web, plan)], plan)
  assert.equal(whole.plan.moves, [])
  assert.is(whole.plan.cost.terms.migration, 0)
})

test('a VM that has ended is left out, and threads that float get its CPUs', async () => {
  const first = vmOf({ name: 'first', pid: 300, cpus: ['4', '5'], memory: on(1) })
  const second = vmOf({ name: 'second', pid: 400, cpus: ['6', '7'], memory: on(1) })
  const plan = await planOf([first, second])
  assert.is(plan.vms[1]!.emulator, '6-7')
  const target = await aim([second], plan)
  assert.equal([target.gone, target.plan.vms.map(({ name }) => name)], [['first'], ['second']])
  assert.is(target.plan.vms[0]!.emulator, '4-5')
})

test('a VM that began since stays as it is, and its memory and its CPUs stay taken', async () => {
  const plan = await planOf([db])
  const target = await aim([db, web], plan)
  assert.equal([target.beside, target.asked.running.map(({ name }) => name)], [['web'], ['db']])
  const { nodes, cpus } = requestOf([db], HOST).host
  assert.equal(target.asked.host.nodes, nodes)
  assert.equal(
    target.asked.host.cpus.filter((cpu, at) => cpu.allowed !== cpus[at]!.allowed).map(({ id }) => id),
    [0, 1],
  )
})

test('VMs that share in the plan share here, whatever there is now', async () => {
  const wishes = { vms: [{ name: 'db', cpuPolicy: 'shared' }] }
  const target = await aim([db, web], await planOf([db, web], wishes))
  assert.equal(
    target.request.vms.map(({ name, cpuPolicy }) => [name, cpuPolicy]),
    [
      ['db', 'shared'],
      ['web', 'dedicated'],
    ],
  )
  const mixed = { vms: [{ name: 'db', cpuPolicy: 'mixed', dedicatedVcpus: '1' }] }
  const [first] = (await aim([db, web], await planOf([db, web], mixed))).request.vms
  assert.equal([first!.cpuPolicy, first!.dedicatedVcpus], ['mixed', [1]])
})

test('with the file that it was made with, its further VMs keep their places', async () => {
  const wishes = { vms: [{ name: 'next', vcpus: 2, memory: '1GiB', near: ['db'] }] }
  const plan = await planOf([db, web], wishes)
  const target = await aim([db, web], plan, wishes)
  assert.equal(target.plan.vms.map(({ name }) => name).sort(), ['db', 'next', 'web'])
  assert.equal((await aim([db, web], plan)).gone, ['next'])
})

const fails = async (work: Promise<unknown>, says: RegExp) => {
  try {
    await work
  } catch (error) {
    assert.match(String(error), says)
    assert.is((error as { exitCode?: number }).exitCode, 3)
    return
  }
  assert.unreachable('it is taken')
}

test('a plan that does not hold now is refused, with what does not', async () => {
  const plan = await planOf([db, web])
  const wider = vmOf({ name: 'db', cpus: ['0', '1', '2'], memory: on(0) })
  await fails(aim([wider, web], plan), /plan\.json: the plan does not hold for what runs now: db: 2 vCPUs, 3 asked for/)
  const [taken] = plan.vms[0]!.vcpus
  const without = {
    ...HOST,
    cpus: HOST.cpus.map((cpu) => (`${cpu.id}` === taken!.cpus ? { ...cpu, online: false } : cpu)),
  }
  await fails(aim([db, web], plan, undefined, without), new RegExp(`is on CPU ${taken!.cpus}, which is not online`))
  const twice = { ...plan, vms: plan.vms.map((vm) => ({ ...vm, vcpus: plan.vms[0]!.vcpus })) }
  await fails(aim([db, web], twice), /CPU/)
  const small = vmOf({ name: 'db', cpus: ['0', '1'], memory: [{ bytes: GIB, resident: { 0: GIB } }] })
  await fails(aim([small, web], plan), /GiB|bytes/)
})

test('CPUs of a VM that began since are said to be its own', async () => {
  const plan = await planOf([db])
  const { cpus } = plan.vms[0]!.vcpus[1]!
  const began = vmOf({ name: 'cache', pid: 500, cpus: [cpus], memory: on(0) })
  await fails(
    aim([db, began], plan),
    new RegExp(`db: vCPU 1 would be on CPU ${cpus}, whose core cache is pinned to, which runs and is not in the plan$`),
  )
})

test('a plan made with wishes that are not given is refused with a hint', async () => {
  const plan = await planOf([db, web], { vms: [{ name: 'db', emulator: 'dedicated' }] })
  await fails(aim([db, web], plan), /a plan made with -f has to be given that file here, too/)
})

test.run()
