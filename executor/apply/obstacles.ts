/** What stands in the way of changes to a VM, known before anything is touched. */

import { SyscallError } from '../../src/errors.js'
import { formatBytes } from '../../src/units.js'
import { nodesOfPages } from '../ffi/numa.js'
import { Files, valueOr } from '../found/files.js'
import type { FoundVm } from '../found/types.js'
import { freeOnNode } from '../observe/free-memory.js'
import { planCpuset } from './cpusets.js'
import { arriving, type Draft } from './draft.js'
import { online } from './look.js'
import { sumOf } from './spread.js'
import { isWithin, union } from './threads.js'
import type { ChangeStep, CpusetChange, Obstacle } from './types.js'

const files = new Files()

/** What stands in the way, but for cpusets and room. */
export function obstaclesTo(draft: Draft, uid: number): Obstacle[] {
  return [...offline(draft), ...noRight(draft, uid), ...pinned(draft), ...policies(draft)]
}

function obstacle({ vm }: Draft, what: string, why: string, left = true): Obstacle {
  return { vm: vm.vm, what, why, left }
}

function cpusOf({ steps }: Draft): string {
  return union(...steps.flatMap(({ threads }) => threads.map(({ to }) => to)))
}

function nodesOf({ steps }: Draft): string {
  return union(...steps.flatMap(({ memory }) => memory.flatMap(({ to }) => to.map(({ node }) => `${node}`))))
}

function offline(one: Draft): Obstacle[] {
  return (['cpu', 'node'] as const).flatMap((what) => {
    const wanted = what === 'cpu' ? cpusOf(one) : nodesOf(one)
    const there = online(what)
    if (isWithin(wanted, there)) return []
    const names = what === 'cpu' ? 'CPUs' : 'nodes'
    return [obstacle(one, `${names} ${wanted}`, `of these only ${names} ${there} are online`)]
  })
}

/** Bits of CapEff. Source: linux/capability.h */
const CAP_SYS_NICE = 23

function hasCapability(bit: number): boolean {
  const mask = /^CapEff:\s+([\da-f]+)$/m.exec(files.textOr('', '/proc/self/status'))?.[1] ?? '0'
  return ((BigInt(`0x${mask}`) >> BigInt(bit)) & 1n) === 1n
}

function noRight(one: Draft, uid: number): Obstacle[] {
  const { vm, steps } = one
  const found: Obstacle[] = []
  const pins = one.through === 'kernel' && steps.some(({ threads }) => threads.length > 0)
  if (pins && uid !== process.geteuid?.() && !hasCapability(CAP_SYS_NICE)) {
    found.push(obstacle(one, 'its threads', `they are user ${uid}'s: run as root, or with CAP_SYS_NICE`))
  }
  const range = steps.flatMap(({ memory }) => memory)[0]
  if (range !== undefined) {
    try {
      nodesOfPages(vm.pid, [range.start], new Int32Array(1))
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error
      found.push(obstacle(one, 'its memory', error.message))
    }
  }
  return found
}

/** Memory that a device writes to by its physical address. */
function pinned(one: Draft): Obstacle[] {
  if (!one.movesMemory) return []
  const { pid } = one.vm
  const links = valueOr([], files.list(`/proc/${pid}/fd`)).map((fd) => valueOr('', files.link(`/proc/${pid}/fd/${fd}`)))
  const group = links.find((link) => /^\/dev\/vfio\/(\d|devices)/.test(link))
  if (group === undefined) return []
  return [obstacle(one, 'its memory', `a device that it has (${group}) pins all of it, so that no page can move`)]
}

/** Policies of another process stay: they decide about pages that the guest has not touched yet. */
function policies(one: Draft): Obstacle[] {
  const found = one.steps.flatMap(({ memory }) =>
    memory.flatMap(({ policy, bytes, from, to }) => {
      const nodes = /^(?:bind|prefer|prefer \(many\)|interleave|weighted interleave)(?:=\w+)?:([\d,-]+)$/.exec(
        policy,
      )?.[1]
      const untouched = bytes - sumOf(from)
      const isSame = nodes === undefined || isWithin(nodes, union(...to.map(({ node }) => `${node}`)))
      return untouched === 0 || isSame ? [] : [{ policy, untouched }]
    }),
  )
  return [...new Set(found.map(({ policy }) => policy))].map((policy) => {
    const bytes = found.reduce((sum, part) => sum + (part.policy === policy ? part.untouched : 0), 0)
    const why = `${formatBytes(bytes)} that the guest has not touched yet will come by its own policy ${policy}, which nobody else can change: apply again then`
    return obstacle(one, 'untouched memory', why, false)
  })
}

/** Changes of cpusets, and what keeps them from being changed. */
export interface Cpusets {
  readonly changes: readonly CpusetChange[]
  readonly obstacles: readonly Obstacle[]
}

/** How cpusets have to change for what is drafted. */
export function cpusetsFor(vm: FoundVm, one: Draft): Cpusets {
  const threads = [...vm.vcpus, ...vm.iothreads, ...vm.emulator, ...vm.unknownThreads]
  const tids = threads.map(({ tid }) => tid)
  const changes: CpusetChange[] = []
  const obstacles: Obstacle[] = []
  for (const [at, cgroup] of vm.cgroups.entries()) {
    const members = threads.filter((thread) => thread.cgroup === at).map(({ tid }) => tid)
    const changed = one.steps.flatMap((step) => step.threads.filter(({ tid }) => members.includes(tid)))
    const others = members.filter((tid) => !changed.some((thread) => thread.tid === tid))
    // The kernel asks the cpuset of the main thread where pages may go.
    const mems = one.movesMemory && members.includes(vm.pid) ? union(one.nodes().to, nodesOf(one)) : ''
    const need = { cpus: union(...changed.map(({ to }) => to)), mems }
    const change = planCpuset(cgroup, need, union(...others.map((tid) => one.cpusOf(tid))), tids)
    if (typeof change === 'string') obstacles.push(obstacle(one, `CPUs ${need.cpus}, nodes ${need.mems}`, change))
    else if (change !== null) changes.push(change)
  }
  return { changes, obstacles }
}

/** The first VM whose memory has no room where it is to go, when all before it have gone. */
export function withoutRoom(
  steps: readonly ChangeStep[],
  free = freeOnNode,
): { readonly pid: number; readonly obstacle: Obstacle } | null {
  const left = new Map<string, number | null>()
  for (const number of new Set(steps.map(({ step }) => step))) {
    const together = steps.filter(({ step }) => step === number)
    const pools = together.flatMap(({ memory }) =>
      memory.flatMap(({ pageSize, from, to }) => [...from, ...to].map(({ node }) => ({ node, pageSize }))),
    )
    for (const [key, { node, pageSize }] of new Map(pools.map((pool) => [`${pool.node}/${pool.pageSize}`, pool]))) {
      const before = left.has(key) ? left.get(key)! : free(node, pageSize)
      if (before === null) continue
      const come = together.reduce((sum, step) => sum + arriving(step, node, pageSize), 0)
      if (come > before) {
        const who = together.find((step) => arriving(step, node, pageSize) > 0)!
        const why = `${formatBytes(come)} would come in pages of ${formatBytes(pageSize)}, and ${formatBytes(Math.max(0, before))} is free then`
        return { pid: who.pid, obstacle: { vm: who.vm, what: `room on node ${node}`, why, left: true } }
      }
      left.set(key, before - come)
    }
  }
  return null
}
