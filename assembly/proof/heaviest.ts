// Whether VMs of more weight could be placed than are. Every set of them is tried on every division among nodes, as far as counting goes
// (proof/ledger.ts). What does not fit there fits in no plan.
import { Flat } from '../flat';
import { MAX_NODES, MEMORY_INTERLEAVE, MEMORY_STRICT } from '../abi';
import { fewestCells, layOutCells, mostCells } from '../problem/cells';
import { nodeCount, pageShift, pageSizeIndex, pageSizes, servesDevice } from '../problem/host';
import { homeOf, homesOf, keepsOff, useNodesOf } from '../problem/nodes';
import { areSame } from '../problem/alike';
import { weightOf } from '../problem/weight';
import { isSpent, setWorkLimit, spend, workDone } from '../work';
import { groupMemory, memoryGroup } from './competition';
import { ALL_NODES, ANY_SIZE, coresAreWhole, floats, listed, MOST_LISTED, nodeFits, openLedger, pagesFit, seats, takePages, threads } from './ledger';
import { cellDedicated, cellPages, cellVcpus, deviceNode, deviceStrict, nextDevice, nextRelation, peerOf, relationNear, vmCells, vmCellsAsked, vmDedicated, vmDevice, vmMemory, vmPages, vmPageShift, vmRelation, vmSpan, vmStart, vmThreadCpus, vmVcpus } from '../problem/request';

/** Work of one proof, and of all since the last search. */
const WORK_OF_ONE: i64 = 3000000;
const WORK_OF_ALL: i64 = 9000000;
let workLeft: i64 = WORK_OF_ALL;

/** A search begins. */
export function renewProofs(): void {
  workLeft = WORK_OF_ALL;
}

let count: i32 = 0;
/** Weight of the VMs from a place in the list on. */
const weightFrom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_LISTED + 1), 8));
/** What is tried has more than this weight. */
let beaten: i64 = 0;
/** Whether something was found that counting allows. */
let possible: bool = false;
const isPlaced = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MOST_LISTED, 8));
/** The node that the VM begins on; -1: any that it has vCPUs on. */
const begins = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LISTED, 8));
/** The group of nodes that memory of a VM's vCPUs on a node is on; ALL_NODES: not known; -1: the VM cannot be there. By place and node. */
const groupAt = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LISTED * MAX_NODES, 8));

/** Pieces of cells that are on nodes. Calls are nested as deeply, and no runtime has room for any number. */
let pieces: i32 = 0;
const MOST_PIECES: i32 = 512;
let tooMany: bool = false;

/** Whether nothing more needs to be tried: it is possible, or that will not be known. */
function isOver(): bool {
  return possible || tooMany || isSpent();
}

function fillGroups(at: i32): void {
  const vm = listed[at];
  useNodesOf(vm);
  spend(nodeCount);
  for (let node = 0; node < nodeCount; node++) {
    const homes = homesOf(node);
    let group = homes == 0 || keepsOff(vm, node) ? -1 : memoryGroup[homeOf(node, 0)];
    for (let home = 1; home < homes && group >= 0; home++) if (memoryGroup[homeOf(node, home)] != group) group = ALL_NODES;
    groupAt[at * MAX_NODES + node] = group;
  }
}

function sizeOf(vm: i32): i32 {
  return vmPageShift[vm] == 0 ? ANY_SIZE : pageSizeIndex(vmPageShift[vm]);
}

/** Base pages, as a shift, by which shares of the VM's memory are rounded at the most. */
function roundedBy(vm: i32): i64 {
  return <i64>((vmPageShift[vm] == 0 ? pageShift[pageSizes - 1] : vmPageShift[vm]) - pageShift[0]);
}

/** Whether the planner chooses the VM's cells: then its vCPUs may be on any nodes. */
function isLoose(vm: i32): bool {
  return vmCellsAsked[vm] == 0 && !vmSpan[vm];
}

/** Goes on with the VM at `at`, VMs of so much weight being placed. */
function tryFrom(at: i32, weight: i64): void {
  if (weight > beaten) possible = true;
  if (at == count || weight + weightFrom[at] <= beaten || isOver()) return;
  const vm = listed[at];
  // Of VMs that are the same the first ones are placed.
  const waits = at > 0 && !isPlaced[at - 1] && areSame(listed[at - 1], vm);
  isPlaced[at] = true;
  takePages(ALL_NODES, sizeOf(vm), vmPages[vm]);
  if (!waits && pagesFit(ALL_NODES)) {
    if (isLoose(vm)) divide(at, 1, 0, 0, vmDedicated[vm], vmVcpus[vm] - vmDedicated[vm], weight);
    else for (let cells = fewestCells(vm); cells <= mostCells(vm); cells++) if (layOutCells(vm, cells)) putCell(at, cells, 0, 0, weight);
  }
  takePages(ALL_NODES, sizeOf(vm), -vmPages[vm]);
  isPlaced[at] = false;
  tryFrom(at + 1, weight);
}

