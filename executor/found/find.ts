/** The VMs that run on this system, whoever started them. Nothing is changed, and nobody is waited for beyond a deadline. */

import { requireBoolean, requireObject, requirePath } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import { describeVm } from './describe.js'
import { asRoot, Files, valueOr } from './files.js'
import { type Domains, domainsOf, isLibvirts } from './libvirt.js'
import { askMonitor } from './monitor.js'
import { findProcesses, isAlive } from './processes.js'
import { parseMountinfo } from './procfs.js'
import { parseQemuArguments } from './qemu-arguments.js'
import type { Found, FoundVm, Missing } from './types.js'

/** How `findVms` looks. */
export interface FindOptions {
  /** A libvirt URI such as `qemu:///system`. Without it libvirt is asked where a QEMU is its own and its daemon is here. */
  readonly connect?: string
  /** Whether QEMU's monitors and libvirt are asked; else files alone are read. */
  readonly ask?: boolean
  /** Whether guest memory is looked up: the kernel walks page tables for it, the longer the more the guest has. */
  readonly memory?: boolean
  /** The processes that are looked at; by default all. */
  readonly pids?: readonly number[]
  /** For all that one QEMU is asked. */
  readonly deadlineMs?: number
  /** In front of `/proc` and `/sys`: the files of another system. */
  readonly root?: string
}

const DEADLINE_MS = 1000

/**
 * The VMs that run here: QEMU, Cloud Hypervisor, Firecracker, crosvm, kvmtool, and whatever else has a VM of KVM. A process that
 * ends meanwhile is not among them. As an ordinary user less is known of others' VMs: each says in `missing` what.
 * @throws {UnsupportedError} where `connect` was given, and libvirt is not installed or refuses
 */
export async function findVms(options: FindOptions = {}): Promise<Found> {
  requireOptions(options)
  const { ask = true, memory = true, deadlineMs = DEADLINE_MS } = options
  const files = new Files(options.root)
  const mounts = parseMountinfo(files.textOr('', '/proc/self/mountinfo'))
  const { vms: processes, hidden } = findProcesses(files, options.pids)
  const qemus = processes.map((one) => (one.vmm.value === 'qemu' ? parseQemuArguments(one.argv) : null))
  const wanted =
    options.connect !== undefined || (ask && processes.some((one, at) => isLibvirts(files, one, qemus[at]!)))
  const domains: Domains = wanted ? await domainsOf(files, options.connect) : { byUuid: new Map(), why: null }
  const found = await Promise.all(
    processes.map(async (process, at): Promise<FoundVm[]> => {
      const qemu = qemus[at] ?? null
      const monitor = ask && qemu !== null ? await askMonitor(files, process, qemu, deadlineMs) : null
      const vm = describeVm(files, { process, qemu, monitor, domains, mounts, memory })
      return isAlive(files, process) ? [vm] : []
    }),
  )
  return { vms: found.flat(), missing: notSeen(files, hidden) }
}

function requireOptions(options: FindOptions): void {
  requireObject('options', options)
  const { connect, ask, memory, deadlineMs, root } = options
  requirePath('connect', connect)
  requireBoolean('ask', ask)
  requireBoolean('memory', memory)
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs >= 0)) {
    throw new InputError('deadlineMs', 'milliseconds, 0 or more', show(deadlineMs))
  }
  requirePath('root', root)
}

function notSeen(files: Files, hidden: number): Missing[] {
  const mounts = parseMountinfo(files.textOr('', '/proc/self/mountinfo'))
  const proc = mounts.find(({ type, at }) => type === 'proc' && at === '/proc')
  const hides = proc?.options.find((option) => /^hidepid=(?!0|off)/.test(option))
  const missing: Missing[] = []
  if (hides !== undefined) {
    missing.push({ what: "other users' processes", why: `/proc is mounted with ${hides}`, runAs: asRoot() })
  }
  if (hidden > 0) {
    const why = `what processes of other users have open may not be read (${hidden} whose names are of no VMM)`
    missing.push({ what: 'VMs of programs that are not known by name', why, runAs: asRoot() })
  }
  if (valueOr([], files.list('/proc')).length === 0) {
    missing.push({ what: 'all processes', why: '/proc is not mounted', runAs: null })
  }
  return missing
}
