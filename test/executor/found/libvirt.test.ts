/** Domains of a real libvirt, asked through its own library; and its absence. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findVms } from '../../../executor/found/find.js'
import { UnsupportedError } from '../../../src/errors.js'
import { skipUnless } from '../../skip.js'
import { folder } from './guests.js'
import { type Libvirtd, startLibvirtd, whyNoLibvirtd } from './libvirtd.js'

const withLibvirt = skipUnless(whyNoLibvirtd === null, `no libvirt daemon: ${whyNoLibvirtd}`)

const NAME = `hn-found-${process.pid}`
const UUID = '3f0c2d6e-7a91-4b1e-9d35-2b1d6b6c1a01'
const MIB = 2 ** 20

const XML = `<domain type='qemu'><name>${NAME}</name><uuid>${UUID}</uuid><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<cpu><numa><cell id='0' cpus='0' memory='40' unit='MiB'/><cell id='1' cpus='1' memory='24' unit='MiB'/></numa></cpu>
<cputune><vcpupin vcpu='1' cpuset='0'/></cputune><iothreads>1</iothreads>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices></domain>`

async function withDomain(check: (libvirt: Libvirtd) => Promise<void>): Promise<void> {
  const libvirt = await startLibvirtd()
  try {
    const file = join(folder, 'domain.xml')
    writeFileSync(file, XML)
    libvirt.virsh('create', file)
    await check(libvirt)
  } finally {
    await libvirt.stop()
  }
}

withLibvirt('a domain: its name, vCPUs, nodes and pins, with and without libvirt being asked', async () => {
  await withDomain(async ({ uri, virsh }) => {
    const { vms } = await findVms({ connect: uri })
    const vm = vms.find(({ name }) => name.value === NAME)!
    assert.equal(vm.name, { value: NAME, source: 'libvirt' })
    assert.equal(vm.manager, { value: { name: 'libvirt', id: UUID }, source: 'libvirt' })
    assert.equal(vm.memory, { value: 64 * MIB, source: 'libvirt' })
    assert.equal(vm.cells, {
      value: [
        { cell: 0, vcpus: [0], memory: 40 * MIB },
        { cell: 1, vcpus: [1], memory: 24 * MIB },
      ],
      source: 'libvirt',
    })
    assert.equal(vm.mappings.map(({ cell, bytes }) => [cell, bytes / MIB]).sort(), [
      [0, 40],
      [1, 24],
    ])
    assert.equal(
      vm.vcpus.map(({ vcpu }) => vcpu),
      [0, 1],
    )
    assert.is(vm.vcpus[1]!.cpus, '0')
    assert.match(virsh('vcpupin', NAME, '--live'), /1\s+0$/)
    assert.equal(
      vm.iothreads.map(({ id }) => id),
      ['iothread1'],
    )
    const cgroups = vm.cgroups.map(({ path }) => path).join()
    assert.match(cgroups, /emulator.*vcpu0.*vcpu1/)

    const unasked = (await findVms({ ask: false })).vms.find(({ pid }) => pid === vm.pid)!
    assert.equal(unasked.name, { value: NAME, source: 'arguments' })
    assert.equal(unasked.manager, { value: { name: 'libvirt', id: UUID }, source: 'arguments' })
    assert.equal(
      unasked.vcpus.map(({ tid }) => tid),
      vm.vcpus.map(({ tid }) => tid),
    )
  })
})

test('a libvirt that is asked for and cannot be had is an error; one that is not asked for is not', async () => {
  const nowhere = `qemu+unix:///system?socket=${join(folder, 'nowhere')}`
  let thrown: unknown
  try {
    await findVms({ connect: nowhere })
  } catch (error) {
    thrown = error
  }
  assert.instance(thrown, UnsupportedError)
  assert.match((thrown as Error).message, /nowhere|libvirt\.so\.0/)
  await findVms()
})

test.run()
