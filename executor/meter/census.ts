/**
 * Which VMs there are, kept up to date at little cost: who was looked at is looked at again only when its threads have
 * become more or fewer, and new processes while they are young, since they may become a VM yet.
 */

import { Files, valueOr } from '../found/files.js'
import { type FindOptions, findVms } from '../found/find.js'
import { findProcesses, numbersIn } from '../found/processes.js'
import type { FoundVm, Missing } from '../found/types.js'

/** Between two looks at what processes there are. */
const PIDS_MS = 2000
/** Between two looks at a VM whose threads have changed: QEMU's threads for I/O come and go. */
const AGAIN_MS = 5000
/** A new process may become a VM yet: it is looked at at once, and after 2, 6 and 14 s. */
const YOUNG_MS = [2000, 4000, 8000]

/** What the census has to know of a VM. */
export interface Known {
  readonly vm: FoundVm
  /** Threads that its process has now; `null`: it has ended. */
  readonly threads: number | null
}

/** Keeps the list of VMs. */
export class Census {
  readonly #files: Files
  readonly #options: FindOptions
  #pids = new Set<number>()
  readonly #young = new Map<number, { readonly due: number; readonly looks: number }>()
  /** How many threads each VM had when it was looked at; `null`: nobody but the kernel was asked yet. */
  readonly #threads = new Map<number, number | null>()
  #pidsAt = 0
  #againAt = 0
  #missing: readonly Missing[] = []

  constructor(options: FindOptions) {
    this.#options = { ...options, memory: false }
    this.#files = new Files(options.root)
  }

  /** What keeps VMs from being found. */
  get missing(): readonly Missing[] {
    return this.#missing
  }

  /** All that run now, whoever was known before. */
  async all(): Promise<readonly FoundVm[]> {
    this.#pids = this.#listPids()
    this.#pidsAt = this.#againAt = performance.now()
    const { vms, missing } = await findVms(this.#options)
    this.#missing = missing
    for (const vm of vms) this.#threads.set(vm.pid, threadsOf(vm))
    return vms
  }

  /** Those of `known` that still run, as they are now, and those that came. */
  async update(known: readonly Known[]): Promise<readonly FoundVm[]> {
    const alive = known.filter(({ threads }) => threads !== null)
    const changed = await this.#changed(alive)
    const came = await this.#newcomers()
    const vms = alive.flatMap(({ vm }) => (changed?.pid === vm.pid ? changed.vms : [vm]))
    const pids = new Set(vms.map(({ pid }) => pid))
    for (const pid of this.#threads.keys()) if (!pids.has(pid)) this.#threads.delete(pid)
    for (const { pid } of came) this.#threads.set(pid, null)
    return [...vms, ...came.filter(({ pid }) => !pids.has(pid))].sort((a, b) => a.pid - b.pid)
  }

  /** One VM whose threads have become more or fewer: as it is now, where its vCPUs are others, too. */
  async #changed(known: readonly Known[]): Promise<{ pid: number; vms: readonly FoundVm[] } | null> {
    const now = performance.now()
    if (now < this.#againAt + AGAIN_MS) return null
    const changed = known.find(({ vm, threads }) => this.#threads.get(vm.pid) !== threads)
    if (changed === undefined) return null
    this.#againAt = now
    const { pid } = changed.vm
    const wasAsked = this.#threads.get(pid) !== null
    this.#threads.set(pid, changed.threads)
    if (wasAsked) {
      // Monitors are left alone where files say that all is as it was.
      const { vms } = await findVms({ ...this.#options, ask: false, pids: [pid] })
      if (vms.every((vm) => hasSameVcpus(vm, changed.vm))) return null
    }
    const { vms } = await findVms({ ...this.#options, pids: [pid] })
    return { pid, vms }
  }

  /**
   * VMs that came since. Their monitors are asked later: right after its start, QEMU's has to be free for who started it.
   */
  async #newcomers(): Promise<readonly FoundVm[]> {
    const now = performance.now()
    if (now < this.#pidsAt + PIDS_MS) return []
    this.#pidsAt = now
    const before = this.#pids
    this.#pids = this.#listPids()
    for (const pid of this.#pids) if (!before.has(pid)) this.#young.set(pid, { due: now, looks: 0 })
    const found = findProcesses(this.#files, this.#youngToLookAt(now)).vms.map(({ pid }) => pid)
    if (found.length === 0) return []
    const { vms } = await findVms({ ...this.#options, ask: false, pids: found })
    for (const { pid } of vms) this.#young.delete(pid)
    return vms
  }

  #youngToLookAt(now: number): number[] {
    for (const pid of this.#young.keys()) if (!this.#pids.has(pid)) this.#young.delete(pid)
    const due = [...this.#young].filter((one) => one[1].due <= now)
    for (const [pid, { looks }] of due) {
      const wait = YOUNG_MS[looks]
      if (wait === undefined) this.#young.delete(pid)
      else this.#young.set(pid, { due: now + wait, looks: looks + 1 })
    }
    return due.map(([pid]) => pid)
  }

  #listPids(): Set<number> {
    return new Set(numbersIn(valueOr([], this.#files.list('/proc'))))
  }
}

function threadsOf({ vcpus, iothreads, emulator, unknownThreads }: FoundVm): number {
  return vcpus.length + iothreads.length + emulator.length + unknownThreads.length
}

/** @param seen without asking anybody, so that its vCPUs' threads may not be known */
function hasSameVcpus(seen: FoundVm, known: FoundVm): boolean {
  if (seen.startTime !== known.startTime) return false
  if (seen.vcpuCount?.source === 'kernel' && seen.vcpuCount.value !== known.vcpuCount?.value) return false
  const tids = known.vcpus.map(({ tid }) => tid)
  if (seen.vcpus.length > 0) return seen.vcpus.map(({ tid }) => tid).join() === tids.join()
  const there = new Set(seen.unknownThreads.map(({ tid }) => tid))
  return tids.length > 0 && tids.every((tid) => there.has(tid))
}
