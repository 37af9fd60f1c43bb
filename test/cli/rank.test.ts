/** `homenode rank`: hosts' files, the order, what is said of those that refuse. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { syntheticHost } from '../../src/topology/synthetic.js'
import { homenode, requestOf, scratch } from './command.js'

const file = scratch()
const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
const pieces = syntheticHost('pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')
const small = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:8 pu:1')
const seats = (cpus: readonly number[]) =>
  cpus.map((cpu, vcpu) => ({ vcpu, cell: 0, node: 0, cpus: `${cpu}`, dedicated: true }))
const there = {
  name: 'old',
  vcpus: 2,
  memory: '1GiB',
  current: { cells: [{ cell: 0, pageSize: 4096, memory: [{ node: 0, bytes: 2 ** 30 }] }], vcpus: seats([0, 1]) },
}
const files = {
  whole: file('whole.json', JSON.stringify(whole)),
  pieces: file('pieces.json', JSON.stringify(pieces)),
  small: file('small.json', JSON.stringify(small)),
  taken: file('taken.json', JSON.stringify({ host: whole, placed: { vms: [there] } })),
}
const request = file(
  'request.json',
  requestOf({ name: 'big', vcpus: 16, memory: '16GiB' }, { name: 'later', vcpus: 4, memory: '4GiB' }),
)
const on = (...names: (keyof typeof files)[]) => names.flatMap((name) => ['--host-file', files[name]])

test('the host where it loses least is first, those that refuse are last, with why', async () => {
  const { code, stdout, stderr } = await homenode([
    'rank',
    '-f',
    request,
    '--vm',
    'big',
    ...on('small', 'pieces', 'whole', 'taken'),
  ])
  assert.is(code, 0, stderr)
  assert.match(stdout, /^"big" fits on 2 of 4 hosts\n\nHOST +LOST MORE +ROOM LOST +MOVES +NODE +VCPUS -> CPUS\n/)
  // Four VMs of 4 vCPUs would have fit.
  assert.match(stdout, /^whole +0 +16 +0 +0 +0-15 -> 0-15\npieces +1\.28 +16 +0 +0 +0-15 -> 0-15$/m)
  assert.match(stdout, /^refused by small\n {2}cpu-exclusive: .*has room for 8/m)
  assert.match(stdout, /^refused by taken\n {2}cpu-exclusive: .*has room for 14/m)
})

test('--json has the plan for each host', async () => {
  const { code, stdout } = await homenode(['rank', '-f', request, '--vm', 'later', ...on('taken', 'small'), '--json'])
  assert.is(code, 0)
  const { kind, vm, hosts } = JSON.parse(stdout)
  assert.equal([kind, vm, hosts.length], ['Ranking', 'later', 2])
  const taken = hosts.find(({ host }: { host: string }) => host === 'taken')
  assert.equal(Object.keys(taken), ['host', 'refused', 'lostMore', 'capacityLost', 'plan'])
  assert.equal(
    taken.plan.vms.map(({ name }: { name: string }) => name),
    ['old', 'later'],
  )
  assert.equal(taken.plan.vms[0].vcpus, seats([0, 1]))
})

test('where it fits nowhere the exit code is 3', async () => {
  const { code, stdout } = await homenode(['rank', '-f', request, '--vm', 'big', ...on('small', 'taken')])
  assert.is(code, 3)
  assert.match(stdout, /^"big" fits on 0 of 2 hosts\n\nrefused by small\n/)
})

test('what is wrong is said with the file and the place in it', async () => {
  const bad = (name: string, content: object) => file(`${name}.json`, JSON.stringify(content))
  const nowhere = bad('nowhere', { host: whole, placed: { vms: [{ name: 'a', vcpus: 1, memory: '1GiB' }] } })
  const cases: readonly (readonly [string[], RegExp])[] = [
    [
      ['--vm', 'bg', ...on('whole')],
      /request\.json: vm: expected the name of a VM of the request \("big", "later"\), got "bg"/,
    ],
    [['--vm', 'big'], /required option '--host-file <file>' not specified/],
    [['--vm', 'big', '--host-file', nowhere], /nowhere\.json: placed: vms\[0\]\.current: expected where the VM is/],
    [['--vm', 'big', '--host-file', bad('no-host', { host: {} })], /no-host\.json: host: /],
    [['--vm', 'big', '--host-file', bad('odd', { host: whole, place: 1 })], /odd\.json: .*place/],
    [
      ['--vm', 'big', ...on('whole', 'whole')],
      /^homenode: --host-file: expected files that name a host each, unlike ".*whole\.json", got ".*whole\.json"$/m,
    ],
    [['--vm', 'big', '--host-file', '-', '--host-file', '-'], /standard input: expected one option that reads it/],
  ]
  for (const [args, says] of cases) {
    const { code, stderr } = await homenode(['rank', '-f', request, ...args])
    assert.is(code, 2, stderr)
    assert.match(stderr, says)
    assert.is(stderr.includes('    at '), false)
  }
})

test.run()
