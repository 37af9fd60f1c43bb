/** `homenode convert`, from its arguments to its streams and exit codes. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Plan, PlanVcpu, PlanVm } from '../../src/types.js'
import { homenode, requestOf, scratch, TWO_NODES } from './command.js'

const file = scratch()
const on = ['--synthetic', TWO_NODES]
const request = file(
  'request.json',
  requestOf(
    { name: 'db', vcpus: 4, memory: '1GiB', cells: 2, memoryPolicy: 'interleave' },
    { name: "web 'x'", vcpus: 2, memory: '2GiB', cpuPolicy: 'shared' },
  ),
)
const planned = await homenode(['plan', ...on, '-f', request, '--json'])
const plan = file('plan.json', planned.stdout)
const domain = (name: string, vcpus = 4, memory = 1) =>
  `\ufeff<?xml version="1.0"?>\r\n<!-- mine -->\r\n<domain type='kvm'>\r\n\t<name>${name}</name>\r\n\t<memory unit='GiB'>${memory}</memory>\r\n\t<vcpu>${vcpus}</vcpu>\r\n</domain>`

async function convert(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await homenode(['convert', ...args])
  assert.equal([code, stderr], [0, ''])
  return stdout
}

test('a request and its plan give the same, where both know the host and the policy', async () => {
  for (const format of ['libvirt', 'qemu', 'cloud-hypervisor', 'numactl', 'firecracker']) {
    const args = ['--to', format, '--vm', 'db', ...on]
    const [byRequest, byPlan] = [
      await homenode(['convert', request, ...args]),
      await homenode(['convert', plan, '-f', request, ...args]),
    ]
    assert.is(byRequest.code, 0, byRequest.stderr)
    assert.ok(byRequest.stdout.length > 200)
    assert.equal(byPlan, byRequest)
  }
})

test('without its request a plan is bound as it is; without a host no distances are said', async () => {
  const text = await convert(plan, '--to', 'qemu', '--vm', 'db')
  assert.match(text, /policy=bind/)
  assert.not.match(text, /dist,/)
  assert.match(await convert(plan, '--to', 'qemu', '--vm', 'db', '-f', request), /policy=interleave/)
  assert.match(await convert(plan, '--to', 'qemu', '--vm', 'db', ...on), /-numa dist,src=0,dst=1,val=11 /)
})

test('json is the plan, and exit code 3 says that some VM is refused', async () => {
  assert.is(await convert(plan, '--to', 'json'), planned.stdout)
  assert.is(await convert(request, ...on, '--to', 'json'), planned.stdout)
  const misfit = file(
    'misfit.json',
    requestOf({ name: 'db', vcpus: 1, memory: '1GiB' }, { name: 'wide', vcpus: 99, memory: '1GiB' }),
  )
  const whole = await homenode(['convert', misfit, ...on, '--to', 'json'])
  assert.equal([whole.code, JSON.parse(whole.stdout).status], [3, 'partial'])
  const one = await homenode(['convert', misfit, ...on, '--to', 'qemu', '--vm', 'wide'])
  assert.equal([one.code, one.stdout], [3, ''])
  assert.match(one.stderr, /^homenode: "wide" does not fit: it wants 99 vCPUs/)
  assert.match(await convert(misfit, ...on, '--to', 'qemu'), /guest=db,/, 'the only one that is placed')
})

test('a domain is edited in place, the VM taken by its name', async () => {
  const xml = domain('db')
  const edited = await convert(plan, '--to', 'libvirt', '--domain', file('db.xml', xml))
  const before = xml.slice(0, xml.indexOf('\t<vcpu>'))
  assert.is(edited.slice(0, before.length), before)
  assert.match(edited, /\r\n\t<cputune>\r\n\t\t<vcpupin vcpu='0' cpuset='0'\/>\r\n/)
  assert.ok(edited.endsWith('</domain>'))
  assert.not.match(edited, /[^\r]\n/)
  assert.is(await convert(plan, '--to', 'libvirt', '--domain', file('again.xml', edited)), edited)
  assert.match(
    await convert(plan, '--to', 'libvirt', '--vm', 'db', '--domain', file('other.xml', domain('other'))),
    /cputune/,
  )
})

test('domains become a request, which is planned where a format is asked for', async () => {
  const [a, b] = [file('a.xml', domain('a', 2, 2)), file('b.xml', domain('b', 1, 3))]
  assert.equal(JSON.parse(await convert('--from', 'libvirt', a, b)), {
    schemaVersion: 1,
    kind: 'Request',
    vms: [
      { name: 'a', vcpus: 2, memory: '2GiB', cpuPolicy: 'shared' },
      { name: 'b', vcpus: 1, memory: '3GiB', cpuPolicy: 'shared' },
    ],
  })
  const text = await convert('--from', 'libvirt', a, b, ...on, '--to', 'libvirt', '--domain', b)
  assert.match(text, /<cell id='0' cpus='0' memory='3145728' unit='KiB'\/>/)
})

test('what a format cannot say is a note on standard error', async () => {
  const { code, stdout, stderr } = await homenode(['convert', plan, '--to', 'firecracker', '--vm', 'db'])
  assert.is(code, 0)
  assert.is(stderr, 'note: Firecracker has no NUMA: its guest sees one node instead of 2 cells\n')
  assert.match(stdout, /^#!\/bin\/sh\n/)
  const huge = domain('a').replace('<vcpu>', '<memoryBacking><hugepages/></memoryBacking><vcpu>')
  const read = await homenode(['convert', '--from', 'libvirt', file('huge.xml', huge)])
  assert.match(read.stderr, /^note: .*huge\.xml: huge pages of the host's default size are taken to be of 2 MiB\n$/)
})

const { vms } = JSON.parse(planned.stdout) as Plan
const [{ vcpus }] = vms as [PlanVm]

/** The plan with other vCPUs in its first VM. */
function withVcpus(changed: readonly object[]): string {
  const [db, ...others] = vms
  return file(
    'broken.json',
    JSON.stringify({ ...JSON.parse(planned.stdout), vms: [{ ...db, vcpus: changed }, ...others] }),
  )
}

