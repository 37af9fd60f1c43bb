// VMs that are taken out of the plan for a while, with what they had, so that they can be put back.
import { Flat } from '../flat';
import { MAX_VCPUS, MAX_VMS } from '../abi';
import { lift, restore, takeThread } from '../model/capacity';
import { forgetEntries } from '../model/memory';
import { cellDedicated, cellMemory, cellPages, cellPageSize, cellVcpus, partCell, partDedicated, partNode, partShared, threadCpu, vcpuCpu, vcpuNode, vmCells, vmParts, vmStart, vmThreadCpus, vmThreadStart, vmVcpus } from '../problem/request';

const keptCells = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptParts = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptVcpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VCPUS, 8));
const keptPageSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptMemory = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptPartCell = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptPartNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptPartDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptPartShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
const keptThreadStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptThreadCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VCPUS, 8));
let keptThreads: i32 = 0;
const keptVms = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let keptCount: i32 = 0;
let keptEntries: i32 = 0;

/** Whether the VM is out. */
export function isKept(vm: i32): bool {
  return keptCells[vm] != 0;
}

/** Nothing is out. */
export function clearKept(): void {
  keptEntries = 0;
  keptThreads = 0;
  while (keptCount > 0) keptCells[keptVms[--keptCount]] = 0;
}

/** Takes the VM out of the plan, so that it can be put back as it was. */
export function keep(vm: i32): void {
  const start = vmStart[vm];
  const kept = keptEntries;
  keptVms[keptCount++] = vm;
  keptCells[vm] = vmCells[vm];
  keptParts[vm] = vmParts[vm];
  keptStart[vm] = kept;
  keptEntries += vmVcpus[vm];
  for (let cell = 0; cell < vmCells[vm]; cell++) {
    keptVcpus[kept + cell] = cellVcpus[start + cell];
    keptDedicated[kept + cell] = cellDedicated[start + cell];
    keptPages[kept + cell] = cellPages[start + cell];
    keptPageSize[kept + cell] = cellPageSize[start + cell];
    keptMemory[kept + cell] = cellMemory[start + cell];
  }
  for (let part = 0; part < vmParts[vm]; part++) {
    keptPartCell[kept + part] = partCell[start + part];
    keptPartNode[kept + part] = partNode[start + part];
    keptPartDedicated[kept + part] = partDedicated[start + part];
    keptPartShared[kept + part] = partShared[start + part];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    keptCpu[kept + vcpu] = vcpuCpu[start + vcpu];
    keptNode[kept + vcpu] = vcpuNode[start + vcpu];
  }
  keptThreadStart[vm] = keptThreads;
  for (let at = 0; at < vmThreadCpus[vm]; at++) keptThreadCpu[keptThreads++] = threadCpu[vmThreadStart[vm] + at];
  lift(vm);
}

/** Puts the VM back as it was. */
export function putBack(vm: i32): void {
  const start = vmStart[vm];
  const kept = keptStart[vm];
  for (let cell = 0; cell < keptCells[vm]; cell++) {
    cellVcpus[start + cell] = keptVcpus[kept + cell];
    cellDedicated[start + cell] = keptDedicated[kept + cell];
    cellPages[start + cell] = keptPages[kept + cell];
    cellPageSize[start + cell] = keptPageSize[kept + cell];
    cellMemory[start + cell] = keptMemory[kept + cell];
  }
  vmParts[vm] = keptParts[vm];
  for (let part = 0; part < vmParts[vm]; part++) {
    partCell[start + part] = keptPartCell[kept + part];
    partNode[start + part] = keptPartNode[kept + part];
    partDedicated[start + part] = keptPartDedicated[kept + part];
    partShared[start + part] = keptPartShared[kept + part];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    vcpuCpu[start + vcpu] = keptCpu[kept + vcpu];
    vcpuNode[start + vcpu] = keptNode[kept + vcpu];
  }
  restore(vm, keptCells[vm]);
  for (let at = 0; at < vmThreadCpus[vm]; at++) takeThread(vm, keptThreadCpu[keptThreadStart[vm] + at]);
}

/** Forgets what the VM had. */
export function drop(vm: i32): void {
  for (let cell = 0; cell < keptCells[vm]; cell++) forgetEntries(keptMemory[keptStart[vm] + cell]);
}
