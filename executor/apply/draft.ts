/** Changes to one VM while they are made up: each step begins where the one before ends. */

import { formatCpulist } from '../../src/cpulist.js'
import type { FoundVm } from '../found/types.js'
import { isThere, threadNow } from './look.js'
import { copied, on } from './spread.js'
import { union } from './threads.js'
import type {
  BytesByNode,
  ChangedDomain,
  ChangedVm,
  ChangeStep,
  CpusetChange,
  KnownThread,
  MemoryChange,
  ThreadChange,
  Way,
} from './types.js'

/** A range of guest memory, and where it is. */
export type DraftRange = Pick<MemoryChange, 'start' | 'bytes' | 'pageSize' | 'policy'> & { readonly on: BytesByNode }
export type DraftThread = KnownThread & { readonly cpus: string }

/** What a VM is like at first. */
export interface DraftVm {
  readonly vm: string
  readonly pid: number
  readonly startTime: number
  readonly threads: readonly DraftThread[]
  readonly memory: readonly DraftRange[]
}

/** How it is to be after a step: by thread, and by where the range starts. What is not named stays. */
export interface Aim {
  readonly threads: ReadonlyMap<number, string>
  readonly memory: ReadonlyMap<number, BytesByNode>
}

export class Draft {
  readonly vm: DraftVm
  readonly steps: ChangeStep[] = []
  /** Who pins its threads. */
  through: Way = 'kernel'
  readonly #cpus: Map<number, string>
  readonly #on: Map<number, BytesByNode>

  constructor(vm: DraftVm) {
    this.vm = vm
    this.#cpus = new Map(vm.threads.map(({ tid, cpus }) => [tid, cpus]))
    this.#on = new Map(vm.memory.map((range) => [range.start, range.on]))
  }

  /** Adds a step, if anything is to be done in it. */
  add(step: number, aim: Aim): void {
    const { vm, pid } = this.vm
    const threads = this.vm.threads.flatMap((thread): ThreadChange[] => {
      const { tid, startTime, role, number } = thread
      const from = this.#cpus.get(tid)!
      const to = aim.threads.get(tid) ?? from
      this.#cpus.set(tid, to)
      return from === to ? [] : [{ tid, startTime, role, number, from, to }]
    })
    const memory = this.vm.memory.flatMap((range): MemoryChange[] => {
      const { start, bytes, pageSize, policy } = range
      const from = this.#on.get(start)!
      const to = aim.memory.get(start) ?? from
      this.#on.set(start, to)
      return copied(from, to) === 0 ? [] : [{ start, bytes, pageSize, policy, through: 'kernel', from, to }]
    })
    if (threads.length + memory.length === 0) return
    const bytes = memory.reduce((sum, { from, to }) => sum + copied(from, to), 0)
    this.steps.push({ step, vm, pid, through: 'kernel', threads, memory, cpusets: [], bytes })
  }

  /** Adds a step in which the kernel has nothing to do. */
  touch(step: number): void {
    const { vm, pid } = this.vm
    this.steps.push({ step, vm, pid, through: this.through, threads: [], memory: [], cpusets: [], bytes: 0 })
  }

  get movesMemory(): boolean {
    return this.steps.some(({ memory }) => memory.length > 0)
  }

  /** cpulists of the nodes that have its memory, at first and in the end. */
  nodes(): { readonly from: string; readonly to: string } {
    const listOf = (parts: BytesByNode) => formatCpulist(parts.map(({ node }) => node))
    return {
      from: union(...this.vm.memory.map((range) => listOf(range.on))),
      to: union(...[...this.#on.values()].map(listOf)),
    }
  }

  /** The steps, as those who carry them out. */
  finished(): ChangeStep[] {
    return this.steps.map((step) => ({ ...step, through: this.through }))
  }

  /** Where a thread may run after all steps; empty: it is none of these. */
  cpusOf(tid: number): string {
    return this.#cpus.get(tid) ?? ''
  }

  /** Changes cpusets before anything else. */
  widen(cpusets: readonly CpusetChange[]): void {
    if (cpusets.length === 0) return
    const { vm, pid } = this.vm
    const first = this.steps[0] ?? { step: 1, vm, pid, through: 'kernel', threads: [], memory: [], bytes: 0 }
    this.steps[0] = { ...first, cpusets }
  }

  /** @param newcomers cpulist for threads that it begins from now on */
  changed(newcomers: string | null, domain: ChangedDomain | null): ChangedVm {
    const { vm, pid, startTime } = this.vm
    const threads = this.vm.threads.map(({ tid, startTime: begun, role, number }) => {
      return { tid, startTime: begun, role, number }
    })
    return { vm, pid, startTime, domain, threads, newcomers }
  }
}

/** A draft that begins with a VM as it is; `null`: it has ended. */
export function draftOf(vm: FoundVm, name = vm.name.value): Draft | null {
  const { pid, startTime, mappings } = vm
  if (!isThere(pid, vm)) return null
  const threads = rolesOf(vm).flatMap(({ tid, role, number }): DraftThread[] => {
    const now = threadNow(pid, tid)
    return now === null ? [] : [{ ...now, role, number }]
  })
  const memory = mappings.map(({ start, bytes, pageSize, policy, resident }) => {
    return { start, bytes, pageSize, policy, on: resident }
  })
  return new Draft({ vm: name, pid, startTime, threads, memory })
}

/** All threads of a VM, by what they do. */
function rolesOf(vm: FoundVm): Omit<KnownThread, 'startTime'>[] {
  return [
    ...vm.vcpus.map(({ tid, vcpu }) => ({ tid, role: 'vcpu' as const, number: vcpu })),
    ...vm.iothreads.map(({ tid }, number) => ({ tid, role: 'iothread' as const, number })),
    ...vm.emulator.map(({ tid }) => ({ tid, role: 'emulator' as const, number: null })),
  ]
}

/** Bytes that a step takes to a node beyond those that it takes away; below 0: it takes more away. */
export function arriving({ memory }: ChangeStep, node: number, pageSize: number): number {
  return memory
    .filter((range) => range.pageSize === pageSize)
    .reduce((sum, { from, to }) => sum + on(to, node) - on(from, node), 0)
}
