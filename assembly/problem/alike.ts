// VMs that ask for the same. What is found out about one holds for the others.
import { Flat } from '../flat';
import { MAX_VMS } from '../abi';
import { vmHasCurrent } from './current';
import { isPicky } from './nodes';
import { cellPagesAsked, cellVcpusAsked, hasShared, vcpuShared, vmBandwidth, vmCellsAsked, vmCellsGiven, vmDedicated, vmDevice, vmMemory, vmMemoryBound, vmPages, vmPageShift, vmRelation, vmSharedDemand, vmSpan, vmStart, vmThreadCpus, vmThreads, vmTrust, vmVcpus, vmWeight } from './request';
import { vmTraffic } from './traffic';
import { spend } from '../work';

/** Whether the VM asks for something that concerns certain nodes, VMs or vCPUs. */
export function hasTies(vm: i32): bool {
  return vmDevice[vm] >= 0 || hasTiesBeyondDevices(vm);
}

/** The same, devices aside. */
export function hasTiesBeyondDevices(vm: i32): bool {
  return vmRelation[vm] >= 0 || isPicky(vm) || vmTraffic[vm] >= 0 || vmHasCurrent[vm] || vmThreadCpus[vm] > 0;
}

/** Whether two VMs without ties are the same in everything, so that exchanging them changes nothing. */
export function areAlike(a: i32, b: i32): bool {
  if (vmVcpus[a] != vmVcpus[b] || vmPages[a] != vmPages[b] || vmCellsAsked[a] != vmCellsAsked[b]) return false;
  if (vmThreads[a] != vmThreads[b] || vmMemory[a] != vmMemory[b] || vmSpan[a] != vmSpan[b]) return false;
  if (vmPageShift[a] != vmPageShift[b] || vmWeight[a] != vmWeight[b] || vmMemoryBound[a] != vmMemoryBound[b]) return false;
  if (vmBandwidth[a] != vmBandwidth[b] || vmSharedDemand[a] != vmSharedDemand[b] || vmCellsGiven[a] != vmCellsGiven[b]) return false;
  // A domain of one's own is negative: nobody else is in it.
  if (vmDedicated[a] != vmDedicated[b] || (vmTrust[a] != vmTrust[b] && (vmTrust[a] >= 0 || vmTrust[b] >= 0))) return false;
  spend(vmVcpus[a]);
  for (let vcpu = 0; vcpu < vmVcpus[a]; vcpu++) if (vcpuShared[vmStart[a] + vcpu] != vcpuShared[vmStart[b] + vcpu]) return false;
  for (let cell = 0; vmCellsGiven[a] && cell < vmCellsAsked[a]; cell++) {
    if (cellVcpusAsked[vmStart[a] + cell] != cellVcpusAsked[vmStart[b] + cell]) return false;
    if (cellPagesAsked[vmStart[a] + cell] != cellPagesAsked[vmStart[b] + cell]) return false;
  }
  return true;
}

/** Whether two dedicated VMs are the same in everything, so that exchanging them changes nothing. */
export function areSame(a: i32, b: i32): bool {
  return !hasShared(a) && !hasTies(a) && !hasTies(b) && areAlike(a, b);
}

/** A table of kinds of VMs, by what they ask for: half of it is always free. */
const SLOTS: i32 = 2 * MAX_VMS;
const slotVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * SLOTS, 8));
const usedSlots = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let used: i32 = 0;

/** Forgets all kinds. */
export function clearKinds(): void {
  while (used > 0) slotVm[usedSlots[--used]] = 0;
}

function firstSlot(vm: i32): i32 {
  let mixed = <u64>vmPages[vm] * 0x9e3779b97f4a7c15;
  mixed ^= (<u64>vmVcpus[vm] << 40) ^ (<u64>vmDedicated[vm] << 20) ^ (<u64>vmCellsAsked[vm] << 10) ^ <u64>max(-1, vmTrust[vm]);
  mixed ^= reinterpret<u64>(vmWeight[vm]) ^ (reinterpret<u64>(vmMemoryBound[vm]) << 1) ^ (reinterpret<u64>(vmBandwidth[vm]) << 2);
  mixed = (mixed ^ (mixed >> 32)) * 0xbf58476d1ce4e5b9;
  return <i32>((mixed >> 40) % <u64>SLOTS);
}

/** Enters a VM without ties as the last of its kind; the one that was the last before; -1: it is the first of its kind. */
export function enterKind(vm: i32): i32 {
  let slot = firstSlot(vm);
  while (slotVm[slot] != 0 && !areAlike(slotVm[slot] - 1, vm)) slot = slot + 1 == SLOTS ? 0 : slot + 1;
  const last = slotVm[slot] - 1;
  if (last < 0) usedSlots[used++] = slot;
  slotVm[slot] = vm + 1;
  return last;
}
