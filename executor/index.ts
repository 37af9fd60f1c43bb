/** homenode/executor: carries verified plans out on Linux. */

export { type Failure, VcpuError } from './failure.js'
export {
  type AffinityStatus,
  type KvmStatus,
  kvmStatus,
  type MbindStatus,
  probeAffinity,
  probeMbind,
  type Refused,
} from './probe.js'
export { type RunOptions, runPlan } from './run.js'
export type { RunProgress } from './watch.js'