/** Base pages that so many vCPUs of a cell (of the VM, where it is loose) have on their nodes at the least, of a part of it. */
function pagesOf(vm: i32, cell: i32, vcpus: i32): i64 {
  if (isLoose(vm)) {
    const shift = vmPageShift[vm] == 0 ? 0 : roundedBy(vm);
    // Each cell, which has one vCPU at the least, has one page, and less than one less than its share.
    return max<i64>(1, ((vmPages[vm] >> shift) * <i64>vcpus) / <i64>vmVcpus[vm] - <i64>vcpus + 1) << shift;
  }
  const at = vmStart[vm] + cell;
  if (vcpus == cellVcpus[at]) return cellPages[at];
  const shift = roundedBy(vm);
  const share = (cellPages[at] * <i64>vcpus) / <i64>cellVcpus[at];
  return max<i64>(0, vmPageShift[vm] == 0 ? share - (1 << shift) + 1 : (share >> shift) << shift);
}

/** Puts vCPUs of a cell on the node, or takes them back (-1). */
function move(at: i32, cell: i32, node: i32, dedicated: i32, shared: i32, sign: i32): void {
  const vm = listed[at];
  pieces += sign;
  if (pieces > MOST_PIECES) tooMany = true;
  seats[node * MOST_LISTED + at] += sign * dedicated;
  floats[node * MOST_LISTED + at] += sign * shared;
  const group = groupAt[at * MAX_NODES + node];
  if (vmMemory[vm] == MEMORY_STRICT && group != ALL_NODES) takePages(group, sizeOf(vm), <i64>sign * pagesOf(vm, cell, dedicated + shared));
}

/** Whether all that is on the node has room. */
function hasRoom(at: i32, node: i32): bool {
  return nodeFits(node, at + 1) && pagesFit(groupAt[at * MAX_NODES + node]);
}

/** Goes on with a cell of the VM, on nodes from `least` on. */
function putCell(at: i32, cells: i32, cell: i32, least: i32, weight: i64): void {
  const vm = listed[at];
  if (cell == cells) {
    chooseFirst(at, cells, weight);
    return;
  }
  const entry = vmStart[vm] + cell;
  const dedicated = cellDedicated[entry];
  const shared = cellVcpus[entry] - dedicated;
  if (vmSpan[vm]) {
    divide(at, cells, cell, 0, dedicated, shared, weight);
    return;
  }
  // Cells that are alike are on ascending nodes. The first cell says where the VM begins.
  const repeats = cell > 0 && cell + 1 < cells && cellVcpus[entry + 1] == cellVcpus[entry] && cellDedicated[entry + 1] == dedicated && cellPages[entry + 1] == cellPages[entry];
  for (let node = least; node < nodeCount && !isOver(); node++) {
    if (groupAt[at * MAX_NODES + node] < 0) continue;
    if (cell == 0) begins[at] = node;
    move(at, cell, node, dedicated, shared, 1);
    if (hasRoom(at, node)) putCell(at, cells, cell + 1, repeats ? node : 0, weight);
    move(at, cell, node, dedicated, shared, -1);
  }
}

/** Divides what is left of a cell among `first` and the later nodes, in every way. */
function divide(at: i32, cells: i32, cell: i32, first: i32, dedicated: i32, shared: i32, weight: i64): void {
  if (dedicated + shared == 0) {
    begins[at] = -1;
    putCell(at, cells, cell + 1, 0, weight);
    return;
  }
  for (let node = first; node < nodeCount && !isOver(); node++) {
    if (groupAt[at * MAX_NODES + node] >= 0) putPiece(at, cells, cell, node, dedicated, shared, weight);
  }
}

/** Puts some of what is left of a cell on the node, in every way. */
function putPiece(at: i32, cells: i32, cell: i32, node: i32, dedicated: i32, shared: i32, weight: i64): void {
  let most = shared;
  for (let here = 0; here <= dedicated && most >= 0; here++) {
    for (let floating = here == 0 ? 1 : 0; floating <= most; floating++) {
      move(at, cell, node, here, floating, 1);
      const fits = hasRoom(at, node);
      if (fits) divide(at, cells, cell, node + 1, dedicated - here, shared - floating, weight);
      move(at, cell, node, here, floating, -1);
      // More does not fit then, either.
      if (!fits) most = floating - 1;
    }
  }
}

/** The place of the VM in the list, where it is placed; -1: it is not. */
function placeOf(vm: i32): i32 {
  for (let at = 0; at < count; at++) if (listed[at] == vm) return isPlaced[at] ? at : -1;
  return -1;
}

function isOn(at: i32, node: i32): bool {
  return seats[node * MOST_LISTED + at] + floats[node * MOST_LISTED + at] != 0;
}

