// VMs that are taken out of the plan for a while, with what they had, so that they can be put back.
import { Flat } from '../flat';
import { MAX_VMS } from '../abi';
import { lift, restore } from '../model/capacity';
import { forgetEntries } from '../model/memory';
import { recall, record, recordedMemory, takeRecordedThreads } from '../model/record';
import { vmCells, vmParts, vmThreadCpus, vmVcpus } from '../problem/request';

const keptCells = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptParts = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const keptThreadStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
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
  keptVms[keptCount++] = vm;
  keptCells[vm] = vmCells[vm];
  keptParts[vm] = vmParts[vm];
  keptStart[vm] = keptEntries;
  keptThreadStart[vm] = keptThreads;
  record(vm, vmCells[vm], keptEntries, keptThreads);
  keptEntries += vmVcpus[vm];
  keptThreads += vmThreadCpus[vm];
  lift(vm);
}

/** Puts the VM back as it was. */
export function putBack(vm: i32): void {
  recall(vm, keptCells[vm], keptParts[vm], keptStart[vm]);
  restore(vm, keptCells[vm]);
  takeRecordedThreads(vm, keptThreadStart[vm]);
}

/** Forgets what the VM had. */
export function drop(vm: i32): void {
  for (let cell = 0; cell < keptCells[vm]; cell++) forgetEntries(recordedMemory[keptStart[vm] + cell]);
}
