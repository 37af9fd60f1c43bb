/** Guests of QEMU with KVM on two nodes, badly placed by hand: what `homenode ps` finds, and what that costs. */

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findVms } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, MiB } from './inside.js'

const folder = mkdtempSync(join(tmpdir(), 'ps-'))
const DEADLINE_MS = 60_000
/** Of two-node: 0.3 of a vCPU's time waits for memory, which is 21/10 as far. */
const LOST_PER_VCPU = 0.33

interface Guest {
  readonly pid: number
  readonly qmp: string
  stop(): Promise<void>
}

/** 64 MiB and two vCPUs. */
async function start(name: string, args: readonly string[]): Promise<Guest> {
  const qmp = join(folder, name)
  const common = ['-accel', 'kvm', '-display', 'none', '-nodefaults', '-m', '64', '-smp', '2']
  const child = spawn('qemu-system-x86_64', [...common, '-qmp', `unix:${qmp},server=on,wait=off`, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  while (!existsSync(qmp)) {
    if (child.exitCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`)
    await sleep(100)
  }
  // What it does before it listens for answers.
  const client = await occupy(qmp)
  client.destroy()
  await sleep(200)
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { pid: child.pid!, qmp, stop }
}

function occupy(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('data', () => resolve(socket)).once('error', reject)
  })
}

/** The number after `name=` in the line of numa_maps for this policy. */
function pagesOf(pid: number, policy: string, node: number): number {
  const lines = readFileSync(`/proc/${pid}/numa_maps`, 'utf8').split('\n')
  const counts = lines.filter((line) => line.includes(` ${policy} `)).map((line) => / N(\d+)=(\d+)/.exec(line))
  return counts.reduce((sum, found) => sum + (found !== null && Number(found[1]) === node ? Number(found[2]) : 0), 0)
}

const bound = (id: string, mib: number, node: number) => [
  '-object',
  `memory-backend-ram,id=${id},size=${mib}M,host-nodes=${node},policy=bind,prealloc=on`,
]

test('vCPUs on node 0 with all memory on node 1: found, priced, and what to do', async () => {
  const guest = await start('astray', [
    '-S',
    '-name',
    'guest=astray,debug-threads=on',
    '-machine',
    'memory-backend=m',
    ...bound('m', 64, 1),
  ])
  try {
    for (const { tid } of (await findVms({ deadlineMs: DEADLINE_MS })).vms[0]!.vcpus) {
      execFileSync('taskset', ['-cp', '0-3', `${tid}`], { stdio: 'ignore' })
    }
    const { code, stdout } = await homenode(['ps', '--json'])
    assert.is(code, 0)
    const [vm] = JSON.parse(stdout).vms
    assert.equal([vm.name.value, vm.accelerator.value, vm.vcpus.length], ['astray', 'kvm', 2])
    assert.equal(
      vm.vcpus.map((vcpu: { cpus: string }) => vcpu.cpus),
      ['0-3', '0-3'],
    )
    assert.equal(
      vm.mappings.map((one: { policy: string; resident: object }) => [one.policy, one.resident]),
      [['bind:1', [{ node: 1, bytes: 64 * MiB }]]],
    )
    assert.is(pagesOf(guest.pid, 'bind:1', 1), 16_384)
    assert.is(vm.remote, 1)
    assert.is(Math.round(vm.lost.terms.remoteMemory * 1e6), 2 * LOST_PER_VCPU * 1e6)
    assert.ok(vm.lost.placed < 0.01, `${vm.lost.placed}`)
    assert.match(vm.advice.text, /pin its vCPUs|move 64 MiB to node 0/)
  } finally {
    await guest.stop()
  }
})

test('two guest nodes of one size are told apart by their policies, with a monitor that is busy', async () => {
  const numa = [
    ...bound('a', 32, 1),
    ...bound('b', 32, 0),
    ...['-numa', 'node,nodeid=0,cpus=0,memdev=a', '-numa', 'node,nodeid=1,cpus=1,memdev=b'],
  ]
  const guest = await start('crossed', ['-S', '-name', 'guest=crossed,debug-threads=on', ...numa])
  const client = await occupy(guest.qmp)
  try {
    const [vm] = (await findVms()).vms
    assert.equal(vm!.cells?.source, 'arguments')
    assert.equal(
      vm!.mappings.map(({ cell, backend, resident, source }) => [cell, backend, resident[0]!.node, source]).sort(),
      [
        [0, 'a', 1, 'size'],
        [1, 'b', 0, 'size'],
      ],
    )
    const [tid0, tid1] = vm!.vcpus.map(({ tid }) => tid)
    execFileSync('taskset', ['-cp', '0', `${tid0}`], { stdio: 'ignore' })
    execFileSync('taskset', ['-cp', '4', `${tid1}`], { stdio: 'ignore' })
    const { lost } = JSON.parse((await homenode(['ps', 'crossed', '--json'])).stdout).vms[0]
    // Nine tenths of each one's accesses are in its own node's memory, which is far: 0.9 x 2 x 0.33.
    assert.is(Math.round(lost.terms.remoteMemory * 1e6), 594_000)
    client.destroy()
  } finally {
    await guest.stop()
  }
})

test('without names and with a monitor that is busy, KVM says in debugfs which threads run vCPUs', async () => {
  const guest = await start('plain', ['-name', 'plain'])
  const client = await occupy(guest.qmp)
  try {
    const before = (await findVms()).vms[0]!
    assert.equal([before.vcpus.length, before.vcpuCount], [0, { value: 2, source: 'kernel' }])
    mkdirSync('/sys/kernel/debug', { recursive: true })
    execFileSync('mount', ['-t', 'debugfs', 'none', '/sys/kernel/debug'])
    const told = (await findVms()).vms[0]!
    assert.equal(
      told.vcpus.map(({ source }) => source),
      ['debugfs', 'debugfs'],
    )
    client.destroy()
    await sleep(500)
    const asked = (await findVms({ deadlineMs: DEADLINE_MS })).vms[0]!
    assert.equal(
      asked.vcpus.map(({ tid, source }) => [tid, source]),
      told.vcpus.map(({ tid }) => [tid, 'qmp']),
    )
  } finally {
    execFileSync('umount', ['/sys/kernel/debug'])
    await guest.stop()
  }
})

test.run()
