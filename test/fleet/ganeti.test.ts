/** Ganeti's words without Ganeti: places in tags, what its API takes, wrong questions and files. With it: test/fleet/ganeti/. */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { InputError } from '../../src/errors.js'
import { instanceBody, parseTemplate, requireCarriedOut } from '../../src/fleet/ganeti/instance.js'
import { placeFrom, tagsOf } from '../../src/fleet/ganeti/place-tags.js'
import { Rapi, RapiError } from '../../src/fleet/ganeti/rapi.js'
import { NOTHING } from '../../src/fleet/placed.js'
import { rank } from '../../src/fleet/rank.js'
import { readVm } from '../../src/fleet/vm.js'
import { syntheticHost } from '../../src/topology/synthetic.js'
import { homenode, requestOf } from '../cli/command.js'
import { skipUnless } from '../skip.js'

const HAIL = '/usr/lib/ganeti/iallocators/hail'
const withHail = skipUnless(existsSync(HAIL), "Debian's ganeti is not installed")

const withOpenssl = skipUnless(spawnSync('openssl', ['version']).status === 0, 'openssl is not installed')

const folder = mkdtempSync(join(tmpdir(), 'homenode-ganeti-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, content: unknown) => {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
const pieces = syntheticHost('pack:1 [numa(memory=64GiB)] l3:4 core:4 pu:1')

/** A VM on the first CPUs of a host, as tags. */
async function tagsFor(vm: { readonly name: string; readonly vcpus: number; readonly memory: string }, node = 'node1') {
  const [best] = await rank([{ name: node, host: whole }], {}, vm)
  const { cells, vcpus } = best!.plan!.vms[0]!
  const { name: _, ...rest } = vm
  return tagsOf({ node, token: 'token', vm: { ...rest, current: { cells, vcpus } } })
}

test('a place comes out of tags as it went in, in any order of the tags, and Ganeti takes each of them', () => {
  const vcpu = fc.record({
    vcpu: fc.nat(4095),
    cell: fc.nat(7),
    node: fc.nat(7),
    cpus: fc.string(),
    dedicated: fc.boolean(),
  })
  const cell = fc.record({
    cell: fc.nat(7),
    pageSize: fc.nat(),
    memory: fc.array(fc.record({ node: fc.nat(), bytes: fc.nat() })),
  })
  const current = fc.record({ cells: fc.array(cell), vcpus: fc.array(vcpu, { maxLength: 200 }) })
  const place = fc.record({
    node: fc.string(),
    token: fc.string(),
    vm: fc.record({ vcpus: fc.nat(), trust: fc.string(), current }),
  })
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value))
  fc.assert(
    fc.property(place, fc.infiniteStream(fc.nat()), fc.array(fc.string()), (given, order, others) => {
      const tags = tagsOf(given)
      for (const tag of tags) assert.match(tag, /^[\w.+*/:@-]{1,128}$/)
      const mixed = [...tags, ...others.filter((tag) => !tag.startsWith('homenode:'))]
        .map((tag) => ({ tag, key: order.next().value! }))
        .sort((a, b) => a.key - b.key)
      assert.equal(plain(placeFrom(mixed.map(({ tag }) => tag))), plain(given))
    }),
  )
})

test('tags of others are no place, damaged ones are refused', async () => {
  assert.is(placeFrom([]), null)
  assert.is(placeFrom(['web', 'htools:iextags:service']), null)
  const tags = await tagsFor({ name: 'db', vcpus: 16, memory: '1GiB' })
  assert.ok(tags.length > 1)
  const refused = (some: readonly string[]) =>
    assert.throws(
      () => placeFrom(some),
      (error: unknown) => error instanceof InputError && error.where.startsWith('tags'),
    )
  refused(tags.slice(1))
  refused([...tags, 'homenode:x'])
  refused([...tags, tags[0]!.replace('1/', '9/')])
  refused(tags.map((tag) => tag.replace(/:[^:]{8}/, ':AAAAAAAA')))
  refused(['homenode:1/1:'])
  refused(['homenode:1/1:bnVsbA'])
})

