// The VMs as flat arrays. A VM has a slot, which is its handle. From `vmStart[slot]` on, the per-vCPU, per-cell and per-part arrays have
// as many entries for it as it has vCPUs: it never has more cells or parts than that. A part is what a cell has on one node. A cell has
// one part, unless it spans nodes. Removing a VM closes the gap that it leaves.
import { Flat } from '../flat';
import { MAX_LINKS, MAX_VCPUS, MAX_VMS, MEMORY_STRICT, THREADS_PREFER } from '../abi';
import { forgetNodes } from './nodes';
import { forgetCurrent, moveCurrent, resetCurrent } from './current';
import { forgetTraffic, resetTraffic } from './traffic';
import { touchVm } from './stale';

/** Micro-units in one: of vCPUs in costs, of CPUs in demands. */
export const MICRO: i64 = 1000000;

/** Slots in use are below this. */
export let vmSlots: i32 = 0;
export let vcpuEntries: i32 = 0;
export const vmAlive = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
export const vmStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const vmVcpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Base pages. */
export const vmPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
/** Number of cells asked for; 0: the planner chooses. */
export const vmCellsAsked = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** The cells are given one by one in `cellVcpusAsked`, `cellPagesAsked`. */
export const vmCellsGiven = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
export const vmThreads = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Demand of each shared vCPU in millionths of a CPU; 0: all are dedicated. */
export const vmSharedDemand = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
/** Dedicated vCPUs; the others are shared. */
export const vmDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Whether a cell may be on several nodes. */
export const vmSpan = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
/** MEMORY_ number. */
export const vmMemory = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Trust domain; negative: one of its own, without a name. */
export const vmTrust = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** log2 of the page size; 0: any. */
export const vmPageShift = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const vmWeight = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VMS, 8));
export const vmMemoryBound = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VMS, 8));
/** Bytes a second that it takes from memory. */
export const vmBandwidth = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VMS, 8));
/** The bound of this VM alone on the empty host; -1: not computed yet. */
export const vmBound = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));

export const vcpuShared = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VCPUS, 8));
export const cellVcpusAsked = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const cellPagesAsked = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VCPUS, 8));

// Placements, as the search has them now.
/** Cells of the placed VM; 0: not placed. */
export const vmCells = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const cellVcpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
/** Of them dedicated. */
export const cellDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const cellPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VCPUS, 8));
/** Index of the page size. */
export const cellPageSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
/** First entry of the cell's memory in model/memory.ts; -1: none. */
export const cellMemory = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
/** Parts, by cell, within a cell by node. */
export const vmParts = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const partCell = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const partNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const partDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const partShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
/** CPU index of each vCPU, in the order of the cells; -1: shared. */
export const vcpuCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
export const vcpuNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));

// Emulator and I/O threads that have CPUs of their own: `vmThreadCpus` of them from `vmThreadStart` on.
let threadEntries: i32 = 0;
export const vmThreadCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const vmThreadStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** How many of them have their CPU now. */
export const vmThreadsPlaced = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const threadCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));

// Devices and relations, in the order given. Each VM has a list of its own, the last given first. A relation is an entry of both its VMs:
// 2 x its number for the first, one more for the other.
export let devices: i32 = 0;
export const deviceVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const deviceNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const deviceStrict = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_LINKS, 8));
/** The VM's last device, and the device of the same VM before each; -1: none. */
export const vmDevice = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const nextDevice = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export let relations: i32 = 0;
export const relationVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const relationOther = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const relationNear = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_LINKS, 8));
/** The VM's last entry, and the entry of the same VM before each; -1: none. */
export const vmRelation = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const nextRelation = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 2 * MAX_LINKS, 8));

export function resetRequest(): void {
  vmSlots = 0;
  vcpuEntries = 0;
  threadEntries = 0;
  resetTraffic();
  resetCurrent();
  devices = 0;
  relations = 0;
  for (let vm = 0; vm < MAX_VMS; vm++) forgetNodes(vm);
}

export function isVm(vm: i32): bool {
  return vm >= 0 && vm < vmSlots && vmAlive[vm];
}

/** The lowest free slot; -1 when all are taken. */
function freeSlot(): i32 {
  for (let slot = 0; slot < vmSlots; slot++) if (!vmAlive[slot]) return slot;
  return vmSlots < MAX_VMS ? vmSlots++ : -1;
}

/** A new VM with the defaults of the model; -1 when there is no room. */
export function addVmEntry(vcpus: i32, pages: i64): i32 {
  if (vcpuEntries + vcpus > MAX_VCPUS) return -1;
  const vm = freeSlot();
  if (vm < 0) return -1;
  vmAlive[vm] = true;
  vmStart[vm] = vcpuEntries;
  vcpuEntries += vcpus;
  vmVcpus[vm] = vcpus;
  vmPages[vm] = pages;
  vmCellsAsked[vm] = 0;
  vmCellsGiven[vm] = false;
  vmThreads[vm] = THREADS_PREFER;
  vmSharedDemand[vm] = 0;
  vmDedicated[vm] = vcpus;
  vmSpan[vm] = false;
  vmMemory[vm] = MEMORY_STRICT;
  for (let vcpu = vmStart[vm]; vcpu < vcpuEntries; vcpu++) vcpuShared[vcpu] = false;
  forgetTraffic(vm);
  forgetCurrent(vm, vmStart[vm], vcpus);
  forgetNodes(vm);
  vmTrust[vm] = -1 - vm;
  vmPageShift[vm] = 0;
  vmWeight[vm] = 1;
  vmMemoryBound[vm] = 0.3;
  vmBandwidth[vm] = 0;
  vmThreadCpus[vm] = 0;
  vmThreadStart[vm] = threadEntries;
  vmThreadsPlaced[vm] = 0;
  vmBound[vm] = -1;
  vmCells[vm] = 0;
  vmParts[vm] = 0;
  vmDevice[vm] = -1;
  vmRelation[vm] = -1;
  touchVm(vm);
  return vm;
}

