/** `homenode/accel`: the calls of the integration guide, each with real effect. */

export { CpuTopology } from './cpu-topology.js'
