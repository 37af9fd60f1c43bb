/** The meter on this system: a busy guest of QEMU, and KVM's statistics of another process. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Files } from '../../../executor/found/files.js'
import { kvmSourceOf } from '../../../executor/meter/kvm.js'
import { Meter } from '../../../executor/meter/meter.js'
import { ratesBetween } from '../../../executor/meter/rates.js'
import { kvmStatus } from '../../../executor/run/probe.js'
import { skipUnless } from '../../skip.js'
import { folder, hasKvm, hasQemu, NO_QEMU, startQemu } from '../found/guests.js'
import { holdings } from '../process.js'

const withQemu = skipUnless(hasQemu, NO_QEMU)

/** A boot sector that jumps to itself. */
function spinningDisk(): string {
  const path = join(folder, 'spin.img')
  const sector = Buffer.alloc(512)
  sector.set([0xeb, 0xfe])
  sector.set([0x55, 0xaa], 510)
  writeFileSync(path, sector)
  return path
}

withQemu('a guest that spins uses its CPU or waits for one, one that is halted does not', async () => {
  const accel = ['-accel', hasKvm ? 'kvm' : 'tcg']
  const disk = ['-drive', `file=${spinningDisk()},format=raw,if=ide`]
  const guest = await startQemu([...accel, '-name', 'guest=spins,debug-threads=on', '-m', '64', '-smp', '2', ...disk])
  const meter = await Meter.open()
  try {
    for (let tries = 0; ; tries++) {
      const before = await meter.read()
      await sleep(500)
      const rates = ratesBetween(before, await meter.read())
      const vm = rates.vms.find((one) => one.vm.pid === guest.pid)!
      const [first, second] = vm.vcpus
      const { use: busy, delay, lastCpu } = first!
      assert.ok(lastCpu !== null && rates.host.nodes.some(({ cpus }) => cpus.includes(lastCpu)))
      // Until the firmware has found the disk, and the second vCPU has halted.
      if (busy! + delay! > 0.7 && busy! > 0.05 && second!.use! < 0.05 && vm.memory !== null) {
        assert.ok(Math.abs(vm.use! - busy! - second!.use!) < 1e-9)
        assert.ok(vm.memory.nodes.reduce((sum, { bytes }) => sum + bytes, 0) > 2 ** 20)
        assert.type(vm.remoteMemory, 'number')
        return
      }
      assert.ok(tries < 60, JSON.stringify(vm.vcpus))
    }
  } finally {
    meter.close()
    await guest.stop()
  }
})

const withKvm = skipUnless(kvmStatus().usable, 'KVM is not usable')

withKvm('the exits of vCPUs of another process, by their open statistics; nothing of it stays open', async () => {
  const holder = fileURLToPath(new URL('statistics-holder.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', holder], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(child.stdout, 'data')
    const before = holdings().fds.length
    const source = await kvmSourceOf(new Files(), { pid: child.pid!, tids: [child.pid!] }, [])
    assert.ok(source !== null && source !== 'refused')
    const first = source.read()!
    assert.equal([...first.byVcpu.keys()], [0, 1])
    child.stdin.write('more\n')
    await once(child.stdout, 'data')
    const second = source.read()!
    const more = (vcpu: number) => second.byVcpu.get(vcpu)!.exits! - first.byVcpu.get(vcpu)!.exits!
    assert.ok(more(0) >= 100, `${more(0)}`)
    assert.is(more(1), 0)
    assert.is(second.sum.exits, second.byVcpu.get(0)!.exits! + second.byVcpu.get(1)!.exits!)
    assert.type(second.sum.halt_poll_success_ns, 'number')
    child.stdin.end()
    await once(child, 'close')
    assert.is(source.read(), null)
    source.close()
    assert.is(holdings().fds.length <= before, true)
  } finally {
    child.kill('SIGKILL')
  }
})

test.run()
