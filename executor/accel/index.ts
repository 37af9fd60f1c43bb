/**
 * `homenode/accel`: the calls of the integration guide, each with real effect.
 * @module homenode/accel
 */

export type { CacheLevel } from '../../src/topology/caches.js'
export type { Patience, Round, Settings, SettingsInput, VmEnd, VmState } from '../index.js'
export { DeadlineError } from '../vm/patience.js'
export { VmStateError } from '../vm/vm-state.js'
export { VmError } from '../wire/failure.js'
export {
  VcpuAffinityManager,
  type VcpuAffinityManagerOptions,
  type VcpuConfiguration,
  type VcpuRebalance,
} from './affinity/vcpu-affinity-manager.js'
export type { ConfigureOptions } from './affinity/vcpu-request.js'
export { CpuTopology, type TopologyStats } from './cpu-topology.js'
export type { AccelGuestOptions, GuestVcpu } from './guest/accel-guest.js'
export {
  AccelKvm,
  type AccelKvmOptions,
  type NumaMemory,
  type NumaMemoryRequest,
  type ResidentMemory,
} from './guest/accel-kvm.js'
export { AffinityMask, type VcpuConfig, type VcpuConfigChange } from './guest/vcpu-config.js'
export type { NumaConfig } from './numa-config.js'
export type { Allocation } from './optimizer/allocation.js'
export type { BalancingAction, BalancingOptions, BalancingRound } from './optimizer/balancing/types.js'
export type { MemoryPerNode } from './optimizer/budget.js'
export type { FailedMove, MovedBlock } from './optimizer/node-memory.js'
export {
  NumaOptimizer,
  type NumaOptimizerOptions,
  type Rebalance,
  type VcpuPlacement,
} from './optimizer/numa-optimizer.js'
export type { Accessor, Recorded } from './optimizer/recorded-accesses.js'
export type { AllocationStrategy, Basis } from './optimizer/strategy.js'
export type { NodeStats, Suggestion, SuggestionKind } from './optimizer/suggestions.js'
export { currentPlatform, type Effect, type Platform, type PlatformOptions } from './platform.js'
export type { NumaCounter } from './stats/node-counters.js'
export type { KernelNodeStats, NumaRates } from './stats/node-stats.js'
