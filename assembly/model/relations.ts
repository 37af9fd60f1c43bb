// Nodes that a VM may not use, for itself and for what VMs ask of each other, and the node where it has to begin.
import { Flat } from '../flat';
import { BECAUSE_CELL_NODE, BECAUSE_MEMORY_CAPACITY, BECAUSE_MEMORY_POLICY, BECAUSE_NEAR, BECAUSE_SEPARATE, MAX_NODES, MEMORY_PREFERRED } from '../abi';
import { nodeCount } from '../problem/host';
import { homeOf, homesOf, keepsOff, useNodesOf } from '../problem/nodes';
import { barred, hasMemoryOn } from './memory';
import { partNode, relationNear, relationPeer, relations, vcpuNode, vmCells, vmMemory, vmParts, vmStart } from '../problem/request';

/** The node that the VM's first cell has to begin on; -1: any; -2: there is none. */
export let firstNodeAsked: i32 = -1;
/** Whether it matters to others where the VM begins, some of which may not be placed yet. */
export let beginsNear: bool = false;
/** Whether the VM may have vCPUs on the node. */
export const open = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Whether the VM's vCPUs or memory are on the node. */
export function isOn(vm: i32, node: i32): bool {
  const start = vmStart[vm];
  for (let part = start; part < start + vmParts[vm]; part++) if (partNode[part] == node) return true;
  for (let cell = start; cell < start + vmCells[vm]; cell++) if (hasMemoryOn(cell, node)) return true;
  return false;
}

/** The node of the VM's first vCPU. */
export function firstNodeOf(vm: i32): i32 {
  return vcpuNode[vmStart[vm]];
}

/** Forgets what was asked: for the VM alone on the host. */
export function clearRelations(vm: i32): void {
  firstNodeAsked = -1;
  beginsNear = false;
  useNodesOf(vm);
  for (let node = 0; node < nodeCount; node++) barred[node] = keepsOff(vm, node);
  for (let node = 0; node < nodeCount; node++) open[node] = findsMemory(vm, node, 0);
}

/** With one of these left aside memory is somewhere, and only its sum counts. */
export const MEMORY_ANYWHERE: i32 = BECAUSE_MEMORY_CAPACITY | BECAUSE_MEMORY_POLICY | BECAUSE_CELL_NODE;

/** Whether the VM, with a vCPU on the node, may have memory where its policy wants it. */
function findsMemory(vm: i32, node: i32, relaxed: i32): bool {
  const homes = homesOf(node);
  if (barred[node] || homes == 0) return false;
  if (vmMemory[vm] == MEMORY_PREFERRED || (relaxed & MEMORY_ANYWHERE) != 0) return true;
  for (let at = 0; at < homes; at++) if (!barred[homeOf(node, at)]) return true;
  return false;
}

/** Bars the nodes of VMs that this one keeps apart from, and finds the first node of those that it is near to. */
export function prepareRelations(vm: i32, relaxed: i32): void {
  clearRelations(vm);
  for (let relation = 0; relation < relations; relation++) {
    const peer = relationPeer(relation, vm);
    if (peer < 0) continue;
    beginsNear = beginsNear || relationNear[relation];
    if (vmCells[peer] == 0) continue;
    if (relationNear[relation]) {
      const first = firstNodeOf(peer);
      if ((relaxed & BECAUSE_NEAR) == 0) firstNodeAsked = firstNodeAsked == -1 || firstNodeAsked == first ? first : -2;
    } else if ((relaxed & BECAUSE_SEPARATE) == 0) {
      for (let node = 0; node < nodeCount; node++) if (isOn(peer, node)) barred[node] = true;
    }
  }
  for (let node = 0; node < nodeCount; node++) open[node] = firstNodeAsked != -2 && findsMemory(vm, node, relaxed);
}
