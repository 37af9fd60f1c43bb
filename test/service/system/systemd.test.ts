/** The service under a real systemd, with its sandbox, on guests of another user. */

import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UNIT_NAME } from '../../../src/service/unit/unit.js'
import { cli } from '../../cli/command.js'
import { hasQemu, NO_QEMU } from '../../executor/found/guests.js'
import { skipUnless } from '../../skip.js'
import { Systemd, whyNoSystemd } from './systemd.js'

const NOBODY = 65_534
const noSystemd = whyNoSystemd()
const withSystemd = skipUnless(noSystemd === null, noSystemd ?? '')
const many = availableParallelism() > 1
const withGuests = skipUnless(
  noSystemd === null && hasQemu && many,
  noSystemd ?? (many ? NO_QEMU : 'moving shows where there is more than one CPU'),
)

const homenode = (systemd: Systemd, ...args: readonly string[]) => systemd.must(process.execPath, cli, ...args)

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

async function inSystemd(work: (systemd: Systemd, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hn-'))
  const systemd = await Systemd.start()
  // Nothing keeps a journal here.
  const said = join(folder, 'said')
  systemd.unit(`${UNIT_NAME}.d/said.conf`, `[Service]\nStandardOutput=append:${said}\nStandardError=append:${said}\n`)
  try {
    await work(systemd, folder)
  } catch (error) {
    console.error(existsSync(said) ? readFileSync(said, 'utf8') : 'the service has said nothing')
    throw error
  } finally {
    await systemd.close()
    rmSync(folder, { recursive: true })
  }
}

/** Until it is so; a run that hangs is ended by the runner. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(200)
}

/** Its processes are seen by nobody here: all rules are about VMs that are not there. */
const NO_VM = '{"rules": [{"set": {"moves": "never"}}]}'

withSystemd(
  'it is ready once it has looked, reloads, ends in order, and leaves nothing when it is removed',
  async () => {
    await inSystemd(async (systemd, folder) => {
      const policy = join(folder, 'policy.json')
      writeFileSync(policy, NO_VM)
      const said = homenode(systemd, 'service', 'install', '--now', '--', '--interval', '0.5', '--policy', policy)
      assert.match(said, /^done: systemctl restart homenode-balance\.service$/m)
      const show = (property: string) => systemd.show(UNIT_NAME, property)
      assert.equal(['ActiveState', 'SubState', 'UnitFileState'].map(show), ['active', 'running', 'enabled'])
      assert.is(show('WatchdogUSec'), '1min 1s')
      await until(() => show('StatusText').startsWith('round 2: stay: '))
      const main = show('MainPID')
      const status = systemd.must('cat', `/proc/${main}/status`)
      const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1]
      // CAP_DAC_OVERRIDE is 1, CAP_SYS_PTRACE 19, CAP_SYS_NICE 23.
      const capabilities = (2n ** 1n + 2n ** 19n + 2n ** 23n).toString(16).padStart(16, '0')
      assert.equal([field('CapEff'), field('CapBnd')], [capabilities, capabilities])
      assert.equal([field('NoNewPrivs'), field('Seccomp')], ['1', '2'])
      systemd.must('systemctl', 'reload', UNIT_NAME)
      await until(() => /^round \d+: stay: /.test(show('StatusText')) && show('SubState') === 'running')
      assert.equal([show('MainPID'), show('NRestarts')], [main, '0'])
      systemd.must('systemctl', 'stop', UNIT_NAME)
      assert.equal(['ActiveState', 'Result', 'ExecMainStatus'].map(show), ['inactive', 'success', '0'])
      assert.match(systemd.must('stat', '-c', '%a', '/var/lib/homenode'), /^700$/m)
      assert.match(systemd.must('cat', '/var/lib/homenode/balance.json'), /"schemaVersion"/)
      homenode(systemd, 'service', 'remove')
      assert.is(show('LoadState'), 'not-found')
      assert.is(systemd.must('find', '/etc/systemd/system', '-name', '*.service'), '')
    })
  },
)

withSystemd('bad options do not start it again and again; what it says is the reason', async () => {
  await inSystemd(async (systemd) => {
    homenode(systemd, 'service', 'install', '--', '--set', 'speed=3')
    assert.is.not(systemd.run('systemctl', 'start', UNIT_NAME).status, 0)
    const show = (property: string) => systemd.show(UNIT_NAME, property)
    assert.equal(['ActiveState', 'ExecMainStatus', 'NRestarts'].map(show), ['failed', '2', '0'])
  })
})

