// The VMs as flat arrays. A VM has a slot, which is its handle. From `vmStart[slot]` on, the per-vCPU, per-cell and per-part arrays have
// as many entries for it as it has vCPUs: it never has more cells or parts than that. A part is what a cell has on one node. A cell has
// one part, unless it spans nodes. The gap that a VM leaves stays until a new one needs the room.
import { Flat } from '../flat';
import { MAX_LINKS, MAX_VCPUS, MAX_VMS, MEMORY_STRICT, THREADS_PREFER } from '../abi';
import { forgetNodes } from './nodes';
import { forgetCurrent, moveCurrent, resetCurrent } from './current';
import { forgetTraffic, resetTraffic } from './traffic';
import { sortBy } from '../sort';
import { touchVm } from './stale';

/** Micro-units in one: of vCPUs in costs, of CPUs in demands. */
export const MICRO: i64 = 1000000;

/** Slots in use are below this. */
export let vmSlots: i32 = 0;
/** The lowest slot that may be free. */
let lowestFree: i32 = 0;
/** vCPUs of all VMs; entries in use are below `vcpuEntries`. */
let vcpus: i32 = 0;
let vcpuEntries: i32 = 0;
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
export let threads: i32 = 0;
let threadEntries: i32 = 0;
export const vmThreadCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const vmThreadStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** How many of them have their CPU now. */
export const vmThreadsPlaced = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const threadCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));

// Devices and relations. Each VM has a list of its own, the last given first. A relation is an entry of both its VMs: 2 x its number for the
// first, one more for the other. Numbers that are free are a list; where it is empty, those below the count are in use.
let freeDevice: i32 = -1;
let freeRelation: i32 = -1;
export let devices: i32 = 0;
export const deviceNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const deviceStrict = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_LINKS, 8));
/** The VM's last device, and the device of the same VM before each; -1: none. */
export const vmDevice = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const nextDevice = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
let relations: i32 = 0;
export const relationVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const relationOther = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_LINKS, 8));
export const relationNear = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_LINKS, 8));
/** The VM's last entry, and the entry of the same VM before each; -1: none. */
export const vmRelation = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
export const nextRelation = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 2 * MAX_LINKS, 8));

export function resetRequest(): void {
  vmSlots = 0;
  lowestFree = 0;
  vcpus = 0;
  vcpuEntries = 0;
  threads = 0;
  threadEntries = 0;
  resetTraffic();
  resetCurrent();
  devices = 0;
  freeDevice = -1;
  relations = 0;
  freeRelation = -1;
  for (let vm = 0; vm < MAX_VMS; vm++) forgetNodes(vm);
}

export function isVm(vm: i32): bool {
  return vm >= 0 && vm < vmSlots && vmAlive[vm];
}

/** The lowest free slot; -1 when all are taken. */
function freeSlot(): i32 {
  while (lowestFree < vmSlots && vmAlive[lowestFree]) lowestFree++;
  if (lowestFree < vmSlots) return lowestFree;
  return vmSlots < MAX_VMS ? vmSlots++ : -1;
}

const byStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

function startsBefore(a: i32, b: i32): bool {
  return vmStart[a] < vmStart[b];
}

/** Closes the gaps that VMs have left. */
function closeGaps(): void {
  let vms = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm]) byStart[vms++] = vm;
  sortBy(byStart, vms, startsBefore);
  vcpuEntries = 0;
  for (let at = 0; at < vms; at++) {
    const vm = byStart[at];
    const start = vmStart[vm];
    vmStart[vm] = vcpuEntries;
    for (let from = start; from < start + vmVcpus[vm]; from++) moveEntry(from, vcpuEntries++);
  }
}

function moveEntry(from: i32, to: i32): void {
  vcpuShared[to] = vcpuShared[from];
  cellVcpusAsked[to] = cellVcpusAsked[from];
  cellPagesAsked[to] = cellPagesAsked[from];
  cellVcpus[to] = cellVcpus[from];
  cellDedicated[to] = cellDedicated[from];
  cellPages[to] = cellPages[from];
  cellPageSize[to] = cellPageSize[from];
  cellMemory[to] = cellMemory[from];
  partCell[to] = partCell[from];
  partNode[to] = partNode[from];
  partDedicated[to] = partDedicated[from];
  partShared[to] = partShared[from];
  vcpuCpu[to] = vcpuCpu[from];
  vcpuNode[to] = vcpuNode[from];
  moveCurrent(from, to);
}

