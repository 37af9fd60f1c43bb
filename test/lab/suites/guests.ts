/** Guests of QEMU with KVM that check their memory all the time, for suites that move them. */

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Found, findVms } from 'homenode/executor'
import { readChecks, writeFirmware } from '../../executor/apply/pattern.js'

export const folder = mkdtempSync(join(tmpdir(), 'guests-'))
export const firmware = join(folder, 'firmware')
writeFirmware(firmware)

export interface Guest {
  readonly name: string
  readonly pid: number
  /** Waits until its memory has been as it should be twice more, and says whether it always was. */
  isSound(): Promise<boolean>
  stop(): Promise<void>
}

const PATIENCE_MS = 120_000

/** 64 MiB and two vCPUs, of which the first one works. */
export async function startGuest(
  name: string,
  args: readonly string[],
  command: readonly string[] = [],
): Promise<Guest> {
  const serial = join(folder, `${name}.out`)
  // Of another one with this name.
  rmSync(serial, { force: true })
  const common = ['-accel', 'kvm', '-display', 'none', '-nodefaults', '-m', '64', '-smp', '2', '-bios', firmware]
  const named = ['-name', `guest=${name},debug-threads=on`, '-serial', `file:${serial}`]
  const [program, ...rest] = [...command, 'qemu-system-x86_64', ...common, ...named, ...args]
  const child = spawn(program!, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const checks = () => (existsSync(serial) ? readChecks(serial) : { passed: 0, failed: false })
  const wait = async (passed: number) => {
    for (const until = Date.now() + PATIENCE_MS; checks().passed < passed && !checks().failed; await sleep(50)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`QEMU ended with ${child.exitCode}`)
      if (Date.now() > until) throw new Error(`${name} does not go on`)
    }
  }
  if (!args.includes('-S')) await wait(1)
  return {
    name,
    pid: child.pid!,
    isSound: async () => {
      // The check that is going on may have read what is no longer so.
      await wait(checks().passed + 2)
      return !checks().failed
    },
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** A backend of all its memory. */
export function backend(kind: string, options: string): string[] {
  return ['-machine', 'memory-backend=m', '-object', `memory-backend-${kind},id=m,size=64M,prealloc=on,${options}`]
}

export async function findThese(guests: readonly Guest[]): Promise<Found> {
  const { vms, missing } = await findVms()
  return { vms: vms.filter(({ pid }) => guests.some((guest) => guest.pid === pid)), missing }
}

/** Where each thread may run, by its number, from procfs. */
export function affinities(pid: number): Record<string, string> {
  return Object.fromEntries(
    readdirSync(`/proc/${pid}/task`).map((tid) => {
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
      return [tid, /^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!]
    }),
  )
}

/** Where the thread of this name may run. */
export function affinityOf(pid: number, name: string): string | undefined {
  const tid = readdirSync(`/proc/${pid}/task`).find((one) => {
    return readFileSync(`/proc/${pid}/task/${one}/comm`, 'utf8').trim() === name
  })
  return affinities(pid)[tid ?? '']
}

/** MiB by node of the mapping that has about all of a guest's memory, from numa_maps. */
export function memoryOf(pid: number): Record<string, number> {
  const lines = readFileSync(`/proc/${pid}/numa_maps`, 'utf8').split('\n')
  const sizes = lines.map((line) => {
    const page = Number(/kernelpagesize_kB=(\d+)/.exec(line)?.[1] ?? 4) / 1024
    const nodes = [...line.matchAll(/ N(\d+)=(\d+)/g)].map(([, node, pages]) => [node!, Number(pages) * page] as const)
    return Object.fromEntries(nodes)
  })
  const sum = (nodes: Record<string, number>) => Object.values(nodes).reduce((all, part) => all + part, 0)
  return sizes.reduce((most, nodes) => (sum(nodes) > sum(most) ? nodes : most), {})
}

export function pinTo(pid: number, cpus: string): void {
  execFileSync('taskset', ['-acp', cpus, `${pid}`], { stdio: 'ignore' })
}
