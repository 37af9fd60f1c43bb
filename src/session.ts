/** A host on which VMs come and go: each is placed beside those that are there, and moves let others in. */

import { requireBoolean, requireHost, requireObject } from './checks.js'
import { InputError, show } from './errors.js'
import { among, placedRequest, withItsPages, withoutVm } from './fleet/placed.js'
import { keptOn, lighter, priced } from './fleet/staying.js'
import { readVm } from './fleet/vm.js'
import { VERSION } from './planner/generated/abi.js'
import { LiveProblem } from './planner/live.js'
import { orderMoves } from './planner/moves.js'
import { type PlanOptions, planOptions } from './planner/planner.js'
import type { KeptVm } from './planner/problem.js'
import { instantiatePlanner } from './planner/wasm.js'
import { parsePlaced, withVms } from './request.js'
import { COST_TERMS, type CostTerms, type Host, type Plan, type Refusal, type Request } from './types.js'
import { checkPlaced, checkPlan } from './verify.js'

/** How a session places VMs. */
export interface SessionOptions extends PlanOptions {
  /** Whether VMs that are there may move to let another in. Default: true. */
  readonly moves?: boolean
}

/** What comes of a VM that was to be added. */
export type Added =
  | {
      readonly refused: null
      /** All VMs that are there now, and the moves it takes: a candidate for `verifyPlan`. */
      readonly plan: Plan
      /** What the plan is for. */
      readonly request: Request
    }
  | {
      /** Why it does not fit; all others are as before. */
      readonly refused: Omit<Refusal, 'name' | 'nearest'>
      readonly plan: null
      readonly request: null
    }

/** What comes of planning again. */
export interface Replanned {
  /** All VMs that are there, and the moves that get them there; no moves where nothing is to be gained. */
  readonly plan: Plan
  /** What the plan is for. */
  readonly request: Request
}

const NOTHING_LOST = Object.fromEntries(COST_TERMS.map((term) => [term, 0])) as CostTerms

const NOT_WHERE_IT_IS = {
  proven: false,
  because: [
    { constraint: 'current', text: 'memory of what is there has to move first, and no plan with moves was found' },
  ],
}

/** VMs that are tried as the one that moves: the smallest. */
const MOST_TRIED = 32

/** Few: a VM that waits for its place waits for the search, too. */
const DEFAULT_STEPS = 200

/**
 * A host with what is on it. It holds two instances of the module: in one all VMs are where they are, and a VM that comes is placed beside them
 * without anything being built anew; in the other, plans with moves are tried. The two change places when one is taken.
 * @example
 * ```ts
 * import { Session, syntheticHost, verifyPlan } from 'homenode'
 *
 * const host = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
 * const session = await Session.open(host, { vms: [] })
 * for (const name of ['a', 'b', 'c', 'd']) session.add({ name, vcpus: 2, memory: '1GiB', cells: 1 })
 * session.remove('a')
 * session.remove('c')
 * // Two CPUs are free on each node, and "wide" wants four on one: somebody moves.
 * const added = session.add({ name: 'wide', vcpus: 4, memory: '1GiB', cells: 1 })
 * added.refused // => null
 * new Set(added.plan?.moves?.map(({ vm }) => vm)).size // => 1
 * verifyPlan(host, added.request, added.plan).vms.length // => 3
 * session.placed.vms.map(({ name }) => name) // => ['b', 'd', 'wide']
 * const { refused } = session.add({ name: 'more', vcpus: 1, memory: '1GiB' })
 * refused?.because[0]?.constraint // => 'cpu-exclusive'
 * ```
 */
export class Session {
  readonly #host: Host
  readonly #options: Required<SessionOptions>
  /** With all VMs where they are. */
  #live: LiveProblem
  #trial: LiveProblem
  #placed: Request

  private constructor(
    host: Host,
    placed: Request,
    options: Required<SessionOptions>,
    problems: readonly LiveProblem[],
  ) {
    this.#host = host
    this.#options = options
    this.#placed = placed
    this.#live = problems[0]!
    this.#trial = problems[1]!
  }

