/**
 * Every way to give CPUs to the dedicated threads of VMs whose vCPUs have their nodes, and the cheapest of them. vCPUs that are alike
 * are seated together, by how many each core gets; cores, and LLCs, that are in the same state are interchangeable, so of two such
 * the first gets no less than the second.
 */

import { isUniform, type Layout } from './layouts.js'
import { FREE, Price, sharedCpus } from './price.js'
import type { Problem } from './problem.js'

/** The CPUs of a VM's threads by index; -1 for shared vCPUs. */
export interface Seats {
  readonly cpuOf: readonly number[]
  readonly threads: readonly number[]
}

/** Threads that are seated together: vCPUs of one cell on one node, or the threads of a VMM. */
interface Group {
  readonly at: number
  readonly node: number
  /** Empty for threads of a VMM: then there are `count` of them. */
  readonly vcpus: readonly number[]
  readonly count: number
  /** The last of the VM's vCPUs. */
  readonly isLast: boolean
}

/** Cores of a node in the order in which they are given out. */
interface Walk {
  readonly cores: readonly number[]
  /** Whether the core is like the one before it, in the same LLC. */
  readonly repeats: readonly boolean[]
  /** How many places before it the same core of a like LLC is; 0: none. */
  readonly back: readonly number[]
  readonly starts: readonly boolean[]
}

export class Seating {
  readonly #problem: Problem
  readonly #price: Price
  /** By CPU: place of the VM in the list, group, and whether it is a thread of the VMM. */
  readonly #vm: number[]
  readonly #group: number[]
  readonly #isThread: boolean[]

  constructor(problem: Problem) {
    this.#problem = problem
    this.#price = new Price(problem)
    this.#vm = problem.cpus.map(() => FREE)
    this.#group = problem.cpus.map(() => FREE)
    this.#isThread = problem.cpus.map(() => false)
  }

  /**
   * The cheapest seats that cost less than `below`, with what they cost: `smt`, `communication`, `capacity`, `overcommit` and the re-pinned vCPUs.
   * `alone`: of one VM on the empty host, with what others may add to the shared CPUs' speed left out: no plan has it for less.
   * @param leastOf what each VM costs alone
   */
  cheapest(
    layouts: readonly Layout[],
    leastOf: readonly number[],
    below: number,
    alone: boolean,
  ): { cost: number; seats: Seats[] } | undefined {
    const groups = groupsOf(layouts)
    const price = this.#price
    const cpuOf = layouts.map(({ nodeOf }) => nodeOf.map(() => FREE))
    const threads = layouts.map((): number[] => [])
    const rest = new Array<number>(layouts.length + 1).fill(0)
    for (let at = layouts.length - 1; at >= 0; at--) rest[at] = rest[at + 1]! + leastOf[at]!
    let least = below
    let best: { cost: number; seats: Seats[] } | undefined

    const next = (at: number): void => {
      if (at === groups.length) {
        if (!this.#holds(layouts, cpuOf)) return
        const cost = price.total(layouts, cpuOf, this.#vm, alone)
        if (cost >= least) return
        least = cost
        best = { cost, seats: layouts.map((_, vm) => ({ cpuOf: [...cpuOf[vm]!], threads: [...threads[vm]!] })) }
        return
      }
      const group = groups[at]!
      this.#seat(layouts, group, at, cpuOf, threads, () => {
        if (group.isLast && price.soFar(layouts, cpuOf, group.at) + rest[group.at + 1]! >= least) return
        next(at + 1)
      })
    }
    next(0)
    return best
  }

