// Which nodes a VM may use, and from that the memory nodes of each node (docs/model.md, "Host"). These are the nearest of the nodes with
// memory that the VM may use: all that are at the least distance.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VMS } from '../abi';
import { distance, nodeCount, nodeExpects, nodeHasMemory } from './host';
import { spend } from '../work';

const WORDS: i32 = MAX_NODES / 64;
/** Nodes that the VM's memory is kept to, where it is to some, and nodes that it keeps off. */
const allowed = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_VMS * WORDS, 8));
const avoided = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_VMS * WORDS, 8));
export const vmKeepsTo = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
export const vmKeepsOff = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
/** VMs that may not use every node. */
export let pickyVms: i32 = 0;

// Memory nodes by node, in three tables: one for VMs that may use every node, one for the nodes of the last other VM that was asked about, one
// for VMs that are expected.
const TABLES: i32 = 3;
const OF_EXPECTED: i32 = 2;
const counts = changetype<Flat<i32>>(memory.data(sizeof<i32>() * TABLES * MAX_NODES, 8));
const lists = changetype<Flat<u8>>(memory.data(sizeof<u8>() * TABLES * MAX_NODES * MAX_NODES, 8));
let table: i32 = 0;
/** The nodes of the second table. */
const tableNodes = changetype<Flat<u64>>(memory.data(sizeof<u64>() * WORDS, 8));
/** Whether some node has several memory nodes in the table. */
const choices = changetype<Flat<bool>>(memory.data(sizeof<bool>() * TABLES, 8));

/** Whether the VM may not use every node. */
export function isPicky(vm: i32): bool {
  return vmKeepsTo[vm] || vmKeepsOff[vm];
}

/** Keeps the VM's memory to this node, and those that are named besides. */
export function keepTo(vm: i32, node: i32): void {
  if (!isPicky(vm)) pickyVms++;
  vmKeepsTo[vm] = true;
  allowed[vm * WORDS + (node >> 6)] |= <u64>1 << <u64>(node & 63);
}

/** Keeps all of the VM off the node. */
export function keepOff(vm: i32, node: i32): void {
  if (!isPicky(vm)) pickyVms++;
  vmKeepsOff[vm] = true;
  avoided[vm * WORDS + (node >> 6)] |= <u64>1 << <u64>(node & 63);
}

/** The VM may use every node. */
export function forgetNodes(vm: i32): void {
  if (isPicky(vm)) pickyVms--;
  vmKeepsTo[vm] = false;
  vmKeepsOff[vm] = false;
  for (let word = vm * WORDS; word < (vm + 1) * WORDS; word++) {
    allowed[word] = 0;
    avoided[word] = 0;
  }
}

/** For an explanation: says which of the VM's wishes count. The wishes themselves do not change. */
export function heedNodes(vm: i32, keepsTo: bool, keepsOff: bool): void {
  vmKeepsTo[vm] = keepsTo;
  vmKeepsOff[vm] = keepsOff;
}

export function keepsOff(vm: i32, node: i32): bool {
  return vmKeepsOff[vm] && ((avoided[vm * WORDS + (node >> 6)] >> <u64>(node & 63)) & 1) != 0;
}

/** Whether the VM's memory may be on the node. */
export function mayHaveMemory(vm: i32, node: i32): bool {
  if (!nodeHasMemory[node] || keepsOff(vm, node)) return false;
  return !vmKeepsTo[vm] || ((allowed[vm * WORDS + (node >> 6)] >> <u64>(node & 63)) & 1) != 0;
}

/** Nodes with memory, all or those that a VM may use. */
const candidates = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

/** Fills a table for the VM; -1: for one that may use every node, or for those that are expected. */
function fill(vm: i32, into: i32): void {
  let count = 0;
  for (let node = 0; node < nodeCount; node++) {
    if (into == OF_EXPECTED && !nodeExpects[node]) continue;
    if (vm < 0 ? nodeHasMemory[node] : mayHaveMemory(vm, node)) candidates[count++] = node;
  }
  choices[into] = false;
  spend(nodeCount * (1 + count));
  for (let node = 0; node < nodeCount; node++) {
    const at = into * MAX_NODES + node;
    let least = i32.MAX_VALUE;
    counts[at] = 0;
    for (let next = 0; next < count; next++) {
      const far = distance(node, candidates[next]);
      if (far > least) continue;
      if (far < least) counts[at] = 0;
      least = far;
      lists[at * MAX_NODES + counts[at]++] = <u8>candidates[next];
    }
    if (counts[at] > 1) choices[into] = true;
  }
}

/** By node, the distance beyond 10 to the nearest memory that is on none of its memory nodes; 0: there is none. */
const nodeBeyond = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

function findBeyond(): void {
  for (let node = 0; node < nodeCount; node++) {
    let nearest = i32.MAX_VALUE;
    for (let other = 0; other < nodeCount; other++) {
      const far = distance(node, other);
      if (nodeHasMemory[other] && far < nearest && far > distance(node, homeOf(node, 0))) nearest = far;
    }
    nodeBeyond[node] = nearest == i32.MAX_VALUE ? 0 : nearest - 10;
  }
}

/** Fills the tables for VMs that may use every node and for those that are expected: when the host is complete. */
export function prepareNodes(): void {
  fill(-1, 0);
  fill(-1, OF_EXPECTED);
  table = 0;
  findBeyond();
  for (let word = 0; word < WORDS; word++) tableNodes[word] = 0;
}

/** One word of the set of nodes that the VM may use, with memory or without. */
function wordOf(vm: i32, word: i32): u64 {
  const kept = vmKeepsTo[vm] ? allowed[vm * WORDS + word] : u64.MAX_VALUE;
  return vmKeepsOff[vm] ? kept & ~avoided[vm * WORDS + word] : kept;
}

/** From now on memory nodes are those of the VM. */
export function useNodesOf(vm: i32): void {
  table = isPicky(vm) ? 1 : 0;
  let known = true;
  for (let word = 0; word < WORDS; word++) known = known && tableNodes[word] == wordOf(vm, word);
  if (table == 0 || known) return;
  fill(vm, 1);
  for (let word = 0; word < WORDS; word++) tableNodes[word] = wordOf(vm, word);
}

/** From now on memory nodes are those of VMs that may use every node. */
export function useAllNodes(): void {
  table = 0;
}

/** How many memory nodes the node has. */
export function homesOf(node: i32): i32 {
  return counts[table * MAX_NODES + node];
}

/** One of the memory nodes of the node, ascending. */
export function homeOf(node: i32, at: i32): i32 {
  return <i32>lists[(table * MAX_NODES + node) * MAX_NODES + at];
}

/** Pages of a size that VMs which are expected find free for CPUs of the node; `free` is by node, at `stride`. */
export function pagesExpected(node: i32, free: Flat<i64>, stride: i32, size: i32): i64 {
  const at = OF_EXPECTED * MAX_NODES + node;
  let pages: i64 = 0;
  for (let next = 0; next < counts[at]; next++) pages += free[<i32>lists[at * MAX_NODES + next] * stride + size];
  return pages;
}

/** Distance beyond 10 from the node to the nearest memory that is on none of its memory nodes, at the least. */
export function beyondHomes(vm: i32, node: i32): i32 {
  return isPicky(vm) ? 0 : nodeBeyond[node];
}

/** Whether some node has several memory nodes, so that memory is not known from where vCPUs are. */
export function homesAreOpen(): bool {
  return choices[table];
}
