// Makes one whole assignment by a rule, without looking back. It is tried where a walk ended before it saw any, as it may on a large host.
import { Flat } from '../flat';
import { BECAUSE_DEVICE, MAX_PAGE_SIZES, MAX_VM_VCPUS, MEMORY_STRICT } from '../abi';
import { cellOrder, countOffer, countsPages, offeredPageSize, roomByMemory } from './assign';
import { sharedBeside } from './least';
import { offerPages, offerRoom, offerShared, takesThreads } from './offer';
import { assigned, clearPicks, hopsToAssigned, isPickedFor, layParts, mayBegin, missesDevice, pick, picks, unpick } from './picks';
import { distance, nodeCount, pageSizes, servesDevice } from '../problem/host';
import { homeOf, homesOf } from '../problem/nodes';
import { cellDedicated, cellPages, cellVcpus, deviceNode, deviceStrict, nextDevice, vmDevice, vmMemory, vmSpan, vmStart } from '../problem/request';
import { inPages, takesSize } from '../model/memory';
import { firstNodeAsked, open } from '../model/relations';
import { isSpent, spend, workDone } from '../work';

/** The nearest nodes first; of those the one that is left with the fewest CPUs. */
const NEAREST: i32 = 0;
/** The nodes that are left with the fewest CPUs first. */
const TIGHTEST: i32 = 1;
/** The nodes that are left with the fewest pages first. */
const LEANEST: i32 = 2;
/** The nodes that hold some of the VM first, then those whose memory takes the most cells like this one. */
const RICHEST: i32 = 3;
/** The nearest nodes first; of those the one with the nearest memory, then the one that takes the most cells like this one. */
const WIDEST: i32 = 4;

/** Work of the rules that are tried even where there is none left. */
const LEAST_WORK: i64 = 4096;

/** The entry of each pick's cell. */
const pickEntry = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
/** The index of the page size that a pick took pages of; -1: none were counted. */
const pickSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
/** The node that the pages are on. */
const pickHome = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));

/** Whether each cell is to have all of its memory on one memory node of its node. */
let counts: bool = true;

/** The memory node of a node that offers all pages of a cell; -1: none does. */
function roomyHome(vm: i32, at: i32, node: i32): i32 {
  for (let home = 0; home < homesOf(node); home++) {
    if (offeredPageSize(vm, cellPages[at], homeOf(node, home)) >= 0) return homeOf(node, home);
  }
  return -1;
}

/** How many cells like this one the memory of a node takes. */
function cellsIn(vm: i32, at: i32, home: i32): i64 {
  let most: i64 = 0;
  for (let size = 0; size < pageSizes; size++) {
    if (takesSize(vm, cellPages[at], size)) most = max(most, offerPages[home * MAX_PAGE_SIZES + size] / inPages(cellPages[at], size));
  }
  return most;
}

/** How many cells like this one the memory of each of the node's memory nodes takes, at least. */
function cellsByMemory(vm: i32, at: i32, node: i32): i64 {
  let least = i64.MAX_VALUE;
  for (let home = 0; home < homesOf(node); home++) least = min(least, cellsIn(vm, at, homeOf(node, home)));
  return least;
}

/** Whether a strict device of the VM is on the node, and none of its vCPUs yet. */
function isWanted(vm: i32, node: i32): bool {
  if (assigned[node] != 0) return false;
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) {
    if (deviceStrict[device] && servesDevice(node, deviceNode[device])) return true;
  }
  return false;
}

/** How many cells like this one the node takes, at the most. */
function cellsOn(vm: i32, at: i32, node: i32): i64 {
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  let most = dedicated == 0 ? i32.MAX_VALUE : offerRoom[node] / dedicated;
  if (shared > 0) most = min(most, offerShared[node] / shared);
  let byMemory: i64 = 0;
  for (let home = 0; home < homesOf(node) && byMemory < <i64>most; home++) byMemory += cellsIn(vm, at, homeOf(node, home));
  return min(<i64>most, byMemory);
}

/** What is left on the node, by the rule: the less the better. */
function leftBy(vm: i32, at: i32, node: i32, rule: i32): i64 {
  if (rule == WIDEST) return (<i64>distance(node, homeOf(node, 0)) << 32) - cellsOn(vm, at, node);
  if (rule == RICHEST) return -cellsByMemory(vm, at, node);
  return rule == LEANEST ? offerPages[homeOf(node, 0) * MAX_PAGE_SIZES] : <i64>(offerRoom[node] + offerShared[node]);
}

