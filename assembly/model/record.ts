// Placements that are written down, to be had again: those of VMs that are out of the plan for a while, and the best that is known of the VM that
// is being placed. A record starts anywhere, and has as many entries as its VM has vCPUs; its threads are apart.
import { Flat } from '../flat';
import { MAX_VCPUS, MAX_VM_THREADS, MAX_VM_VCPUS } from '../abi';
import { takeThread } from './capacity';
import { cellDedicated, cellMemory, cellPages, cellPageSize, cellVcpus, partCell, partDedicated, partNode, partShared, threadCpu, vcpuCpu, vcpuNode, vmParts, vmStart, vmThreadCpus, vmThreadStart, vmVcpus } from '../problem/request';

/** Where the best placement of a VM is written: beyond those of all VMs. */
export const BEST: i32 = MAX_VCPUS;
const ENTRIES: i32 = MAX_VCPUS + MAX_VM_VCPUS;

const vcpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const dedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const pages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * ENTRIES, 8));
const pageSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
/** First entries of the lists of memory. */
export const recordedMemory = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const cell = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
export const recordedNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const seats = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const floats = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const cpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const node = changetype<Flat<i32>>(memory.data(sizeof<i32>() * ENTRIES, 8));
const thread = changetype<Flat<i32>>(memory.data(sizeof<i32>() * (MAX_VCPUS + MAX_VM_THREADS), 8));

/** Writes down what the VM has, in so many cells. */
export function record(vm: i32, cells: i32, at: i32, threadsAt: i32): void {
  const start = vmStart[vm];
  for (let entry = 0; entry < cells; entry++) {
    vcpus[at + entry] = cellVcpus[start + entry];
    dedicated[at + entry] = cellDedicated[start + entry];
    pages[at + entry] = cellPages[start + entry];
    pageSize[at + entry] = cellPageSize[start + entry];
    recordedMemory[at + entry] = cellMemory[start + entry];
  }
  for (let entry = 0; entry < vmParts[vm]; entry++) {
    cell[at + entry] = partCell[start + entry];
    recordedNode[at + entry] = partNode[start + entry];
    seats[at + entry] = partDedicated[start + entry];
    floats[at + entry] = partShared[start + entry];
  }
  for (let entry = 0; entry < vmVcpus[vm]; entry++) {
    cpu[at + entry] = vcpuCpu[start + entry];
    node[at + entry] = vcpuNode[start + entry];
  }
  for (let entry = 0; entry < vmThreadCpus[vm]; entry++) thread[threadsAt + entry] = threadCpu[vmThreadStart[vm] + entry];
}

/** Fills the VM's arrays as the record has them; nothing is taken. */
export function recall(vm: i32, cells: i32, parts: i32, at: i32): void {
  const start = vmStart[vm];
  for (let entry = 0; entry < cells; entry++) {
    cellVcpus[start + entry] = vcpus[at + entry];
    cellDedicated[start + entry] = dedicated[at + entry];
    cellPages[start + entry] = pages[at + entry];
    cellPageSize[start + entry] = pageSize[at + entry];
    cellMemory[start + entry] = recordedMemory[at + entry];
  }
  vmParts[vm] = parts;
  for (let entry = 0; entry < parts; entry++) {
    partCell[start + entry] = cell[at + entry];
    partNode[start + entry] = recordedNode[at + entry];
    partDedicated[start + entry] = seats[at + entry];
    partShared[start + entry] = floats[at + entry];
  }
  for (let entry = 0; entry < vmVcpus[vm]; entry++) {
    vcpuCpu[start + entry] = cpu[at + entry];
    vcpuNode[start + entry] = node[at + entry];
  }
}

/** Takes the CPUs of the VM's threads as the record has them. */
export function takeRecordedThreads(vm: i32, threadsAt: i32): void {
  for (let entry = 0; entry < vmThreadCpus[vm]; entry++) takeThread(vm, thread[threadsAt + entry]);
}
