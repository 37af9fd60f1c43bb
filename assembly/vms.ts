// Exports: adding, describing and removing VMs.
import { ERROR_ARGUMENT, ERROR_LIMIT, ERROR_ORDER, ERROR_UNKNOWN, MAX_VM_CELLS, MAX_VM_THREADS, MAX_VM_VCPUS, MEMORY_INTERLEAVE, NONE, THREADS_SPREAD } from './abi';
import { cpuIndex, nodeIndex, pageSizeIndex, pageSizes } from './problem/host';
import { addCurrentCpu, addCurrentMemory, cellCurrentSize } from './problem/current';
import { keepOff, keepTo } from './problem/nodes';
import { unplace } from './model/capacity';
import { takeThreads } from './place/threads';
import { model, rounded } from './problem/coefficients';
import { addDevice, addRelation, addVmEntry, cellPageSize, cellPagesAsked, cellVcpusAsked, isVm, MICRO, removeVmEntry, setThreadCpus, vcpuShared, vmBandwidth, vmBound, vmCells, vmCellsAsked, vmCellsGiven, vmDedicated, vmMemory, vmMemoryBound, vmPageShift, vmSharedDemand, vmSpan, vmStart, vmThreadCpus, vmThreads, vmTrust, vmVcpus, vmWeight } from './problem/request';
import { setTraffic } from './problem/traffic';
import { forgetProof } from './search/search';
import { MAX_SHIFT, MAX_WHOLE, MIN_SHIFT, beginUse, isWholeNumber, unsettled } from './model/use';

/** What was known of the VM alone and of the plan is to be found out anew. */
function changed(vm: i32): void {
  vmBound[vm] = -1;
  forgetProof();
}

/**
 * Adds a VM with so many vCPUs and base pages of memory: dedicated vCPUs, cells chosen by the planner, the defaults of the
 * model. From the first VM on the host and the options are fixed until reset. Returns the VM's handle; handles of removed VMs are used again.
 */
