/** `homenode ps`: judged VMs of hosts that do not exist, and real guests on this one. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { FoundVm } from '../../executor/found/types.js'
import { styleOf } from '../../src/cli/output.js'
import { showVm, showVms } from '../../src/cli/ps-view.js'
import { judge } from '../../src/cli/running.js'
import { syntheticHost } from '../../src/topology/index.js'
import { hasQemu, NO_QEMU, startQemu } from '../executor/found/guests.js'
import { vmOf } from '../executor/found/vms.js'
import { skipUnless } from '../skip.js'
import { homenode } from './command.js'
import { canBeNobody, NOT_NOBODY, Nobody } from './nobody.js'

const GIB = 2 ** 30
const HOST = syntheticHost('pack:2 [numa(memory=64GiB)] l3:1 core:4 pu:1')
const narrow = styleOf({ columns: 80 }, 'never')

const judged = (...vms: FoundVm[]) => judge({ vms, missing: [] }, HOST)

/** Floating over both nodes, with its memory on node 1; and pinned to node 0, with its memory on node 1. */
const floating = vmOf({
  name: 'floating',
  cpus: ['0-7', '0-7'],
  memory: [{ bytes: 4 * GIB, resident: { 1: 3 * GIB } }],
})
const astray = vmOf({
  name: 'astray',
  pid: 200,
  cpus: ['0', '1'],
  memory: [{ bytes: 8 * GIB, resident: { 0: GIB, 1: 3 * GIB } }],
})
const settled = vmOf({ name: 'settled', pid: 300, cpus: ['2', '3'], memory: [{ bytes: GIB, resident: { 0: GIB } }] })

test('what VMs lose where they are, and if placed well', async () => {
  const { vms, lost } = await judged(floating, astray, settled)
  const [first, second, third] = vms.map(({ judgement }) => judgement!)
  // 2 x 0.3 x 1/2 for memory, 0.1 x 1/2 x 2 for each of two that talk.
  assert.is(first!.now, 0.5)
  assert.equal(first!.terms, { remoteMemory: 0.3, communication: 0.2 })
  // 2 x 0.3 x 3/4
  assert.is(second!.now, 0.45)
  assert.is(second!.remote, 0.75)
  assert.is(third!.now, 0)
  assert.is(Math.round(lost.now * 1e6), 950_000)
  for (const { placed } of [first!, second!, third!]) assert.ok(placed! < 0.01, `${placed}`)
  assert.match(first!.advice.text, /^pin its vCPUs to CPUs/)
  assert.is(third!.advice.pin, null)
  const moved = second!.advice
  assert.ok(moved.pin !== null || moved.bytes > 0, moved.text)
})

test('a line for each, within 80 columns', async () => {
  const unknown = { ...vmOf({ name: 'dark', pid: 400, cpus: [], memory: [] }), vcpuCount: null }
  const text = showVms(await judged(floating, settled, unknown), narrow)
  const lines = text.split('\n')
  assert.match(lines[0]!, /^NAME +VMM +VCPU +CPUS +LAST +MEMORY +FAR +LOST +BEST +TO DO$/)
  assert.match(text, /^floating +qemu +2 +0-7 +0 +1: 3G +50% +0\.5 +0 +pin/m)
  assert.match(text, /^settled +qemu +2 +2-3 +0 +0: 1G +0% +0 +0 +nothing$/m)
  assert.match(text, /^dark +qemu +\? +\? +\? +\? +\? +\? +\? +\?$/m)
  assert.match(text, /^3 VMs: 0\.5 lost vCPUs, 0 if placed well$/m)
  assert.match(text, /^dark: which threads run its vCPUs is not known, so it has no price$/m)
  assert.ok(lines.every((line) => line.length <= 80))
})

test('a VM with no room for it anywhere is said', async () => {
  const host = syntheticHost('numa:1(memory=1GiB) core:2 pu:1')
  const { vms, lost } = await judge(
    {
      vms: [{ ...settled, vcpus: vmOf({ name: 'x', cpus: ['0'], memory: [] }).vcpus, mappings: astray.mappings }],
      missing: [],
    },
    host,
  )
  assert.is(vms[0]!.judgement!.placed, null)
  assert.is(lost.placed, null)
  assert.match(vms[0]!.judgement!.advice.text, /no place for it: .*/)
})