  #seat(
    layouts: readonly Layout[],
    group: Group,
    number: number,
    cpuOf: readonly number[][],
    threads: readonly number[][],
    onSeated: () => void,
  ): void {
    const { cpus, cores } = this.#problem
    const walk = this.#walk(group.node)
    const given = new Array<number>(walk.cores.length).fill(0)
    const take = (cpu: number, left: number): void => {
      this.#vm[cpu] = group.at
      this.#group[cpu] = number
      this.#isThread[cpu] = group.vcpus.length === 0
      if (group.vcpus.length === 0) threads[group.at]!.push(cpu)
      else cpuOf[group.at]![group.vcpus[group.count - left]!] = cpu
    }
    const giveBack = (cpu: number, left: number): void => {
      this.#vm[cpu] = FREE
      this.#group[cpu] = FREE
      if (group.vcpus.length === 0) threads[group.at]!.pop()
      else cpuOf[group.at]![group.vcpus[group.count - left]!] = FREE
    }
    const go = (place: number, left: number, tied: boolean): void => {
      if (left === 0) {
        onSeated()
        return
      }
      if (place === walk.cores.length) return
      const core = walk.cores[place]!
      const back = walk.back[place]!
      const bound = back > 0 && (walk.starts[place]! || tied)
      let most = Number.POSITIVE_INFINITY
      if (walk.repeats[place]) most = given[place - 1]!
      if (bound) most = Math.min(most, given[place - back]!)
      const goOn = (code: number, still: number): void => {
        given[place] = code
        go(place + 1, still, bound && code === given[place - back]!)
        given[place] = 0
      }
      const room = this.#room(layouts, group, core)
      const free = cores[core]!.cpus.filter((cpu) => this.#vm[cpu] === FREE)
      // How many of each kind of CPU, as digits of a number, the greatest first.
      const choose = (from: number, still: number, taken: number, code: number): void => {
        if (from === free.length) {
          if (code <= most) goOn(code, still)
          return
        }
        let end = from
        while (end < free.length && cpus[free[end]!]!.kind === cpus[free[from]!]!.kind) end++
        const here = Math.min(end - from, still, room - taken)
        for (let count = 0; count < here; count++) take(free[from + count]!, still - count)
        for (let count = here; count >= 0; count--) {
          choose(end, still - count, taken + count, code * 10 + count)
          if (count > 0) giveBack(free[from + count - 1]!, still - count + 1)
        }
      }
      if (free.length === 0) goOn(0, left)
      else choose(0, left, 0, 0)
    }
    go(0, group.count, false)
  }

  /** How many threads of the group the core takes. */
  #room(layouts: readonly Layout[], group: Group, core: number): number {
    const { cpus, hasHost } = this.#problem.cores[core]!
    const { vm } = layouts[group.at]!
    const policy = group.vcpus.length === 0 ? 'prefer' : vm.request.threadPolicy
    if (hasHost && (policy === 'isolate' || policy === 'require')) return 0
    let free = 0
    for (const cpu of cpus) {
      const at = this.#vm[cpu]!
      if (at === FREE) {
        free++
        continue
      }
      const other = layouts[at]!.vm
      const theirs = this.#isThread[cpu] ? 'prefer' : other.request.threadPolicy
      if (policy === 'isolate' || theirs === 'isolate') return 0
      if (other !== vm && (policy === 'require' || theirs === 'require' || other.domain !== vm.domain)) return 0
    }
    return policy === 'isolate' ? Math.min(1, free) : free
  }

  #walk(node: number): Walk {
    const { cores, llcSpansNodes, coresOf } = this.#problem
    const states = new Map(
      coresOf[node]!.map((core) => [core, `${cores[core]!.kind};${cores[core]!.cpus.map((cpu) => this.#group[cpu])}`]),
    )
    const byLlc = new Map<number, number[]>()
    for (const core of coresOf[node]!) byLlc.set(cores[core]!.llc, [...(byLlc.get(cores[core]!.llc) ?? []), core])
    const blocks = [...byLlc].map(([llc, members]) => {
      const sorted = members.sort((a, b) => compare(states.get(a)!, states.get(b)!) || a - b)
      const state = `${llcSpansNodes ? llc : ''}${sorted.map((core) => states.get(core))}`
      return { members: sorted, state }
    })
    blocks.sort((a, b) => compare(a.state, b.state))
    const list: number[] = []
    const repeats: boolean[] = []
    const back: number[] = []
    const starts: boolean[] = []
    for (const [at, { members, state }] of blocks.entries()) {
      for (const [index, core] of members.entries()) {
        repeats.push(index > 0 && states.get(members[index - 1]!) === states.get(core))
        back.push(at > 0 && blocks[at - 1]!.state === state ? members.length : 0)
        starts.push(index === 0)
        list.push(core)
      }
    }
    return { cores: list, repeats, back, starts }
  }

  /** What is known only once everybody has a seat: `require` leaves one core partly idle, shared demand is met. */
  #holds(layouts: readonly Layout[], cpuOf: readonly (readonly number[])[]): boolean {
    const { cpus, cores, request } = this.#problem
    for (const [at, { vm, cells }] of layouts.entries()) {
      if (vm.request.threadPolicy !== 'require') continue
      for (const { vcpus } of cells) {
        const seated = vcpus.filter((vcpu) => vm.dedicated[vcpu])
        const touched = new Set(seated.map((vcpu) => cpus[cpuOf[at]![vcpu]!]!.core))
        const idle = [...touched].filter((core) => cores[core]!.cpus.some((cpu) => this.#vm[cpu] !== at))
        if (idle.length > 1) return false
      }
    }
    return this.#problem.usable.every((_, node) => {
      const demand = layouts.reduce((sum, { sharedDemandOn }) => sum + sharedDemandOn[node]!, 0)
      return demand === 0 || demand <= request.overcommit * 1_000_000 * sharedCpus(this.#problem, this.#vm, node).length
    })
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The vCPUs of all VMs, then the threads of their VMMs. */
function groupsOf(layouts: readonly Layout[]): Group[] {
  const groups: Group[] = []
  for (const [at, { vm, cells, cellNodes, nodeOf }] of layouts.entries()) {
    const own: number[][] = []
    for (const [cell, { vcpus }] of cells.entries()) {
      for (const node of cellNodes[cell]!) {
        const here = vcpus.filter((vcpu) => vm.dedicated[vcpu] && nodeOf[vcpu] === node)
        if (isUniform(vm)) own.push(here)
        else own.push(...here.map((vcpu) => [vcpu]))
      }
    }
    // A VM without dedicated vCPUs is priced too, once it is its turn.
    const seated = own.filter((vcpus) => vcpus.length > 0)
    for (const [index, vcpus] of seated.entries()) {
      groups.push({ at, node: nodeOf[vcpus[0]!]!, vcpus, count: vcpus.length, isLast: index === seated.length - 1 })
    }
  }
  for (const [at, { vm, firstNode }] of layouts.entries()) {
    if (vm.threads > 0) groups.push({ at, node: firstNode, vcpus: [], count: vm.threads, isLast: false })
  }
  return groups
}
