/**
 * Others who place the same threads, memory or interrupts: the kernel's NUMA balancing, numad, irqbalance.
 * Source: Documentation/admin-guide/sysctl/kernel.rst (numa_balancing); numad(8); irqbalance(1)
 */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { Host } from '../../src/types.js'
import { nameIn } from '../found/as-request.js'
import { Files, valueOr } from '../found/files.js'
import { numbersIn } from '../found/processes.js'
import { parseStat } from '../found/procfs.js'
import type { FoundVm } from '../found/types.js'

/** Somebody else who places what `balance` places, or what disturbs it. */
export interface Rival {
  /** Who. */
  readonly name: 'numa_balancing' | 'numad' | 'irqbalance'
  /** Of the process; `null`: it is the kernel. */
  readonly pid: number | null
  /** Whether both move the same. */
  readonly fights: boolean
  /** VMs that it would move, by the names that `requestOf` gives them; none where it moves no VM. */
  readonly vms: readonly string[]
  /** What it does, as a sentence. */
  readonly text: string
  /** What to do about it; `null`: nothing has to be done. */
  readonly mend: string | null
}

/** What of the host is needed. */
type Cpus = Pick<Host, 'cpus'>

/** @param root in front of `/proc` */
export function rivalsOf(vms: readonly FoundVm[], host: Cpus, root?: string): Rival[] {
  const files = new Files(root)
  const running = daemonsIn(files)
  const [numad, irqbalance] = [running.get('numad'), running.get('irqbalance')]
  const mode = files.textOr('0', '/proc/sys/kernel/numa_balancing').trim()
  return [
    ...(mode === '0' || mode === '' ? [] : [kernelsBalancing(vms, host)]),
    ...(numad === undefined ? [] : [numadRival(numad, vms)]),
    ...(irqbalance === undefined ? [] : [irqbalanceRival(irqbalance, vms)]),
  ]
}

const DAEMONS = ['numad', 'irqbalance']

/** By their names: the lowest pid. Threads of the kernel have no arguments, and are none of these. */
function daemonsIn(files: Files): Map<string, number> {
  const found = new Map<string, number>()
  for (const pid of numbersIn(valueOr([], files.list('/proc')))) {
    const name = parseStat(files.textOr('', `/proc/${pid}/stat`))?.name
    if (name === undefined || !DAEMONS.includes(name) || found.has(name)) continue
    if (files.textOr('', `/proc/${pid}/cmdline`) !== '') found.set(name, pid)
  }
  return found
}

/** It moves pages of policy `default` to where they are used, and threads that may run on several nodes to their memory. */
function kernelsBalancing(vms: readonly FoundVm[], host: Cpus): Rival {
  const moved = vms.filter((vm) => isMovedByKernel(vm, host)).map((vm) => nameIn(vms, vm))
  const fights = moved.length > 0
  return {
    name: 'numa_balancing',
    pid: null,
    fights,
    vms: moved,
    text: fights
      ? `the kernel's NUMA balancing moves the memory of ${moved.join(', ')}, too`
      : "the kernel's NUMA balancing is on: it leaves what is bound alone, and memory where its vCPUs are pinned",
    mend: fights ? 'sudo sysctl kernel.numa_balancing=0' : null,
  }
}

function isMovedByKernel({ vcpus, mappings }: FoundVm, { cpus }: Cpus): boolean {
  const free = mappings.filter(({ policy }) => policy === 'default')
  const nodeOf = new Map(cpus.map(({ id, node }) => [id, node]))
  const nodes = new Set(
    vcpus.flatMap((vcpu) => parseCpulist(vcpu.cpus, { allowEmpty: true })).map((cpu) => nodeOf.get(cpu) ?? null),
  )
  const isElsewhere = free.some(({ resident }) => resident.some(({ node, bytes }) => bytes > 0 && !nodes.has(node)))
  return free.length > 0 && (nodes.size > 1 || isElsewhere)
}

function numadRival(pid: number, vms: readonly FoundVm[]): Rival {
  return {
    name: 'numad',
    pid,
    fights: vms.length > 0,
    vms: vms.map((vm) => nameIn(vms, vm)),
    text: `numad (process ${pid}) binds the threads and the memory of large processes, VMs too, as it thinks best`,
    mend: 'sudo systemctl disable --now numad; or let it leave a VM alone: numad -x PID',
  }
}

function irqbalanceRival(pid: number, vms: readonly FoundVm[]): Rival {
  const pinned = vms.flatMap(({ vcpus }) => vcpus).filter(({ cpus }) => /^\d+$/.test(cpus))
  const cpus = formatCpulist([...new Set(pinned.map((vcpu) => Number(vcpu.cpus)))].sort((a, b) => a - b))
  return {
    name: 'irqbalance',
    pid,
    fights: false,
    vms: [],
    text: `irqbalance (process ${pid}) moves interrupts and no VM; also to CPUs that vCPUs are pinned to`,
    mend: cpus === '' ? null : `IRQBALANCE_BANNED_CPULIST=${cpus} in its settings keeps them off these`,
  }
}
