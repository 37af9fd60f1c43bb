/** Host + Request -> candidate Plan. What comes out of here is not trusted: `verifyPlan` checks it. */

import { InputError, show } from '../errors.js'
import type { Host, Plan, PlanStatus, Refusal, Request, RequestVm } from '../types.js'
import { MAX, type PlannerExports, SOLVED, VERSION } from './generated/abi.js'
import { orderMoves } from './moves.js'
import { addVm, buildProblem, type Problem } from './problem.js'
import { MICRO, readTotals, readVms } from './read.js'
import { readRefusals } from './refusals.js'
import { instantiatePlanner } from './wasm.js'

/** How long the planner searches, and from where it starts. */
export interface PlanOptions {
  /** The most steps of search, 0 to 1,000,000; it ends sooner where the plan is proven optimal. Default: 5,000. */
  readonly steps?: number
  /** 0 to 2^31 - 1: the same seed, host, request and steps give the same plan. Default: 1. */
  readonly seed?: number
}

const DEFAULT_STEPS = 5000
const MAX_SEED = 2 ** 31 - 1

const STATUSES: Readonly<Record<number, PlanStatus>> = {
  [SOLVED.OPTIMAL]: 'optimal',
  [SOLVED.FEASIBLE]: 'feasible',
  [SOLVED.PARTIAL]: 'partial',
  [SOLVED.INFEASIBLE]: 'infeasible',
}

function wholeOption(name: string, value: number | undefined, fallback: number, most: number): number {
  if (value === undefined) return fallback
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new InputError(name, `a whole number from 0 to ${most}`, show(value))
}

/** @throws {InputError} for options that are none */
export function planOptions({ steps, seed }: PlanOptions): Required<PlanOptions> {
  return {
    steps: wholeOption('steps', steps, DEFAULT_STEPS, MAX.STEPS),
    seed: wholeOption('seed', seed, 1, MAX_SEED),
  }
}

/** An instance of planner.wasm with a face in objects. It holds one problem at a time and needs no closing. */
export class Planner {
  readonly #wasm: PlannerExports
  /** With the last plan in it. */
  #planned: Problem | undefined

  private constructor(wasm: PlannerExports) {
    this.#wasm = wasm
  }

  /** Compiles the module and makes an instance of it. */
  static async load(): Promise<Planner> {
    return new Planner(await instantiatePlanner())
  }

  /**
   * Places the request's VMs on the host. VMs that do not fit are in `refused`, with the reasons.
   * @param request complete, as `parseRequest` returns it
   * @throws {InputError} where the request asks for what the host does not have
   */
  plan(host: Host, request: Request, options: PlanOptions = {}): Plan {
    const { problem, solved, seed } = this.#solve(host, request, options)
    const status = STATUSES[solved]
    if (status === undefined) throw new Error(`planner.wasm: solve returned ${solved}`)
    const vms = readVms(problem)
    const cost = readTotals(problem, vms)
    // Without steps the module does not check whether its plan is the best.
    const isOptimal = solved === SOLVED.FEASIBLE && cost.gap === 0
    const taken = this.#wasm.steps()
    const isReplan = request.vms.some(({ current }) => current !== null)
    const refused = readRefusals(problem)
    this.#planned = problem
    return {
      schemaVersion: 1,
      kind: 'Plan',
      status: isOptimal ? 'optimal' : status,
      cost,
      vms,
      refused,
      ...(isReplan ? orderMoves(host, request, { vms }) : {}),
      solver: { planner: VERSION, seed, steps: taken },
    }
  }

  /**
   * What a plan would lose and whom it would refuse, with the plan itself left in the module: where nobody looks at the places.
   * @throws {InputError} where the request asks for what the host does not have
   */
  price(host: Host, request: Request, options: PlanOptions = {}): { lostVcpus: number; refused: Refusal[] } {
    const { problem } = this.#solve(host, request, options)
    const refused = readRefusals(problem)
    this.#planned = problem
    return { lostVcpus: this.#wasm.planCost() / MICRO, refused }
  }

  #solve(host: Host, request: Request, options: PlanOptions) {
    const { steps, seed } = planOptions(options)
    this.#planned = undefined
    const problem = buildProblem(this.#wasm, host, request)
    return { problem, solved: this.#wasm.solve(steps, seed), seed }
  }

  /**
   * How many more VMs like this one fit beside the plan that was made last, while all its VMs stay where they are; VMs that are placed one
   * after the other, each where it is cheapest, so there may be room for more. Of other VMs it may ask nothing (`near`, `separateFrom`).
   * @throws {InputError} where it asks for what the host does not have
   * @throws {Error} before the first plan
   */
  roomFor(vm: RequestVm): number {
    const planned = this.#planned
    if (planned === undefined) throw new Error('nothing was planned')
    // A domain that nobody else of the plan has.
    const trust = new Map(planned.trust)
    if (vm.trust !== null && !trust.has(vm.trust)) trust.set(vm.trust, trust.size)
    const problem = { ...planned, trust }
    const handles: number[] = []
    const most = MAX.VMS - planned.request.vms.length
    let left = MAX.VCPUS - planned.request.vms.reduce((sum, { vcpus }) => sum + vcpus, 0)
    for (let isIn = true; isIn && handles.length < most && left >= vm.vcpus; left -= vm.vcpus) {
      const handle = addVm(problem, vm, planned.request.vms.length)
      handles.push(handle)
      isIn = this.#wasm.placeAlone(handle) === 1
      if (!isIn) this.#wasm.removeVm(handles.pop()!)
    }
    for (const handle of [...handles].reverse()) this.#wasm.removeVm(handle)
    return handles.length
  }
}
