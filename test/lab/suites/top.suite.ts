/** `homenode top` on two nodes, with a guest of QEMU under KVM whose memory is on the other node than its vCPU. */

import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findVms } from 'homenode/executor'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, machine } from './inside.js'

const folder = mkdtempSync(join(tmpdir(), 'top-'))
const DEADLINE_MS = 60_000

/** A boot sector that writes to a port without end: each time it exits. */
function exitingDisk(): string {
  const path = join(folder, 'exits.img')
  const sector = Buffer.alloc(512)
  // cli, as the firmware's interrupts go astray in a guest of an emulated KVM; out 0x80, al; jmp to it
  sector.set([0xfa, 0xe6, 0x80, 0xeb, 0xfc])
  sector.set([0x55, 0xaa], 510)
  writeFileSync(path, sector)
  return path
}

interface Shown {
  readonly host: { readonly nodes: readonly object[] }
  readonly vms: readonly {
    readonly name: string
    readonly use: number
    readonly vcpus: readonly { readonly lastCpu: number; readonly node: number }[]
    readonly exits: { readonly all: number; readonly byReason: { readonly io_exits: number } } | null
    readonly haltPolling: number | null
    readonly memory: object | null
    readonly remoteMemory: number | null
  }[]
}

/** The last of so many readings. */
async function lastOf(readings: number): Promise<Shown> {
  const { code, stdout, stderr } = await homenode(['top', '--json', '-n', String(readings), '--interval', '2'])
  assert.is(code, 0, stderr)
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

test('use, exits by reason from debugfs, and memory that is all on the other node', async () => {
  mkdirSync('/sys/kernel/debug', { recursive: true })
  execFileSync('mount', ['-t', 'debugfs', 'none', '/sys/kernel/debug'])
  const bound = ['-object', 'memory-backend-ram,id=m,size=64M,host-nodes=1,policy=bind,prealloc=on']
  const disk = ['-drive', `file=${exitingDisk()},format=raw,if=ide`]
  const named = ['-name', 'guest=astray,debug-threads=on', '-machine', 'memory-backend=m']
  const child = spawn(
    'qemu-system-x86_64',
    ['-accel', 'kvm', '-display', 'none', '-nodefaults', '-m', '64', '-smp', '1', ...named, ...bound, ...disk],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  try {
    let tid: number | undefined
    for (const end = Date.now() + DEADLINE_MS; tid === undefined; await sleep(500)) {
      assert.ok(Date.now() < end, 'no vCPU came up')
      tid = (await findVms({ ask: false, memory: false })).vms[0]?.vcpus[0]?.tid
    }
    const [cpu = ''] = machine.nodes[0]!.cpus!.split(/[,-]/)
    execFileSync('taskset', ['-cp', cpu, String(tid)], { stdio: 'ignore' })
    for (let tries = 0; ; tries++) {
      const { vms, host } = await lastOf(2)
      const [vm] = vms
      assert.is(host.nodes.length, 2)
      assert.equal([vm!.name, vm!.vcpus[0]!.lastCpu, vm!.vcpus[0]!.node], ['astray', Number(cpu), 0])
      // Until the sector runs, and the memory was looked at.
      if (vm!.exits !== null && vm!.exits.byReason.io_exits > 0 && vm!.remoteMemory !== null) {
        assert.ok(vm!.exits.all >= vm!.exits.byReason.io_exits)
        assert.ok(vm!.use > 0)
        assert.ok(vm!.remoteMemory > 0.5, `${vm!.remoteMemory}`)
        assert.type(vm!.haltPolling, 'number')
        return
      }
      assert.ok(tries < 20, JSON.stringify(vm))
    }
  } finally {
    child.kill('SIGKILL')
    execFileSync('umount', ['/sys/kernel/debug'])
  }
})

test.run()
