/**
 * Host, request and candidate plan -> VerifiedPlan, or everything that is wrong with it. The planner is not trusted: its
 * code is not used here, every constraint and the cost of docs/model.md are computed anew.
 */

import { requireHost } from './checks.js'
import { type Finding, PlanError } from './errors.js'
import { parsePlaced, parseRequest } from './request.js'
import { COST_TERMS, type Host, type Plan, type Request, type VerifiedPlan } from './types.js'
import { sealPlan } from './verified.js'
import type { Resident } from './verify/as-is/residents.js'
import { type AsIsCost, priceAsIs } from './verify/as-is.js'
import { checkCost, checkStatus } from './verify/claims.js'
import { checkPlacement, checkSeats } from './verify/constraints.js'
import { priceOf } from './verify/cost.js'
import { readPlan } from './verify/format.js'
import { machineOf } from './verify/machine.js'
import { checkMoves } from './verify/moves.js'
import { occupancyOf } from './verify/occupancy.js'
import { examinePart } from './verify/part.js'
import { examinePlaced } from './verify/placed.js'
import { checkShape, placedVms } from './verify/placement.js'
import { meanRoom, type RoomForSize, roomsOf } from './verify/room.js'
import { findingOf } from './verify/violation.js'

export type { Resident } from './verify/as-is/residents.js'
export type { AsIsCost, AsIsVmCost } from './verify/as-is.js'
export { parsePlan } from './verify/format.js'
export { residentsAfter } from './verify/part.js'
export type { RoomForSize } from './verify/room.js'

/**
 * A frozen copy of `candidate`, marked as verified: the only thing that the executor takes.
 * @param request what `plan` was given: a request file's content, or what `parseRequest` made of it
 * @param candidate anything: the planner's answer, the content of a file
 * @throws {PlanError} with a finding for each violation
 * @throws {InputError} for a request that is malformed
 */
export function verifyPlan(host: Host, request: unknown, candidate: unknown): VerifiedPlan {
  const parsed = parseRequest(request)
  const { plan, findings } = examine(host, parsed, candidate)
  if (plan === undefined || findings.length > 0) throw new PlanError(findings)
  return sealPlan(plan, { host, request: parsed })
}

/**
 * Every way in which `candidate` is not a plan for `request` on `host`; empty if it is one.
 * @throws {InputError} for a request that is malformed
 */
export function checkPlan(host: Host, request: unknown, candidate: unknown): Finding[] {
  return examine(host, parseRequest(request), candidate).findings
}

/**
 * Every way in which VMs cannot be where they are said to be; empty if all of it holds.
 * @param request all of its VMs have `current`
 * @throws {InputError} for a request that is malformed
 */
export function checkPlaced(host: Host, request: unknown): Finding[] {
  requireHost(host)
  return examinePlaced(host, parsePlaced(request))
}

/**
 * What `residents` lose on `host`. Nothing has to hold of where they are.
 * @param request what they are: demands, weights, policies. VMs of it that are nowhere count for nothing
 * @throws {InputError} for a VM that is not in the request or has other vCPUs than there, and for a vCPU without a CPU or a cell
 */
export function costAsIs(host: Host, request: unknown, residents: readonly Resident[]): AsIsCost {
  requireHost(host)
  return priceAsIs(host, parseRequest(request), residents)
}

/** Room that a plan keeps for the VMs that its request expects (docs/model.md, "Room for those to come"). */
export interface Room {
  /** The mean of the sizes, by their shares; 0 where nothing is expected. */
  readonly mean: number
  /** In the order of the request. */
  readonly sizes: readonly RoomForSize[]
}

/**
 * Room that VMs which are placed keep for those that the request expects.
 * @throws {InputError} for a request that is malformed
 */
export function roomBeside(host: Host, request: Request, vms: VerifiedPlan['vms']): Room {
  requireHost(host)
  const parsed = parseRequest(request)
  const sizes = roomsOf(machineOf(host, parsed), parsed, placedVms(parsed, vms))
  return { mean: meanRoom(sizes), sizes }
}

/**
 * A part of a plan, marked as verified: its VMs go to their places while all others of the request stay where `current` has them. Every state on
 * the way holds, for all of them; what is wrong at the start may stay so. Its cost is what all lose afterwards (`costAsIs`), and the moves.
 * @param request complete, each VM that is there with `current`
 * @param part as `partOf` returns it: VMs of a plan that have `current`, and their moves alone
 * @param residents as in `costAsIs`
 * @throws {PlanError} with a finding for each violation
 */
export function verifyPart(
  host: Host,
  request: Request,
  part: Pick<Plan, 'vms' | 'moves' | 'solver'>,
  residents: readonly Resident[],
): VerifiedPlan {
  requireHost(host)
  const parsed = parseRequest(request)
  const terms = Object.fromEntries(COST_TERMS.map((term) => [term, 0]))
  const cost = { lostVcpus: 0, lowerBound: 0, gap: 0, terms }
  const { vms, moves, solver } = part
  const read = readPlan({ schemaVersion: 1, kind: 'Plan', status: 'feasible', cost, vms, refused: [], moves, solver })
  if ('finding' in read) throw new PlanError([read.finding])
  const examined = examinePart(host, parsed, read.plan, residents)
  if ('findings' in examined) throw new PlanError(examined.findings)
  return sealPlan(examined.plan, { host, request: parsed })
}

interface Examination {
  /** A copy of the candidate, in so far as it has a plan's format. */
  readonly plan?: Plan
  readonly findings: Finding[]
}

/** From the outside in: what a check reads, the ones before it have made sure of. */
function examine(host: Host, request: Request, candidate: unknown): Examination {
  requireHost(host)
  const read = readPlan(candidate)
  if ('finding' in read) return { findings: [read.finding] }
  const { plan } = read
  const machine = machineOf(host, request)
  const shape = checkShape(machine, request, plan)
  if (shape.length > 0) return { plan, findings: [...shape, ...checkStatus(plan)] }

  const vms = placedVms(request, plan.vms)
  const occupancy = occupancyOf(machine, vms)
  const seats = checkSeats(machine, occupancy, vms)
  const findings = [
    ...[...seats, ...checkPlacement(machine, occupancy, request, vms)].map(findingOf),
    ...checkStatus(plan),
    ...checkMoves(machine, request, plan),
  ]
  // Without a CPU for each vCPU there is no cost.
  if (seats.length === 0) findings.push(...checkCost(plan, priceOf(machine, occupancy, request, vms)))
  return { plan, findings }
}
