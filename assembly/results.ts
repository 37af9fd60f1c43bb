// Exports: what a solved problem is read back with.
import { ERROR_ARGUMENT, ERROR_ORDER, ERROR_UNKNOWN, MAX_PAGE_SIZES, NONE, TERM_MIGRATION } from './abi';
import { cpuId, limitPages, NO_LIMIT, nodeId, nodeIndex, nodePages, pageShift, pageSizeIndex } from './problem/host';
import { nodeDemand, nodeShared } from './model/capacity';
import { termOf, vmCost } from './model/cost';
import { roomForExpected } from './model/expected';
import { bandwidthCost, overcommitCost, totalCost } from './model/totals';
import { entryNode, entryPages, freePages, limitLeft, nextEntry } from './model/memory';
import { cellMemory, cellPageSize, cellVcpus, isVm, threadCpu, vcpuCpu, vcpuNode, vmCells, vmStart, vmThreadsPlaced, vmThreadStart, vmVcpus } from './problem/request';
import { planLowerBound } from './search/search';
import { hostInUse } from './model/use';
import { workDone } from './work';

/** Cost of the plan in micro-vCPUs. */
export function planCost(): f64 {
  return <f64>totalCost();
}

/** A number in micro-vCPUs that no plan of the placed VMs can be below. */
export function planBound(): f64 {
  return <f64>planLowerBound();
}

/** TERM_OVERCOMMIT of the plan in micro-vCPUs; TERM_BANDWIDTH is planBandwidth, the other terms are sums over the VMs. */
export function planOvercommit(): f64 {
  return <f64>overcommitCost();
}

/** TERM_BANDWIDTH of the plan in micro-vCPUs. */
export function planBandwidth(): f64 {
  return <f64>bandwidthCost();
}

/** Room that the plan keeps for VMs that are expected: the sum over their sizes of the share x whole VMs, in millionths. */
export function planRoom(): f64 {
  return <f64>roomForExpected();
}

/** Number of the VM's cells; NONE: it is refused. */
export function cellCount(vm: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  return vmCells[vm] == 0 ? NONE : vmCells[vm];
}

/** One TERM_ of a placed VM's cost, in micro-vCPUs: 0 for TERM_OVERCOMMIT and TERM_BANDWIDTH, which nodes lose. */
export function vmTerm(vm: i32, term: i32): f64 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0) return NONE;
  return term < 0 || term > TERM_MIGRATION ? ERROR_ARGUMENT : <f64>termOf(vm, term);
}

/** A placed VM's cost in micro-vCPUs. */
export function vmLost(vm: i32): f64 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  return vmCells[vm] == 0 ? NONE : <f64>vmCost(vm);
}

/** Entry of a cell in the cell arrays, or a status. */
function cellEntry(vm: i32, cell: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0) return NONE;
  return cell < 0 || cell >= vmCells[vm] ? ERROR_UNKNOWN : vmStart[vm] + cell;
}

/** Number of a cell's vCPUs. */
export function cellVcpuCount(vm: i32, cell: i32): i32 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? entry : cellVcpus[entry];
}

/** Number of nodes that a cell has memory on. */
export function cellMemoryCount(vm: i32, cell: i32): i32 {
  const at = cellEntry(vm, cell);
  if (at < 0) return at;
  let count = 0;
  for (let entry = cellMemory[at]; entry >= 0; entry = nextEntry[entry]) count++;
  return count;
}

/** Entry of a part of a cell's memory, or a status. */
function memoryEntry(vm: i32, cell: i32, part: i32): i32 {
  const at = cellEntry(vm, cell);
  if (at < 0) return at;
  if (part < 0) return ERROR_UNKNOWN;
  let entry = cellMemory[at];
  for (let left = part; entry >= 0 && left > 0; left--) entry = nextEntry[entry];
  return entry < 0 ? ERROR_UNKNOWN : entry;
}

/** The node of a part of a cell's memory, `part` from 0 to cellMemoryCount - 1. */
export function cellMemoryNodeId(vm: i32, cell: i32, part: i32): i32 {
  const entry = memoryEntry(vm, cell, part);
  return entry < 0 ? entry : nodeId[entryNode[entry]];
}

/** Base pages of a part of a cell's memory. */
export function cellMemoryPages(vm: i32, cell: i32, part: i32): f64 {
  const entry = memoryEntry(vm, cell, part);
  return entry < 0 ? <f64>entry : <f64>entryPages[entry];
}

/** log2 of the size of a cell's pages. */
export function cellPageShift(vm: i32, cell: i32): i32 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? entry : pageShift[cellPageSize[entry]];
}

/** The CPU of a placed VM's vCPU, counted through its cells in turn; NONE: it is shared. */
export function vcpuCpuId(vm: i32, vcpu: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0 || vcpu < 0 || vcpu >= vmVcpus[vm]) return ERROR_UNKNOWN;
  const cpu = vcpuCpu[vmStart[vm] + vcpu];
  return cpu < 0 ? NONE : cpuId[cpu];
}

/** The node of a placed VM's vCPU, counted through its cells in turn. */
export function vcpuNodeId(vm: i32, vcpu: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0 || vcpu < 0 || vcpu >= vmVcpus[vm]) return ERROR_UNKNOWN;
  return nodeId[vcpuNode[vmStart[vm] + vcpu]];
}

/** The CPU of a placed VM's emulator or I/O thread, of those that have one of their own. */
export function threadCpuId(vm: i32, thread: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0 || thread < 0 || thread >= vmThreadsPlaced[vm]) return ERROR_UNKNOWN;
  return cpuId[threadCpu[vmThreadStart[vm] + thread]];
}

/** Pages of 2^`shift` bytes that are left on a node. */
export function pagesLeft(node: i32, shift: i32): f64 {
  const index = nodeIndex(node);
  const size = pageSizeIndex(shift);
  if (index < 0 || size < 0) return ERROR_UNKNOWN;
  return hostInUse ? <f64>freePages[index * MAX_PAGE_SIZES + size] : <f64>nodePages[index * MAX_PAGE_SIZES + size];
}

/** Pages of 2^`shift` bytes that are left of the limit for all nodes together; NONE: there is no limit. */
export function pagesLeftOfLimit(shift: i32): f64 {
  const size = pageSizeIndex(shift);
  if (size < 0) return ERROR_UNKNOWN;
  if (limitPages[size] == NO_LIMIT) return NONE;
  return hostInUse ? <f64>limitLeft[size] : <f64>limitPages[size];
}

/** Shared CPUs of a node: usable, not isolated, on cores without a dedicated vCPU or thread. */
export function sharedCpus(node: i32): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  return hostInUse ? nodeShared[index] : ERROR_ORDER;
}

/** Demand of the shared vCPUs on a node, in millionths of a CPU. */
export function sharedDemand(node: i32): f64 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  return hostInUse ? <f64>nodeDemand[index] : ERROR_ORDER;
}

/**
 * Work since reset: turns of the module's inner loops, each a few nanoseconds. The same calls do the same work on every machine, so a
 * caller can bound what follows, such as explaining refusals.
 */
export function work(): f64 {
  return <f64>workDone;
}
