/**
 * `homenode/executor`: carries verified plans out on Linux.
 * @module homenode/executor
 */

export { BareVm, type BareVmOptions } from './bare-vm.js'
export { CACHE_EVENTS, CpuCounters } from './cpu-counters.js'
export type { Device, DeviceContext, DeviceModule } from './devices/device.js'
export type { AccessHandler, AddressRange, DeviceInThread } from './devices/registry.js'
export type { Doorbell } from './doorbells.js'
export { type Failure, VmError } from './failure.js'
export type { CounterEvent } from './ffi/perf.js'
export type { MemoryRegion, RegionRequest } from './guest-regions.js'
export type { Bus } from './kvm.js'
export type { RegisterName, Registers } from './kvm-vcpu.js'
export type { MemoryOptions } from './memory.js'
export { MemoryBlock } from './memory-block.js'
export type { ThreadState } from './observe.js'
export type { CellPages, PlaceMemoryOptions } from './placed-memory.js'
export type { PlacementOptions, SchedulingOptions } from './placement.js'
export type { PrefaultProgress } from './prefault.js'
export {
  type AffinityStatus,
  type KvmStatus,
  kvmStatus,
  type MbindStatus,
  probeAffinity,
  probeMbind,
  type Refused,
} from './probe.js'
export type { ResidentPages } from './residency.js'
export { type RunOptions, runPlan } from './run.js'
export type { VcpuSample } from './sampler.js'
export type {
  ControlName,
  DescriptorTable,
  Segment,
  SegmentName,
  SpecialRegisterChanges,
  SpecialRegisters,
  TableName,
} from './start-state.js'
export { type KvmStatistic, KvmStats, type KvmValues } from './stats.js'
export type { Vcpu } from './vcpu.js'
export { Vm, type VmOptions } from './vm.js'
export { DeadlineError, type Patience, type VmEnd, type VmState, VmStateError } from './vm-state.js'
export type { RunProgress } from './watch.js'