/** Whether the VM, beginning on the node (-1: anywhere), is near to those that it has to be near to, and apart from the others. */
function isRelated(at: i32, first: i32): bool {
  for (let entry = vmRelation[listed[at]]; entry >= 0; entry = nextRelation[entry]) {
    const peer = placeOf(peerOf(entry));
    if (peer < 0 || peer >= at) continue;
    if (relationNear[entry >> 1]) {
      if (begins[peer] != first) return false;
      continue;
    }
    for (let node = 0; node < nodeCount; node++) if (isOn(at, node) && isOn(peer, node)) return false;
  }
  return true;
}

/** Tries every node that the VM may begin on, where that matters. */
function chooseFirst(at: i32, cells: i32, weight: i64): void {
  const vm = listed[at];
  const known = begins[at];
  if (vmThreadCpus[vm] == 0 && vmRelation[vm] < 0) {
    finish(at, cells, weight);
    return;
  }
  for (let node = 0; node < nodeCount && !isOver(); node++) {
    if (known >= 0 ? node != known : !isOn(at, node)) continue;
    begins[at] = node;
    threads[node * MOST_LISTED + at] += vmThreadCpus[vm];
    spend(nodeCount);
    if (isRelated(at, node) && nodeFits(node, at + 1)) finish(at, cells, weight);
    threads[node * MOST_LISTED + at] -= vmThreadCpus[vm];
  }
  begins[at] = known;
}

/** Whether a strict device of the VM is where it has no vCPU. */
function missesDevice(at: i32): bool {
  for (let device = vmDevice[listed[at]]; device >= 0; device = nextDevice[device]) {
    let missed = deviceStrict[device];
    spend(nodeCount);
    for (let node = 0; node < nodeCount && missed; node++) missed = !isOn(at, node) || !servesDevice(node, deviceNode[device]);
    if (missed) return true;
  }
  return false;
}

/** The VM has all its vCPUs: goes on with the next. */
function finish(at: i32, cells: i32, weight: i64): void {
  if (missesDevice(at)) return;
  const evenly = vmMemory[listed[at]] == MEMORY_INTERLEAVE;
  if (!evenly || interleave(at, cells, 1)) tryFrom(at + 1, weight + weightOf(listed[at]));
  if (evenly) interleave(at, cells, -1);
}

const isHome = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Takes the least that interleaved memory has on each of its nodes, or gives it back (-1); whether that fits. */
function interleave(at: i32, cells: i32, sign: i64): bool {
  const vm = listed[at];
  let homes: i64 = 0;
  useNodesOf(vm);
  spend(4 * nodeCount);
  for (let node = 0; node < nodeCount; node++) isHome[node] = false;
  for (let node = 0; node < nodeCount; node++) {
    for (let home = 0; isOn(at, node) && home < homesOf(node); home++) isHome[homeOf(node, home)] = true;
  }
  for (let node = 0; node < nodeCount; node++) if (isHome[node]) homes++;
  const rounded = <i64>(isLoose(vm) ? vmVcpus[vm] : cells) << roundedBy(vm);
  const each = max<i64>(0, vmPages[vm] / homes - rounded + 1);
  let fits = true;
  for (let node = 0; node < nodeCount; node++) {
    if (!isHome[node]) continue;
    takePages(memoryGroup[node], sizeOf(vm), sign * each);
    fits = fits && pagesFit(memoryGroup[node]);
  }
  return fits;
}

function prove(weight: i64): bool {
  groupMemory();
  openLedger(memoryGroup);
  if (!coresAreWhole) return false;
  for (let at = 0; at < count; at++) if (vmPageShift[listed[at]] != 0 && pageSizeIndex(vmPageShift[listed[at]]) < 0) return false;
  weightFrom[count] = 0;
  for (let at = count - 1; at >= 0; at--) {
    weightFrom[at] = weightFrom[at + 1] + weightOf(listed[at]);
    isPlaced[at] = false;
    fillGroups(at);
  }
  beaten = weight;
  possible = false;
  pieces = 0;
  tooMany = false;
  const done = workDone;
  const before = setWorkLimit(done + min(WORK_OF_ONE, workLeft));
  tryFrom(0, 0);
  const proven = !isOver();
  setWorkLimit(before);
  workLeft -= workDone - done;
  // The cells of VMs that are placed are as they were.
  for (let at = 0; at < count; at++) if (vmCells[listed[at]] != 0) layOutCells(listed[at], vmCells[listed[at]]);
  return proven;
}

/** Whether the VM is known not to fit even alone. */
export function fitsNotAlone(vm: i32): bool {
  listed[0] = vm;
  count = 1;
  return prove(0);
}

/** Whether no VMs of the list (there may be too many to know) have more than this weight and fit together. */
export function isMost(vms: Flat<i32>, many: i32, weight: i64): bool {
  if (many > MOST_LISTED) return false;
  for (let at = 0; at < many; at++) listed[at] = vms[at];
  count = many;
  return prove(weight);
}
