// An assignment in the making: which vCPUs of which cells are on which nodes so far, and the hops between them.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VM_CELLS, MAX_VM_VCPUS } from '../abi';
import { hopBetween, llcSpansNodes, nodeCount, servesDevice } from '../problem/host';
import { spend } from '../work';
import { sharedHop } from '../model/communication';
import { firstNodeAsked } from '../model/relations';
import { offerRoom, offerShared, takesThreads } from './offer';
import { cellVcpus, demandOf, deviceNode, deviceStrict, MICRO, nextDevice, vmDevice, partCell, partDedicated, partNode, partShared, vcpuShared, vmParts, vmSharedDemand, vmSpan, vmStart, vmVcpus } from '../problem/request';
import { traffic, vmTraffic } from '../problem/traffic';

/** What a hop from one cell to another counts, where traffic is given. */
const cellTraffic = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VM_CELLS * MAX_VM_CELLS, 8));
let trafficIsSummed: bool = false;

// By node, over all that is assigned elsewhere: vCPUs x hop from here to there, and demand x hop from there to here.
const peersFar = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));
const demandFar = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));
/** Whether these sums are kept: every pair of vCPUs is alike, and hops between nodes are never free. */
let sumsHops: bool = false;
let demandOfShared: i64 = 0;
/** How many of the first picks are in the sums. The last ones are often taken back before the sums are read. */
let summedPicks: i32 = 0;

/** Adds (1) or takes (-1) what the pick makes of hops. */
function addHops(pick: i32, sign: f64): void {
  const there = pickNode[pick];
  const peers = sign * <f64>(pickDedicated[pick] + pickShared[pick]);
  const demand = sign * <f64>(<i64>pickDedicated[pick] * MICRO + <i64>pickShared[pick] * demandOfShared);
  spend(2 * nodeCount);
  for (let node = 0; node < nodeCount; node++) {
    if (node == there) continue;
    peersFar[node] += peers * <f64>hopBetween(node, there);
    demandFar[node] += demand * <f64>hopBetween(there, node);
  }
}

/** Parts by node, and their dedicated and shared vCPUs. */
export const assigned = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const seated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const floating = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

/** The node that the first cell begins on as far as it is assigned, where threads of the VMM are most likely; -1: it is not. */
export let firstNode: i32 = -1;

function count(node: i32, dedicated: i32, shared: i32): void {
  seated[node] += dedicated;
  floating[node] += shared;
  offerRoom[node] -= dedicated;
  offerShared[node] -= shared;
}
/** vCPUs of a cell on a node, in the order in which they were assigned. */
export let picks: i32 = 0;
export const pickCell = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
export const pickNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
const pickDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
const pickShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));

/** Sums the traffic between cells, each vCPU's share of its row counting as much as its demand. */
function sumTraffic(vm: i32, cells: i32): void {
  const start = vmStart[vm];
  trafficIsSummed = true;
  spend(2 * vmVcpus[vm] * vmVcpus[vm]);
  for (let at = 0; at < cells * cells; at++) cellTraffic[at] = 0;
  let from = 0;
  for (let a = 0; a < cells; a++) {
    for (let end = from + cellVcpus[start + a]; from < end; from++) {
      let sent: f64 = 0;
      for (let to = 0; to < vmVcpus[vm]; to++) if (to != from) sent += traffic(vm, from, to);
      if (sent == 0) continue;
      const demand = <f64>(vcpuShared[start + from] ? demandOf(vm, 0, 1) : demandOf(vm, 1, 0));
      let to = 0;
      for (let b = 0; b < cells; b++) {
        for (let last = to + cellVcpus[start + b]; to < last; to++) {
          if (a != b) cellTraffic[a * cells + b] += (demand * traffic(vm, from, to)) / sent;
        }
      }
    }
  }
}

/**
 * Ten times the hops, weighted by demand, between so many vCPUs of a cell on a node and those of other cells that are assigned to that node: of pairs
 * with a shared vCPU. All pairs are alike.
 */
export function hopsOnNode(vm: i32, node: i32, dedicated: i32, shared: i32): i64 {
  const seats = seated[node];
  const floats = floating[node];
  const there = demandOf(vm, 0, shared) * <i64>(seats + floats) + demandOf(vm, dedicated, 0) * <i64>floats;
  const back = demandOf(vm, 0, floats) * <i64>(dedicated + shared) + demandOf(vm, seats, 0) * <i64>shared;
  return (there + back) * sharedHop(node);
}

