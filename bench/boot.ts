/**
 * How long a Linux kernel takes to its first process, in `Vm.bootLinux`, in QEMU's microvm, and in kvmtool where that is
 * installed: the same kernel, the same initramfs, the same command line, by turns. From the start of the VM (a QEMU or a
 * kvmtool process; `Vm.create`) to the first word of that process, and to the end of the VM.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpioArchive } from '../executor/program/cpio.js'
import { detectHost, plan, verifyPlan } from '../src/index.js'
import type { VerifiedPlan } from '../src/types.js'
import { bundleExecutor } from '../test/executor/bundle.js'
import { hasProgram } from '../test/executor/programs.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, type Row, rounded } from './bench.js'
import { APPEND, type BootFiles, bootFiles } from './linux/kernel.js'
import { type Boot, bootPeer, PEERS } from './linux/peers.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { rounds: 3, vcpus: [1, 2] }
const QUICK = { rounds: 1, vcpus: [1] }
const MEMORY_MIB = 192
const MARK = 'first process'
const COMMAND_LINE = `console=ttyS0 panic=-1 pci=off ${APPEND}`
const HERE = 'homenode'

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
  let exits: number | null = null
  let text = ''
  const vm = await executor.Vm.create(sealed, 'linux', { irqchip: true })
  try {
    const hear = (bytes: Uint8Array) => {
      text += Buffer.from(bytes).toString('latin1')
      if (!Number.isNaN(toInit) || !text.includes(MARK)) return
      toInit = since()
      const counts = vm.sample().map(({ kvm }) => Number(kvm?.exits ?? Number.NaN))
      const sum = counts.reduce((all, count) => all + count, 0)
      exits = Number.isNaN(sum) ? null : sum
    }
    await vm.bootLinux({ kernel: files.kernel, initrd, append: APPEND, serial: [hear] })
    await vm.run()
    await vm.wait()
    if (Number.isNaN(toInit)) throw new Error(`the guest did not come to the first process:\n${text.slice(-2000)}`)
    return { toInit, toEnd: since(), exits }
  } finally {
    await vm.close()
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
    const { kernelFile } = files
    const guest = { kernelFile, initrdFile, commandLine: COMMAND_LINE, memoryMiB: MEMORY_MIB }
    const peers = PEERS.filter(({ program }) => hasProgram(program))
    const rows: Row[] = []
    for (const count of vcpus) {
      const sides = new Map<string, () => Promise<Boot>>([
        [HERE, () => bootHere(executor, files, initrd, count)],
        ...peers.map((peer) => [peer.name, () => bootPeer(peer, { ...guest, vcpus: count }, MARK)] as const),
      ])
      const boots = new Map([...sides.keys()].map((side) => [side, [] as Boot[]]))
      for (let round = 0; round < rounds; round++) {
        for (const [side, boot] of sides) {
          try {
            const done = await boot()
            boots.get(side)!.push(done)
            // Where a boot takes a minute, people want to see that it goes on.
            console.error(`${nameOf(side, count)}: ${rounded(done.toInit)} s to the first process`)
          } catch (error) {
            notes.push(`${nameOf(side, count)}: ${error instanceof Error ? error.message : error}`)
          }
        }
      }
      const ours = boots.get(HERE)!
      for (const [side, all] of boots) rows.push(rowOf(side, count, all, ours))
      for (const { name, program } of PEERS) {
        if (!hasProgram(program)) rows.push(rowOf(`${name} (no ${program} here)`, count, [], ours))
      }
    }
    return { ...empty, rows, notes }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function nameOf(side: string, vcpus: number): string {
  return `${side}, ${vcpus} vCPU${vcpus === 1 ? '' : 's'}`
}

function rowOf(what: string, vcpus: number, boots: readonly Boot[], ours: readonly Boot[]): Row {
  const of = (all: readonly Boot[], pick: (boot: Boot) => number) => (all.length === 0 ? null : median(all.map(pick)))
  const toInit = of(boots, (boot) => boot.toInit)
  const toEnd = of(boots, (boot) => boot.toEnd)
  const here = of(ours, (boot) => boot.toInit)
  const exits = boots.flatMap((boot) => (boot.exits === null ? [] : [boot.exits]))
  return {
    what,
    vcpus,
    boots: boots.length,
    secondsToInit: toInit && rounded(toInit),
    secondsToEnd: toEnd && rounded(toEnd),
    exitsToInit: exits.length === 0 ? null : median(exits),
    /** Above 1: slower than we are. */
    ratio: toInit && here && rounded(toInit / here),
  }
}

export default { name: 'boot', run } satisfies BenchModule
