/** A domain of a real libvirt, changed by hand and brought back: through libvirt alone, and what is said where that does not answer. */

import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyChanges } from '../../../executor/apply/apply.js'
import { preparePin } from '../../../executor/apply/by-hand.js'
import { prepareUndo, undo } from '../../../executor/apply/undo.js'
import { findVms } from '../../../executor/found/find.js'
import { skipUnless } from '../../skip.js'
import { folder } from '../found/guests.js'
import { startLibvirtd, whyNoLibvirtd } from '../found/libvirtd.js'

const severalCpus = /[-,]/.test(readFileSync('/sys/devices/system/cpu/online', 'utf8'))
const why = whyNoLibvirtd ?? (severalCpus ? null : 'one CPU is not enough to pin')
const withLibvirt = skipUnless(why === null, `no libvirt daemon: ${why}`)

/** Of this run: others may have theirs at the same time. */
const NAME = `hn-changed-${process.pid}`
const XML = `<domain type='qemu'><name>${NAME}</name><uuid>${randomUUID()}</uuid>
<memory unit='MiB'>32</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<cputune><vcpupin vcpu='1' cpuset='1'/></cputune><iothreads>1</iothreads>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/></devices></domain>`

async function domain(connect: string) {
  const { vms } = await findVms({ connect })
  return vms.find(({ name }) => name.value === NAME)!
}

withLibvirt(
  'pins by hand go through libvirt, into its config where that is asked for, and come back exactly',
  async () => {
    const { uri, virsh, stop } = await startLibvirtd()
    const options = { connect: uri, state: mkdtempSync(join(folder, 'state-')) }
    const views = () => [
      ['vcpupin', 'emulatorpin', 'iothreadinfo'].map((view) => virsh(view, NAME, '--live')),
      virsh('dumpxml', NAME, '--inactive').replace(/\s*<iothreadids>.*<\/iothreadids>/s, ''),
    ]
    try {
      const file = join(folder, 'changed.xml')
      writeFileSync(file, XML)
      virsh('define', file)
      virsh('start', NAME)
      const before = views()
      const choices = [{ role: 'vcpu', number: 0 }, { role: 'iothread', number: 0 }, { role: 'emulator' }] as const
      for (const choice of choices) {
        const changes = await preparePin(await domain(uri), choice, '1', options)
        assert.equal(changes.obstacles, [])
        assert.equal(
          changes.steps.map(({ through }) => through),
          ['libvirt'],
        )
        const { steps, differences } = await applyChanges(changes, { ...options, config: choice.role === 'emulator' })
        assert.equal([steps[0]!.state, steps[0]!.why, differences], ['done', null, []])
      }
      assert.match(virsh('vcpupin', NAME, '--live'), /0\s+1\s+1\s+1$/)
      assert.match(virsh('emulatorpin', NAME, '--live'), /^(.*\s)?1$/)
      assert.match(virsh('iothreadinfo', NAME, '--live'), /1\s+1$/)
      const config = virsh('dumpxml', NAME, '--inactive')
      for (const pin of [
        /vcpupin vcpu='0' cpuset='1'/,
        /emulatorpin cpuset='1'/,
        /iothreadpin iothread='1' cpuset='1'/,
      ]) {
        assert.match(config, pin)
      }
      const vm = await domain(uri)
      assert.ok([...vm.vcpus, ...vm.iothreads, ...vm.emulator].every(({ cpus }) => cpus === '1'))

      // What virsh has changed back meanwhile leaves the config to be brought back.
      virsh('emulatorpin', NAME, '0-1', '--live')
      for (const _ of choices) {
        const { steps, differences, obstacles } = await undo(undefined, options)
        assert.ok(steps.every(({ state }) => state === 'done'))
        assert.equal([differences, obstacles], [[], []])
      }
      assert.equal(views(), before)
    } finally {
      await stop()
    }
  },
)

withLibvirt('a daemon that is gone is an obstacle; if it goes later, its domain is left and that is said', async () => {
  const first = await startLibvirtd()
  const options = { connect: first.uri, state: mkdtempSync(join(folder, 'state-')) }
  const file = join(folder, 'changed.xml')
  writeFileSync(file, XML)
  first.virsh('create', file)
  const vm = await domain(first.uri)
  const choice = { role: 'vcpu', number: 0 } as const
  const changes = await preparePin(vm, choice, '1', options)
  await first.kill()
  const { steps } = await applyChanges(changes, options)
  assert.is(steps[0]!.state, 'skipped')
  assert.match(steps[0]!.why!, /^libvirt: .*libvirt-sock/)
  const { obstacles } = await preparePin(vm, choice, '1', options)
  assert.equal([obstacles[0]!.vm, obstacles[0]!.left], [NAME, true])
  assert.match(obstacles[0]!.why, /^libvirt: .*libvirt-sock/)

  const second = await startLibvirtd()
  try {
    assert.match(second.virsh('vcpupin', NAME, '--live'), /0\s+0-\d+\s+1\s+1$/)
    assert.equal((await prepareUndo(undefined, options)).steps, [])
    const done = await applyChanges(await preparePin(vm, choice, '1', options), options)
    assert.is(done.steps[0]!.state, 'done')
    second.virsh('destroy', NAME)
    assert.match((await prepareUndo(undefined, options)).obstacles[0]!.why, /has ended/)
  } finally {
    await second.stop()
  }
})

test.run()
