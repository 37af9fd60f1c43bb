/**
 * `homenode/accel`: the calls of the integration guide, each with real effect.
 * @module homenode/accel
 */

export { CpuTopology } from './cpu-topology.js'