test('one VM with its threads, its memory and who says so', async () => {
  const [one] = (await judged(astray)).vms
  const text = showVm(one!, narrow)
  assert.match(text, /^vcpus {5}2 \(kernel\)$/m)
  assert.match(
    text,
    /^lost {6}0\.45 vCPUs now, 0 if placed well; remoteMemory 0\.45, 75 % of accesses\n {10}leave the node$/m,
  )
  assert.match(text, /^201 +t201 +vCPU 0 +0 +0 +50% +thread-name$/m)
  assert.match(text, /^200 +t200 +emulator +0-7 +0 +50%$/m)
  assert.match(text, /^10000000000 +8 GiB +4 KiB +default +0: 1G, 1: 3G +size$/m)
  assert.ok(text.split('\n').every((line) => line.length <= 80))
})

test('names from outside break no line', async () => {
  const text = showVms(
    await judged(
      vmOf({
        name: 'x'.repeat(300).slice(0, 255),
        cpus: ['0'],
        memory: settled.memory === null ? [] : [{ bytes: GIB, resident: { 0: GIB } }],
      }),
    ),
    narrow,
  )
  assert.match(text, /xxx/)
})

const withQemu = skipUnless(hasQemu, NO_QEMU)

withQemu('real guests: a line each, JSON, one by its name and by its pid', async () => {
  const guest = await startQemu(['-accel', 'tcg', '-name', 'guest=ps-test,debug-threads=on', '-m', '64', '-smp', '1'])
  try {
    const all = await homenode(['list'], { env: { COLUMNS: '80' } })
    assert.is(all.stderr, '')
    assert.is(all.code, 0)
    assert.match(all.stdout, /^ps-test +qemu\/tcg +1 /m)
    assert.ok(
      all.stdout.split('\n').every((line) => line.length <= 80),
      all.stdout,
    )
    const json = JSON.parse((await homenode(['ps', 'ps-test', '--json'])).stdout)
    assert.equal([json.kind, json.vms.length, json.vms[0].pid], ['Running', 1, guest.pid])
    assert.equal(json.vms[0].name, { value: 'ps-test', source: 'qmp' })
    assert.type(json.vms[0].lost.now, 'number')
    const byPid = await homenode(['ps', String(guest.pid)])
    assert.match(byPid.stdout, /^ps-test\n.*vCPU 0.*64 MiB/s)
    assert.match((await homenode(['topo'])).stdout, /^Running: \d+ VMs?: .*ps-test \(1 vCPU\)/m)
  } finally {
    await guest.stop()
  }
})

test('both of its names have help with examples', async () => {
  for (const name of ['ps', 'list']) {
    const { code, stdout } = await homenode([name, '--help'])
    assert.is(code, 0)
    assert.match(stdout, /Usage: homenode ps\|list .*Examples:\n {2}homenode ps/s)
  }
})

test('a name that no VM has is bad input', async () => {
  const { code, stderr } = await homenode(['ps', 'no-such-vm'])
  assert.is(code, 2)
  assert.match(stderr, /NAME: expected the name or the pid of a VM that runs here/)
})

const asNobody = skipUnless(hasQemu && canBeNobody, NOT_NOBODY)

asNobody('an ordinary user sees what the kernel shows everybody, and what is missing', async () => {
  using nobody = await Nobody.withCommand()
  const guest = await startQemu(['-accel', 'tcg', '-name', 'guest=roots,debug-threads=on', '-m', '64'])
  try {
    const all = nobody.homenode('ps')
    assert.is(all.status, 0, all.stderr)
    assert.match(all.stdout, /^roots +qemu\/tcg +1 +[\d,-]+ +\d+ +\? +\? +\? +\? +\?$/m)
    assert.match(all.stdout, /more is known to root/)
    assert.match(
      nobody.homenode('ps', 'roots').stdout,
      /not known: where its memory is: its numa_maps may not be read\. Known to: root\./,
    )
  } finally {
    await guest.stop()
  }
})

test.run()
