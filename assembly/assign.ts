// Which node each cell goes to: depth first over the cells, the widest first, cut where what is already fixed costs more
// than the best assignment known. What a node offers is given, so the same walk serves placing, the bound (on the
// empty host) and explanations (with constraints left aside).
import { BECAUSE_DEVICE, MAX_NODES, MAX_PAGE_SIZES, MAX_VM_VCPUS } from './abi';
import { distance, llcSpansNodes, memoryNode, nodeCount, nodeTwin, pageSizes, pageShift } from './host';
import { fittingPageSize, inPages } from './capacity';
import { communicationPrice } from './cost';
import { cellNode, cellPages, cellPagesAsked, cellPageSize, cellVcpus, cellVcpusAsked, deviceNode, devices, deviceStrict, deviceVm, evenVcpus, vmCellsGiven, vmPages, vmPageShift, vmStart } from './request';

/** What the nodes offer to the VM: how many of its vCPUs they take, and free pages. */
export const offerRoom = new StaticArray<i32>(MAX_NODES);
export const offerPages = new StaticArray<i64>(MAX_NODES * MAX_PAGE_SIZES);
/** Nodes that the VM may not use. */
export const offerBarred = new StaticArray<bool>(MAX_NODES);
/** Nodes that nobody uses: twins among them are interchangeable. */
export const offerUntouched = new StaticArray<bool>(MAX_NODES);
/** The node that cell 0 has to be on; -1: any; -2: there is none. */
export let offerFirst: i32 = -1;
export function setOfferFirst(node: i32): void {
  offerFirst = node;
}

/** Assignments that cost more are cut; the leaf lowers it. */
let ceiling: i64 = i64.MAX_VALUE;
export function setCeiling(cost: i64): void {
  ceiling = cost;
}
/** Nodes tried; the walk ends when it reaches its budget. */
export let visits: i32 = 0;
/** Whether the walk saw everything. */
export let complete: bool = true;

let budget: i32 = 0;
let relaxed: i32 = 0;
/** Whether the VM has no ties to certain nodes. */
let untied: bool = true;
/** Cells assigned to the node. */
const assigned = new StaticArray<i32>(MAX_NODES);
let leaf: (vm: i32, cells: i32) => bool = noLeaf;
/** Cells in the order in which they are assigned. */
const order = new StaticArray<i32>(MAX_VM_VCPUS);

function noLeaf(_vm: i32, _cells: i32): bool {
  return true;
}

/** Fills the VM's cell arrays for `cells` cells; false where some cell would get no page. */
export function layOutCells(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  const shift = vmPageShift[vm] == 0 ? 0 : <i64>max(0, vmPageShift[vm] - pageShift[0]);
  const pages = vmPages[vm] >> shift;
  let given: i64 = 0;
  let vcpus: i32 = 0;
  for (let cell = 0; cell < cells; cell++) {
    cellVcpus[start + cell] = vmCellsGiven[vm] ? cellVcpusAsked[start + cell] : evenVcpus(vm, cells, cell);
    vcpus += cellVcpus[start + cell];
  }
  for (let cell = 0; cell < cells; cell++) {
    const even = (pages * <i64>cellVcpus[start + cell]) / <i64>vcpus;
    cellPages[start + cell] = vmCellsGiven[vm] ? cellPagesAsked[start + cell] : even;
    given += even;
  }
  if (vmCellsGiven[vm]) return true;
  const left = <i32>(pages - given);
  for (let cell = 0; cell < cells; cell++) {
    const whole = cellPages[start + cell] + (cell < left ? 1 : 0);
    // What is no whole page goes to the first cell, where the page size refuses it.
    cellPages[start + cell] = (whole << shift) + (cell == 0 ? vmPages[vm] - (pages << shift) : 0);
    if (whole == 0) return false;
  }
  return true;
}

/** The widest cells first (most vCPUs, then most pages, then lowest), since they fit in the fewest places. */
function orderCells(vm: i32, cells: i32): void {
  const start = vmStart[vm];
  for (let cell = 0; cell < cells; cell++) {
    let at = cell;
    while (at > 0) {
      const before = order[at - 1];
      const wider = cellVcpus[start + cell] - cellVcpus[start + before];
      if (wider < 0 || (wider == 0 && cellPages[start + cell] <= cellPages[start + before])) break;
      order[at] = before;
      at--;
    }
    order[at] = cell;
  }
}

