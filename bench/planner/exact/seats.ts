/**
 * The ways in which the cells of a VM that are on one node can use its cores, up to symmetry: how many vCPUs each class
 * of cores has, how many of its cores that takes, and what it adds to the cost.
 */

import type { RequestVm, ThreadPolicy } from '../../../src/types.js'
import type { CoreClass, ExactHost } from './classes.js'

/** One way. Vectors go with the node's classes. */
export interface NodeSeats {
  readonly vcpus: readonly number[]
  readonly cores: readonly number[]
  /** K of docs/model.md: busy siblings and excess cores. */
  readonly smt: number
  /** Sum of 1024 - capacity. */
  readonly slowness: number
  /** Ordered pairs of vCPUs in different LLCs of this node. */
  readonly apart: number
  /** By cell of the node: its vCPUs in each class, and the class (or -1) where it leaves a core partly idle. */
  readonly cells: readonly { readonly vcpus: readonly number[]; readonly idle: number }[]
}

/** Thrown where enumerating takes more time or memory than there is. */
export class TooLarge extends Error {}

/** Ways, placements or columns kept at a time. */
const MOST_KEPT = 300_000

/** What enumerating may take. */
export interface Budget {
  /** Of `performance.now()`. */
  readonly end: number
}

/** @throws {TooLarge} where the time is over or too much is kept */
export function checkBudget({ end }: Budget, kept: number): void {
  if (kept > MOST_KEPT) throw new TooLarge(`more than ${MOST_KEPT} ways to place a VM`)
  if (performance.now() > end) throw new TooLarge('no time to enumerate the ways to place the VMs')
}

/**
 * @param sizes vCPUs of each cell on the node
 */
export function nodeSeats(
  host: ExactHost,
  vm: RequestVm,
  node: number,
  sizes: readonly number[],
  budget: Budget,
): NodeSeats[] {
  const classes = host.nodes[node]!.classes.map((at) => host.classes[at]!)
  const partial = decompose(classes, vm.threadPolicy, sizes, host.machine.widestCore, budget)
  return partial.flatMap(({ vcpus, excess, cells }) =>
    coreCounts(classes, vm.threadPolicy, vcpus).map((cores) => ({
      vcpus,
      cores,
      cells,
      smt: vm.threadPolicy === 'spread' ? sum(vcpus.map((count, at) => 2 * (count - cores[at]!))) : excess,
      slowness: sum(vcpus.map((count, at) => count * (1024 - classes[at]!.capacity))),
      apart: pairsApart(classes, vcpus),
    })),
  )
}

/** Where no vCPU shares a core, each has its own; `spread` may double up; the others never take more than they need. */
function coreCounts(classes: readonly CoreClass[], policy: ThreadPolicy, vcpus: readonly number[]): number[][] {
  let counts: number[][] = [[]]
  for (const [at, count] of vcpus.entries()) {
    const { width, cores } = classes[at]!
    const fewest = policy === 'isolate' ? count : Math.ceil(count / width)
    const most = Math.min(policy === 'spread' ? count : fewest, cores.length)
    const own = Array.from({ length: Math.max(0, most - fewest + 1) }, (_, more) => fewest + more)
    counts = counts.flatMap((before) => own.map((taken) => [...before, taken]))
  }
  return counts
}

interface Decomposition {
  readonly vcpus: readonly number[]
  /** Cores touched by cells beyond the fewest. */
  readonly excess: number
  readonly cells: NodeSeats['cells']
}

/**
 * Cell by cell: the least excess for each vector of vCPUs. A core of two CPUs that has one vCPU is left partly idle; a cell
 * may have one of these under `require`, and which cell that is decides what it touches.
 */
function decompose(
  classes: readonly CoreClass[],
  policy: ThreadPolicy,
  sizes: readonly number[],
  widest: number,
  budget: Budget,
): Decomposition[] {
  const counted = policy === 'prefer' || policy === 'require'
  let states = new Map<string, Decomposition & { readonly idle: readonly number[] }>()
  states.set('', { vcpus: classes.map(() => 0), excess: 0, cells: [], idle: classes.map(() => 0) })
  for (const size of sizes) {
    const next: typeof states = new Map()
    for (const state of states.values()) {
      for (const own of shares(classes, policy, size, state.vcpus)) {
        const vcpus = own.map((count, at) => count + state.vcpus[at]!)
        const touched = sum(own.map((count, at) => Math.ceil(count / classes[at]!.width)))
        for (const claim of policy === 'require' ? claims(classes, own, state.idle) : [-1]) {
          const idle = state.idle.map((count, at) => count + (at === claim ? 1 : 0))
          // An even number that does not fill its cores touches one more.
          const more = claim >= 0 && own[claim]! % 2 === 0 ? 1 : 0
          const excess = state.excess + (counted ? touched + more - Math.ceil(size / widest) : 0)
          const key = `${vcpus}/${idle}`
          if (excess >= (next.get(key)?.excess ?? Number.POSITIVE_INFINITY)) continue
          next.set(key, { vcpus, excess, idle, cells: [...state.cells, { vcpus: own, idle: claim }] })
        }
      }
      checkBudget(budget, next.size)
    }
    states = next
  }
  const all = [...states.values()]
  if (policy !== 'require') return all
  return all.filter(({ vcpus, idle }) =>
    vcpus.every((count, at) => idle[at] === (classes[at]!.width === 2 ? count % 2 : 0)),
  )
}

/** The classes in which a cell may be the one that leaves a core partly idle, and -1. */
function claims(classes: readonly CoreClass[], own: readonly number[], idle: readonly number[]): number[] {
  const open = [...classes.keys()].filter((at) => classes[at]!.width === 2 && own[at]! > 0 && idle[at] === 0)
  return [-1, ...open]
}

/** Every way to give `size` vCPUs of a cell to the classes, beside those that the VM has there. */
function* shares(
  classes: readonly CoreClass[],
  policy: ThreadPolicy,
  size: number,
  before: readonly number[],
  at = 0,
): Generator<number[]> {
  if (at === classes.length) {
    if (size === 0) yield []
    return
  }
  const { width, cores } = classes[at]!
  const room = cores.length * (policy === 'isolate' ? 1 : width) - before[at]!
  for (let own = Math.min(size, room); own >= 0; own--) {
    for (const rest of shares(classes, policy, size - own, before, at + 1)) yield [own, ...rest]
  }
}

function pairsApart(classes: readonly CoreClass[], vcpus: readonly number[]): number {
  const byLlc = new Map<number, number>()
  for (const [at, count] of vcpus.entries()) byLlc.set(classes[at]!.llc, (byLlc.get(classes[at]!.llc) ?? 0) + count)
  const all = sum(vcpus)
  return sum([...byLlc.values()].map((count) => count * (all - count)))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