/** The plan with another field in its second vCPU. */
function withVcpu(fields: Partial<PlanVcpu>): string {
  return withVcpus(vcpus.map((vcpu, at) => (at === 1 ? { ...vcpu, ...fields } : vcpu)))
}

const WRONG: readonly (readonly [string, () => readonly string[], RegExp])[] = [
  ['no format', () => [plan], /^homenode: --to: expected a format, or one with --from, got nothing/],
  ['an unknown format', () => [plan, '--to', 'xen'], /argument 'xen' is invalid\. Allowed choices are libvirt, qemu/],
  ['no file', () => ['--to', 'qemu'], /missing required argument 'file'/],
  ['two plans', () => [plan, plan, '--to', 'qemu'], /expected one plan or request, got 2 files/],
  [
    'none of several VMs',
    () => [plan, '--to', 'qemu'],
    /plan\.json: expected --vm with the name of one of its VMs \("db", "web 'x'"\), got nothing/,
  ],
  ['another VM', () => [plan, '--to', 'qemu', '--vm', 'DB'], /got "DB"/],
  ['a VM of all', () => [plan, '--to', 'json', '--vm', 'db'], /--vm: expected it for a format of one VM, got "json"/],
  [
    'a domain for QEMU',
    () => [plan, '--to', 'qemu', '--domain', 'x'],
    /--domain: expected it together with --to libvirt/,
  ],
  [
    'a request of a request',
    () => [request, '--to', 'qemu', '-f', request],
    /request\.json: expected a plan, where -f is given/,
  ],
  [
    'standard input twice',
    () => ['-', '--to', 'libvirt', '--domain', '-'],
    /one option that reads it, got "-" for FILE and --domain/,
  ],
  [
    'a plan that is none',
    () => [file('broken.json', JSON.stringify({ ...JSON.parse(planned.stdout), cost: undefined })), '--to', 'qemu'],
    /broken\.json: cost: expected an object, got nothing/,
  ],
  [
    'a vCPU without CPUs',
    () => [withVcpu({ cpus: '' }), '--to', 'qemu', '--vm', 'db'],
    /broken\.json: vms\[0\]\.vcpus\[1\]\.cpus: expected a cpulist with at least one CPU, got ""/,
  ],
  [
    'a vCPU without a cell',
    () => [withVcpu({ cell: 7 }), '--to', 'qemu', '--vm', 'db'],
    /vcpus\[1\]\.cell: expected a cell from 0 to 1, got 7/,
  ],
  [
    'a cell without vCPUs',
    () => [withVcpus(vcpus.map((vcpu) => ({ ...vcpu, cell: 0 }))), '--to', 'qemu', '--vm', 'db'],
    /vms\[0\]\.cells\[1\]: expected a cell that some vCPU is in/,
  ],
  [
    'vCPUs out of order',
    () => [withVcpus([...vcpus].reverse()), '--to', 'qemu', '--vm', 'db'],
    /vcpus\[0\]\.vcpu: expected 0: vCPUs in their order, got 3/,
  ],
  [
    'a plan for another host',
    () => [plan, '--to', 'qemu', '--vm', "web 'x'", '--synthetic', 'core:2 pu:1'],
    /vms\[1\]\.vcpus\[0\]\.cpus: expected CPUs of the host, got/,
  ],
  [
    'a request without the VM',
    () => [
      plan,
      '--to',
      'qemu',
      '--vm',
      'db',
      '-f',
      file('r.json', requestOf({ name: 'x', vcpus: 1, memory: '1GiB' })),
    ],
    /-f: expected a request with "db" of 4 vCPUs, got one without it/,
  ],
  [
    'a domain that is none',
    () => [plan, '--to', 'libvirt', '--domain', request],
    /request\.json: line 1, column \d+: expected well-formed XML/,
  ],
  [
    'a domain of another size',
    () => [plan, '--to', 'libvirt', '--domain', file('small.xml', domain('db', 3))],
    /small\.xml: line 6, column 2: expected 4 vCPUs, as "db" is planned, got 3/,
  ],
  [
    'a domain of another name',
    () => [plan, '--to', 'libvirt', '--domain', file('who.xml', domain('who'))],
    /plan\.json: expected --vm .*, got "who"/,
  ],
  [
    'a DOCTYPE',
    () => ['--from', 'libvirt', file('doctype.xml', '<!DOCTYPE domain><domain/>')],
    /doctype\.xml: line 1, column 17: expected XML without a DOCTYPE/,
  ],
  [
    'two domains of one name',
    () => ['--from', 'libvirt', file('x.xml', domain('x')), file('y.xml', domain('x'))],
    /x\.xml, .*y\.xml: vms\[1\]\.name: expected a name of its own/,
  ],
]

for (const [name, args, says] of WRONG) {
  test(`${name}: exit code 2, one line that says where`, async () => {
    const { code, stdout, stderr } = await homenode(['convert', ...args()])
    assert.equal([code, stdout], [2, ''])
    assert.match(stderr, says)
    assert.not.match(stderr, /\n {4}at /)
  })
}

test.run()