withSystemd('a balancer that hangs is started again', async () => {
  await inSystemd(async (systemd, folder) => {
    const policy = join(folder, 'policy.json')
    writeFileSync(policy, NO_VM)
    homenode(systemd, 'service', 'install', '--', '--interval', '0.5', '--policy', policy)
    systemd.unit(`${UNIT_NAME}.d/watchdog.conf`, '[Service]\nWatchdogSec=10\nRestartSec=100ms\n')
    systemd.must('systemctl', 'start', UNIT_NAME)
    const show = (property: string) => systemd.show(UNIT_NAME, property)
    const main = show('MainPID')
    await until(() => show('StatusText').startsWith('round 2: '))
    systemd.must('kill', '-STOP', main)
    await until(() => show('NRestarts') !== '0' && show('ActiveState') === 'active')
    assert.is.not(show('MainPID'), main)
    await until(() => /^round [3-9]: /.test(show('StatusText')))
    // Why, it says only where nothing starts it again.
    systemd.unit(`${UNIT_NAME}.d/watchdog.conf`, '[Service]\nWatchdogSec=10\nRestart=no\n')
    systemd.must('systemctl', 'restart', UNIT_NAME)
    systemd.must('kill', '-STOP', show('MainPID'))
    await until(() => show('ActiveState') === 'failed')
    assert.is(show('Result'), 'watchdog')
  })
})

/** Firmware that does nothing but run: `jmp` to itself, where a CPU starts. */
function busyFirmware(folder: string): string {
  const rom = Buffer.alloc(65_536)
  rom.set([0xeb, 0xfe], 65_536 - 16)
  const file = join(folder, 'busy.bin')
  writeFileSync(file, rom)
  return file
}

withGuests(
  'two busy guests of another user on one CPU are set free, out of the sandbox, and the metrics show it',
  async () => {
    await inSystemd(async (systemd, folder) => {
      chownSync(folder, NOBODY, NOBODY)
      const firmware = busyFirmware(folder)
      for (const name of ['a', 'b']) {
        const memory = '-m 64 -machine memory-backend=m -object memory-backend-ram,id=m,size=64M,prealloc=on'
        const more = `-qmp unix:${folder}/${name}.qmp,server=on,wait=off -bios ${firmware} -display none -nodefaults`
        const command = `/usr/bin/env qemu-system-x86_64 -accel tcg -name guest=${name},debug-threads=on ${memory} ${more}`
        systemd.unit(`${name}.service`, `[Service]\nUser=nobody\nCPUAffinity=0\nExecStart=${command}\n`)
        systemd.must('systemctl', 'start', `${name}.service`)
        await until(() => existsSync(join(folder, `${name}.qmp`)))
      }
      const cpusOf = (name: string): string | undefined => {
        const { vms } = JSON.parse(homenode(systemd, 'ps', name, '--json'))
        return vms[0]?.vcpus[0]?.cpus
      }
      for (const name of ['a', 'b']) await until(() => cpusOf(name) === '0')
      const port = await freePort()
      const settings = ['--act', '--interval', '1s', '--set', 'leastKnown=2', '--set', 'window=10']
      homenode(systemd, 'service', 'install', '--now', '--', ...settings, '--metrics', `127.0.0.1:${port}`)
      const page = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
      const figure = async (series: string) => {
        const line = (await page('/metrics')).split('\n').find((one) => one.startsWith(`${series} `))
        return line === undefined ? null : Number(line.slice(series.length + 1))
      }
      assert.match(await page('/healthz'), /^ok: /)
      await until(async () => (await figure('homenode_balance_actions_total{action="move",result="done"}')) === 1)
      assert.ok(['a', 'b'].map(cpusOf).some((cpus) => cpus !== '0'))
      assert.ok((await figure('homenode_balance_rounds_total{decision="act",reason="pays"}'))! >= 1)
      assert.ok((await figure('homenode_balance_moved_vms_total'))! >= 1)
      assert.is(await figure('homenode_balance_failed_rounds_total'), 0)
      assert.ok((await figure('homenode_vm_vcpu_seconds_total{vm="a"}'))! > 0)
      assert.ok((await figure('homenode_vm_memory_bytes{vm="a",node="0"}'))! >= 2 ** 26)
      homenode(systemd, 'service', 'remove')
      assert.is(await page('/healthz').catch(() => 'nobody answers'), 'nobody answers')
    })
  },
)

test.run()
