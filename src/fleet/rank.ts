/** Which of many hosts a VM goes to: what it loses on each, and what it takes there from those still to come. */

import { requireBoolean, requireHost, requireList, requireObject } from '../checks.js'
import { InputError, show, within } from '../errors.js'
import { Planner, type PlanOptions, planOptions } from '../planner/planner.js'
import { parsePlaced } from '../request.js'
import type { Host, Plan, Refusal, Request } from '../types.js'
import { NOTHING } from './placed.js'
import { type Answer, askHost, type Question } from './state.js'
import { readFlavours, readVm } from './vm.js'

/** A host that a VM may go to. */
export interface RankHost {
  /** Unique among the hosts. */
  readonly name: string
  /** What it is, its memory as free as it were without the VMs that are placed there. */
  readonly host: Host
}

/** How hosts are ranked. */
export interface RankOptions extends PlanOptions {
  /** Whether VMs that are there may move to let the VM in, or where that costs less. `false`: they stay where they are. Default: true. */
  readonly moves?: boolean
  /** VMs like those still to come, as a request has them: `capacityLost` is what the hosts can take less of them. Each counts alike. */
  readonly flavours?: readonly unknown[]
}

/** What a host has to say to a VM. */
export interface RankedHost {
  /** Its name. */
  readonly host: string
  /** Lost vCPUs of the plan with the VM, beyond those of a plan without it; may be below 0 where making room mends something. `null`: it is refused. */
  readonly lostMore: number | null
  /**
   * vCPUs of VMs still to come for which there is no more room beside the plan: of each flavour how many fewer fit, times its vCPUs, the mean
   * over the flavours. `null`: it is refused, or there are no flavours.
   */
  readonly capacityLost: number | null
  /** Why it does not fit. `null`: it does. */
  readonly refused: Omit<Refusal, 'name'> | null
  /** All VMs of the host with the VM, and the moves it takes: a candidate for `verifyPlan`. `null`: it is refused. */
  readonly plan: Plan | null
  /** What the plan is for: `verifyPlan` and `placedRequest` take it. `null`: it is refused. */
  readonly request: Request | null
}

/** No search beyond what a plan takes: most hosts are asked in vain. */
const DEFAULT_STEPS = 0

/**
 * The hosts in the order in which a VM had best go to them: those where it loses least, of these where it takes least from VMs still to come,
 * of these as they were given; at the end those that refuse it.
 *
 * What is asked of a host once is remembered for as long as its `Host` and its `Request` (as `parseRequest`, `placedRequest` or `withoutVm`
 * returned it) live; so only hosts whose state has changed are planned anew, and neither may be changed in place.
 * @param placed what is on each host, by its name: a request whose VMs have `current`; its `reserve`, `model` and other settings are the host's.
 * Where there is none nothing is there
 * @param vm one VM as a request has it. Of VMs that it is `near` or `separateFrom` only those on the same host count
 * @param options `steps`: of search for each host, by default 0
 * @throws {InputError} where a host, the VM or what is placed is not valid. One that asks for what a host does not have is `refused` there, for `host`
 */
export async function rank(
  hosts: readonly RankHost[],
  placed: Readonly<Record<string, unknown>>,
  vm: unknown,
  options: RankOptions = {},
): Promise<RankedHost[]> {
  requireList('hosts', hosts)
  requireObject('placed', placed)
  requireObject('options', options)
  const { moves = true, flavours = [], steps = DEFAULT_STEPS, seed = 1 } = options
  const search = planOptions({ steps, seed })
  requireBoolean('options.moves', moves)
  requireList('options.flavours', flavours)
  const there = readThere(hosts, placed)
  const planner = await Planner.load()
  const known = new Map<string, Question>()
  const answers = there.map(({ name, host, request }) => {
    const question = questionFor(request, known, () => ({
      vm: readVm(vm, request),
      flavours: readFlavours(flavours, request),
      moves,
      options: search,
    }))
    return within(`hosts: ${name}`, () => rankedHost(name, askHost(planner, host, request, question)))
  })
  return answers.sort(inOrder)
}

/** Where a VM is complete depends on few settings of the host; most hosts have the same. */
function questionFor(
  { deviceNodes, reserve }: Request,
  known: Map<string, Question>,
  make: () => Omit<Question, 'key'>,
): Question {
  const settings = JSON.stringify([deviceNodes, reserve.nodes])
  const before = known.get(settings)
  if (before !== undefined) return before
  const made = make()
  const question = { ...made, key: JSON.stringify(made) }
  known.set(settings, question)
  return question
}

function readThere(hosts: readonly RankHost[], placed: Readonly<Record<string, unknown>>) {
  const names = new Set<string>()
  const there = hosts.map((one, at) => {
    requireObject(`hosts[${at}]`, one)
    const { name, host } = one
    if (typeof name !== 'string' || name === '') throw new InputError(`hosts[${at}].name`, 'a name', show(name))
    if (names.has(name)) throw new InputError(`hosts[${at}].name`, 'a name of its own', show(name))
    names.add(name)
    within(`hosts: ${name}`, () => requireHost(host))
    const on = Object.hasOwn(placed, name) ? placed[name] : undefined
    const request = on === undefined ? NOTHING : within(`placed: ${name}`, () => parsePlaced(on))
    return { name, host, request }
  })
  const unknown = Object.keys(placed).find((name) => !names.has(name))
  if (unknown !== undefined)
    throw new InputError('placed', `hosts that are given (${[...names].join(', ')})`, show(unknown))
  return there
}

function rankedHost(host: string, answer: Answer): RankedHost {
  if ('refused' in answer) {
    return { host, lostMore: null, capacityLost: null, refused: answer.refused, plan: null, request: null }
  }
  return { host, refused: null, ...answer }
}

/** `sort` is stable: where two are alike they stay in their order. */
function inOrder(a: RankedHost, b: RankedHost): number {
  if (a.lostMore === null || b.lostMore === null) return Number(a.lostMore === null) - Number(b.lostMore === null)
  return a.lostMore - b.lostMore || (a.capacityLost ?? 0) - (b.capacityLost ?? 0)
}