test('the body has the place as Ganeti pins it and QEMU binds it', async () => {
  const host = syntheticHost('pack:2 [numa(memory=16GiB)] l3:1 core:2 pu:1')
  const given = { name: 'db', vcpus: 4, memory: '1GiB', cells: 2 }
  const [best] = await rank([{ name: 'node1', host }], {}, given)
  const own = best!.plan!.vms[0]!
  const { vcpus, cells } = own
  const place = { node: 'node1', token: 't', vm: { vcpus: 4, memory: '1GiB', cells: 2, current: { vcpus, cells } } }
  const template = parseTemplate({
    disk_template: 'plain',
    disks: [{ size: 1024 }],
    nics: [],
    os_type: 'debootstrap+default',
    hvparams: { kvm_extra: '-device virtio-rng-pci', cpu_type: 'host' },
    beparams: { always_failover: true },
    tags: ['web'],
  })
  const body = instanceBody(template, readVm(given, NOTHING), own, host, place, 'homenode')
  assert.equal(body.hvparams, {
    cpu_type: 'host',
    cpu_sockets: 2,
    cpu_cores: 2,
    cpu_threads: 1,
    cpu_mask: '0:1:2:3',
    kvm_extra: [
      '-device virtio-rng-pci',
      '-object memory-backend-ram,id=ram0,size=524288k,host-nodes=0,policy=bind,prealloc=on',
      '-object memory-backend-ram,id=ram1,size=524288k,host-nodes=1,policy=bind,prealloc=on',
      '-numa node,nodeid=0,cpus=0-1,memdev=ram0 -numa node,nodeid=1,cpus=2-3,memdev=ram1',
      '-numa dist,src=0,dst=0,val=10 -numa dist,src=0,dst=1,val=20',
      '-numa dist,src=1,dst=0,val=20 -numa dist,src=1,dst=1,val=10',
    ].join(' '),
  })
  assert.equal(body.beparams, { always_failover: true, vcpus: 4, minmem: 1024, maxmem: 1024 })
  assert.equal(
    [body.instance_name, body.iallocator, body.mode, body.os_type],
    ['db', 'homenode', 'create', 'debootstrap+default'],
  )
  assert.equal(placeFrom(body.tags as string[]), place)
  assert.ok((body.tags as string[]).includes('web'))
})

test('what homenode says of an instance is not said twice, and what Ganeti cannot carry out is refused', () => {
  const least = { disk_template: 'diskless', disks: [], nics: [] }
  const fails = (content: object, where: string) =>
    assert.throws(
      () => parseTemplate(content),
      (error: unknown) => error instanceof InputError && error.where === where,
      where,
    )
  fails({ ...least, pnode: 'node1' }, 'pnode')
  fails({ ...least, hvparams: { cpu_mask: 'all' } }, 'hvparams.cpu_mask')
  fails({ ...least, hvparams: { mem_path: '/dev/hugepages' } }, 'hvparams.mem_path')
  fails({ ...least, beparams: { vcpus: 2 } }, 'beparams.vcpus')
  fails({ ...least, hypervisor: 'xen-pvm' }, 'hypervisor')
  fails({ disks: [], nics: [] }, 'disk_template')
  const refuses = (more: object, where: string) =>
    assert.throws(
      () => requireCarriedOut(readVm({ name: 'db', vcpus: 2, memory: '1GiB', ...more }, NOTHING)),
      (error: unknown) => error instanceof InputError && error.where === where,
      where,
    )
  requireCarriedOut(readVm({ name: 'db', vcpus: 2, memory: '1GiB' }, NOTHING))
  refuses({ cpuPolicy: 'shared' }, 'vm.cpuPolicy')
  refuses({ emulator: 'dedicated' }, 'vm.emulator')
  refuses({ iothreads: 1 }, 'vm.iothreads')
  refuses({ memory: '1028KiB' }, 'vm.memory')
})

const policy = {
  'spindle-ratio': 32,
  'vcpu-ratio': 32,
  'disk-templates': ['diskless'],
  minmax: [{ min: spec(1, 1), max: spec(128, 1_000_000) }],
  std: spec(1, 128),
}

