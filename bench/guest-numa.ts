/**
 * What memory costs inside of a Linux guest whose cells are on different nodes: a pointer chase and a copy from each guest
 * node to each (c/guest-numa.c), with the vCPUs where the plan has them, and with those of the two cells exchanged. Beside
 * it what the model says that the placement costs.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execInitramfs } from '../executor/program/exec-initramfs.js'
import { formatCpulist } from '../src/cpulist.js'
import { costAsIs, detectHost, parseRequest, plan, verifyPlan } from '../src/index.js'
import type { PlanVm } from '../src/types.js'
import { bundleExecutor } from '../test/executor/bundle.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row } from './bench.js'
import { APPEND, bootFiles } from './linux/kernel.js'
import { kvmMissing } from './vm/without-kvm.js'

const FULL = { cellMiB: 1024, workShare: 1 / 4 }
const QUICK = { cellMiB: 128, workShare: 1 / 32 }
const MIB = 1024 ** 2

/** @returns the static program, or why there is none */
function compiled(folder: string): Uint8Array | string {
  const program = join(folder, 'guest-numa')
  const source = fileURLToPath(new URL('c/guest-numa.c', import.meta.url))
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-static', '-o', program, source], { encoding: 'utf8' })
  if (error !== undefined) return 'no C compiler (Debian: gcc libc6-dev)'
  return status === 0 ? readFileSync(program) : `cc refused it: ${stderr.trim().split('\n')[0]}`
}

async function run({ quick }: BenchOptions): Promise<Bench> {
  const missing = kvmMissing('guest-numa')
  if (missing !== null) return missing
  const empty: Bench = { kind: 'Bench', name: 'guest-numa', host: hostFacts(), rows: [] }
  const nothing = (why: string): Bench => ({ ...empty, notes: [`nothing ran: ${why}`] })
  const files = bootFiles()
  if (typeof files === 'string') return nothing(files)
  const folder = mkdtempSync(join(tmpdir(), 'homenode-guest-numa-'))
  try {
    const program = compiled(folder)
    if (typeof program === 'string') return nothing(program)
    const host = await detectHost()
    const nodes = host.nodes.filter(
      ({ id, memory }) =>
        (memory.total ?? 0) > 0 && host.cpus.some((cpu) => cpu.node === id && cpu.online && cpu.allowed),
    )
    const { cellMiB: most, workShare } = quick ? QUICK : FULL
    // Half of what is free on the node that has least of it, where that is less.
    const free = Math.min(...nodes.slice(0, 2).map(({ memory }) => memory.free ?? memory.total ?? 0))
    const cellMiB = Math.min(most, Math.floor(free / MIB / 2))
    const workMiB = Math.floor(cellMiB * workShare)
    const cells = nodes.slice(0, 2).map((_, cell) => ({
      vcpus: `${cell}`,
      memory: `${cellMiB}MiB`,
    }))
    const vm = { name: 'linux', vcpus: cells.length, cells, memory: `${cells.length * cellMiB}MiB` }
    // All CPUs but one of each node are somebody else's, so that the cells are apart, and there is a distance to be measured.
    const kept = nodes
      .slice(0, 2)
      .map(({ id }) => host.cpus.find((cpu) => cpu.node === id && cpu.online && cpu.allowed)!.id)
    const others = host.cpus.map(({ id }) => id).filter((id) => !kept.includes(id))
    const reserve = others.length === 0 ? {} : { reserve: { cpus: formatCpulist(others) } }
    const request = parseRequest({ vms: [vm], ...reserve })
    const verified = verifyPlan(host, request, await plan(host, request))
    const [placed] = verified.vms
    if (placed === undefined) return nothing(`the VM does not fit: ${verified.refused[0]?.because[0]?.text}`)
    const { executor, verified: seal } = await bundleExecutor()
    const initrd = execInitramfs({
      busybox: files.busybox,
      command: `/bin/guest-numa ${workMiB}`,
      files: [{ path: 'bin/guest-numa', content: program, executable: true }],
    })
    const rows: Row[] = []
    for (const pinned of cells.length < 2 ? (['well'] as const) : (['well', 'badly'] as const)) {
      const vm = await executor.Vm.create(seal.sealPlan(verified, { host, request }), 'linux', { irqchip: true })
      let text = ''
      try {
        const hear = (bytes: Uint8Array) => {
          text += Buffer.from(bytes).toString('latin1')
        }
        const ignore = () => {}
        await vm.bootLinux({ kernel: files.kernel, initrd, append: APPEND, serial: [ignore, hear, ignore, ignore] })
        const now = pinned === 'well' ? placed : exchanged(placed)
        for (const { vcpu, cpus } of now.vcpus) vm.repin(vcpu, cpus)
        await vm.run()
        await vm.wait()
        const { lostVcpus } = costAsIs(host, request, [now])
        rows.push(...rowsOf(pinned, placed, lostVcpus, text))
      } finally {
        await vm.close()
      }
    }
    const notes = [`kernel: ${files.kernelFile}; ${workMiB} MiB of each node`]
    if (new Set(placed.vcpus.map(({ node }) => node)).size < 2)
      notes.push('the plan has all of it on one node: there is no distance to be seen')
    return { ...empty, rows, notes }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The vCPUs of each cell where the other cell's are; the memory stays. */
function exchanged(vm: PlanVm): PlanVm {
  const [a, b] = [0, 1].map((cell) => vm.vcpus.filter((vcpu) => vcpu.cell === cell))
  const places = new Map([
    ...a!.map((vcpu, i) => [vcpu.vcpu, b![i]!] as const),
    ...b!.map((vcpu, i) => [vcpu.vcpu, a![i]!] as const),
  ])
  return {
    ...vm,
    vcpus: vm.vcpus.map((vcpu) => ({ ...vcpu, cpus: places.get(vcpu.vcpu)!.cpus, node: places.get(vcpu.vcpu)!.node })),
  }
}

function rowsOf(pinned: string, vm: PlanVm, lostVcpus: number, text: string): Row[] {
  return [...text.matchAll(/^(\d+) (\d+) ([\d.]+) ([\d.]+)\r?$/gm)].map(([, from, to, chase, copy]) => ({
    pinned,
    guestNode: Number(from),
    memoryOf: Number(to),
    hostNode: vm.cells[Number(to)]?.memory[0]?.node ?? null,
    nsPerAccess: Number(chase),
    copyMiBps: Number(copy),
    lostVcpus,
  }))
}

export default { name: 'guest-numa', run } satisfies BenchModule
