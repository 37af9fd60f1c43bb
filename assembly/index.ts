// The exports: they check their arguments, call, and return a value or a status. Their comments are the reference
// (docs/planner-abi.md is made of them). Nodes are named by the kernel's ids, VMs by the handle that addVm returns.
import { ABI_VERSION, ERROR_ARGUMENT, ERROR_LIMIT, ERROR_ORDER, ERROR_UNKNOWN, MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES, MAX_STEPS, MAX_VM_CELLS, MAX_VM_VCPUS, MODEL_DEVICE, NONE, SOLVED_FEASIBLE, SOLVED_INFEASIBLE, SOLVED_OPTIMAL, SOLVED_PARTIAL, STRATEGY_SPREAD, TERM_CAPACITY, TERM_COMMUNICATION, TERM_DEVICE, TERM_OVERCOMMIT, TERM_REMOTE_MEMORY, TERM_SMT, THREADS_SPREAD } from './abi';
import { addCpuEntry, addNodeEntry, cpuCount, cpuId, enterPageSize, memoryNode, nodeCount, nodeId, nodeIndex, nodePages, pageShift, pageSizeIndex, pageSizes, prepared, prepareHost, resetHost, setSlit } from './host';
import { clearOccupancy, freePages, nodeDemand, nodeRoom, nodeShared, setOvercommitTo, unplace } from './capacity';
import { capacity, communication, deviceCost, model, overcommitCost, remoteMemory, resetModel, rounded, smt, totalCost, vmCost } from './cost';
import { setStrategyTo } from './cpus';
import { addDevice, addRelation, addVmEntry, cellNode, cellPages, cellPagesAsked, cellPageSize, cellVcpus, cellVcpusAsked, isVm, MICRO, removeVmEntry, resetRequest, vcpuCpu, vmAlive, vmBound, vmCells, vmCellsAsked, vmCellsGiven, vmMemoryBound, vmPages, vmPageShift, vmSharedDemand, vmSlots, vmStart, vmThreads, vmTrust, vmVcpus, vmWeight } from './request';
import { lowerBound } from './bound';
import { clashOf } from './explain';
import { enlargePages, improve, isOptimal, placeAll, resetSearch, stepsTaken } from './search';

/** 2^53: the largest whole number that a double counts to. */
const MAX_WHOLE: f64 = 9007199254740992;
const MAX_ID: i32 = 1 << 24;

let hostInUse: bool = false;

function isWhole(value: f64, least: f64, most: f64): bool {
  // NaN fails every comparison.
  return value >= least && value <= most && Math.floor(value) == value;
}

/** Version of this interface; see ABI_VERSION. */
export function abiVersion(): i32 {
  return ABI_VERSION;
}

/** Forgets host, options and VMs. Returns 0. */
export function reset(): i32 {
  resetHost();
  resetRequest();
  resetModel();
  resetSearch();
  setOvercommitTo(4);
  setStrategyTo(0);
  hostInUse = false;
  return 0;
}

/** Adds a NUMA node, ids ascending. `hasMemory`: 0 for a node without memory. Returns its index. */
export function addNode(id: i32, hasMemory: i32): i32 {
  if (id < 0 || id > MAX_ID) return ERROR_ARGUMENT;
  if (hostInUse || (nodeCount > 0 && nodeId[nodeCount - 1] >= id)) return ERROR_ORDER;
  if (nodeCount == MAX_NODES) return ERROR_LIMIT;
  return addNodeEntry(id, hasMemory != 0);
}

/**
 * Says how many pages of 2^`shift` bytes a node has free for guests. The smallest size given is the base page, in which
 * memory is counted everywhere. Returns 0.
 */
