/** Domains of libvirt with KVM, badly placed in their XML: changed through libvirt, so that virsh sees it, and brought back. */

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { detectHost, plan, verifyPlan } from 'homenode'
import {
  applyChanges,
  type FoundVm,
  findVms,
  prepareChanges,
  prepareMemory,
  prepareUndo,
  requestOf,
} from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readChecks } from '../../executor/apply/pattern.js'
import { type Libvirtd, startLibvirtd } from '../../executor/found/libvirtd.js'
import { affinityOf, firmware, folder, memoryOf } from './guests.js'

const state = join(folder, 'state')
const DEADLINE_MS = 60_000

const UUIDS: Readonly<Record<string, string>> = {
  db: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1d01',
  web: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1d02',
  own: '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1d03',
}

/** 64 MiB on node 1, two vCPUs on node 0. */
function xmlOf(name: string, mode: string): string {
  // Of the other modes QEMU would have threads on the CPUs of the node touch the memory, where the emulator may not run.
  const now = mode === 'restrictive' ? "<memoryBacking><allocation mode='immediate'/></memoryBacking>" : ''
  return `<domain type='kvm'><name>${name}</name><uuid>${UUIDS[name]}</uuid><memory unit='MiB'>64</memory>
${now}<vcpu>2</vcpu><iothreads>1</iothreads>
<cputune><vcpupin vcpu='0' cpuset='0-3'/><vcpupin vcpu='1' cpuset='0-3'/><emulatorpin cpuset='0-3'/></cputune>
<numatune><memory mode='${mode}' nodeset='1'/></numatune>
<os><type arch='x86_64' machine='pc'>hvm</type><loader readonly='yes' type='rom'>${firmware}</loader></os>
<features><acpi/></features><cpu mode='host-passthrough'/>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/><controller type='usb' model='none'/>
<serial type='file'><source path='${join(folder, `${name}.out`)}'/></serial></devices></domain>`
}

/** Waits until its memory has been checked so much more often, and says whether it was always as it should be. */
async function isSound(name: string, more = 2): Promise<boolean> {
  const file = join(folder, `${name}.out`)
  const checks = () => (existsSync(file) ? readChecks(file) : { passed: 0, failed: false })
  const wanted = checks().passed + more
  for (let tries = 0; checks().passed < wanted && !checks().failed; tries++) {
    if (tries > 2400) throw new Error(`${name} does not go on`)
    await sleep(50)
  }
  return !checks().failed
}

async function withDomains(
  modes: Readonly<Record<string, string>>,
  body: (libvirt: Libvirtd, find: () => Promise<Record<string, FoundVm>>) => Promise<void>,
): Promise<void> {
  const libvirt = await startLibvirtd()
  try {
    for (const [name, mode] of Object.entries(modes)) {
      const file = join(folder, `${name}.xml`)
      writeFileSync(file, xmlOf(name, mode))
      libvirt.virsh('define', file)
      libvirt.virsh('start', name)
      assert.ok(await isSound(name, 1))
    }
    await body(libvirt, async () => {
      const { vms } = await findVms({ connect: libvirt.uri, deadlineMs: DEADLINE_MS })
      return Object.fromEntries(vms.map((vm) => [vm.name.value, vm]))
    })
  } finally {
    await libvirt.stop()
  }
}

/** Nodes that have its memory. */
const nodesOf = ({ pid }: FoundVm) =>
  Object.entries(memoryOf(pid)).flatMap(([node, mib]) => (mib >= 1 ? [Number(node)] : []))

