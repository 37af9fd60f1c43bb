/**
 * `homenode/executor`: carries verified plans out on Linux.
 * @module homenode/executor
 */

export { applyChanges } from './apply/apply.js'
export { type NodeChoice, prepareMemory, preparePin, type ThreadChoice } from './apply/by-hand.js'
export { differencesFrom } from './apply/differences.js'
export type { DomainState, NumaMode, Pins } from './apply/domain-state.js'
export { BusyError } from './apply/lock.js'
export { type FoundVms, findVms } from './apply/place.js'
export { prepareChanges } from './apply/prepare.js'
export type {
  Applied,
  AppliedPartition,
  AppliedStep,
  ApplyOptions,
  BytesByNode,
  ChangedDomain,
  ChangedVm,
  ChangeProgress,
  ChangeStep,
  Changes,
  Cpuset,
  CpusetChange,
  DedicatedVcpus,
  Difference,
  KnownThread,
  MemoryChange,
  Obstacle,
  PressureLimit,
  StateOptions,
  Stayed,
  ThreadChange,
  ThreadRole,
  VmPartition,
  Way,
} from './apply/types.js'
export { listUndoFiles, prepareUndo, undo } from './apply/undo.js'
export type { Settings, SettingsInput } from './balance/settings.js'
export type {
  ChosenMove,
  Decision,
  Figures,
  Observation,
  ObservedVm,
  Outcome,
  Price,
  Reason,
  Round,
  VmRecord,
} from './balance/types.js'
export { type CalibrateOptions, type Calibration, type CalibrationProgress, calibrate } from './calibrate/calibrate.js'
export type { PartitionState, PartitionThread } from './cpusets/state.js'
export type { Device, DeviceContext, DeviceModule } from './devices/device.js'
export type { AccessHandler, AddressRange, DeviceInThread } from './devices/registry.js'
export type { CounterEvent } from './ffi/perf.js'
export { type RunningRequest, type RunningVm, type RunningVms, requestOf } from './found/as-request.js'
export type { FindOptions } from './found/find.js'
export type {
  Fact,
  FactSource,
  Found,
  FoundCell,
  FoundCgroup,
  FoundIoThread,
  FoundManager,
  FoundMapping,
  FoundMetadata,
  FoundThread,
  FoundVcpu,
  FoundVm,
  Missing,
  Vmm,
} from './found/types.js'
export type { RegisterName, Registers } from './kvm/kvm-vcpu.js'
export type {
  ControlName,
  DescriptorTable,
  Segment,
  SegmentName,
  SpecialRegisterChanges,
  SpecialRegisters,
  TableName,
} from './kvm/start-state.js'
export type { Action } from './loop/act.js'
export { balance } from './loop/balance.js'
export type { Rival } from './loop/rivals.js'
export type { BalanceMode, BalanceOptions, BalanceRound, BalanceStart } from './loop/types.js'
export type { MemoryRegion, RegionRequest } from './memory/guest-regions.js'
export type { MemoryOptions } from './memory/memory.js'
export { MemoryBlock } from './memory/memory-block.js'
export type { CellPages, PlaceMemoryOptions } from './memory/placed-memory.js'
export type { PrefaultProgress } from './memory/prefault.js'
export type { HostRates, NodeRates, Pressure } from './meter/host-rates.js'
export { Meter, type MeterOptions } from './meter/meter.js'
export { type ExitRates, type Rates, ratesBetween, type Use, type VcpuRates, type VmRates } from './meter/rates.js'
export type {
  Allocations,
  HostReading,
  KvmCounters,
  MemoryReading,
  NodeFaults,
  NodeReading,
  PressureReading,
  Rationed,
  Reading,
  Resource,
  ThreadDetails,
  ThreadReading,
  VmReading,
} from './meter/types.js'
export { CACHE_EVENTS, CpuCounters } from './observe/cpu-counters.js'
export type { ThreadState } from './observe/observe.js'
export type { ResidentPages } from './observe/residency.js'
export { type KvmStatistic, KvmStats, type KvmValues } from './observe/stats.js'
export { notAllowed, type PlannedWithin, planWithin } from './policy/planning.js'
export { parsePolicy, policySchema } from './policy/policy.js'
export { type RuleAbout, type Ruling, rulesAbout, rulingsOf, type Said } from './policy/rulings.js'
export type { Span } from './policy/times.js'
export type { Patterns, Policy, PolicyMatch, PolicyOrders, PolicyRange, Rule } from './policy/types.js'
export type { Circumstances, Kept } from './policy/wishes.js'
export type { GuestNode, GuestTopologyReport } from './run/guest-says.js'
export {
  type GuestCommand,
  type GuestFile,
  type GuestModule,
  type LinuxReport,
  type RunLinuxOptions,
  runLinux,
} from './run/linux.js'
export {
  type AffinityStatus,
  type KvmStatus,
  kvmStatus,
  type MbindStatus,
  probeAffinity,
  probeMbind,
  type Refused,
} from './run/probe.js'
export { type RunOptions, runPlan } from './run/run.js'
export type { RunProgress } from './run/watch.js'
export { BareVm, type BareVmOptions } from './vm/bare-vm.js'
export type { Doorbell } from './vm/doorbells.js'
export type { LinuxGuest, LinuxOptions } from './vm/linux.js'
export { DeadlineError, type Patience } from './vm/patience.js'
export type { PlacementOptions, SchedulingOptions } from './vm/placement.js'
export type { VcpuSample } from './vm/sampler.js'
export type { SerialLine } from './vm/serial-line.js'
export type { Vcpu } from './vm/vcpu.js'
export type { GuestDisk } from './vm/virtios.js'
export { Vm, type VmOptions } from './vm/vm.js'
export { type VmEnd, type VmState, VmStateError } from './vm/vm-state.js'
export type { Bus } from './wire/device-spec.js'
export type { GuestEnd } from './wire/failure.js'
export { type Failure, VmError } from './wire/failure.js'