export function setPages(node: i32, shift: i32, free: f64): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (shift < 10 || shift > 40 || !isWhole(free, 0, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  const size = enterPageSize(shift);
  if (size < 0) return ERROR_LIMIT;
  nodePages[index * MAX_PAGE_SIZES + size] = <i64>free;
  return 0;
}

/** Distance in SLIT units (local = 10, at most 255) as seen from node `from`. Not given: 10 and 20. Returns 0. */
export function setDistance(from: i32, to: i32, distance: i32): i32 {
  const a = nodeIndex(from);
  const b = nodeIndex(to);
  if (a < 0 || b < 0) return ERROR_UNKNOWN;
  if (distance < 10 || distance > 255) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setSlit(a, b, distance);
  return 0;
}

/**
 * Adds an online CPU of a node, ids ascending. `llc` and `core`: host-wide numbers from 0, below MAX_CPUS. `capacity`: 1 to 1024.
 * `usable`: 0 where guests must not run. Returns its index.
 */
export function addCpu(id: i32, node: i32, llc: i32, core: i32, capacity: i32, usable: i32): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (id < 0 || id > MAX_ID || llc < 0 || llc >= MAX_CPUS || core < 0 || core >= MAX_CPUS) return ERROR_ARGUMENT;
  if (capacity < 1 || capacity > 1024) return ERROR_ARGUMENT;
  if (hostInUse || (cpuCount > 0 && cpuId[cpuCount - 1] >= id)) return ERROR_ORDER;
  if (cpuCount == MAX_CPUS) return ERROR_LIMIT;
  return addCpuEntry(id, index, llc, core, capacity, usable != 0);
}

/** Sets a coefficient of the cost: `which` is a MODEL_ number, `value` from 0 to 1000 (MODEL_HOME: to 1). Returns 0. */
export function setModel(which: i32, value: f64): i32 {
  if (which < 0 || which > MODEL_DEVICE || !(value >= 0 && value <= (which == 0 ? 1 : 1000))) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  model[which] = value;
  return 0;
}