function spec(cpus: number, memory: number): object {
  return { 'cpu-count': cpus, 'disk-count': 0, 'disk-size': 0, 'memory-size': memory, 'nic-count': 0, 'spindle-use': 1 }
}

function nodeOf(more: object = {}): object {
  return {
    total_memory: 65_536,
    reserved_memory: 1024,
    free_memory: 64_000,
    total_disk: 0,
    free_disk: 0,
    total_spindles: 0,
    free_spindles: 0,
    total_cpus: 16,
    reserved_cpus: 1,
    i_pri_memory: 0,
    i_pri_up_memory: 0,
    tags: [],
    primary_ip: '192.0.2.10',
    secondary_ip: '192.0.2.10',
    offline: false,
    drained: false,
    master_candidate: true,
    group: 'group',
    master_capable: true,
    vm_capable: true,
    ndparams: { spindle_count: 1, exclusive_storage: false },
    ...more,
  }
}

function instanceOf(nodes: readonly string[], more: object = {}): object {
  return {
    vcpus: 16,
    memory: 1024,
    nodes,
    tags: [],
    admin_state: 'up',
    spindle_use: 1,
    os: 'none',
    nics: [],
    disks: [],
    disk_template: 'diskless',
    disks_active: true,
    hypervisor: 'kvm',
    disk_space_total: 0,
    ...more,
  }
}

function question(request: object, instances: object = {}, nodes: object = {}): object {
  return {
    version: 2,
    cluster_name: 'cluster',
    cluster_tags: [],
    enabled_hypervisors: ['kvm'],
    ipolicy: policy,
    nodegroups: { group: { name: 'default', alloc_policy: 'preferred', networks: [], ipolicy: policy, tags: [] } },
    nodes: { pieces: nodeOf(), whole: nodeOf(), ...nodes },
    instances,
    request,
  }
}

function allocation(more: object = {}): object {
  return { ...instanceOf([]), type: 'allocate', name: 'new', required_nodes: 1, group_name: null, ...more }
}

const hosts = mkdtempSync(join(tmpdir(), 'homenode-ganeti-hosts-'))
test.after(() => rmSync(hosts, { recursive: true, force: true }))
writeFileSync(join(hosts, 'whole.json'), JSON.stringify(whole))
writeFileSync(join(hosts, 'pieces.json'), JSON.stringify(pieces))

async function answerTo(content: unknown, more: readonly string[] = [], options: readonly string[] = []) {
  const { code, stdout, stderr } = await homenode([
    'ganeti-iallocator',
    '--hosts',
    hosts,
    ...more,
    '--',
    file('asked.json', content),
    ...options,
  ])
  assert.is(code, 0, stderr)
  return JSON.parse(stdout) as { success: boolean; info: string; result: unknown }
}

withHail('an instance goes where it loses least, and by tags the next one knows that', async () => {
  const first = await answerTo(question(allocation()))
  assert.equal(first.result, ['whole'], first.info)
  assert.match(first.info, /whole loses 0 more, pieces loses 1\.28 more/)
  const there = instanceOf(['whole'], { tags: await tagsFor({ name: 'old', vcpus: 16, memory: '1GiB' }, 'whole') })
  assert.equal((await answerTo(question(allocation(), { old: there }))).result, ['pieces'])
  const full = { old: there, older: { ...there, nodes: ['pieces'] } }
  const refused = await answerTo(question(allocation(), full))
  assert.not(refused.success)
  assert.match(refused.info, /^homenode: it fits on no node: .*pieces: cpu-exclusive: .*room for 0/)
})

withHail(
  'a node that is offline, drained, not for instances, or out of what Ganeti asked for, takes nobody',
  async () => {
    // hail wants room elsewhere, should the node fail.
    const spare = nodeOf()
    for (const state of [{ offline: true }, { drained: true }, { vm_capable: false }]) {
      const { result, info } = await answerTo(question(allocation(), {}, { whole: nodeOf(state), spare }))
      assert.equal(result, ['pieces'], info)
    }
    assert.equal((await answerTo(question(allocation({ 'restrict-to-nodes': ['pieces'] })))).result, ['pieces'])
  },
)