/** The node that is the best for the cell by the rule, and takes all of it (or, where it spans, the most of it); -1: none. */
function bestNode(vm: i32, cells: i32, cell: i32, rule: i32, dedicated: i32, shared: i32): i32 {
  const at = vmStart[vm] + cell;
  let best = -1;
  let bestTaken = 0;
  let bestHops: f64 = 0;
  let bestLeft: i64 = 0;
  const begins = cell == 0 && firstNodeAsked >= 0 && !isPickedFor(cell, firstNodeAsked);
  spend(4 * nodeCount);
  for (let node = 0; node < nodeCount; node++) {
    if (!open[node] || (begins && node != firstNodeAsked)) continue;
    if (!vmSpan[vm] && cell == 0 && !takesThreads(vm, node, dedicated, shared)) continue;
    const seats = min(offerRoom[node], dedicated);
    const floats = min(shared, sharedBeside(vm, cell, node, seats));
    if (floats < 0) continue;
    let taken = seats + floats;
    // What memory leaves of it takes long to find out, and is no more.
    if (taken <= 0 || (taken < bestTaken && !isWanted(vm, node))) continue;
    if (vmSpan[vm]) taken = isPickedFor(cell, node) ? 0 : min(taken, roomByMemory(vm, at, node));
    else if (taken < dedicated + shared || (counts && roomyHome(vm, at, node) < 0)) continue;
    if (taken <= 0) continue;
    if (isWanted(vm, node)) return node;
    const hops = rule == NEAREST || rule == WIDEST ? hopsToAssigned(vm, cells, cell, node, dedicated, shared) : <f64>(rule == RICHEST && assigned[node] == 0);
    const left = leftBy(vm, at, node, rule);
    if (best >= 0) {
      if (taken != bestTaken ? taken < bestTaken : hops != bestHops ? hops > bestHops : left >= bestLeft) continue;
    }
    best = node;
    bestTaken = taken;
    bestHops = hops;
    bestLeft = left;
  }
  return best;
}

/** Assigns one cell; false where it finds no node. */
function diveCell(vm: i32, cells: i32, cell: i32, rule: i32): bool {
  const at = vmStart[vm] + cell;
  let dedicated = cellDedicated[at];
  let shared = cellVcpus[at] - dedicated;
  while (dedicated + shared > 0) {
    const node = bestNode(vm, cells, cell, rule, dedicated, shared);
    if (node < 0) return false;
    const room = vmSpan[vm] ? roomByMemory(vm, at, node) : cellVcpus[at];
    const seats = min(min(dedicated, offerRoom[node]), room);
    const floats = min(min(shared, sharedBeside(vm, cell, node, seats)), room - seats);
    const home = counts ? roomyHome(vm, at, node) : -1;
    const size = home < 0 ? -1 : offeredPageSize(vm, cellPages[at], home);
    pickSize[picks] = size;
    pickHome[picks] = home;
    if (size >= 0) countOffer(home, size, inPages(cellPages[at], size));
    pickEntry[picks] = at;
    pick(cell, node, seats, floats);
    dedicated -= seats;
    shared -= floats;
  }
  return true;
}

function takeBack(): void {
  while (picks > 0) {
    const size = pickSize[picks - 1];
    if (size >= 0) countOffer(pickHome[picks - 1], size, -inPages(cellPages[pickEntry[picks - 1]], size));
    unpick();
  }
}

/**
 * Shows `onLeaf` assignments of the VM's `cells` cells (laid out before) that the offer allows, until it returns false. Each rule makes one
 * at the most, or two where cells may have their memory on any of several nodes. A walk of the same VM must come before this: what it
 * found out about the VM is used.
 */
export function diveAssignments(vm: i32, cells: i32, relaxed: i32, onLeaf: (vm: i32, cells: i32) => bool): void {
  let goesOn = true;
  counts = vmMemory[vm] == MEMORY_STRICT && !vmSpan[vm];
  if (!countsPages && counts) goesOn = diveByRules(vm, cells, relaxed, onLeaf);
  counts = countsPages;
  if (goesOn) diveByRules(vm, cells, relaxed, onLeaf);
}

function diveByRules(vm: i32, cells: i32, relaxed: i32, onLeaf: (vm: i32, cells: i32) => bool): bool {
  const end = workDone + LEAST_WORK;
  for (let rule = NEAREST; rule <= RICHEST; rule++) {
    if (isSpent() && workDone >= end) break;
    if (!diveBy(vm, cells, relaxed, rule, onLeaf)) return false;
    // What fits on no node fits on none by any rule.
    if (nothingFits) break;
  }
  return true;
}

/** Whether the last dive found no node for its first cell. */
let nothingFits: bool = false;

/** Shows the assignment that the rule makes, if it makes one; false where `onLeaf` returns that. */
function diveBy(vm: i32, cells: i32, relaxed: i32, rule: i32, onLeaf: (vm: i32, cells: i32) => bool): bool {
  let goesOn = true;
  clearPicks(vm);
  let next = 0;
  while (next < cells && diveCell(vm, cells, cellOrder[next], rule)) next++;
  nothingFits = picks == 0;
  if (next == cells && mayBegin(vm) && ((relaxed & BECAUSE_DEVICE) != 0 || !missesDevice(vm))) {
    layParts(vm);
    goesOn = onLeaf(vm, cells);
  }
  takeBack();
  return goesOn;
}

/**
 * Shows `onLeaf` one assignment more, on the nodes that take the most. It is for a walk that ended early: that has seen many assignments which
 * begin on the same node, and none that begins on others.
 */
export function diveOnWidest(vm: i32, cells: i32, onLeaf: (vm: i32, cells: i32) => bool): void {
  counts = countsPages;
  diveBy(vm, cells, 0, WIDEST, onLeaf);
}
