/**
 * How long a Linux kernel takes to its first process, in `Vm.bootLinux` and in QEMU's microvm, and in kvmtool where that is
 * installed: the same kernel, the same initramfs, the same command line, by turns. From the start of the VM (a QEMU or a
 * kvmtool process; `Vm.create`) to the first word of that process, and to the end of the VM.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpioArchive } from '../executor/program/cpio.js'
import { detectHost, plan, verifyPlan } from '../src/index.js'
import type { VerifiedPlan } from '../src/types.js'
import { bundleExecutor } from '../test/executor/bundle.js'
import { hasProgram } from '../test/executor/programs.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { APPEND, type BootFiles, bootFiles } from './linux/kernel.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 5, vcpus: [1, 2] }
const QUICK = { rounds: 1, vcpus: [1] }
const MEMORY_MIB = 192
const MARK = 'first process'
const COMMAND_LINE = `console=ttyS0 panic=-1 pci=off ${APPEND}`

/** Seconds, and exits to user space or all of them, as far as somebody counts. */
interface Boot {
  readonly toInit: number
  readonly toEnd: number
  readonly exits: number | null
}

/** Says its word, and resets the machine. */
function initramfs({ busybox }: BootFiles): Uint8Array {
  const init = Buffer.from(`#!/bin/busybox sh\necho ${MARK}\n/bin/busybox reboot -f\n`)
  return cpioArchive([
    { kind: 'folder', path: 'dev' },
    { kind: 'folder', path: 'bin' },
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: busybox, executable: true },
    { kind: 'file', path: 'init', content: init, executable: true },
  ])
}

async function planned(vcpus: number): Promise<VerifiedPlan> {
  const host = await detectHost()
  const request = { vms: [{ name: 'linux', vcpus, memory: `${MEMORY_MIB}MiB`, cells: 1 }] }
  return verifyPlan(host, request, await plan(host, request))
}

type Executor = Awaited<ReturnType<typeof bundleExecutor>>

async function bootHere(
  { executor, verified }: Executor,
  files: BootFiles,
  initrd: Uint8Array,
  vcpus: number,
): Promise<Boot> {
  const made = await planned(vcpus)
  // The bundle has a mark of its own.
  const sealed = verified.sealPlan(made)
  const startedAt = performance.now()
  const since = () => (performance.now() - startedAt) / 1000
  let toInit = Number.NaN
  let text = ''
  const vm = await executor.Vm.create(sealed, 'linux', { irqchip: true })
  try {
    const hear = (bytes: Uint8Array) => {
      text += Buffer.from(bytes).toString('latin1')
      if (Number.isNaN(toInit) && text.includes(MARK)) toInit = since()
    }
    await vm.bootLinux({ kernel: files.kernel, initrd, append: APPEND, serial: [hear] })
    await vm.run()
    await vm.wait()
    const exits = vm.sample().map(({ kvm }) => Number(kvm?.exits ?? Number.NaN))
    const sum = exits.reduce((all, count) => all + count, 0)
    return { toInit, toEnd: since(), exits: Number.isNaN(sum) ? null : sum }
  } finally {
    await vm.close()
  }
}

/** A VMM that is a process, and prints the guest's console. */
function bootThere(program: string, args: readonly string[]): Promise<Boot> {
  const startedAt = performance.now()
  const since = () => (performance.now() - startedAt) / 1000
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let toInit = Number.NaN
  let exits: number | null = null
  child.stdout.on('data', (chunk) => {
    text += chunk
    if (Number.isNaN(toInit) && text.includes(MARK)) {
      toInit = since()
      exits = exitsOf(child.pid!)
    }
  })
  child.stderr.on('data', (chunk) => {
    text += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      if (Number.isNaN(toInit)) reject(new Error(`${program} did not come to the first process:\n${text.slice(-2000)}`))
      else resolve({ toInit, toEnd: since(), exits })
    })
  })
}

/** All exits of a process's VMs, as debugfs counts them; `null`: nobody may read that. */
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

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('boot')
  if (missing !== null) return missing
  const empty: Bench = { kind: 'Bench', name: 'boot', host: hostFacts(), rows: [] }
  const files = bootFiles()
  if (typeof files === 'string') return { ...empty, notes: [`nothing ran: ${files}`] }
  const { rounds, vcpus } = quick ? QUICK : FULL
  const notes: string[] = [`kernel: ${files.kernelFile}`]
  const executor = await bundleExecutor()
  const initrd = initramfs(files)
  const folder = mkdtempSync(join(tmpdir(), 'homenode-boot-'))
  try {
    const initrdFile = join(folder, 'initrd')
    writeFileSync(initrdFile, initrd)
    const sides = (count: number): Record<string, () => Promise<Boot>> => ({
      homenode: () => bootHere(executor, files, initrd, count),
      ...(hasProgram('qemu-system-x86_64')
        ? { 'QEMU microvm': () => bootThere('qemu-system-x86_64', qemu(files, initrdFile, count)) }
        : {}),
      ...(hasProgram('lkvm') ? { kvmtool: () => bootThere('lkvm', lkvm(files, initrdFile, count)) } : {}),
    })
    for (const [program, name] of [
      ['qemu-system-x86_64', 'QEMU'],
      ['lkvm', 'kvmtool'],
    ] as const) {
      if (!hasProgram(program)) notes.push(`no ${program}: ${name} was not measured`)
    }
    const rows: Row[] = []
    for (const count of vcpus) {
      const boots = new Map<string, Boot[]>()
      for (let round = 0; round < rounds; round++) {
        for (const [side, boot] of Object.entries(sides(count))) {
          try {
            boots.set(side, [...(boots.get(side) ?? []), await boot()])
          } catch (error) {
            notes.push(`${side}, ${count} vCPUs: ${error instanceof Error ? error.message : error}`)
          }
        }
      }
      for (const [side, all] of boots) rows.push(rowOf(side, count, all))
    }
    return { ...empty, rows, notes }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function rowOf(what: string, vcpus: number, boots: readonly Boot[]): Row {
  const of = (pick: (boot: Boot) => number) => rounded(median(boots.map(pick)))
  const exits = boots.flatMap((boot) => (boot.exits === null ? [] : [boot.exits]))
  return {
    what,
    vcpus,
    boots: boots.length,
    secondsToInit: of(({ toInit }) => toInit),
    secondsToEnd: of(({ toEnd }) => toEnd),
    exits: exits.length === 0 ? null : median(exits),
  }
}

function qemu({ kernelFile }: BootFiles, initrd: string, vcpus: number): string[] {
  return [
    ...[
      '-M',
      'microvm,rtc=off,auto-kernel-cmdline=off',
      '-accel',
      'kvm',
      '-cpu',
      'host',
      '-m',
      `${MEMORY_MIB}`,
      '-smp',
      `${vcpus}`,
    ],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-kernel', kernelFile, '-initrd', initrd, '-append', COMMAND_LINE],
  ]
}

function lkvm({ kernelFile }: BootFiles, initrd: string, vcpus: number): string[] {
  const params = ['--params', COMMAND_LINE, '--console', 'serial', '--network', 'mode=none']
  return ['run', '-k', kernelFile, '-i', initrd, '-c', `${vcpus}`, '-m', `${MEMORY_MIB}`, ...params]
}

export default { name: 'boot', run } satisfies BenchModule
