/**
 * The most weight of a request's VMs that a tiny host takes, and the least that they can lose there: every plan of docs/model.md is
 * looked at, but for those that are no better than one that is known.
 */

import { goTogether, type Layout, layoutsOf } from './layouts.js'
import { type Candidate, cheapestMemories, memoriesOf, type VmMemory } from './memory.js'
import type { Problem, Vm } from './problem.js'
import { Seating, type Seats } from './seats.js'

/** A placed VM. */
export interface Placed {
  readonly layout: Layout
  readonly memory: VmMemory
  readonly seats: Seats
}

export interface Solution {
  /** Millionths, of all placed VMs together. */
  readonly weight: number
  /** Micro-vCPUs. */
  readonly cost: number
  readonly placed: readonly Placed[]
}

/** A layout with what a VM loses there at the least, whoever else is on the host. */
interface Option extends Candidate {
  readonly least: number
  /** Of it what its CPUs cost. */
  readonly leastOfSeats: number
}

/** Assignments of all VMs to nodes that are looked at before a problem counts as too large. */
const MOST_LOOKS = 300_000

export class TooLarge extends Error {}

/**
 * The best plan that places more weight than `known`, or as much for no more; `undefined` where there is none. Only plans that place
 * `wanted`, where a VM is given.
 * @throws {TooLarge} where that takes too long
 */
export function solve(
  problem: Problem,
  known: { readonly weight: number; readonly cost: number } = { weight: 0, cost: Number.POSITIVE_INFINITY },
  wanted?: Vm,
): Solution | undefined {
  const search = new Search(problem)
  let best: Solution | undefined
  for (const vms of subsets(problem.vms)) {
    if (wanted !== undefined && !vms.includes(wanted)) continue
    const weight = weightOf(vms)
    if (weight < (best?.weight ?? known.weight)) break
    const below = best?.cost ?? (weight === known.weight ? known.cost + 1 : Number.POSITIVE_INFINITY)
    const found = search.cheapest(vms, below)
    if (found !== undefined) best = { weight, ...found }
  }
  return best
}

function weightOf(vms: readonly Vm[]): number {
  return vms.reduce((sum, vm) => sum + vm.weight, 0)
}

/** Every set of VMs, the heaviest first. */
function subsets(vms: readonly Vm[]): Vm[][] {
  const all = Array.from({ length: 2 ** vms.length }, (_, set) => vms.filter((_vm, at) => (set & (1 << at)) !== 0))
  return all.sort((a, b) => weightOf(b) - weightOf(a))
}

class Search {
  readonly #problem: Problem
  readonly #seating: Seating
  readonly #options = new Map<number, readonly Option[]>()
  #looks = 0

  constructor(problem: Problem) {
    this.#problem = problem
    this.#seating = new Seating(problem)
  }

  /** Every layout of the VM that it can have alone on the host, the cheapest first. */
  #optionsOf(vm: Vm): readonly Option[] {
    const known = this.#options.get(vm.at)
    if (known !== undefined) return known
    const options: Option[] = []
    for (const layout of layoutsOf(this.#problem, vm)) {
      const seats = this.#seating.cheapest([layout], [0], Number.POSITIVE_INFINITY, true)
      if (seats === undefined) continue
      const memories = memoriesOf(this.#problem, layout)
      if (memories.length === 0) continue
      options.push({ layout, memories, least: layout.fixed + seats.cost + memories[0]!.cost, leastOfSeats: seats.cost })
    }
    options.sort((a, b) => a.least - b.least)
    this.#options.set(vm.at, options)
    return options
  }

  /** The cheapest way to place all of the VMs that costs less than `below`. */
  cheapest(vms: readonly Vm[], below: number): { cost: number; placed: Placed[] } | undefined {
    const options = vms.map((vm) => this.#optionsOf(vm))
    if (options.some((own) => own.length === 0)) return undefined
    const rest = new Array<number>(vms.length + 1).fill(0)
    for (let at = vms.length - 1; at >= 0; at--) rest[at] = rest[at + 1]! + options[at]![0]!.least
    const room = [...this.#problem.usable]
    const chosen: Option[] = []
    let least = below
    let best: { cost: number; placed: Placed[] } | undefined
    const choose = (at: number, cost: number): void => {
      if (at === vms.length) {
        const found = this.#place(chosen, least)
        if (found === undefined) return
        least = found.cost
        best = found
        return
      }
      for (const option of options[at]!) {
        if (cost + option.least + rest[at + 1]! >= least) return
        const { layout } = option
        if (!layout.dedicatedOn.every((count, node) => count <= room[node]!)) continue
        if (!chosen.every((other) => goTogether(other.layout, layout))) continue
        for (const [node, count] of layout.dedicatedOn.entries()) room[node]! -= count
        chosen.push(option)
        choose(at + 1, cost + option.least)
        chosen.pop()
        for (const [node, count] of layout.dedicatedOn.entries()) room[node]! += count
      }
    }
    choose(0, 0)
    return best
  }

  /** The cheapest memory and CPUs of VMs whose vCPUs have their nodes: neither depends on the other. */
  #place(chosen: readonly Option[], below: number): { cost: number; placed: Placed[] } | undefined {
    if (++this.#looks > MOST_LOOKS) throw new TooLarge()
    const fixed = chosen.reduce((sum, { layout }) => sum + layout.fixed, 0)
    const leastOfSeats = chosen.map((option) => option.leastOfSeats)
    const allSeats = leastOfSeats.reduce((sum, own) => sum + own, 0)
    const memory = cheapestMemories(this.#problem, chosen, below - fixed - allSeats)
    if (memory === undefined) return undefined
    const layouts = chosen.map(({ layout }) => layout)
    const seats = this.#seating.cheapest(layouts, leastOfSeats, below - fixed - memory.cost, false)
    if (seats === undefined) return undefined
    return {
      cost: fixed + memory.cost + seats.cost,
      placed: layouts.map((layout, at) => ({ layout, memory: memory.memories[at]!, seats: seats.seats[at]! })),
    }
  }
}
