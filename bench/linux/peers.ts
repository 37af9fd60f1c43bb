/** VMMs beside which a kernel's boot is measured: each is a process that prints the guest's console. */

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Seconds from the start of the VM, and exits up to the word, as far as somebody counts them. */
export interface Boot {
  /** To the word of the first process. */
  readonly toInit: number
  /** To the end of the VM. */
  readonly toEnd: number
  readonly exits: number | null
}

/** What all of them boot. */
export interface PeerGuest {
  readonly kernelFile: string
  readonly initrdFile: string
  readonly commandLine: string
  readonly vcpus: number
  readonly memoryMiB: number
}

export interface Peer {
  readonly name: string
  readonly program: string
  args(guest: PeerGuest): readonly string[]
}

export const PEERS: readonly Peer[] = [
  {
    name: 'QEMU microvm',
    program: 'qemu-system-x86_64',
    // Linux cannot reset a microvm but by a triple fault; with -no-reboot that is its end.
    // Source: QEMU, docs/system/i386/microvm.rst ("Triggering a guest-initiated shut down")
    args: ({ kernelFile, initrdFile, commandLine, vcpus, memoryMiB }) => [
      ...['-M', 'microvm,auto-kernel-cmdline=off', '-accel', 'kvm', '-cpu', 'host'],
      ...['-m', `${memoryMiB}`, '-smp', `${vcpus}`],
      ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
      ...['-kernel', kernelFile, '-initrd', initrdFile, '-append', `${commandLine} reboot=t`],
    ],
  },
  {
    name: 'kvmtool',
    program: 'lkvm',
    args: ({ kernelFile, initrdFile, commandLine, vcpus, memoryMiB }) => [
      ...['run', '-k', kernelFile, '-i', initrdFile, '-c', `${vcpus}`, '-m', `${memoryMiB}`],
      ...['--params', commandLine, '--console', 'serial', '--network', 'mode=none'],
    ],
  },
]

/** A guest that has said nothing for so long is not going on. */
const SILENCE_MS = 300_000

/**
 * @param mark the word of the first process
 * @throws {Error} where the VMM is not there, ends before that word, or its guest is silent for minutes; it has the last lines
 */
export function bootPeer({ program, args }: Peer, guest: PeerGuest, mark: string): Promise<Boot> {
  const startedAt = performance.now()
  const since = () => (performance.now() - startedAt) / 1000
  const child = spawn(program, args(guest), { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let toInit = Number.NaN
  let exits: number | null = null
  let isSilent = false
  const timer = setTimeout(() => {
    isSilent = true
    child.kill('SIGKILL')
  }, SILENCE_MS)
  const hear = (chunk: Buffer) => {
    timer.refresh()
    text += chunk.toString('latin1')
    if (!Number.isNaN(toInit) || !text.includes(mark)) return
    toInit = since()
    exits = exitsOf(child.pid!)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      const what = isSilent ? `was silent for ${SILENCE_MS / 1000} s` : 'did not come to the first process'
      if (isSilent || Number.isNaN(toInit)) reject(new Error(`${program} ${what}:\n${text.slice(-2000)}`))
      else resolve({ toInit, toEnd: since(), exits })
    })
  })
}

/** All exits of a process's VMs, as debugfs counts them; `null`: it is not mounted, or not for us. */
function exitsOf(pid: number): number | null {
  const root = '/sys/kernel/debug/kvm'
  try {
    const folders = readdirSync(root).filter((name) => name.startsWith(`${pid}-`))
    const counts = folders.map((name) => Number(readFileSync(join(root, name, 'exits'), 'utf8')))
    return folders.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0)
  } catch {
    return null
  }
}
