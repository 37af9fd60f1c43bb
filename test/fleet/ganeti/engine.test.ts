/**
 * The allocator and `ganeti-create` in Ganeti itself: three virtual nodes, of which two are said to be hosts that they are not (their instances
 * are not started), and one is this machine (its guest runs).
 */

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { placedRequest } from '../../../src/fleet/placed.js'
import { rank } from '../../../src/fleet/rank.js'
import { detectHost } from '../../../src/topology/index.js'
import { syntheticHost } from '../../../src/topology/synthetic.js'
import type { Host, Request } from '../../../src/types.js'
import type { Ended } from '../../cli/command.js'
import { skipUnless } from '../../skip.js'
import { Cluster, INSTANCE, missing } from './cluster.js'

const why = missing()
const withGaneti = skipUnless(why === null, why ?? '')

/** Four CPUs share a cache: 8 vCPUs lose something there, 4 nothing. */
const pieces = syntheticHost('pack:1 [numa(memory=64GiB)] l3:10 core:4 pu:1')
const whole = syntheticHost('pack:1 [numa(memory=64GiB)] l3:1 core:16 pu:1')
const hosts = [
  { name: 'node2', host: pieces },
  { name: 'node3', host: whole },
]
const memory = '64MiB'
const three = [
  { name: 'vm1', vcpus: 16, memory },
  { name: 'vm2', vcpus: 4, memory },
  { name: 'vm3', vcpus: 8, memory },
]
const single = ['vm7', 'vm8'].map((name) => ({ name, vcpus: 1, memory }))
const large = { name: 'vm4', vcpus: 48, memory }

let cluster: Cluster
let machine: Host

test.before(async () => {
  if (why !== null) return
  cluster = await Cluster.start(3)
  machine = await detectHost()
  const cpus = machine.cpus.filter(({ online, allowed }) => online && allowed)
  const guest = { name: 'vm9', vcpus: Math.min(2, cpus.length), memory }
  for (const vm of [...three, ...single, large, guest]) cluster.file(`${vm.name}.json`, { vms: [vm] })
  for (const folder of ['hosts', 'here']) cluster.file(`${folder}/node1.json`, machine)
  for (const folder of ['hosts', 'there']) {
    for (const { name, host } of hosts) cluster.file(`${folder}/${name}.json`, host)
  }
  cluster.file('there.instance.json', { ...INSTANCE, start: false })
  cluster.file('here.instance.json', INSTANCE)
})
test.after(() => cluster?.end())

/** @param where `here`: on this machine, started; `there`: on the others, which are not what they are said to be, and stopped */
function creation(name: string, where: 'here' | 'there' = 'there', user = 'homenode'): string[] {
  return cluster.creation(name, `${where}.instance.json`, where, user)
}

function adding(name: string, vcpus: number, ...where: readonly string[]) {
  const what = ['-t', 'diskless', '-o', 'none+default', '-H', 'kvm', '-B', `vcpus=${vcpus},memory=64`, '--no-nics']
  const how = ['--no-start', '--no-install', '--no-name-check', '--no-ip-check']
  return cluster.ganeti('gnt-instance', 'add', ...what, ...how, ...where, name)
}

withGaneti('instances of 16, 4 and 8 vCPUs go where rank says, which is not what hail would do', async () => {
  // One that is not pinned: hail evens out, homenode counts its memory alone.
  const noise = await adding('vm5', 8, '-n', 'node3')
  assert.is(noise.code, 0, noise.stderr)
  const placed: Record<string, Request> = {}
  const hails: string[] = []
  for (const vm of three) {
    const [best] = await rank(hosts, placed, vm, { moves: false })
    placed[best!.host] = placedRequest(best!.request!, best!.plan!)
    const { node, lostMore, plan } = await cluster.made(creation(vm.name))
    const expected = best!.plan!.vms.find(({ name }) => name === vm.name)!
    assert.equal([node, lostMore, plan.vcpus], [best!.host, best!.lostMore, expected.vcpus])
    const asked = await cluster.run('/usr/lib/ganeti/iallocators/hail', [join(cluster.folder, 'asked.json')])
    hails.push(...JSON.parse(asked.stdout).result)
  }
  const there = await cluster.instances('pnode', 'hv/cpu_mask')
  const nodes = three.map(({ name }) => there.get(name)![0])
  assert.equal(nodes, ['node3', 'node2', 'node2'])
  assert.is(there.get('vm1')![1], [...Array(16).keys()].join(':'))
  assert.not.equal(hails, nodes)
  assert.is.not(hails[0], 'node3')
})

withGaneti('whom gnt-instance gives to the allocator goes beside those that are pinned', async () => {
  const { code, stderr } = await adding('vm6', 8, '-I', 'homenode')
  assert.is(code, 0, stderr)
  const there = await cluster.instances('pnode')
  // On node3 all CPUs are taken, node1 is this machine: only where it is a large one it would do as well.
  const usable =
    machine.cpus.filter(({ online, allowed }) => online && allowed).length >= 8 ? ['node1', 'node2'] : ['node2']
  assert.ok(usable.includes(there.get('vm6')![0]!), there.get('vm6')![0])
})