withHail("hail's word counts: a node without memory by its account takes nobody", async () => {
  const { result, info } = await answerTo(
    question(allocation(), {}, { whole: nodeOf({ free_memory: 10 }), spare: nodeOf() }),
  )
  assert.equal(result, ['pieces'], info)
})

withHail(
  "hail gets the options that Ganeti gave: one node alone takes an instance only where hail's checks are off",
  async () => {
    const alone = question(allocation(), {}, { pieces: nodeOf({ offline: true }) })
    assert.match((await answerTo(alone)).info, /whole: hail: .*FailN1/)
    assert.equal((await answerTo(alone, [], ['--no-capacity-checks'])).result, ['whole'])
  },
)

withHail('several are placed beside each other, those that fit nowhere are named', async () => {
  // Without tags in between, the second sees the first by its memory alone.
  const request = {
    type: 'multi-allocate',
    instances: [allocation({ name: 'a' }), allocation({ name: 'b', vcpus: 64 })],
  }
  const { success, result, info } = await answerTo(question(request))
  assert.ok(success, info)
  assert.equal(result, [[['a', ['whole']]], ['b']])
})

withHail('a place that was planned is taken as planned, or not at all', async () => {
  const tags = await tagsFor({ name: 'new', vcpus: 16, memory: '1GiB' }, 'pieces')
  const planned = await answerTo(question(allocation({ tags })))
  assert.equal(planned.result, ['pieces'], planned.info)
  const there = instanceOf(['pieces'], { tags: await tagsFor({ name: 'old', vcpus: 1, memory: '1GiB' }, 'pieces') })
  const taken = await answerTo(question(allocation({ tags }), { old: there }))
  assert.not(taken.success)
  assert.match(taken.info, /^homenode: taken meanwhile: pieces: /)
  const gone = await answerTo(question(allocation({ tags }), {}, { pieces: nodeOf({ drained: true }) }))
  assert.match(gone.info, /^homenode: not there: pieces: /)
})

withHail('what is no allocation is answered by hail', async () => {
  const request = { type: 'relocate', name: 'old', required_nodes: 1, relocate_from: ['pieces'], disk_space_total: 0 }
  const { success, info } = await answerTo(
    question(request, { old: instanceOf(['whole', 'pieces'], { disk_template: 'drbd' }) }),
  )
  // There is no third node.
  assert.not(success)
  assert.not.match(info, /homenode/)
  const unknown = await answerTo(question({ type: 'dance' }))
  assert.not(unknown.success)
})

withHail('a node without a file, and one whose tags cannot be read, take nobody; the others are asked', async () => {
  const { result } = await answerTo(question(allocation(), {}, { third: nodeOf() }))
  assert.equal(result, ['whole'])
  const none = await answerTo(question(allocation({ vcpus: 32 }), {}, { third: nodeOf() }))
  assert.match(none.info, /third: .*third\.json: expected a host as "homenode topo --json" prints it, got no such file/)
  const damaged = instanceOf(['whole'], { tags: ['homenode:1/2:AAAA'] })
  const other = await answerTo(question(allocation(), { old: damaged }))
  assert.equal(other.result, ['pieces'])
})

test('what is no question of Ganeti is said in the answer, with its place', async () => {
  const said = async (content: unknown, text: RegExp) => {
    const { success, info, result } = await answerTo(content)
    assert.not(success)
    assert.match(info, text)
    assert.equal(result, [])
  }
  await said('{', /^homenode: .*asked\.json/)
  await said('', /^homenode: .*an empty file/)
  await said([], /^homenode: .*expected an object/)
  await said({}, /^homenode: .*asked\.json: nodes: expected an object, got nothing/)
  await said(question({}), /request\.type: expected a string, got nothing/)
  await said(question(allocation({ vcpus: 'four' })), /request: vcpus: expected a number, got "four"/)
  await said(question({ type: 'multi-allocate', instances: [{}] }), /request: instances\[0\]\.name: expected a string/)
})

