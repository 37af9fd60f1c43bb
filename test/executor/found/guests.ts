/** Real guests that do nothing, started for a test and ended with it. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kvmStatus } from '../../../executor/run/probe.js'

const QEMU = 'qemu-system-x86_64'

export const hasQemu = spawnSync(QEMU, ['--version']).status === 0
export const NO_QEMU = `${QEMU} is not installed`

export const hasKvm = hasQemu && kvmStatus().usable
export const NO_KVM = 'QEMU is not installed, or /dev/kvm may not be used'

/** For sockets: their paths are short. */
export const folder = mkdtempSync(join(tmpdir(), 'hn-'))
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

export interface Guest {
  readonly pid: number
  /** Where its monitor listens. */
  readonly qmp: string
  stop(): Promise<void>
}

/** A QEMU whose firmware finds nothing to boot; it answers at its monitor when this returns. */
export async function startQemu(args: readonly string[]): Promise<Guest> {
  const qmp = join(folder, `${children.size}-${Math.random().toString(36).slice(2, 8)}.sock`)
  const child = spawn(QEMU, ['-display', 'none', '-nodefaults', '-qmp', `unix:${qmp},server=on,wait=off`, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: folder,
  })
  children.add(child)
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors += chunk
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
    children.delete(child)
  }
  for (let tries = 0; !existsSync(qmp) || !(await answers(qmp)); tries++) {
    if (child.exitCode !== null || tries > 600) {
      await stop()
      throw new Error(`QEMU did not start: ${errors}`)
    }
    await sleep(50)
  }
  return { pid: child.pid!, qmp, stop }
}

/** Whether a monitor greets, asked by a client that goes away at once. */
async function answers(path: string): Promise<boolean> {
  const socket = await occupy(path)
  socket?.destroy()
  // QEMU takes a moment to notice that.
  if (socket !== null) await sleep(50)
  return socket !== null
}

/** A client of a monitor, once that greets; `null` where it does not. */
export function occupy(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('data', () => resolve(socket))
    socket.once('error', () => resolve(null))
    socket.setTimeout(1000, () => {
      socket.destroy()
      resolve(null)
    })
  })
}