withGaneti('one that fits nowhere is refused, with the reasons, by both', async () => {
  const direct = await cluster.homenode(creation('vm4'))
  assert.is(direct.code, 3)
  assert.match(direct.stderr, /"vm4" fits on no node: .*node2: cpu-exclusive: it wants 48 vCPUs/)
  const asked = await adding('vm4', 4096, '-I', 'homenode')
  assert.is.not(asked.code, 0)
  const wide = await adding('vm4', 60, '-I', 'homenode')
  assert.is.not(wide.code, 0)
  assert.match(
    wide.stderr.replaceAll(/\s+/g, ' '),
    /iallocator 'homenode': homenode: it fits on no node: .*node2: cpu-exclusive: it wants 60 vCPUs/,
  )
  assert.not.ok((await cluster.instances()).has('vm4'))
})

withGaneti('who may not is told so', async () => {
  const wrong = await cluster.homenode(creation('vm7', 'there', 'nobody'))
  assert.is(wrong.code, 1)
  assert.match(wrong.stderr, /it knows no such user, or another password/)
  const reader = await cluster.homenode(creation('vm7', 'there', 'reader'))
  assert.is(reader.code, 1)
  assert.match(reader.stderr, /POST \/2\/instances: 403 .*the user may not do that/)
  const untrusted = creation('vm7').filter(
    (word, at, all) => word !== '--certificate' && all[at - 1] !== '--certificate',
  )
  const stranger = await cluster.homenode(untrusted)
  assert.is(stranger.code, 1)
  assert.match(stranger.stderr, /its certificate is not trusted \([A-Z_]+\): --certificate takes/)
  assert.not.ok((await cluster.instances()).has('vm7'))
})

/** Processes with this one as their parent. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

function isGone(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.startsWith('Z')
  } catch {
    return true
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(100)
}

/** Ends `homenode ganeti-create` while its job is at a point, and waits for what it leaves. */
async function endedAt(point: 'allocate' | 'install', signal: NodeJS.Signals): Promise<Ended> {
  rmSync(join(cluster.folder, 'asked.json'))
  const goOn = cluster.hold(point)
  let keeper = 0
  const ended = cluster.homenode(creation('vm8', 'there'), async ({ pid }) => {
    await until(() => childrenOf(pid!).length > 0)
    ;[keeper] = childrenOf(pid!) as [number]
    // Ganeti has the instance when it installs, and has asked for it before.
    if (point === 'install') await until(async () => (await cluster.instances()).has('vm8'))
    else await until(() => existsSync(join(cluster.folder, 'asked.json')))
    process.kill(pid!, signal)
    if (signal === 'SIGKILL') await until(() => isGone(pid!))
    goOn()
  })
  const result = await ended
  await until(() => keeper > 0 && isGone(keeper))
  return result
}

withGaneti('killed while Ganeti asks, or while it installs, it leaves no instance and no job', async () => {
  for (const point of ['allocate', 'install'] as const) {
    const { signal, stdout } = await endedAt(point, 'SIGKILL')
    assert.equal([signal, stdout], ['SIGKILL', ''])
    assert.equal(await cluster.underWay(), [])
    assert.not.ok((await cluster.instances()).has('vm8'), point)
  }
})

withGaneti('SIGTERM ends it in order, with nothing left', async () => {
  const { code, stderr } = await endedAt('install', 'SIGTERM')
  assert.is(code, 130, stderr)
  assert.match(stderr, /stopped: of "vm8" nothing is left/)
  assert.not.ok((await cluster.instances()).has('vm8'))
})

/** In the namespaces of the cluster. */
async function shell(command: string): Promise<string> {
  const { code, stdout, stderr } = await cluster.run('sh', ['-c', command])
  assert.is(code, 0, `${command}: ${stderr}`)
  return stdout
}

withGaneti('a guest of QEMU has its threads and its memory where the plan has them', async () => {
  const { node, plan } = await cluster.made(creation('vm9', 'here'))
  assert.is(node, 'node1')
  const run = join(cluster.folder, 'node1/var/run/ganeti/kvm-hypervisor')
  const pid = (await shell(`cat ${run}/pid/vm9`)).trim()
  const said = await shell(`echo info cpus | socat -t 5 - UNIX-CONNECT:${run}/ctrl/vm9.monitor`)
  const threads = [...said.matchAll(/CPU #(\d+):.*thread_id=(\d+)/g)].map(([, vcpu, tid]) => ({
    vcpu: Number(vcpu),
    tid,
  }))
  assert.is(threads.length, plan.vcpus.length)
  for (const { vcpu, tid } of threads) {
    const allowed = await shell(`grep Cpus_allowed_list /proc/${pid}/task/${tid}/status`)
    assert.is(allowed.split(/\s+/)[1], plan.vcpus[vcpu]!.cpus)
  }
  const maps = (await shell(`cat /proc/${pid}/numa_maps`)).split('\n').filter((line) => / bind:/.test(line))
  const planned = plan.cells.flatMap((cell) => cell.memory)
  assert.equal(
    maps.map((line) => / (bind:\S+)/.exec(line)![1]),
    planned.map((part) => `bind:${part.node}`),
  )
  for (const [at, line] of maps.entries()) {
    const pages = [...line.matchAll(/ N(\d+)=(\d+)/g)].map(([, on, count]) => [Number(on), Number(count)])
    const kib = Number(/kernelpagesize_kB=(\d+)/.exec(line)![1])
    assert.equal(pages, [[planned[at]!.node, planned[at]!.bytes / 1024 / kib]])
  }
})

test.run()