/** Ten times the hops, weighted by demand, between so many vCPUs of a cell on a node and all that is assigned before. */
export function hopsToAssigned(vm: i32, cells: i32, cell: i32, node: i32, dedicated: i32, shared: i32): f64 {
  if (sumsHops) {
    while (summedPicks < picks) addHops(summedPicks++, 1);
    return <f64>demandOf(vm, dedicated, shared) * peersFar[node] + <f64>(dedicated + shared) * demandFar[node];
  }
  // If an LLC spans several nodes, hops between them may be free. Then nothing is known until the CPUs are.
  if (llcSpansNodes || nodeCount == 1 || vmSpan[vm]) return 0;
  let hops: f64 = 0;
  if (!trafficIsSummed) sumTraffic(vm, cells);
  spend(picks);
  for (let pick = 0; pick < picks; pick++) {
    const there = pickNode[pick];
    if (there == node) continue;
    const other = pickCell[pick];
    hops += cellTraffic[cell * cells + other] * <f64>hopBetween(node, there) + cellTraffic[other * cells + cell] * <f64>hopBetween(there, node);
  }
  return hops;
}

/** Whether none of the cells is where a strict device has one. */
export function missesDevice(vm: i32): bool {
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) {
    if (!deviceStrict[device]) continue;
    let missed = true;
    for (let pick = 0; pick < picks; pick++) if (servesDevice(pickNode[pick], deviceNode[device])) missed = false;
    if (missed) return true;
  }
  return false;
}

/** Whether the VM may begin on a node of its first cell: a near VM begins there, and the threads of its VMM find CPUs. */
export function mayBegin(vm: i32): bool {
  for (let first = 0; first < picks; first++) {
    const node = pickNode[first];
    if (pickCell[first] != 0 || (firstNodeAsked >= 0 && node != firstNodeAsked)) continue;
    if (takesThreads(vm, node, seated[node], floating[node])) return true;
  }
  return false;
}

/** Writes the picks into the VM's part arrays: by cell, within a cell by node. */
export function layParts(vm: i32): void {
  const start = vmStart[vm];
  for (let pick = 0; pick < picks; pick++) {
    let at = start + pick;
    while (at > start) {
      const before = at - 1;
      if (partCell[before] < pickCell[pick]) break;
      if (partCell[before] == pickCell[pick] && partNode[before] < pickNode[pick]) break;
      partCell[at] = partCell[before];
      partNode[at] = partNode[before];
      partDedicated[at] = partDedicated[before];
      partShared[at] = partShared[before];
      at--;
    }
    partCell[at] = pickCell[pick];
    partNode[at] = pickNode[pick];
    partDedicated[at] = pickDedicated[pick];
    partShared[at] = pickShared[pick];
  }
  vmParts[vm] = picks;
}

/** Assigns vCPUs of a cell to a node. */
export function pick(cell: i32, node: i32, dedicated: i32, shared: i32): void {
  pickCell[picks] = cell;
  pickNode[picks] = node;
  pickDedicated[picks] = dedicated;
  pickShared[picks++] = shared;
  if (cell == 0 && firstNode < 0) firstNode = node;
  count(node, dedicated, shared);
  assigned[node]++;
}

/** Assigns one vCPU of the cell that was assigned to last. */
export function pickVcpu(cell: i32, node: i32, shared: bool): void {
  let at = picks - 1;
  while (at >= 0 && pickCell[at] == cell && pickNode[at] != node) at--;
  if (at < 0 || pickCell[at] != cell) {
    pick(cell, node, <i32>!shared, <i32>shared);
    return;
  }
  pickDedicated[at] += <i32>!shared;
  pickShared[at] += <i32>shared;
  count(node, <i32>!shared, <i32>shared);
}

/** Takes the last pick back. */
export function unpick(): void {
  const node = pickNode[--picks];
  if (pickCell[picks] == 0 && (picks == 0 || pickCell[picks - 1] != 0)) firstNode = -1;
  count(node, -pickDedicated[picks], -pickShared[picks]);
  assigned[node]--;
  if (summedPicks > picks) addHops(--summedPicks, -1);
}

/** Whether the cell has a part on the node. */
export function isPickedFor(cell: i32, node: i32): bool {
  for (let pick = picks - 1; pick >= 0 && pickCell[pick] == cell; pick--) if (pickNode[pick] == node) return true;
  return false;
}

/** Nothing of the VM is assigned. */
export function clearPicks(vm: i32): void {
  picks = 0;
  summedPicks = 0;
  trafficIsSummed = false;
  sumsHops = vmTraffic[vm] < 0 && !llcSpansNodes && nodeCount > 1;
  demandOfShared = vmSharedDemand[vm];
  for (let node = 0; node < nodeCount && sumsHops; node++) {
    peersFar[node] = 0;
    demandFar[node] = 0;
  }
}