test('domains that are badly placed are pinned through libvirt, at their next start, too, and come back exactly', async () => {
  await withDomains({ db: 'restrictive', web: 'preferred' }, async (libvirt, find) => {
    const { uri: connect, virsh } = libvirt
    const options = { state, connect }
    const views = () =>
      ['db', 'web'].map((name) => [
        ...['vcpupin', 'emulatorpin', 'iothreadinfo', 'numatune'].map((view) => virsh(view, name, '--live')),
        virsh('dumpxml', name, '--inactive').replace(/\s*<iothreadids>.*<\/iothreadids>/s, ''),
      ])
    const before = views()
    const vms = await find()
    const found = { vms: Object.values(vms), missing: [] }
    const asked = requestOf(found.vms, await detectHost())
    const verified = verifyPlan(asked.host, asked.request, await plan(asked.host, asked.request))
    const changes = await prepareChanges(found, verified, options)
    assert.equal(changes.obstacles, [])
    assert.ok(changes.steps.length > 0 && changes.steps.every(({ through }) => through === 'libvirt'))
    const applied = await applyChanges(changes, { ...options, config: true })
    assert.equal(applied.differences, [])
    assert.ok(
      applied.steps.every((step) => step.state === 'done'),
      JSON.stringify(applied.steps),
    )
    for (const { name, vcpus, emulator } of verified.vms) {
      for (const scope of ['--live', '--config']) {
        const pins = virsh('vcpupin', name, scope).split('\n')
        assert.equal(
          pins.map((line) => line.trim().split(/\s+/)[1]),
          vcpus.map(({ cpus }) => cpus),
        )
        assert.is(virsh('emulatorpin', name, scope).split(/\s+/).at(-1), emulator)
      }
      const { pid } = vms[name]!
      for (const { vcpu, cpus } of vcpus) assert.is(affinityOf(pid, `CPU ${vcpu}/KVM`), cpus)
      const nodes = verified.vms.find((vm) => vm.name === name)!.cells.flatMap((cell) => cell.memory)
      assert.equal(
        nodesOf(vms[name]!),
        nodes.map(({ node }) => node),
      )
      assert.ok(await isSound(name))
    }
    const undone = await applyChanges(await prepareUndo(undefined, options), options)
    assert.equal([undone.differences, undone.obstacles], [[], []])
    assert.ok(
      undone.steps.every((step) => step.state === 'done'),
      JSON.stringify(undone.steps),
    )
    assert.equal(views(), before)
  })
})

test('memory of a restrictive domain moves with its nodeset, of a preferring one without, of a strict one not', async () => {
  await withDomains({ db: 'restrictive', web: 'preferred', own: 'strict' }, async ({ uri: connect, virsh }, find) => {
    const options = { state, connect }
    const nodeset = (name: string, scope = '--live') =>
      /numa_nodeset\s+: (\S+)/.exec(virsh('numatune', name, scope))?.[1]
    const { db, web, own } = (await find()) as Record<'db' | 'web' | 'own', FoundVm>

    const moved = await applyChanges(await prepareMemory(db, { to: 0 }, options), { ...options, config: true })
    assert.equal([moved.differences, moved.steps[0]!.why], [[], null])
    assert.equal(Math.round(memoryOf(db.pid)[0]!), 64)
    assert.equal(nodesOf(db), [0])
    assert.equal([nodeset('db'), nodeset('db', '--config')], ['0', '0'])
    assert.ok(await isSound('db'))
    const back = await applyChanges(await prepareUndo(undefined, options), options)
    assert.equal([back.differences, back.steps[0]!.why], [[], null])
    assert.equal(nodesOf(db), [1])
    assert.equal([nodeset('db'), nodeset('db', '--config')], ['1', '1'])
    assert.ok(await isSound('db'))

    const kernels = await applyChanges(await prepareMemory(web, { to: 0 }, options), options)
    assert.equal(kernels.differences, [])
    assert.equal(nodesOf(web), [0])
    assert.is(nodeset('web'), '1')
    assert.ok(await isSound('web'))
    assert.equal((await applyChanges(await prepareUndo(undefined, options), options)).differences, [])
    assert.equal(nodesOf(web), [1])

    const { steps, obstacles } = await prepareMemory(own, { to: 0 }, options)
    assert.equal(steps, [])
    assert.match(obstacles.find(({ left }) => left)!.why, /its numatune is strict, nodes 1: .*"restrictive" only/)
    assert.equal(nodesOf(own), [1])
  })
})

test.run()
