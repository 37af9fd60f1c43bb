// What nodes lose by memory bandwidth that VMs ask for and they do not have: the cost term `bandwidth`.
import { Flat } from '../flat';
import { MAX_NODES } from '../abi';
import { nodeBandwidth } from '../problem/host';
import { rounded } from '../problem/coefficients';
import { noteOn, vmsInMemory, vmsOnNode } from '../problem/stale';
import { cellMemory, demandOf, partDedicated, partNode, partShared, vmBandwidth, vmCells, vmMemoryBound, vmPages, vmParts, vmStart } from '../problem/request';
import { isMember, nextMember, SET_WORDS } from '../vm-set';
import { spend } from '../work';
import { entryNode, entryPages, nextEntry } from './memory';

// Sums by node, of what VMs take and of what waits, in whole numbers. Those below 2^53 are exact in any order, so these are kept up to date.
// What is too large for that is only counted: where there is such, all is summed anew, one addition for each VM, in the order of their slots.
const taken = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));
const waiting = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));
const large = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** MAX_VMS times as much is below 2^53. */
const MOST_SUMMED: f64 = <f64>((<u64>1) << 40);

/** No VM is there. */
export function clearWaiting(node: i32): void {
  taken[node] = 0;
  waiting[node] = 0;
  large[node] = 0;
}

/** Bytes a second that the VM takes from the node's memory. */
function takenBy(vm: i32, node: i32): f64 {
  if (vmBandwidth[vm] == 0) return 0;
  let pages: i64 = 0;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) if (entryNode[entry] == node) pages += entryPages[entry];
  }
  spend(vmCells[vm]);
  return Math.floor((vmBandwidth[vm] * <f64>pages) / <f64>vmPages[vm] + 0.5);
}

/** Share of time that the VM's vCPUs on the node wait for memory, in millionths. */
function waitingOf(vm: i32, node: i32): f64 {
  let demand: i64 = 0;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    if (partNode[part] == node) demand += demandOf(vm, partDedicated[part], partShared[part]);
  }
  spend(vmParts[vm]);
  return Math.floor(<f64>demand * vmMemoryBound[vm] + 0.5);
}

function count(sums: Flat<f64>, node: i32, own: f64, there: bool): void {
  if (own > MOST_SUMMED) large[node] += there ? 1 : -1;
  else sums[node] += there ? own : -own;
}

/** Notes that the VM has a part on the node, or has none any more: its parts are as they are while it is there. */
export function notePart(vm: i32, node: i32, there: bool): void {
  const changes = nodeBandwidth[node] != 0 && isMember(vmsOnNode, node * SET_WORDS, vm) != there;
  noteOn(vmsOnNode, node, vm, there);
  if (changes) count(waiting, node, waitingOf(vm, node), there);
}

/** Notes on which nodes the VM's memory is, or is not any more. */
export function noteMemory(vm: i32, there: bool): void {
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
      const node = entryNode[entry];
      const changes = nodeBandwidth[node] != 0 && isMember(vmsInMemory, node * SET_WORDS, vm) != there;
      noteOn(vmsInMemory, node, vm, there);
      if (changes) count(taken, node, takenBy(vm, node), there);
    }
  }
}

/** One addition for each VM. */
function sumOf(sets: Flat<u64>, node: i32, own: (vm: i32, node: i32) => f64): f64 {
  let sum: f64 = 0;
  for (let vm = nextMember(sets, node * SET_WORDS, 0); vm >= 0; vm = nextMember(sets, node * SET_WORDS, vm + 1)) sum += own(vm, node);
  return sum;
}

/** What the node loses. */
export function bandwidthOn(node: i32): i64 {
  const given = nodeBandwidth[node];
  if (given == 0) return 0;
  const demand = large[node] == 0 ? taken[node] : sumOf(vmsInMemory, node, takenBy);
  if (demand <= given) return 0;
  return rounded((1 - given / demand) * (large[node] == 0 ? waiting[node] : sumOf(vmsOnNode, node, waitingOf)));
}