export function addVm(vcpus: i32, pages: f64): i32 {
  if (vcpus < 1 || vcpus > MAX_VM_VCPUS || !isWholeNumber(pages, 1, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (pageSizes == 0) return ERROR_ORDER;
  beginUse();
  const vm = addVmEntry(vcpus, <i64>pages);
  if (vm < 0) return ERROR_LIMIT;
  changed(vm);
  return vm;
}

/** Asks for so many cells of even size; 0: the planner chooses. Returns 0. */
export function setVmCells(vm: i32, cells: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (cells < 0 || cells > vmVcpus[vm] || cells > MAX_VM_CELLS) return ERROR_ARGUMENT;
  vmCellsAsked[vm] = cells;
  vmCellsGiven[vm] = false;
  changed(vm);
  return 0;
}

/** Gives the VM's next cell. All cells together have to have its vCPUs and pages before solve. Returns the cell's number. */
export function addVmCell(vm: i32, vcpus: i32, pages: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (vcpus < 1 || vcpus > vmVcpus[vm] || !isWholeNumber(pages, 1, MAX_WHOLE)) return ERROR_ARGUMENT;
  const cell = vmCellsGiven[vm] ? vmCellsAsked[vm] : 0;
  if (cell == vmVcpus[vm] || cell == MAX_VM_CELLS) return ERROR_LIMIT;
  cellVcpusAsked[vmStart[vm] + cell] = vcpus;
  cellPagesAsked[vmStart[vm] + cell] = <i64>pages;
  vmCellsAsked[vm] = cell + 1;
  vmCellsGiven[vm] = true;
  changed(vm);
  return cell;
}

/** Sets the THREADS_ policy. Returns 0. */
export function setVmThreads(vm: i32, policy: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (policy < 0 || policy > THREADS_SPREAD) return ERROR_ARGUMENT;
  vmThreads[vm] = policy;
  changed(vm);
  return 0;
}

/** Makes all vCPUs shared, each with a mean load of `demand` CPUs: above 0, at most 1. Returns 0. */
export function setVmShared(vm: i32, demand: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(demand > 0 && demand <= 1)) return ERROR_ARGUMENT;
  vmSharedDemand[vm] = max<i64>(1, rounded(demand * <f64>MICRO));
  for (let vcpu = vmStart[vm]; vcpu < vmStart[vm] + vmVcpus[vm]; vcpu++) vcpuShared[vcpu] = true;
  vmDedicated[vm] = 0;
  changed(vm);
  return 0;
}

/** Makes one vCPU of a VM with shared ones dedicated; vCPUs are counted through the cells in turn. Returns 0. */
export function dedicateVcpu(vm: i32, vcpu: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (vcpu < 0 || vcpu >= vmVcpus[vm]) return ERROR_UNKNOWN;
  if (vcpuShared[vmStart[vm] + vcpu]) vmDedicated[vm]++;
  vcpuShared[vmStart[vm] + vcpu] = false;
  changed(vm);
  return 0;
}

/** Says whether (1) or not (0) a cell may be on several nodes. Returns 0. */
export function setVmSpan(vm: i32, span: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  vmSpan[vm] = span != 0;
  changed(vm);
  return 0;
}

/** Sets the MEMORY_ policy. Returns 0. */
export function setVmMemory(vm: i32, policy: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (policy < 0 || policy > MEMORY_INTERLEAVE) return ERROR_ARGUMENT;
  vmMemory[vm] = policy;
  changed(vm);
  return 0;
}

/** The most traffic between two vCPUs. */
const MAX_AMOUNT: f64 = 1e12;

/**
 * Sets how much one vCPU talks to another, in any unit, 0 to 1e12; where nothing is set every pair is alike, where something is the
 * rest is 0. vCPUs are counted through the cells in turn. Returns 0.
 */
export function setVmTraffic(vm: i32, from: i32, to: i32, amount: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (from < 0 || to < 0 || from >= vmVcpus[vm] || to >= vmVcpus[vm]) return ERROR_UNKNOWN;
  if (!(amount >= 0 && amount <= MAX_AMOUNT)) return ERROR_ARGUMENT;
  if (!setTraffic(vm, vmVcpus[vm], from, to, amount)) return ERROR_LIMIT;
  changed(vm);
  return 0;
}

/**
 * Says that a vCPU has this CPU now; called for each of its CPUs, once. The id may be one that the host does not have any more. A VM of
 * which something is said is planned anew from there: moves have their price. Returns 0.
 */
export function addVmCurrentCpu(vm: i32, vcpu: i32, cpu: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (vcpu < 0 || vcpu >= vmVcpus[vm]) return ERROR_UNKNOWN;
  if (cpu < 0) return ERROR_ARGUMENT;
  addCurrentCpu(vm, vmStart[vm] + vcpu, cpu, cpuIndex(cpu));
  changed(vm);
  return 0;
}

/** Says how many bytes a cell has on a node now, more than 0; called for each of its nodes, once. Returns 0. */
export function addVmCurrentMemory(vm: i32, cell: i32, node: i32, bytes: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (cell < 0 || cell >= MAX_VM_CELLS || !isWholeNumber(bytes, 1, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (!addCurrentMemory(vm, cell, index, bytes)) return ERROR_LIMIT;
  changed(vm);
  return 0;
}

/** Says that a cell has pages of 2^`shift` bytes now: placeCurrent gives it these. Where it is not called, the largest that are free. Returns 0. */
export function setVmCurrentPageSize(vm: i32, cell: i32, shift: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const size = pageSizeIndex(shift);
  if (cell < 0 || cell >= vmVcpus[vm] || size < 0) return ERROR_UNKNOWN;
  cellCurrentSize[vmStart[vm] + cell] = size + 1;
  return 0;
}

/**
 * Asks for so many CPUs, on the node of the first cell, that the emulator and I/O threads have for themselves (0 to
 * MAX_VM_THREADS). A placed VM that has none gets them at once; NONE where it does not find them. Returns 0.
 */
export function setVmThreadCpus(vm: i32, cpus: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] != 0 && vmThreadCpus[vm] != 0) return ERROR_ORDER;
  if (cpus < 0 || cpus > MAX_VM_THREADS) return ERROR_ARGUMENT;
  if (!setThreadCpus(vm, cpus)) return ERROR_LIMIT;
  if (vmCells[vm] != 0 && !takeThreads(vm, vmCells[vm], 0)) {
    setThreadCpus(vm, 0);
    return NONE;
  }
  changed(vm);
  return 0;
}

/** Puts the VM into a trust domain, a number from 0; without it the VM has one of its own, without a name. Returns 0. */
export function setVmTrust(vm: i32, domain: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (domain < 0) return ERROR_ARGUMENT;
  vmTrust[vm] = domain;
  changed(vm);
  return 0;
}

/**
 * Lets the VM have memory on this node; called for each such node, once. Where it is not called memory may be on all nodes. Returns 0.
 */
export function allowVmMemory(vm: i32, node: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  keepTo(vm, index);
  changed(vm);
  return 0;
}

/** Keeps the VM, its vCPUs and its memory, off the node. Returns 0. */
export function avoidVmNode(vm: i32, node: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  keepOff(vm, index);
  changed(vm);
  return 0;
}

/**
 * Asks for pages of 2^`shift` bytes; 0: the largest that divide a cell's memory and are free. Of a placed VM it can be what its first cell has:
 * it has such pages wherever it moves. Returns 0.
 */
export function setVmPageSize(vm: i32, shift: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] != 0 && pageSizeIndex(shift) != cellPageSize[vmStart[vm]]) return ERROR_ORDER;
  if (shift != 0 && (shift < MIN_SHIFT || shift > MAX_SHIFT)) return ERROR_ARGUMENT;
  vmPageShift[vm] = shift;
  changed(vm);
  return 0;
}

