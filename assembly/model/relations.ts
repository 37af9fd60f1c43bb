// What VMs ask of each other: nodes that one may not use, and the node where it has to begin.
import { BECAUSE_NEAR, BECAUSE_SEPARATE } from '../abi';
import { memoryNode, nodeCount } from '../problem/host';
import { barred, hasMemoryOn } from './memory';
import { partNode, relationNear, relationPeer, relations, vcpuNode, vmCells, vmParts, vmStart } from '../problem/request';

/** The node that the VM's first cell has to begin on; -1: any; -2: there is none. */
export let firstNodeAsked: i32 = -1;

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

/** Forgets what was asked: for a VM alone on the host. */
export function clearRelations(): void {
  firstNodeAsked = -1;
  for (let node = 0; node < nodeCount; node++) barred[node] = false;
}

/** Bars the nodes of VMs that this one keeps apart from, and finds the first node of those that it is near to. */
export function prepareRelations(vm: i32, relaxed: i32): void {
  clearRelations();
  for (let relation = 0; relation < relations; relation++) {
    const peer = relationPeer(relation, vm);
    if (peer < 0 || vmCells[peer] == 0) continue;
    if (relationNear[relation]) {
      const first = firstNodeOf(peer);
      if ((relaxed & BECAUSE_NEAR) == 0) firstNodeAsked = firstNodeAsked == -1 || firstNodeAsked == first ? first : -2;
    } else if ((relaxed & BECAUSE_SEPARATE) == 0) {
      for (let node = 0; node < nodeCount; node++) {
        // A node whose memory the peer has is as good as taken: the VM's own memory would be there.
        const home = memoryNode[node];
        if (isOn(peer, node) || (home >= 0 && isOn(peer, home))) barred[node] = true;
      }
    }
  }
}
