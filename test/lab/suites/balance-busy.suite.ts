/** `homenode balance` on guests that begin to work beside another: a burst moves nobody, work that lasts does; its metrics. */

import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isDone, startBalancing } from './balancing.js'
import { affinityOf, backend, folder, memoryOf } from './guests.js'
import { CPUS, write } from './inside.js'

const BURST_MS = 5000
const ROM_BYTES = 65_536

/** A guest of one vCPU that runs without end, `jmp` to itself where a CPU starts; on one CPU, with its memory on node 1. */
async function startBusy(name: string, cpu: string) {
  const rom = Buffer.alloc(ROM_BYTES)
  rom.set([0xeb, 0xfe], ROM_BYTES - 16)
  const firmware = join(folder, 'busy.bin')
  writeFileSync(firmware, rom)
  const common = ['-accel', 'kvm', '-display', 'none', '-nodefaults', '-m', '64', '-smp', '1', '-bios', firmware]
  const memory = backend('ram', 'policy=preferred,host-nodes=1')
  const command = [...common, '-name', `guest=${name},debug-threads=on`, ...memory]
  const child = spawn('taskset', ['-c', cpu, 'qemu-system-x86_64', ...command], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const pid = child.pid!
  const isUp = () => {
    try {
      return affinityOf(pid, VCPU) !== undefined && (memoryOf(pid)[1] ?? 0) >= 64
    } catch {
      return false
    }
  }
  while (!isUp()) {
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`)
    await sleep(200)
  }
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { name, pid, stop }
}

const VCPU = 'CPU 0/KVM'
const METRICS = '127.0.0.1:9464'

/** By name and labels, as Prometheus would read them. */
async function metrics(): Promise<ReadonlyMap<string, number>> {
  let answer = await fetch(`http://${METRICS}/metrics`)
  // A machine that is slow enough does not get its request through in the server's time for it.
  while (answer.status === 408) answer = await fetch(`http://${METRICS}/metrics`)
  assert.is(answer.status, 200)
  const text = await answer.text()
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

test('a burst of 5 s moves nothing; a guest that stays busy beside another goes to the other node, with its memory, and metrics say so', async () => {
  // Node 1 has one CPU left.
  for (const cpu of [5, 6, 7]) write(`${CPUS}/cpu${cpu}/online`, 0)
  const late = await startBusy('late', '4')
  process.kill(late.pid, 'SIGSTOP')
  const steady = await startBusy('steady', '4')
  assert.is(spawnSync('busybox', ['ifconfig', 'lo', 'up']).status, 0)
  // A minute stands for half an hour: of that a burst is a larger part.
  const demand = ['--set', 'leastKnown=4', '--set', 'window=60', '--set', 'percentile=0.7']
  const args = ['--interval', '2', ...demand, '--metrics', METRICS]
  const balancing = startBalancing(['--act', '--state', join(folder, 'state'), ...args])
  try {
    await balancing.rounds(20)
    process.kill(late.pid, 'SIGCONT')
    await sleep(BURST_MS)
    process.kill(late.pid, 'SIGSTOP')
    const rounds = await balancing.rounds(5)
    assert.equal(
      rounds.filter(({ action }) => action !== null),
      [],
    )
    assert.equal([affinityOf(steady.pid, VCPU), affinityOf(late.pid, VCPU)], ['4', '4'])

    process.kill(late.pid, 'SIGCONT')
    const { moves, figures } = await balancing.until(isDone, balancing.lines.length)
    assert.is(moves!.length, 1)
    assert.ok(figures!.gain! > 0.3 && figures!.held >= 3, JSON.stringify(figures))
    const moved = [steady, late].find(({ name }) => name === moves![0]!.vm)!
    assert.is(affinityOf(moved.pid, VCPU), '0-3')
    const { 0: there = 0, 1: left = 0 } = memoryOf(moved.pid)
    assert.ok(there >= 64 && left < 1, JSON.stringify(memoryOf(moved.pid)))

    await balancing.rounds(1)
    const told = await metrics()
    assert.is(told.get('homenode_vms'), 2, JSON.stringify([...told]))
    assert.is(told.get('homenode_balance_rounds_total{decision="act",reason="pays"}'), 1)
    assert.is(told.get('homenode_balance_actions_total{action="move",result="done"}'), 1)
    assert.is(told.get('homenode_balance_moved_vms_total'), 1)
    assert.ok(told.get('homenode_balance_moved_bytes_total')! >= 63 * 2 ** 20, JSON.stringify([...told]))
    assert.is(await balancing.kill('SIGTERM'), 0)
  } finally {
    await balancing.kill('SIGKILL')
    for (const guest of [steady, late]) await guest.stop()
  }
})

test.run()