/** A new VM with the defaults of the model; -1 when there is no room. */
export function addVmEntry(own: i32, pages: i64): i32 {
  if (vcpus + own > MAX_VCPUS) return -1;
  if (vcpuEntries + own > MAX_VCPUS) closeGaps();
  const vm = freeSlot();
  if (vm < 0) return -1;
  vmAlive[vm] = true;
  vmStart[vm] = vcpuEntries;
  vcpuEntries += own;
  vcpus += own;
  vmVcpus[vm] = own;
  vmPages[vm] = pages;
  vmCellsAsked[vm] = 0;
  vmCellsGiven[vm] = false;
  vmThreads[vm] = THREADS_PREFER;
  vmSharedDemand[vm] = 0;
  vmDedicated[vm] = own;
  vmSpan[vm] = false;
  vmMemory[vm] = MEMORY_STRICT;
  for (let vcpu = vmStart[vm]; vcpu < vcpuEntries; vcpu++) vcpuShared[vcpu] = false;
  forgetTraffic(vm);
  forgetCurrent(vm, vmStart[vm], own);
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
  vcpus -= size;
  if (start + size == vcpuEntries) vcpuEntries = start;
  vmAlive[vm] = false;
  touchVm(vm);
  lowestFree = min(lowestFree, vm);
  while (vmSlots > 0 && !vmAlive[vmSlots - 1]) vmSlots--;
  setThreadCpus(vm, 0);
  forgetNodes(vm);
  removeDevices(vm);
  removeRelations(vm);
}

function threadsStartBefore(a: i32, b: i32): bool {
  return vmThreadStart[a] < vmThreadStart[b];
}

function closeThreadGaps(): void {
  let vms = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (vmThreadCpus[vm] > 0) byStart[vms++] = vm;
  sortBy(byStart, vms, threadsStartBefore);
  threadEntries = 0;
  for (let at = 0; at < vms; at++) {
    const vm = byStart[at];
    const start = vmThreadStart[vm];
    vmThreadStart[vm] = threadEntries;
    for (let from = start; from < start + vmThreadCpus[vm]; from++) threadCpu[threadEntries++] = threadCpu[from];
  }
}

/** Makes room for the CPUs of so many threads; false where there is none. The VM must not be placed. */
export function setThreadCpus(vm: i32, count: i32): bool {
  const size = vmThreadCpus[vm];
  if (threads - size + count > MAX_VCPUS) return false;
  threads += count - size;
  if (vmThreadStart[vm] + size == threadEntries) threadEntries -= size;
  vmThreadCpus[vm] = 0;
  if (threadEntries + count > MAX_VCPUS) closeThreadGaps();
  vmThreadCpus[vm] = count;
  vmThreadStart[vm] = threadEntries;
  threadEntries += count;
  return true;
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

function removeDevices(vm: i32): void {
  while (vmDevice[vm] >= 0) {
    const device = vmDevice[vm];
    vmDevice[vm] = nextDevice[device];
    nextDevice[device] = freeDevice;
    freeDevice = device;
    devices--;
  }
}

/** Takes an entry out of the list of the VM at its end. */
function unlinkRelation(entry: i32): void {
  const vm = peerOf(entry ^ 1);
  let before = -1;
  for (let at = vmRelation[vm]; at != entry; at = nextRelation[at]) before = at;
  if (before < 0) vmRelation[vm] = nextRelation[entry];
  else nextRelation[before] = nextRelation[entry];
}

function removeRelations(vm: i32): void {
  while (vmRelation[vm] >= 0) {
    const entry = vmRelation[vm];
    unlinkRelation(entry);
    unlinkRelation(entry ^ 1);
    nextRelation[entry & ~1] = freeRelation;
    freeRelation = entry >> 1;
    relations--;
  }
}

/** False where there is no room for another device. */
export function addDevice(vm: i32, node: i32, strict: bool): bool {
  if (devices == MAX_LINKS) return false;
  const device = freeDevice < 0 ? devices : freeDevice;
  if (device == freeDevice) freeDevice = nextDevice[device];
  deviceNode[device] = node;
  deviceStrict[device] = strict;
  nextDevice[device] = vmDevice[vm];
  vmDevice[vm] = device;
  devices++;
  return true;
}

/** False where there is no room for another relation. */
export function addRelation(vm: i32, other: i32, near: bool): bool {
  if (relations == MAX_LINKS) return false;
  const relation = freeRelation < 0 ? relations : freeRelation;
  if (relation == freeRelation) freeRelation = nextRelation[2 * relation];
  relationVm[relation] = vm;
  relationOther[relation] = other;
  relationNear[relation] = near;
  enterRelation(relation);
  relations++;
  return true;
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
