/** Which processes run guests. */

import { type Files, valueOr } from './files.js'
import { parseCmdline, parseStat, parseStatus } from './procfs.js'
import type { Fact, Vmm } from './types.js'
import { vmmByName, vmmByThreads } from './vmms.js'

/** A process that runs a guest. */
export interface VmProcess {
  readonly pid: number
  readonly startTime: number
  readonly uid: number
  readonly argv: readonly string[]
  readonly tids: readonly number[]
  readonly vmm: Fact<Vmm>
  /** Its open descriptors by number; `null` where they may not be read. */
  readonly descriptors: ReadonlyMap<number, string> | null
}

export interface Processes {
  readonly vms: readonly VmProcess[]
  /** Processes whose descriptors may not be read and whose names tell nothing. Some of them may run guests. */
  readonly hidden: number
}

const VM_DESCRIPTOR = 'anon_inode:kvm-vm'
const VCPU_DESCRIPTOR = 'anon_inode:kvm-vcpu'

/** @param pids those to look at; by default all that there are */
export function findProcesses(
  files: Files,
  pids: readonly number[] = numbersIn(valueOr([], files.list('/proc'))),
): Processes {
  const vms: VmProcess[] = []
  let hidden = 0
  for (const pid of pids) {
    const found = examine(files, pid)
    if (found === 'hidden') hidden++
    else if (found !== null) vms.push(found)
  }
  return { vms, hidden }
}

function examine(files: Files, pid: number): VmProcess | 'hidden' | null {
  const stat = parseStat(files.textOr('', `/proc/${pid}/stat`))
  const argv = parseCmdline(files.textOr('', `/proc/${pid}/cmdline`))
  // Threads of the kernel have no arguments.
  if (stat === null || argv[0] === '') return null
  const descriptors = descriptorsOf(files, pid)
  const byName = vmmByName([argv[0]!, stat.name])
  const hasVm = descriptors !== null && runsVm([...descriptors.values()])
  // QEMU runs guests without KVM, too.
  if (descriptors !== null && !hasVm && byName !== 'qemu') return null
  const tids = numbersIn(valueOr([], files.list(`/proc/${pid}/task`)))
  const byThreads = (): Vmm | null => {
    const names = tids.map((tid) => parseStat(files.textOr('', `/proc/${pid}/task/${tid}/stat`))?.name ?? '')
    return vmmByThreads(names)
  }
  const vmm = vmmOf(byName, byThreads, hasVm)
  if (vmm === null) return 'hidden'
  const status = parseStatus(files.textOr('', `/proc/${pid}/status`))
  return status === null ? null : { pid, startTime: stat.startTime, uid: status.uid, argv, tids, vmm, descriptors }
}

function runsVm(descriptors: readonly string[]): boolean {
  return descriptors.includes(VM_DESCRIPTOR) && descriptors.some((link) => link.startsWith(VCPU_DESCRIPTOR))
}

function vmmOf(byName: Vmm | null, byThreads: () => Vmm | null, hasVm: boolean): Fact<Vmm> | null {
  if (byName !== null) return { value: byName, source: 'program-name' }
  const value = byThreads()
  if (value !== null) return { value, source: 'thread-name' }
  return hasVm ? { value: 'other', source: 'kernel' } : null
}

function descriptorsOf(files: Files, pid: number): Map<number, string> | null {
  const listed = files.list(`/proc/${pid}/fd`)
  if (listed === 'refused') return null
  const links = numbersIn(valueOr([], listed)).map((fd): [number, string] => [
    fd,
    valueOr('', files.link(`/proc/${pid}/fd/${fd}`)),
  ])
  return new Map(links)
}

/** Descriptors of VMs among them. */
export function vmDescriptors({ descriptors }: VmProcess): number[] {
  return [...(descriptors ?? [])].filter(([, link]) => link === VM_DESCRIPTOR).map(([fd]) => fd)
}

/** Whether the process is still the one that was found. */
export function isAlive(files: Files, { pid, startTime }: VmProcess): boolean {
  return parseStat(files.textOr('', `/proc/${pid}/stat`))?.startTime === startTime
}

export function numbersIn(names: readonly string[]): number[] {
  return names
    .filter((name) => /^\d{1,10}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}