/** Sets how much the VM and its loss count: above 0, at most 1000. Returns 0. */
export function setVmWeight(vm: i32, weight: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(weight > 0 && weight <= 1000)) return ERROR_ARGUMENT;
  vmWeight[vm] = weight;
  changed(vm);
  return 0;
}

/** Sets the share of time that a vCPU waits for memory when all is local: 0 to 1. Returns 0. */
export function setVmMemoryBound(vm: i32, share: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(share >= 0 && share <= 1)) return ERROR_ARGUMENT;
  vmMemoryBound[vm] = share;
  changed(vm);
  return 0;
}

/** Sets the bytes a second that the VM takes from memory, spread over its cells by their memory: 0 or more. Returns 0. */
export function setVmBandwidth(vm: i32, bytes: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(bytes >= 0 && bytes <= MAX_WHOLE)) return ERROR_ARGUMENT;
  vmBandwidth[vm] = bytes;
  changed(vm);
  return 0;
}

/** Says that the VM uses a device of a node. `strict`: 1, a cell has to be there, or nearest to it where no usable CPU is; 0, it is priced. Returns 0. */
export function addVmDevice(vm: i32, node: i32, strict: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (!addDevice(vm, index, strict != 0)) return ERROR_LIMIT;
  changed(vm);
  return 0;
}

function relate(vm: i32, other: i32, near: bool): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!isVm(other)) return ERROR_UNKNOWN;
  if (other == vm) return ERROR_ARGUMENT;
  if (!addRelation(vm, other, near)) return ERROR_LIMIT;
  changed(vm);
  return 0;
}

/** Keeps two VMs on different nodes. `vm` must not be placed. Returns 0. */
export function separateVms(vm: i32, other: i32): i32 {
  return relate(vm, other, false);
}

/** Keeps the first cells of two VMs on one node. `vm` must not be placed. Returns 0. */
export function nearVms(vm: i32, other: i32): i32 {
  return relate(vm, other, true);
}

/** Takes the VM out of the plan and forgets it. Returns 0. */
export function removeVm(vm: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  forgetProof();
  if (vmCells[vm] != 0) unplace(vm);
  removeVmEntry(vm);
  return 0;
}
