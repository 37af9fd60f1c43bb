// An assignment in the making: which vCPUs of which cells are on which nodes so far, and the hops between them.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VM_CELLS, MAX_VM_VCPUS } from '../abi';
import { distance, llcSpansNodes, servesDevice } from '../problem/host';
import { offerRoom, offerShared } from './offer';
import { cellVcpus, demandOf, deviceNode, devices, deviceStrict, deviceVm, partCell, partDedicated, partNode, partShared, vcpuShared, vmParts, vmSpan, vmStart, vmVcpus } from '../problem/request';
import { traffic, vmTraffic } from '../problem/traffic';

/** Hops that one unit of distance between two cells makes, in both directions, where traffic is given. */
const cellTraffic = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VM_CELLS * MAX_VM_CELLS, 8));
let trafficIsSummed: bool = false;

/** Parts by node. */
export const assigned = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
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

/** Ten times the hops, weighted by demand, between so many vCPUs of a cell on a node and all that is assigned before. */
export function hopsToAssigned(vm: i32, cells: i32, cell: i32, node: i32, dedicated: i32, shared: i32): f64 {
  // An LLC over several nodes makes hops between them free: then nothing is known before the CPUs are.
  if (llcSpansNodes) return 0;
  const uniform = vmTraffic[vm] < 0;
  let hops: f64 = 0;
  for (let pick = 0; pick < picks; pick++) {
    const there = pickNode[pick];
    if (there == node) continue;
    const go = <f64>distance(node, there);
    const back = <f64>distance(there, node);
    if (uniform) {
      const peers = <f64>(pickDedicated[pick] + pickShared[pick]);
      hops += <f64>demandOf(vm, dedicated, shared) * peers * go;
      hops += <f64>demandOf(vm, pickDedicated[pick], pickShared[pick]) * <f64>(dedicated + shared) * back;
    } else if (!vmSpan[vm]) {
      if (!trafficIsSummed) sumTraffic(vm, cells);
      const other = pickCell[pick];
      hops += cellTraffic[cell * cells + other] * go + cellTraffic[other * cells + cell] * back;
    }
  }
  return hops;
}

/** Whether none of the cells is where a strict device has one. */
export function missesDevice(vm: i32): bool {
  for (let device = 0; device < devices; device++) {
    if (deviceVm[device] != vm || !deviceStrict[device]) continue;
    let missed = true;
    for (let pick = 0; pick < picks; pick++) if (servesDevice(pickNode[pick], deviceNode[device])) missed = false;
    if (missed) return true;
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
  offerRoom[node] -= dedicated;
  offerShared[node] -= shared;
  assigned[node]++;
}

/** Takes the last pick back. */
export function unpick(): void {
  const node = pickNode[--picks];
  offerRoom[node] += pickDedicated[picks];
  offerShared[node] += pickShared[picks];
  assigned[node]--;
}

/** Whether the cell has a part on the node. */
export function isPickedFor(cell: i32, node: i32): bool {
  for (let pick = picks - 1; pick >= 0 && pickCell[pick] == cell; pick--) if (pickNode[pick] == node) return true;
  return false;
}

/** Nothing is assigned. */
export function clearPicks(): void {
  picks = 0;
  trafficIsSummed = false;
}
