/**
 * `homenode/accel`: the calls of the integration guide, each with real effect.
 * @module homenode/accel
 */

export type { CacheLevel } from '../topology/caches.js'
export { CpuTopology, type TopologyStats } from './cpu-topology.js'
export { currentPlatform, type Effect, type Platform, type PlatformOptions } from './platform.js'
