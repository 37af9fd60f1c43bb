// Where VMs are now, for a re-plan: the CPUs of each vCPU and the bytes of each cell on each node.
import { Flat } from '../flat';
import { MAX_CURRENT, MAX_VCPUS, MAX_VMS } from '../abi';

/** Whether it is said where the VM is now. */
export const vmHasCurrent = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
/** Cells that it has memory for now. */
export const vmCurrentCells = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** A number for the set of the vCPU's CPUs: equal sets have equal numbers. */
export const vcpuCurrentSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_VCPUS, 8));
/** One of these CPUs by index; -1: none that the host has. */
export const vcpuCurrentCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));

/** One more than the index of the page size that a cell has now, cells counted from the VM's first vCPU; 0: it is not said. */
export const cellCurrentSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));

/** Whether the VM that is being placed is to be where it is now, all of it. */
export let asItIs: bool = false;
export function setAsItIs(on: bool): void {
  asItIs = on;
}

const firstOf = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const next = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CURRENT, 8));
const entryCell = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CURRENT, 8));
const entryNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CURRENT, 8));
const entryBytes = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_CURRENT, 8));
/** Entries from here on were never used; those before that are free are a list. */
let unused: i32 = 0;
let firstFree: i32 = -1;

export function resetCurrent(): void {
  for (let vm = 0; vm < MAX_VMS; vm++) firstOf[vm] = -1;
  unused = 0;
  firstFree = -1;
}

/** What one CPU adds to the number that stands for a set: the finaliser of SplitMix64, so that sums of them do not meet. */
export function setPart(cpu: i32): u64 {
  let x = <u64>(cpu + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

export function addCurrentCpu(vm: i32, vcpu: i32, id: i32, cpu: i32): void {
  vmHasCurrent[vm] = true;
  vcpuCurrentSet[vcpu] += setPart(id);
  if (vcpuCurrentCpu[vcpu] < 0) vcpuCurrentCpu[vcpu] = cpu;
}

/** False where there is no room for another entry. */
export function addCurrentMemory(vm: i32, cell: i32, node: i32, bytes: f64): bool {
  if (firstFree < 0 && unused == MAX_CURRENT) return false;
  const entry = firstFree < 0 ? unused++ : firstFree;
  if (entry == firstFree) firstFree = next[entry];
  next[entry] = firstOf[vm];
  firstOf[vm] = entry;
  entryCell[entry] = cell;
  entryNode[entry] = node;
  entryBytes[entry] = bytes;
  vmHasCurrent[vm] = true;
  vmCurrentCells[vm] = max(vmCurrentCells[vm], cell + 1);
  return true;
}

/** Bytes that the VM's cell has on the node now. */
export function currentBytes(vm: i32, cell: i32, node: i32): f64 {
  for (let entry = firstOf[vm]; entry >= 0; entry = next[entry]) {
    if (entryCell[entry] == cell && entryNode[entry] == node) return entryBytes[entry];
  }
  return 0;
}

export function moveCurrent(from: i32, to: i32): void {
  vcpuCurrentSet[to] = vcpuCurrentSet[from];
  vcpuCurrentCpu[to] = vcpuCurrentCpu[from];
  cellCurrentSize[to] = cellCurrentSize[from];
}

export function forgetCurrent(vm: i32, start: i32, vcpus: i32): void {
  while (firstOf[vm] >= 0) {
    const entry = firstOf[vm];
    firstOf[vm] = next[entry];
    next[entry] = firstFree;
    firstFree = entry;
  }
  vmHasCurrent[vm] = false;
  vmCurrentCells[vm] = 0;
  for (let vcpu = start; vcpu < start + vcpus; vcpu++) {
    vcpuCurrentSet[vcpu] = 0;
    vcpuCurrentCpu[vcpu] = -1;
    cellCurrentSize[vcpu] = 0;
  }
}