/** Ten times the hops between the cell and those assigned before it, both ways. */
function hopsToAssigned(start: i32, depth: i32, cell: i32, node: i32): i64 {
  let hops: i64 = 0;
  // An LLC over several nodes makes hops between them free: then nothing is known before the CPUs are.
  if (llcSpansNodes) return 0;
  for (let at = 0; at < depth; at++) {
    const other = order[at];
    const there = cellNode[start + other];
    if (there == node) continue;
    const both = <i64>(distance(node, there) + distance(there, node));
    hops += both * <i64>(cellVcpus[start + cell] * cellVcpus[start + other]);
  }
  return hops;
}

/** Whether a strict device's node holds none of the cells. */
function missesDevice(vm: i32, start: i32, cells: i32): bool {
  if ((relaxed & BECAUSE_DEVICE) != 0) return false;
  for (let device = 0; device < devices; device++) {
    if (deviceVm[device] != vm || !deviceStrict[device]) continue;
    let missed = true;
    for (let cell = start; cell < start + cells; cell++) if (cellNode[cell] == deviceNode[device]) missed = false;
    if (missed) return true;
  }
  return false;
}

/** Whether an interchangeable node stands for this one, which the walk therefore need not try. */
function twinStandsFor(node: i32): bool {
  if (!untied || assigned[node] != 0 || !offerUntouched[node]) return false;
  for (let twin = nodeTwin[node]; twin >= 0; twin = nodeTwin[twin]) {
    if (assigned[twin] == 0 && offerUntouched[twin] && !offerBarred[twin]) return true;
  }
  return false;
}

/** Walks on from `depth` cells assigned at `hops`; false to end the walk. */
function descend(vm: i32, cells: i32, depth: i32, hops: i64): bool {
  const start = vmStart[vm];
  if (depth == cells) return missesDevice(vm, start, cells) ? true : leaf(vm, cells);
  const cell = order[depth];
  const at = start + cell;
  let first = 0;
  if (depth > 0) {
    // Cells that are alike are interchangeable: only ascending nodes.
    const before = start + order[depth - 1];
    const alike = cellVcpus[before] == cellVcpus[at] && cellPages[before] == cellPages[at] && offerFirst == -1;
    if (alike) first = cellNode[before];
  }
  for (let node = first; node < nodeCount; node++) {
    if (visits >= budget) {
      complete = false;
      return false;
    }
    visits++;
    if (offerBarred[node] || offerFirst == -2 || (offerFirst >= 0 && cell == 0 && node != offerFirst)) continue;
    if (offerRoom[node] < cellVcpus[at] || memoryNode[node] < 0 || twinStandsFor(node)) continue;
    const home = memoryNode[node] * MAX_PAGE_SIZES;
    const size = fittingPageSize(vm, cellPages[at], offerPages, home);
    if (size < 0) continue;
    const further = hops + hopsToAssigned(start, depth, cell, node);
    if (communicationPrice(vm, further) > ceiling) continue;
    offerRoom[node] -= cellVcpus[at];
    offerPages[home + size] -= inPages(cellPages[at], size);
    cellNode[at] = node;
    cellPageSize[at] = size;
    assigned[node]++;
    const goesOn = descend(vm, cells, depth + 1, further);
    assigned[node]--;
    offerRoom[node] += cellVcpus[at];
    offerPages[home + size] += inPages(cellPages[at], size);
    if (!goesOn) return false;
  }
  return true;
}

/**
 * Shows every assignment of the VM's `cells` cells (laid out before) that the offer allows and that may cost no more than
 * the ceiling to `onLeaf`, which returns false to end the walk.
 */
export function walkAssignments(vm: i32, cells: i32, relax: i32, maxVisits: i32, onLeaf: (vm: i32, cells: i32) => bool): void {
  relaxed = relax;
  budget = maxVisits;
  visits = 0;
  complete = true;
  leaf = onLeaf;
  untied = offerFirst == -1;
  for (let device = 0; device < devices; device++) untied = untied && deviceVm[device] != vm;
  orderCells(vm, cells);
  descend(vm, cells, 0, 0);
}

/** vCPUs that all nodes together take. */
export function roomOffered(): i32 {
  let room = 0;
  for (let node = 0; node < nodeCount; node++) room += offerRoom[node];
  return room;
}

/** Fills the pages of the offer. */
export function offerPagesFrom(free: StaticArray<i64>): void {
  for (let node = 0; node < nodeCount; node++) {
    for (let size = 0; size < pageSizes; size++) {
      offerPages[node * MAX_PAGE_SIZES + size] = free[node * MAX_PAGE_SIZES + size];
    }
  }
}
