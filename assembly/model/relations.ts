// Nodes that a VM may not use, by its own wishes and by its relations to other VMs, and the node where it has to begin.
import { Flat } from '../flat';
import { BECAUSE_CELL_NODE, BECAUSE_MEMORY_CAPACITY, BECAUSE_MEMORY_POLICY, BECAUSE_NEAR, BECAUSE_SEPARATE, MAX_NODES, MEMORY_STRICT } from '../abi';
import { nodeCount } from '../problem/host';
import { homeOf, homesOf, keepsOff, useNodesOf, vmKeepsOff } from '../problem/nodes';
import { spend } from '../work';
import { barred, entryNode, nextEntry } from './memory';
import { cellMemory, nextRelation, partNode, peerOf, relationNear, vcpuNode, vmCells, vmMemory, vmParts, vmRelation, vmStart } from '../problem/request';

/** The node that the VM's first cell has to begin on; -1: any; -2: there is none. */
export let firstNodeAsked: i32 = -1;
/** Whether it matters to other VMs where this one begins. Some of them may not be placed yet. */
export let beginsNear: bool = false;
/** Whether the VM may have vCPUs on the node. */
export const open = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Bars the nodes that the VM's vCPUs or memory are on. */
function barNodesOf(vm: i32): void {
  const start = vmStart[vm];
  spend(vmParts[vm] + vmCells[vm]);
  bars = true;
  for (let part = start; part < start + vmParts[vm]; part++) barred[partNode[part]] = true;
  for (let cell = start; cell < start + vmCells[vm]; cell++) {
    for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) barred[entryNode[entry]] = true;
  }
}

/** The node of the VM's first vCPU. */
export function firstNodeOf(vm: i32): i32 {
  return vcpuNode[vmStart[vm]];
}

/** Whether the VM may have nothing on some node. */
let bars: bool = false;

/** The VM alone, with its own wishes. */
function forgetOthers(vm: i32): void {
  firstNodeAsked = -1;
  beginsNear = false;
  useNodesOf(vm);
  bars = vmKeepsOff[vm];
  for (let node = 0; node < nodeCount; node++) barred[node] = bars && keepsOff(vm, node);
}

/** Forgets what was asked: for the VM alone on the host. */
export function clearRelations(vm: i32): void {
  forgetOthers(vm);
  openNodes(vm, 0);
}

/** If one of these is left aside, memory may be anywhere, and only its sum counts. */
export const MEMORY_ANYWHERE: i32 = BECAUSE_MEMORY_CAPACITY | BECAUSE_MEMORY_POLICY | BECAUSE_CELL_NODE;

/** Whether the VM, with a vCPU on the node, may have memory where its policy wants it. */
function findsMemory(vm: i32, node: i32, relaxed: i32): bool {
  const homes = homesOf(node);
  if (barred[node] || homes == 0) return false;
  // A home may have no page of interleaved memory.
  if (vmMemory[vm] != MEMORY_STRICT || (relaxed & MEMORY_ANYWHERE) != 0) return true;
  for (let at = 0; at < homes; at++) if (!barred[homeOf(node, at)]) return true;
  return false;
}

/** Opens the nodes on which the VM may have vCPUs. */
function openNodes(vm: i32, relaxed: i32): void {
  const begins = firstNodeAsked != -2;
  for (let node = 0; node < nodeCount; node++) open[node] = begins && (bars ? findsMemory(vm, node, relaxed) : homesOf(node) != 0);
}

/** Bars the nodes of VMs that this one keeps apart from, and finds the first node of those that it is near to. */
export function barOthers(vm: i32, relaxed: i32): void {
  forgetOthers(vm);
  for (let entry = vmRelation[vm]; entry >= 0; entry = nextRelation[entry]) {
    const peer = peerOf(entry);
    const near = relationNear[entry >> 1];
    beginsNear = beginsNear || near;
    if (vmCells[peer] == 0) continue;
    if (near) {
      const first = firstNodeOf(peer);
      if ((relaxed & BECAUSE_NEAR) == 0) firstNodeAsked = firstNodeAsked == -1 || firstNodeAsked == first ? first : -2;
    } else if ((relaxed & BECAUSE_SEPARATE) == 0) {
      barNodesOf(peer);
    }
  }
}

/** The same, and opens the nodes that are left. */
export function prepareRelations(vm: i32, relaxed: i32): void {
  barOthers(vm, relaxed);
  openNodes(vm, relaxed);
}