  /**
   * @param host what it is, its memory as free as it were without the VMs that are there
   * @param placed what is there: a request whose VMs have `current`, with the settings of all that come; `vms` may be empty
   * @param options `steps` of search for a VM that does not fit without moves, by default 200
   * @throws {InputError} where something is not valid, or what is there does not hold where it is. In one case it is not said
   * how all of it is, and may not be found: which CPUs the VMMs' own threads have (`emulator: "dedicated"`), where cores have several CPUs and
   * not every thread may be on every core
   */
  static async open(host: Host, placed: unknown, options: SessionOptions = {}): Promise<Session> {
    requireHost(host)
    requireObject('options', options)
    const { moves = true } = options
    requireBoolean('options.moves', moves)
    const given = parsePlaced(placed)
    const vms = given.vms.map(withItsPages)
    const request = vms.every((vm, at) => vm === given.vms[at]) ? given : withVms(given, vms)
    const problems = await Promise.all(
      [0, 1].map(async () => new LiveProblem(await instantiatePlanner(), host, request)),
    )
    const settings = { ...planOptions({ steps: DEFAULT_STEPS, ...options }), moves }
    const session = new Session(host, request, settings, problems)
    session.#begin()
    return session
  }

  /** What is there, each VM with its place as `current`: what `rank` and `plan` take. */
  get placed(): Request {
    return this.#placed
  }

