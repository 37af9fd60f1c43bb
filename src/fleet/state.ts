/** What a host in a state has to say to a VM, planned once and remembered. */

import { InputError, within } from '../errors.js'
import type { Planner, PlanOptions } from '../planner/planner.js'
import { withVms } from '../request.js'
import type { Host, Plan, Refusal, Request, RequestVm } from '../types.js'
import { among } from './placed.js'
import { hasMoves, planMoving, planStaying } from './staying.js'

/** What is asked of a host. */
export interface Question {
  readonly vm: RequestVm
  readonly flavours: readonly RequestVm[]
  readonly moves: boolean
  readonly options: Required<PlanOptions>
  /** Equal for questions that are the same. */
  readonly key: string
}

export type Answer =
  | { readonly refused: Omit<Refusal, 'name'> }
  | {
      readonly lostMore: number
      readonly capacityLost: number | null
      readonly plan: Plan
      readonly request: Request
    }

/** A host without the VM. */
interface Before {
  readonly lostVcpus: number
  /** Why no plan for it counts. */
  readonly broken: Omit<Refusal, 'name'> | null
  /** By flavour. */
  readonly rooms: readonly number[]
}

/** Answers of one state. The oldest goes when there are so many: those of VMs that were asked for long ago. */
const MOST_KNOWN = 8

class State {
  readonly #known = new Map<string, unknown>()

  remember<Value>(key: string, make: () => Value): Value {
    const known = this.#known.get(key)
    if (known !== undefined) {
      // The one that was asked for last is the last that goes.
      this.#known.delete(key)
      this.#known.set(key, known)
      return known as Value
    }
    const made = make()
    const [oldest] = this.#known.keys()
    if (this.#known.size === MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(key, made)
    return made
  }
}

const states = new WeakMap<Host, WeakMap<Request, State>>()

function stateOf(host: Host, placed: Request): State {
  const ofHost = states.get(host) ?? new WeakMap<Request, State>()
  states.set(host, ofHost)
  const state = ofHost.get(placed) ?? new State()
  ofHost.set(placed, state)
  return state
}

/** @throws {InputError} where the VM has the name of one that is there */
export function askHost(planner: Planner, host: Host, placed: Request, question: Question): Answer {
  const state = stateOf(host, placed)
  return state.remember(question.key, () => answer(planner, host, placed, question, state))
}

function answer(planner: Planner, host: Host, placed: Request, question: Question, state: State): Answer {
  const { vm } = question
  if (placed.vms.some(({ name }) => name === vm.name)) {
    throw new InputError('vm.name', 'the name of a VM that is not there yet', JSON.stringify(vm.name))
  }
  try {
    return planned(planner, host, placed, question, state)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { refused: refusedFor('host', error.message) }
  }
}

/** @throws {InputError} where the VM, or what is there, asks for what the host does not have */
function planned(planner: Planner, host: Host, placed: Request, question: Question, state: State): Answer {
  const { vm, flavours, moves, options } = question
  const { lostVcpus, broken, rooms } = state.remember(JSON.stringify([flavours, moves, options]), () =>
    within('placed', () => before(planner, host, placed, question)),
  )
  if (broken !== null) return { refused: broken }
  const request = requestWith(placed, vm)
  const plan = planFor(planner, host, request, question)
  const refusal = plan.refused.find(({ name }) => name === vm.name)
  if (refusal !== undefined) return { refused: withoutName(refusal) }
  // The VM weighs more than another that would have to leave: with no weight to speak of it is told why it does not fit beside that.
  if (plan.refused.length > 0) {
    const light = planFor(planner, host, requestWith(placed, { ...vm, weight: LEAST_WEIGHT }), question)
    const reason = light.refused.find(({ name }) => name === vm.name)
    return { refused: reason === undefined ? displaced(plan) : withoutName(reason) }
  }
  if (moves ? plan.spare !== undefined : hasMoves(plan)) return { refused: onlyMoved(plan, moves) }
  const after = roomsFor(planner, flavours)
  const lost = flavours.map(({ vcpus }, at) => (rooms[at]! - after[at]!) * vcpus)
  const capacityLost = lost.length === 0 ? null : lost.reduce((sum, one) => sum + one, 0) / lost.length
  return { lostMore: difference(plan.cost.lostVcpus, lostVcpus), capacityLost, plan, request }
}

const LEAST_WEIGHT = 1e-6

function before(planner: Planner, host: Host, placed: Request, { flavours, moves, options }: Question): Before {
  const { lostVcpus, broken } = moves ? moved(planner, host, placed, options) : staying(planner, host, placed, options)
  return { lostVcpus, broken, rooms: roomsFor(planner, flavours) }
}

function moved(planner: Planner, host: Host, placed: Request, options: PlanOptions) {
  const { lostVcpus, refused } = planner.price(host, placed, options)
  return { lostVcpus, broken: brokenBy(refused) }
}

function staying(planner: Planner, host: Host, placed: Request, options: PlanOptions) {
  const plan = planStaying(planner, host, placed, options)
  return { lostVcpus: plan.cost.lostVcpus, broken: brokenBy(plan.refused) ?? heldBy(plan) }
}

/** What is there and the VM. */
function requestWith(placed: Request, vm: RequestVm): Request {
  const names = new Set(placed.vms.map(({ name }) => name))
  return withVms(placed, [...placed.vms, among(names)(vm)])
}

function planFor(planner: Planner, host: Host, request: Request, { moves, options }: Question): Plan {
  const plan = moves ? planMoving : planStaying
  return renamed(request.vms.length - 1, 'vm', () => plan(planner, host, request, options))
}

/** Errors about the VM with this number in a request name it as it was given. */
function renamed<Value>(at: number, name: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(error.where.replace(`vms[${at}]`, name), error.expected, error.got)
  }
}

