// What has changed since the totals were last brought up to date. VMs: those that came, went, or have other VMs beside them. Nodes: those
// on which something was taken or given back. And which VMs are on which node.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VMS } from '../abi';
import { exclude, include, SET_WORDS } from '../vm-set';

const vmIsStale = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));
const staleVms = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let vms: i32 = 0;
const nodeIsStale = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
const staleNodes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
let nodes: i32 = 0;
// Nodes on which the CPUs that shared vCPUs float over have changed.
const nodeFloats = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
const floatingNodes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
let floating: i32 = 0;

/** By node: the VMs with a part there, and those with memory there. */
export const vmsOnNode = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_NODES * SET_WORDS, 8));
export const vmsInMemory = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_NODES * SET_WORDS, 8));

/** No VM is on a node, and nothing is stale. */
export function clearStale(): void {
  vms = 0;
  nodes = 0;
  floating = 0;
  for (let vm = 0; vm < MAX_VMS; vm++) vmIsStale[vm] = false;
  for (let node = 0; node < MAX_NODES; node++) {
    nodeIsStale[node] = false;
    nodeFloats[node] = false;
  }
  for (let word = 0; word < MAX_NODES * SET_WORDS; word++) {
    vmsOnNode[word] = 0;
    vmsInMemory[word] = 0;
  }
}

/** The VM's cost, or whether it is placed, may have changed. */
export function touchVm(vm: i32): void {
  if (vmIsStale[vm]) return;
  vmIsStale[vm] = true;
  staleVms[vms++] = vm;
}

/** What is taken of the node may have changed. */
export function touchNode(node: i32): void {
  if (nodeIsStale[node]) return;
  nodeIsStale[node] = true;
  staleNodes[nodes++] = node;
}

/** The CPUs that shared vCPUs on the node float over may have changed. */
export function touchShared(node: i32): void {
  touchNode(node);
  if (nodeFloats[node]) return;
  nodeFloats[node] = true;
  floatingNodes[floating++] = node;
}

/** The next of what has changed, which is then no longer stale; -1: none. */
export function nextStaleVm(): i32 {
  if (vms == 0) return -1;
  const vm = staleVms[--vms];
  vmIsStale[vm] = false;
  return vm;
}

export function nextStaleNode(): i32 {
  if (nodes == 0) return -1;
  const node = staleNodes[--nodes];
  nodeIsStale[node] = false;
  return node;
}

export function nextFloatingNode(): i32 {
  if (floating == 0) return -1;
  const node = floatingNodes[--floating];
  nodeFloats[node] = false;
  return node;
}

/** Notes that the VM is on the node, or is not any more. */
export function noteOn(sets: Flat<u64>, node: i32, vm: i32, there: bool): void {
  touchNode(node);
  if (there) include(sets, node * SET_WORDS, vm);
  else exclude(sets, node * SET_WORDS, vm);
}