/** Sets the shared demand that a shared CPU may have: above 0, at most 1000. Returns 0. */
export function setOvercommit(value: f64): i32 {
  if (!(value > 0 && value <= 1000)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setOvercommitTo(value);
  return 0;
}

/** Sets the STRATEGY_ between plans of equal cost. Returns 0. */
export function setStrategy(value: i32): i32 {
  if (value < 0 || value > STRATEGY_SPREAD) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setStrategyTo(value);
  return 0;
}

function beginUse(): void {
  if (hostInUse) return;
  if (!prepared) prepareHost();
  clearOccupancy();
  hostInUse = true;
}

/**
 * Adds a VM with so many vCPUs and base pages of memory: dedicated vCPUs, cells chosen by the planner, the defaults of the
 * model. From the first VM on the host and the options are fixed until reset. Returns the VM's handle; handles of removed VMs are used again.
 */
export function addVm(vcpus: i32, pages: f64): i32 {
  if (vcpus < 1 || vcpus > MAX_VM_VCPUS || !isWhole(pages, 1, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (pageSizes == 0) return ERROR_ORDER;
  beginUse();
  const vm = addVmEntry(vcpus, <i64>pages);
  return vm < 0 ? ERROR_LIMIT : vm;
}

/** 0, or the status for a VM that is not known or already placed. */
function unsettled(vm: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  return vmCells[vm] != 0 ? ERROR_ORDER : 0;
}

/** Asks for so many cells of even size; 0: the planner chooses. Returns 0. */
export function setVmCells(vm: i32, cells: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (cells < 0 || cells > vmVcpus[vm] || cells > MAX_VM_CELLS) return ERROR_ARGUMENT;
  vmCellsAsked[vm] = cells;
  vmCellsGiven[vm] = false;
  vmBound[vm] = -1;
  return 0;
}

/** Gives the VM's next cell. All cells together have to have its vCPUs and pages before solve. Returns the cell's number. */
export function addVmCell(vm: i32, vcpus: i32, pages: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (vcpus < 1 || vcpus > vmVcpus[vm] || !isWhole(pages, 1, MAX_WHOLE)) return ERROR_ARGUMENT;
  const cell = vmCellsGiven[vm] ? vmCellsAsked[vm] : 0;
  if (cell == vmVcpus[vm] || cell == MAX_VM_CELLS) return ERROR_LIMIT;
  cellVcpusAsked[vmStart[vm] + cell] = vcpus;
  cellPagesAsked[vmStart[vm] + cell] = <i64>pages;
  vmCellsAsked[vm] = cell + 1;
  vmCellsGiven[vm] = true;
  vmBound[vm] = -1;
  return cell;
}

/** Sets the THREADS_ policy. Returns 0. */
export function setVmThreads(vm: i32, policy: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (policy < 0 || policy > THREADS_SPREAD) return ERROR_ARGUMENT;
  vmThreads[vm] = policy;
  vmBound[vm] = -1;
  return 0;
}

/** Makes the vCPUs shared, each with a mean load of `demand` CPUs: above 0, at most 1. Returns 0. */
export function setVmShared(vm: i32, demand: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(demand > 0 && demand <= 1)) return ERROR_ARGUMENT;
  vmSharedDemand[vm] = max<i64>(1, rounded(demand * <f64>MICRO));
  for (let vcpu = vmStart[vm]; vcpu < vmStart[vm] + vmVcpus[vm]; vcpu++) vcpuCpu[vcpu] = -1;
  vmBound[vm] = -1;
  return 0;
}

/** Puts the VM into a trust domain, a number from 0; without it the VM trusts nobody. Returns 0. */
export function setVmTrust(vm: i32, domain: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (domain < 0) return ERROR_ARGUMENT;
  vmTrust[vm] = domain;
  return 0;
}

/** Asks for pages of 2^`shift` bytes; 0: the largest that divide a cell's memory and are free. Returns 0. */
export function setVmPageSize(vm: i32, shift: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (shift != 0 && (shift < 10 || shift > 40)) return ERROR_ARGUMENT;
  vmPageShift[vm] = shift;
  vmBound[vm] = -1;
  return 0;
}

/** Sets how much the VM and its loss count: above 0, at most 1000. Returns 0. */
export function setVmWeight(vm: i32, weight: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(weight > 0 && weight <= 1000)) return ERROR_ARGUMENT;
  vmWeight[vm] = weight;
  vmBound[vm] = -1;
  return 0;
}

/** Sets the share of time that a vCPU waits for memory when all is local: 0 to 1. Returns 0. */
export function setVmMemoryBound(vm: i32, share: f64): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!(share >= 0 && share <= 1)) return ERROR_ARGUMENT;
  vmMemoryBound[vm] = share;
  vmBound[vm] = -1;
  return 0;
}

/** Says that the VM uses a device of a node. `strict`: 1, a cell has to be there; 0, it is priced. Returns 0. */
export function addVmDevice(vm: i32, node: i32, strict: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  vmBound[vm] = -1;
  return addDevice(vm, index, strict != 0) < 0 ? ERROR_LIMIT : 0;
}

function relate(vm: i32, other: i32, near: bool): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (!isVm(other)) return ERROR_UNKNOWN;
  if (other == vm) return ERROR_ARGUMENT;
  return addRelation(vm, other, near) < 0 ? ERROR_LIMIT : 0;
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
  if (vmCells[vm] != 0) unplace(vm, vmVcpus[vm]);
  removeVmEntry(vm);
  return 0;
}

/** Whether the cells that were given one by one make up their VM. */
function cellsAddUp(vm: i32): bool {
  if (!vmCellsGiven[vm]) return true;
  let vcpus = 0;
  let pages: i64 = 0;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCellsAsked[vm]; cell++) {
    vcpus += cellVcpusAsked[cell];
    pages += cellPagesAsked[cell];
  }
  return vcpus == vmVcpus[vm] && pages == vmPages[vm];
}

/**
 * Places the VMs that are not placed, then improves the plan in up to `maxSteps` steps (0 to MAX_STEPS); called again it goes on,
 * and never makes the plan worse. The same calls with the same seed give the same plan. Returns a SOLVED_ number, or
 * ERROR_ARGUMENT where given cells do not add up to their VM.
 */