test('without hail the answer says so', async () => {
  const { success, info } = await answerTo(question(allocation()), ['--hail', join(folder, 'no-hail')])
  assert.not(success)
  assert.match(info, /^homenode: .*no-hail: there is no such program$/)
})

const request = file('request.json', requestOf({ name: 'db', vcpus: 2, memory: '1GiB' }))
const instance = file('instance.json', { disk_template: 'diskless', disks: [], nics: [] })
const password = file('password', 'secret\n')

const create = (...more: readonly string[]) =>
  homenode(['ganeti-create', '-f', request, '--vm', 'db', '--hosts', hosts, '--user', 'u', ...more])

test('ganeti-create: what is wrong is said, and what is away', async () => {
  const says = async (args: readonly string[], code: number, text: RegExp) => {
    const ended = await create(...args)
    assert.is(ended.code, code, ended.stderr)
    assert.match(ended.stderr, text)
    assert.is(ended.stdout, '')
  }
  await says(['--instance', instance], 2, /--password-file/)
  const login = ['--password-file', password]
  await says([...login, '--instance', join(folder, 'no.json')], 2, /no such file/)
  await says(
    [...login, '--instance', file('empty.json', {})],
    2,
    /empty\.json: disk_template: expected a string, got nothing/,
  )
  const rest = [...login, '--instance', instance]
  await says([...rest, '--rapi', 'ftp://cluster'], 2, /--rapi: expected an address .*, got "ftp:\/\/cluster"/)
  // A password there is not shown.
  await says(
    [...rest, '--rapi', 'https://u:s3cret@cluster'],
    2,
    /expected an address [^@]*got one with a user in it, or none$/m,
  )
  await says(
    [...rest, '--rapi', 'https://127.0.0.1:1'],
    1,
    /127\.0\.0\.1:1: the remote API does not answer: .*ECONNREFUSED/,
  )
  await says([...rest, '--certificate', instance], 2, /--certificate: expected a certificate in PEM/)
  await says(
    ['--instance', instance, '--password-file', file('nothing', '\n')],
    2,
    /nothing: expected a password in its first line/,
  )
})

test('ganeti-create: where whoever started the work is gone before it begins, nothing is asked of Ganeti', async () => {
  const rest = ['--instance', instance, '--password-file', password, '--rapi', 'https://127.0.0.1:1']
  const args = ['ganeti-create', '-f', request, '--vm', 'db', '--hosts', hosts, '--user', 'u', ...rest]
  const { code, stdout, stderr } = await homenode(args, { env: { HOMENODE_GANETI_KEEPER: '1' } })
  assert.equal([code, stdout], [130, ''])
  assert.match(stderr, /stopped before anything was asked of Ganeti/)
})

withOpenssl('what answers in the place of the remote API is said to be another', async () => {
  const key = join(folder, 'key.pem')
  const certificate = join(folder, 'cert.pem')
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=x'],
    ...['-days', '2', '-keyout', key, '-out', certificate],
  ])
  assert.is(made.status, 0, `${made.stderr}`)
  const answers: [number, string][] = [
    [200, 'null'],
    [200, '{}'],
    [200, '{"data": [[1]]}'],
    [500, 'null'],
    [200, '<html>'],
  ]
  let next = answers[0]!
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_request, response) => {
    response.writeHead(next[0]).end(next[1])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const rapi = new Rapi({
    url: `https://127.0.0.1:${port}`,
    user: 'u',
    password: 's3cret',
    certificate: readFileSync(certificate, 'utf8'),
  })
  try {
    for (const answer of answers) {
      next = answer
      for (const work of [
        () => rapi.query('node', ['name']),
        () => rapi.submit('POST', '/2/x', {}),
        () => rapi.ended(1),
      ]) {
        const error = await work().then(
          () => assert.unreachable(answer[1]),
          (reason: unknown) => reason,
        )
        assert.instance(error, RapiError)
        assert.match((error as RapiError).message, answer[0] === 500 ? /: 500$/ : /no remote API of Ganeti$/)
      }
    }
  } finally {
    server.close()
  }
})

test.run()
