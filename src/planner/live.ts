/** VMs that come and go in one instance of the module, which keeps the host: nothing is built anew for the next one. */

import type { Host, PlanVm, Refusal, Request, RequestVm } from '../types.js'
import type { PlannerExports } from './generated/abi.js'
import { peersOf } from './peers.js'
import { addVm, buildProblem, type KeptVm, type Problem, relateVm } from './problem.js'
import { isPlaced, readVms } from './read.js'
import { becauseOf } from './refusal.js'

export class LiveProblem {
  #problem: Problem
  readonly #handles = new Map<string, number>()
  readonly #vms = new Map<string, RequestVm>()

  /**
   * @param request its settings; its VMs are not entered
   * @throws {InputError} where the request asks for something that the host does not have
   */
  constructor(wasm: PlannerExports, host: Host, request: Request) {
    this.#problem = buildProblem(wasm, host, { ...request, vms: [] })
  }

  /**
   * Enters a VM, which is not placed yet. Of those that are not here it asks nothing.
   * @param at its place in its request, for errors
   * @throws {InputError}
   */
  enter(vm: KeptVm, at: number): void {
    const vms = [...this.#vms.values(), vm]
    const trust = new Map(this.#problem.trust)
    if (vm.trust !== null && !trust.has(vm.trust)) trust.set(vm.trust, trust.size)
    const request = { ...this.#problem.request, vms }
    this.#problem = { ...this.#problem, request, trust, peers: peersOf(request) }
    const handle = addVm(this.#problem, vm, at)
    try {
      relateVm(this.#problem, handle, vm, (name) => this.#handles.get(name))
    } catch (error) {
      this.#problem.wasm.removeVm(handle)
      throw error
    }
    this.#vms.set(vm.name, vm)
    this.#handles.set(vm.name, handle)
    this.#refer()
  }

  /** Takes a VM out, placed or not. */
  leave(name: string): void {
    this.#problem.wasm.removeVm(this.#handles.get(name)!)
    this.#handles.delete(name)
    this.#vms.delete(name)
    // Another one of that name is not the one that they meant.
    for (const vm of this.#vms.values()) {
      if (![...vm.near, ...vm.separateFrom].includes(name)) continue
      const others = (names: readonly string[]) => names.filter((other) => other !== name)
      this.#vms.set(vm.name, { ...vm, near: others(vm.near), separateFrom: others(vm.separateFrom) })
    }
    this.#refer()
  }

  leaveAll(): void {
    // The last first: then what the planner keeps of the others is not moved each time.
    for (const name of [...this.#handles.keys()].reverse()) this.leave(name)
  }

  /** Places a VM where it is cheapest while all others stay; `false`: it does not fit. */
  placeAlone(name: string): boolean {
    return this.#problem.wasm.placeAlone(this.#handles.get(name)!) === 1
  }

  /**
   * Places a VM where it is, as its `current` has it, while all others stay; `false`: it cannot be there. Threads of its VMM that have CPUs of
   * their own wait for `seatThreads`: nobody knows which, and they must not be those of vCPUs that are placed later.
   */
  placeCurrent(name: string): boolean {
    const { wasm } = this.#problem
    const handle = this.#handles.get(name)!
    const { current, emulator } = this.#vms.get(name)!
    for (const { cell, pageSize } of current!.cells) wasm.setVmCurrentPageSize(handle, cell, Math.log2(pageSize))
    if (emulator === 'dedicated') wasm.setVmThreadCpus(handle, 0)
    return wasm.placeCurrent(handle) === 1
  }

  /** Gives the threads of the VMM of a VM that `placeCurrent` placed their CPUs, where they have some of their own; `false`: there are none for them. */
  seatThreads(name: string): boolean {
    const { emulator, iothreads } = this.#vms.get(name)!
    return emulator !== 'dedicated' || this.#problem.wasm.setVmThreadCpus(this.#handles.get(name)!, 1 + iothreads) === 0
  }

  /** A VM that is placed, and may have pages of any size, has those that it got wherever it moves. Its cells have pages of that one size. */
  keepPages(name: string, pageSize: RequestVm['pageSize']): void {
    const vm = this.#vms.get(name)!
    if (pageSize === 'any' || vm.pageSize !== 'any') return
    this.#problem.wasm.setVmPageSize(this.#handles.get(name)!, Math.log2(pageSize))
    this.#vms.set(name, { ...vm, pageSize })
    this.#refer()
  }

  /**
   * What the plan would cost if a VM that is not placed came in because another one went elsewhere on the host; `null`: it does not come in
   * by that. Nothing changes.
   */
  costIfMoved(name: string, other: string): number | null {
    const cost = this.#problem.wasm.costIfMoved(this.#handles.get(name)!, this.#handles.get(other)!, 0)
    return cost < 0 ? null : cost
  }

  /** Places a VM that is not placed where another one makes room by going elsewhere; `false`: that does not let it in, and nothing changes. */
  placeByMoving(name: string, other: string): boolean {
    return this.#problem.wasm.placeByMoving(this.#handles.get(name)!, this.#handles.get(other)!) === 1
  }

  /** Places all that are not placed, and searches; how many steps that took. */
  solve(steps: number, seed: number): number {
    const before = this.#problem.wasm.steps()
    this.#problem.wasm.solve(steps, seed)
    return this.#problem.wasm.steps() - before
  }

  isPlaced(name: string): boolean {
    return isPlaced(this.#problem, this.#handles.get(name)!)
  }

  /** Why a VM that is not placed is not. */
  refusalOf(name: string): Omit<Refusal, 'name' | 'nearest'> {
    const handle = this.#handles.get(name)!
    const because = becauseOf({ ...this.#problem, told: new Map() }, this.#vms.get(name)!, handle)
    return { proven: this.#problem.wasm.refusalProven(handle) === 1, because }
  }

  /** Those that are placed, in the order in which they came, at the module's own prices. */
  read(): PlanVm[] {
    return readVms(this.#problem)
  }

  #refer(): void {
    const request = { ...this.#problem.request, vms: [...this.#vms.values()] }
    this.#problem = { ...this.#problem, request, handles: [...this.#handles.values()], handleOf: this.#handles }
  }
}