export function solve(maxSteps: i32, seed: i32): i32 {
  if (maxSteps < 0 || maxSteps > MAX_STEPS) return ERROR_ARGUMENT;
  if (pageSizes == 0) return ERROR_ORDER;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && !cellsAddUp(vm)) return ERROR_ARGUMENT;
  beginUse();
  placeAll();
  improve(maxSteps, seed);
  enlargePages();
  if (isOptimal()) return SOLVED_OPTIMAL;
  let placed = 0;
  let refused = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    if (vmCells[vm] != 0) placed++;
    else refused++;
  }
  if (refused == 0) return SOLVED_FEASIBLE;
  return placed == 0 ? SOLVED_INFEASIBLE : SOLVED_PARTIAL;
}

/** Steps of search since reset. */
export function steps(): i32 {
  return stepsTaken;
}

/** Cost of the plan in micro-vCPUs. */
export function planCost(): f64 {
  return <f64>totalCost();
}

/** A number in micro-vCPUs that no plan of the placed VMs can be below. */
export function planBound(): f64 {
  return <f64>lowerBound();
}

/** TERM_OVERCOMMIT of the plan in micro-vCPUs; the other terms are sums over the VMs. */
export function planOvercommit(): f64 {
  return <f64>overcommitCost();
}

/** Number of the VM's cells; NONE: it is refused. */
export function cellCount(vm: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  return vmCells[vm] == 0 ? NONE : vmCells[vm];
}

/** One TERM_ of a placed VM's cost, in micro-vCPUs. */
export function vmTerm(vm: i32, term: i32): f64 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  if (vmCells[vm] == 0) return NONE;
  switch (term) {
    case TERM_REMOTE_MEMORY: return <f64>remoteMemory(vm);
    case TERM_COMMUNICATION: return <f64>communication(vm);
    case TERM_SMT: return <f64>smt(vm);
    case TERM_CAPACITY: return <f64>capacity(vm);
    case TERM_DEVICE: return <f64>deviceCost(vm, vmCells[vm]);
    case TERM_OVERCOMMIT: return 0;
    default: return ERROR_ARGUMENT;
  }
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

/** The node of a cell's vCPUs. */
export function cellNodeId(vm: i32, cell: i32): i32 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? entry : nodeId[cellNode[entry]];
}

/** The node of a cell's memory. */
export function cellMemoryNodeId(vm: i32, cell: i32): i32 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? entry : nodeId[memoryNode[cellNode[entry]]];
}

/** Number of a cell's vCPUs. */
export function cellVcpuCount(vm: i32, cell: i32): i32 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? entry : cellVcpus[entry];
}

/** A cell's memory in base pages. */
export function cellPageCount(vm: i32, cell: i32): f64 {
  const entry = cellEntry(vm, cell);
  return entry < 0 ? <f64>entry : <f64>cellPages[entry];
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

/** The constraints that keep a refused VM out of the plan as it stands, as BECAUSE_ bits; 0: the host has nothing for it. */
export function refusal(vm: i32): i32 {
  const status = unsettled(vm);
  return status < 0 ? status : clashOf(vm);
}

/** How many vCPUs of a VM that is not placed a node can take, `relaxed` being BECAUSE_ bits to leave aside. */
export function roomFor(vm: i32, node: i32, relaxed: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  return index < 0 ? ERROR_UNKNOWN : nodeRoom(vm, index, relaxed);
}

/** Pages of 2^`shift` bytes that are left on a node. */
export function pagesLeft(node: i32, shift: i32): f64 {
  const index = nodeIndex(node);
  const size = pageSizeIndex(shift);
  if (index < 0 || size < 0) return ERROR_UNKNOWN;
  return hostInUse ? <f64>freePages[index * MAX_PAGE_SIZES + size] : <f64>nodePages[index * MAX_PAGE_SIZES + size];
}

/** Shared CPUs of a node: usable, on cores without a dedicated vCPU. */
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

reset();