export function removeVmEntry(vm: i32): void {
  const start = vmStart[vm];
  const size = vmVcpus[vm];
  forgetTraffic(vm);
  forgetCurrent(vm, start, size);
  for (let at = start; at + size < vcpuEntries; at++) {
    vcpuShared[at] = vcpuShared[at + size];
    cellVcpusAsked[at] = cellVcpusAsked[at + size];
    cellPagesAsked[at] = cellPagesAsked[at + size];
    cellVcpus[at] = cellVcpus[at + size];
    cellDedicated[at] = cellDedicated[at + size];
    cellPages[at] = cellPages[at + size];
    cellPageSize[at] = cellPageSize[at + size];
    cellMemory[at] = cellMemory[at + size];
    partCell[at] = partCell[at + size];
    partNode[at] = partNode[at + size];
    partDedicated[at] = partDedicated[at + size];
    partShared[at] = partShared[at + size];
    vcpuCpu[at] = vcpuCpu[at + size];
    vcpuNode[at] = vcpuNode[at + size];
    moveCurrent(at + size, at);
  }
  vcpuEntries -= size;
  vmAlive[vm] = false;
  touchVm(vm);
  for (let other = 0; other < vmSlots; other++) {
    if (vmAlive[other] && vmStart[other] > start) vmStart[other] -= size;
  }
  while (vmSlots > 0 && !vmAlive[vmSlots - 1]) vmSlots--;
  setThreadCpus(vm, 0);
  forgetNodes(vm);
  removeLinks(vm);
}

/** Makes room for the CPUs of so many threads; false where there is none. The VM must not be placed. */
export function setThreadCpus(vm: i32, count: i32): bool {
  const size = vmThreadCpus[vm];
  if (threadEntries - size + count > MAX_VCPUS) return false;
  const start = vmThreadStart[vm];
  for (let at = start; size > 0 && at + size < threadEntries; at++) threadCpu[at] = threadCpu[at + size];
  for (let other = 0; size > 0 && other < vmSlots; other++) if (vmThreadStart[other] > start) vmThreadStart[other] -= size;
  threadEntries -= size;
  vmThreadCpus[vm] = count;
  vmThreadStart[vm] = threadEntries;
  threadEntries += count;
  return true;
}

function enterDevice(device: i32): void {
  nextDevice[device] = vmDevice[deviceVm[device]];
  vmDevice[deviceVm[device]] = device;
}

function enterRelation(relation: i32): void {
  nextRelation[2 * relation] = vmRelation[relationVm[relation]];
  vmRelation[relationVm[relation]] = 2 * relation;
  nextRelation[2 * relation + 1] = vmRelation[relationOther[relation]];
  vmRelation[relationOther[relation]] = 2 * relation + 1;
}

/** The VM at the other end of an entry. */
export function peerOf(entry: i32): i32 {
  return (entry & 1) == 0 ? relationOther[entry >> 1] : relationVm[entry >> 1];
}

function removeLinks(vm: i32): void {
  if (vmDevice[vm] >= 0) removeDevices(vm);
  if (vmRelation[vm] >= 0) removeRelations(vm);
}

function removeDevices(vm: i32): void {
  for (let other = 0; other < MAX_VMS; other++) vmDevice[other] = -1;
  let kept = 0;
  for (let at = 0; at < devices; at++) {
    if (deviceVm[at] == vm) continue;
    deviceVm[kept] = deviceVm[at];
    deviceNode[kept] = deviceNode[at];
    deviceStrict[kept] = deviceStrict[at];
    enterDevice(kept++);
  }
  devices = kept;
}

function removeRelations(vm: i32): void {
  for (let other = 0; other < MAX_VMS; other++) vmRelation[other] = -1;
  let kept = 0;
  for (let at = 0; at < relations; at++) {
    if (relationVm[at] == vm || relationOther[at] == vm) continue;
    relationVm[kept] = relationVm[at];
    relationOther[kept] = relationOther[at];
    relationNear[kept] = relationNear[at];
    enterRelation(kept++);
  }
  relations = kept;
}

export function addDevice(vm: i32, node: i32, strict: bool): i32 {
  if (devices == MAX_LINKS) return -1;
  deviceVm[devices] = vm;
  deviceNode[devices] = node;
  deviceStrict[devices] = strict;
  enterDevice(devices);
  return devices++;
}

export function addRelation(vm: i32, other: i32, near: bool): i32 {
  if (relations == MAX_LINKS) return -1;
  relationVm[relations] = vm;
  relationOther[relations] = other;
  relationNear[relations] = near;
  enterRelation(relations);
  return relations++;
}

/** Whether the VM has shared vCPUs. */
export function hasShared(vm: i32): bool {
  return vmDedicated[vm] < vmVcpus[vm];
}

/** Demand of so many dedicated and shared vCPUs together, in millionths of a CPU. */
export function demandOf(vm: i32, dedicated: i32, shared: i32): i64 {
  return <i64>dedicated * MICRO + <i64>shared * vmSharedDemand[vm];
}

/** Demand of all vCPUs of the VM. */
export function vmDemand(vm: i32): i64 {
  return demandOf(vm, vmDedicated[vm], vmVcpus[vm] - vmDedicated[vm]);
}

/** vCPUs of cell `cell` when `cells` of them share the VM's vCPUs evenly, the larger first. */
export function evenVcpus(vm: i32, cells: i32, cell: i32): i32 {
  const vcpus = vmVcpus[vm];
  return vcpus / cells + (cell < vcpus % cells ? 1 : 0);
}
