/** The capabilities of the unit: with them a VM of another user is seen and changed, without any one of them it is not. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unitText } from '../../../src/service/unit/unit.js'
import { cli } from '../../cli/command.js'
import { hasQemu } from '../../executor/found/guests.js'
import { cpus } from '../../executor/plans.js'
import { hasProgram } from '../../executor/programs.js'
import { skipUnless } from '../../skip.js'

const text = unitText({ program: [process.execPath, cli], args: [], interval: 10 })
const [, list = ''] = /^CapabilityBoundingSet=(.*)$/m.exec(text) ?? []
const capabilities = list.split(' ').map((name) => name.replace('CAP_', '').toLowerCase())

const NOBODY = 65_534

/** A VM of another user, whose monitor nobody else may use. */
async function vmOfNobody(name: string, work: (pid: number, folder: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hn-'))
  chownSync(folder, NOBODY, NOBODY)
  const qmp = join(folder, 'qmp')
  const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  const qemu = ['qemu-system-x86_64', '-accel', 'tcg', '-name', `guest=${name}`, '-m', '64', '-smp', '2', '-S']
  const more = ['-display', 'none', '-nodefaults', '-qmp', `unix:${qmp},server=on,wait=off`]
  const child = spawn('setpriv', [...who, ...qemu, ...more], { stdio: 'ignore' })
  const ended = once(child, 'close')
  try {
    while (!existsSync(qmp)) {
      assert.is(child.exitCode, null, 'QEMU did not start')
      await sleep(20)
    }
    work(child.pid!, folder)
  } finally {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  }
}

/** `homenode <args>` with these capabilities alone. */
function within(names: readonly string[], args: readonly string[]) {
  const set = ['-all', ...names.map((name) => `+${name}`)].join()
  const program = ['--inh-caps=-all', '--no-new-privs', process.execPath, cli, ...args]
  return spawnSync('setpriv', [`--bounding-set=${set}`, ...program], { encoding: 'utf8' })
}

const able = process.getuid?.() === 0 && hasQemu && hasProgram('setpriv')

skipUnless(able, 'it takes root, setpriv and QEMU')('each is needed, and no more', async () => {
  const name = `capabilities-${process.pid}`
  await vmOfNobody(name, (pid, folder) => {
    const seen = (names: readonly string[]) => {
      const { stdout } = within(names, ['ps', String(pid), '--json'])
      const [vm] = JSON.parse(stdout).vms
      return { threads: vm.vcpus.length, memory: vm.mappings.length > 0 }
    }
    const pin = ['pin', String(pid), '0', String(cpus[0]), '--state', join(folder, 'state')]
    const without = (name: string) => capabilities.filter((one) => one !== name)
    assert.equal(capabilities, ['sys_nice', 'sys_ptrace', 'dac_override'])
    assert.equal(seen(capabilities), { threads: 2, memory: true })
    assert.equal(seen(without('dac_override')), { threads: 0, memory: true })
    assert.is(seen(without('sys_ptrace')).memory, false)
    const refused = within(without('sys_nice'), pin)
    assert.is(refused.status, 1)
    assert.match(refused.stderr, /CAP_SYS_NICE/)
    const pinned = within(capabilities, pin)
    assert.is(pinned.status, 0, pinned.stderr)
    assert.match(pinned.stderr + pinned.stdout, /1 thread pinned/)
  })
})

test.run()
