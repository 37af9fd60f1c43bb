/**
 * `homenode/accel`: the calls of the integration guide, each with real effect.
 * @module homenode/accel
 */

export { VmError } from '../../executor/failure.js'
export type { Patience, VmEnd, VmState } from '../../executor/index.js'
export { DeadlineError, VmStateError } from '../../executor/vm-state.js'
export type { CacheLevel } from '../topology/caches.js'
export type { AccelGuestOptions, GuestVcpu } from './accel-guest.js'
export {
  AccelKvm,
  type AccelKvmOptions,
  type NumaMemory,
  type NumaMemoryRequest,
  type ResidentMemory,
} from './accel-kvm.js'
export type { Allocation } from './allocation.js'
export type { MemoryPerNode } from './budget.js'
export { CpuTopology, type TopologyStats } from './cpu-topology.js'
export type { NumaCounter } from './node-counters.js'
export type { FailedMove, MovedBlock } from './node-memory.js'
export type { KernelNodeStats, NumaRates } from './node-stats.js'
export type { NumaConfig } from './numa-config.js'
export {
  NumaOptimizer,
  type NumaOptimizerOptions,
  type Rebalance,
  type VcpuPlacement,
} from './numa-optimizer.js'
export { currentPlatform, type Effect, type Platform, type PlatformOptions } from './platform.js'
export type { Accessor, Recorded } from './recorded-accesses.js'
export type { AllocationStrategy, Basis } from './strategy.js'
export type { NodeStats, Suggestion, SuggestionKind } from './suggestions.js'
export {
  VcpuAffinityManager,
  type VcpuAffinityManagerOptions,
  type VcpuConfiguration,
  type VcpuRebalance,
} from './vcpu-affinity-manager.js'
export { AffinityMask, type VcpuConfig, type VcpuConfigChange } from './vcpu-config.js'
export type { ConfigureOptions } from './vcpu-request.js'
