/**
 * `homenode`: topology, planning and verification. No FFI: koffi is not loaded.
 * @module homenode
 */

export { capacity, expectedCapacity } from './capacity.js'
export { type Finding, InputError, PlanError, SyscallError, UnsupportedError } from './errors.js'
export { placedRequest, withoutVm } from './fleet/placed.js'
export { type RankedHost, type RankHost, type RankOptions, rank } from './fleet/rank.js'
export { plan } from './plan.js'
export type { PlanOptions } from './planner/planner.js'
export { parsePlaced, parseRequest, requestSchema } from './request.js'
export { type Added, type Replanned, Session, type SessionOptions } from './session.js'
export { type DetectOptions, detectHost, parseHost, recordHost, syntheticHost, withMeasures } from './topology/index.js'
export type * from './types.js'
export { isVerified } from './verified.js'
export { type AsIsCost, type AsIsVmCost, checkPlan, costAsIs, type Resident, verifyPlan } from './verify.js'