  /**
   * Places a VM where it loses least beside those that are there. Where it does not fit, others move, as few and as cheap as the search finds.
   * @param vm as a request has it, without `current`. Of VMs that it is `near` or `separateFrom` only those that are there count
   * @throws {InputError} where it is not valid, asks for what the host does not have, or has the name of one that is there
   */
  add(vm: unknown): Added {
    const read = readVm(vm, this.#placed)
    const names = new Set(this.#placed.vms.map(({ name }) => name))
    if (names.has(read.name)) throw new InputError('vm.name', 'the name of a VM that is not there yet', show(read.name))
    const own = among(names)(read)
    const request = withVms(this.#placed, [...this.#placed.vms, own])
    this.#named(() => this.#live.enter(own, request.vms.length - 1))
    const fits = this.#live.placeAlone(own.name)
    const plan = fits ? this.#planOf(request, this.#live) : null
    if (plan !== null && this.#holds(request, plan)) {
      this.#take(request, plan)
      return { refused: null, plan, request }
    }
    const refused = fits ? NOT_WHERE_IT_IS : this.#live.refusalOf(own.name)
    const moved = this.#options.moves ? (this.#moveOne(request) ?? this.#replan(request)) : null
    if (moved !== null) return { refused: null, plan: moved, request }
    this.#live.leave(own.name)
    return { refused, plan: null, request: null }
  }

  /**
   * A VM has gone. All others stay.
   * @throws {InputError} where it is not there
   */
  remove(name: string): void {
    const left = withoutVm(this.#placed, name)
    this.#live.leave(name)
    // Shared vCPUs may have CPUs that it had.
    this.#placed = placedRequest(left, { vms: this.#live.read() })
  }

  /**
   * Plans all VMs that are there again, with moves where these cost less than they gain within the `horizonSeconds` of the request's model.
   * @param options `steps`: of search
   */
  replan(options: PlanOptions = {}): Replanned {
    const request = this.#placed
    const before = this.#planOf(request, this.#live)
    if (request.vms.length === 0) return { plan: before, request }
    const settings = { ...this.#options, ...planOptions({ ...this.#options, ...options }) }
    // Where memory is farther than it has to be, since others have gone, staying is no plan, whatever moves cost.
    const plan = this.#replan(request, settings, this.#holds(request, before) ? before : undefined)
    return { plan: plan ?? before, request }
  }

  /** What is there, where it is. */
  #begin(): void {
    if (this.#placed.vms.length === 0) return
    const expected = 'VMs that can be left where they are'
    const [finding] = checkPlaced(this.#host, this.#placed)
    if (finding !== undefined) throw new InputError('placed', expected, finding.text)
    const astray = this.#hold(this.#live)
    if (astray !== null) throw new InputError('placed', expected, `${astray}, which the planner did not`)
  }

  /** VMs that are there are where they are in `problem`, and no others, though some would lose less elsewhere; one that is not. */
  #hold(problem: LiveProblem): string | null {
    const { vms } = this.#placed
    problem.leaveAll()
    if (this.#puts(problem, vms)) return null
    // Where threads of VMMs do not find CPUs one after another, the search may find how all of it was.
    problem.leaveAll()
    if (this.#astray(problem, vms.map(lighter)) === null) return null
    problem.leaveAll()
    return this.#astray(problem, vms.map(keptOn(this.#host)))
  }

  /** Enters VMs that are there, and puts each where it is; whether all are there. */
  #puts(problem: LiveProblem, vms: Request['vms']): boolean {
    for (const [at, vm] of vms.entries()) problem.enter(vm, at)
    // Of VMMs' own threads it is not known where they are: they get CPUs that no vCPU has.
    return (
      vms.every(({ name }) => problem.placeCurrent(name)) &&
      vms.every(({ name }) => problem.seatThreads(name)) &&
      this.#moved(problem) === null
    )
  }

  /** Enters VMs that are there; one that is not where it should be. */
  #astray(problem: LiveProblem, vms: readonly KeptVm[]): string | null {
    for (const [at, vm] of vms.entries()) problem.enter(vm, at)
    problem.solve(0, this.#options.seed)
    const missing = vms.find(({ name }) => !problem.isPlaced(name))
    if (missing !== undefined) return show(missing.name)
    return this.#moved(problem)
  }

  /** One that is elsewhere in the instance than it is; `null`: none is. */
  #moved(problem: LiveProblem): string | null {
    const { moves, spare } = orderMoves(this.#host, this.#placed, { vms: problem.read() })
    if (moves[0] !== undefined) return show(moves[0].vm)
    return spare === undefined ? null : 'one'
  }

  /**
   * The last VM of the request comes in because one other moves, where that is cheapest; that is quick to see, and no more than one moves.
   * `null`: that does not let it in. It is tried in the other instance: of VMMs' own threads it is not known where they were, so what was moved
   * here might not find its place again.
   */
  #moveOne(request: Request): Plan | null {
    const name = request.vms.at(-1)!.name
    if (this.#live.isPlaced(name)) return null
    const others = [...this.#placed.vms].sort((a, b) => a.vcpus - b.vcpus).slice(0, MOST_TRIED)
    const costs = others.map((vm) => ({ vm, cost: this.#live.costIfMoved(name, vm.name) }))
    const [best] = costs.filter(({ cost }) => cost !== null).sort((a, b) => a.cost! - b.cost!)
    if (best === undefined || this.#hold(this.#trial) !== null) return null
    this.#trial.enter(request.vms.at(-1)!, this.#placed.vms.length)
    if (!this.#trial.placeByMoving(name, best.vm.name)) return null
    const plan = this.#planOf(request, this.#trial)
    if (plan.spare !== undefined || !this.#holds(request, plan)) return null
    this.#change(request, plan)
    return plan
  }

  /** A plan in which all VMs are placed, and its moves go all the way; it is taken. `null`: none was found. */
  #replan(request: Request, { steps, seed } = this.#options, before?: Plan): Plan | null {
    this.#trial.leaveAll()
    for (const [at, vm] of request.vms.entries()) this.#trial.enter(vm, at)
    const taken = this.#trial.solve(steps, seed)
    if (!request.vms.every(({ name }) => this.#trial.isPlaced(name))) return null
    const plan = this.#planOf(request, this.#trial, seed, taken)
    if (plan.spare !== undefined || (before !== undefined && plan.cost.lostVcpus >= before.cost.lostVcpus)) return null
    if (!this.#holds(request, plan)) return null
    this.#change(request, plan)
    return plan
  }

  /** What was tried is taken. */
  #change(request: Request, plan: Plan): void {
    ;[this.#live, this.#trial] = [this.#trial, this.#live]
    this.#take(request, plan)
  }

  /** What is placed is there from now on. Other pages would be a move: who could have any size has what it got. */
  #take(request: Request, plan: Plan): void {
    this.#placed = placedRequest(request, plan)
    for (const { name, pageSize } of this.#placed.vms) this.#live.keepPages(name, pageSize)
  }

  /**
   * Whether the verifier, which does not know the planner, takes the plan. What has gone may have left room that is nearer, or pages that are
   * larger, which a plan has to take.
   */
  #holds(request: Request, plan: Plan): boolean {
    return checkPlan(this.#host, request, plan).length === 0
  }

  /**
   * What is placed as a plan for the request, at the request's prices.
   * @param steps of search that it took
   */
  #planOf(request: Request, problem: LiveProblem, seed = this.#options.seed, steps = 0): Plan {
    const vms = problem.read()
    const isReplan = request.vms.some(({ current }) => current !== null)
    return priced(this.#host, request, {
      schemaVersion: 1,
      kind: 'Plan',
      status: 'optimal',
      cost: { lostVcpus: 0, lowerBound: 0, gap: 0, terms: NOTHING_LOST },
      vms,
      refused: [],
      ...(isReplan ? orderMoves(this.#host, request, { vms }) : {}),
      solver: { planner: VERSION, seed, steps },
    })
  }

  #named(enter: () => void): void {
    try {
      enter()
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      throw new InputError(error.where.replace(/^vms\[\d+\]/, 'vm'), error.expected, error.got)
    }
  }
}