/** By flavour. There is no room for one that asks for what the host does not have. */
function roomsFor(planner: Planner, flavours: readonly RequestVm[]): number[] {
  return flavours.map((flavour) => {
    try {
      return planner.roomFor(flavour)
    } catch (error) {
      if (error instanceof InputError) return 0
      throw error
    }
  })
}

/** In whole millionths, as both are. */
function difference(after: number, before: number): number {
  return Math.round((after - before) * 1e6) / 1e6
}

function withoutName({ proven, because, nearest }: Refusal): Omit<Refusal, 'name'> {
  return { proven, because, nearest }
}

function refusedFor(constraint: string, text: string): Omit<Refusal, 'name'> {
  return { proven: false, because: [{ constraint, text }], nearest: [] }
}

function brokenBy([first]: readonly Refusal[]): Omit<Refusal, 'name'> | null {
  if (first === undefined) return null
  const why = first.because.map(({ text }) => text).join('; ')
  return refusedFor('current', `what is placed there does not fit on it: ${first.name}: ${why}`)
}

function heldBy(plan: Plan): Omit<Refusal, 'name'> | null {
  if (!hasMoves(plan)) return null
  return refusedFor(
    'current',
    `no plan was found that leaves what is placed there where it is: ${moversOf(plan)} would move`,
  )
}

function displaced({ refused }: Plan): Omit<Refusal, 'name'> {
  const names = refused.map(({ name }) => name).join(', ')
  return refusedFor('capacity', `it fits only where others leave: ${names}`)
}

function onlyMoved(plan: Plan, moves: boolean): Omit<Refusal, 'name'> {
  const { spare = [] } = plan
  if (!moves) return refusedFor('moves', `it was found to fit only where others move: ${moversOf(plan)}`)
  const missing = spare.map(({ text }) => text).join('; ')
  return refusedFor(
    'moves',
    `it was found to fit only where others move, and no order of their moves was found: ${missing}`,
  )
}

/** Some moves have no order: then not all who would have to move are known. */
function moversOf({ moves = [], spare }: Plan): string {
  const names = [...new Set(moves.map(({ vm }) => vm))].join(', ')
  if (spare === undefined) return names
  return names === '' ? 'somebody' : `${names} and others`
}
