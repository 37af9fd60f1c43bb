// Which node each cell goes to, or which nodes where it may span several. The walk is depth first over the cells, the widest first.
// It cuts where what is already fixed costs more than the best assignment known. What a node offers is given, so the same walk serves
// placing, the bound (on the empty host) and explanations (with constraints left aside).
import { Flat } from '../flat';
import { BECAUSE_DEVICE, MAX_NODES, MAX_PAGE_SIZES, MAX_VM_CELLS, MAX_VM_VCPUS, MEMORY_STRICT } from '../abi';
import { communicationPrice } from '../model/communication';
import { cellsPrice } from '../model/cost';
import { vmHasCurrent } from '../problem/current';
import { nodeCount, nodeTwin, pageSizes } from '../problem/host';
import { homeOf, homesAreOpen, homesOf, isPicky } from '../problem/nodes';
import { inPages, MOST_PAGES, takesSize } from '../model/memory';
import { byOvercommit, leastLossOn, prepareLosses, sharedBeside, weighsLosses } from './least';
import { offerLimit, offerPages, offerRoom, offersRest, offerShared, offerUntouched, takesThreads } from './offer';
import { assigned, clearPicks, hopsToAssigned, isPickedFor, layParts, mayBegin, missesDevice, pick, pickNode, picks, unpick } from './picks';
import { beginsNear, firstNodeAsked, open } from '../model/relations';
import { cellDedicated, cellPages, cellVcpus, vmBound, vmDevice, vmMemory, vmSpan, vmStart, vmThreadCpus } from '../problem/request';
import { vmTraffic } from '../problem/traffic';
import { isSpent, spend } from '../work';

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
/** Lowers what the walk may still try. */
export function limitVisits(more: i32): void {
  budget = min(budget, visits + more);
}
let relaxed: i32 = 0;
/** What the number of cells costs, and what the cells that are assigned lose where they are, beside hops. */
let fixed: i64 = 0;
/** Whether the VM has no ties to certain nodes. */
let untied: bool = true;
/** Whether nodes that are twins may stand for each other. */
let twinsAlike: bool = true;
export function setTwinsAlike(alike: bool): void {
  twinsAlike = alike;
}
/** Whether cells of the same size are interchangeable. */
let cellsAlike: bool = true;
/** Whether memory follows the one node of each cell to one memory node, so that pages can be counted on the way. */
export let countsPages: bool = true;
/** Whether memory that spans nodes is in proportion to the vCPUs there. */
export let followsVcpus: bool = false;
let leaf: (vm: i32, cells: i32) => bool = noLeaf;
let leaves: i32 = 0;
/** Ten times the hops between the nodes of the assignment that the leaf sees, weighted by demand. */
export let leafHops: f64 = 0;
/** Cells in the order in which they are assigned. */
export const cellOrder = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
/** Nodes to try for a cell, by depth; by depth and node, what it adds to the hops. */
const tries = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_CELLS * MAX_NODES, 8));
const triesHops = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VM_CELLS * MAX_NODES, 8));
/** What the cell adds there to the cost, as far as that is known. */
const triesPrice = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VM_CELLS * MAX_NODES, 8));

/** Nodes tried that looking at a whole assignment counts as. It takes that much longer. */
const VISITS_OF_LEAF: i32 = 8;
/** Nodes x parts looked at that count as much as a node tried. */
const LOOKS_IN_VISIT: i32 = 16;
/** The same where a whole assignment is looked at. */
const LOOKS_IN_LEAF: i32 = 64;
/** Cells up to this size are divided between nodes in every way; larger ones by filling nodes. */
const SMALL_CELL: i32 = 8;
/** Hosts with so many nodes are small. */
const FEW_NODES: i32 = 4;

function noLeaf(_vm: i32, _cells: i32): bool {
  return true;
}

/** The widest cells first (most vCPUs, then most pages, then lowest), since they fit in the fewest places. */
function orderCells(vm: i32, cells: i32): void {
  const start = vmStart[vm];
  for (let cell = 0; cell < cells; cell++) {
    let at = cell;
    while (at > 0) {
      const before = cellOrder[at - 1];
      const wider = cellVcpus[start + cell] - cellVcpus[start + before];
      if (wider < 0 || (wider == 0 && cellPages[start + cell] <= cellPages[start + before])) break;
      cellOrder[at] = before;
      at--;
    }
    cellOrder[at] = cell;
  }
}

/** What the cells from a depth on lose at the least, each on the node where that is least. */
const lossFrom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MAX_VM_CELLS + 1), 8));

/** What the cell loses at the least, by the function, on the open node where that is least. */
function leastOf(vm: i32, at: i32, loss: (vm: i32, at: i32, node: i32) => i64): i64 {
  let least = i64.MAX_VALUE;
  spend(nodeCount);
  for (let node = 0; node < nodeCount && least > 0; node++) if (open[node]) least = min(least, loss(vm, at, node));
  return least == i64.MAX_VALUE ? 0 : least;
}

/** Fills `lossFrom`. Returns what all cells lose as nodes at the least, which is no part of the VM's own bound. */
function sumLosses(vm: i32, cells: i32): i64 {
  let all: i64 = 0;
  let least: i64 = 0;
  let ofNodes: i64 = 0;
  for (let depth = cells - 1; depth >= 0; depth--) {
    const at = vmStart[vm] + cellOrder[depth];
    if (weighsLosses && !vmSpan[vm] && (depth == cells - 1 || !cellsAreAlike(at, vmStart[vm] + cellOrder[depth + 1]))) {
      least = leastOf(vm, at, leastLossOn);
      ofNodes = leastOf(vm, at, byOvercommit);
    }
    lossFrom[depth] = lossFrom[depth + 1] + least;
    all += ofNodes;
  }
  return all;
}

/** Whether so many hops, and `more` besides, cost more than the ceiling, whatever else there is. */
function isTooDear(vm: i32, hops: f64, more: i64): bool {
  // Sums of fractions of traffic may be off by less than a millionth.
  const slack: i64 = vmTraffic[vm] < 0 ? 0 : 1;
  return fixed + communicationPrice(vm, hops) + more - slack > ceiling;
}

/** Whether an interchangeable node stands for this one, which the walk therefore need not try. */
function twinStandsFor(node: i32): bool {
  if (!untied || assigned[node] != 0 || !offerUntouched[node]) return false;
  for (let twin = nodeTwin[node]; twin >= 0; twin = nodeTwin[twin]) {
    if (assigned[twin] == 0 && offerUntouched[twin] && open[twin]) return true;
  }
  return false;
}

function atLeaf(vm: i32, cells: i32, hops: f64): bool {
  if (!mayBegin(vm) || ((relaxed & BECAUSE_DEVICE) == 0 && missesDevice(vm))) return true;
  leaves++;
  visits += VISITS_OF_LEAF + (picks * picks) / LOOKS_IN_LEAF;
  spend(picks);
  leafHops = hops;
  layParts(vm);
  return leaf(vm, cells);
}

/** Counts a visit; false where the budget is used up. */
function visit(): bool {
  if (visits >= budget || isSpent()) {
    complete = false;
    return false;
  }
  visits++;
  return true;
}

/** The largest page size that a cell of so many base pages may have and that is offered on the node; -1: none. */
export function offeredPageSize(vm: i32, pages: i64, node: i32): i32 {
  for (let size = pageSizes - 1; size >= 0; size--) {
    if (!takesSize(vm, pages, size)) continue;
    const wanted = inPages(pages, size);
    if (offerPages[node * MAX_PAGE_SIZES + size] >= wanted && offerLimit[size] >= wanted) return size;
  }
  return -1;
}

/** Takes (1) or gives back (-1) pages of the offer. */
export function countOffer(node: i32, size: i32, pages: i64): void {
  offerPages[node * MAX_PAGE_SIZES + size] -= pages;
  offerLimit[size] -= pages;
}

/** Whether two cells ask for the same, so that they may be exchanged. */
function cellsAreAlike(a: i32, b: i32): bool {
  return cellVcpus[a] == cellVcpus[b] && cellDedicated[a] == cellDedicated[b] && cellPages[a] == cellPages[b];
}

/** Whether the cells from `depth` on that are alike find room, each by itself, on the nodes from `first` on. */
function runFits(vm: i32, cells: i32, depth: i32, first: i32): bool {
  const start = vmStart[vm];
  const at = start + cellOrder[depth];
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  let run = 1;
  while (depth + run < cells && cellsAreAlike(start + cellOrder[depth + run], at)) run++;
  for (let node = first; node < nodeCount && run > 0; node++) {
    let room = dedicated == 0 ? i32.MAX_VALUE : offerRoom[node] / dedicated;
    if (shared > 0) room = min(room, offerShared[node] / shared);
    run -= min(run, max(0, room));
  }
  return run == 0;
}

/** Whether a node is tried before another at the depth: the cell costs less there, or has fewer hops, or the node is lower. */
function isTriedBefore(base: i32, a: i32, b: i32): bool {
  const priceA = triesPrice[base + a];
  const priceB = triesPrice[base + b];
  if (priceA != priceB) return priceA < priceB;
  const hopsA = triesHops[base + a];
  const hopsB = triesHops[base + b];
  return hopsA != hopsB ? hopsA < hopsB : a < b;
}

/** Puts a node into the heap of `count` nodes at `base`, at the place or further down. */
function sift(base: i32, count: i32, place: i32, node: i32): void {
  let at = place;
  for (let child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && isTriedBefore(base, tries[base + child + 1], tries[base + child])) child++;
    if (!isTriedBefore(base, tries[base + child], node)) break;
    tries[base + at] = tries[base + child];
    at = child;
  }
  tries[base + at] = node;
}

/** Makes a heap of the nodes: most often only the first few of them are tried. Counts as sorting them. */
function heapTries(base: i32, count: i32): void {
  for (let at = (count >> 1) - 1; at >= 0; at--) sift(base, count, at, tries[base + at]);
  let gap = 1;
  for (spend(count); gap < count; gap = 3 * gap + 1) spend(count);
}

/** Takes the node that is tried first out of the heap of `count` nodes. */
function nextTry(base: i32, count: i32): i32 {
  const node = tries[base];
  sift(base, count - 1, 0, tries[base + count - 1]);
  return node;
}

/** Whether `tries` are in order at the depth that was filled last; else they are a heap. */
let triesSorted: bool = false;

/** Enters the nodes that the cell may go to as a whole into `tries`, those first where it costs least as far as that is known; how many. */
function findTries(vm: i32, cells: i32, depth: i32): i32 {
  const cell = cellOrder[depth];
  const at = vmStart[vm] + cell;
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  const base = depth * MAX_NODES;
  let first = 0;
  if (depth > 0 && cellsAlike) {
    // Cells that are alike are interchangeable: only ascending nodes are tried.
    if (cellsAreAlike(vmStart[vm] + cellOrder[depth - 1], at)) first = pickNode[picks - 1];
  }
  if (!runFits(vm, cells, depth, cellsAlike ? first : 0)) return 0;
  let count = 0;
  let sorted = true;
  for (let node = first; node < nodeCount; node++) {
    if (!open[node] || (firstNodeAsked >= 0 && cell == 0 && node != firstNodeAsked)) continue;
    if (offerRoom[node] < dedicated || sharedBeside(vm, cell, node, dedicated) < shared || twinStandsFor(node)) continue;
    if (cell == 0 && !takesThreads(vm, node, dedicated, shared)) continue;
    const hops = hopsToAssigned(vm, cells, cell, node, dedicated, shared);
    triesHops[base + node] = hops;
    triesPrice[base + node] = weighsLosses ? (hops == 0 ? 0 : communicationPrice(vm, hops)) + leastLossOn(vm, at, node) : 0;
    sorted = sorted && (count == 0 || isTriedBefore(base, tries[base + count - 1], node));
    tries[base + count++] = node;
  }
  triesSorted = sorted;
  if (!sorted) heapTries(base, count);
  visits += (count * picks) / LOOKS_IN_VISIT;
  spend(6 * nodeCount);
  return count;
}

/** Walks on from `depth` cells assigned at `hops`; false to end the walk. */
function descend(vm: i32, cells: i32, depth: i32, hops: f64): bool {
  if (depth == cells) return atLeaf(vm, cells, hops);
  const cell = cellOrder[depth];
  const at = vmStart[vm] + cell;
  if (vmSpan[vm]) return descendSpan(vm, cells, depth, hops);
  const count = findTries(vm, cells, depth);
  const sorted = triesSorted;
  const base = depth * MAX_NODES;
  for (let next = 0; next < count; next++) {
    const node = sorted ? tries[base + next] : nextTry(base, count - next);
    const price = triesPrice[base + node];
    // Those that come after this one cost no less. Prices are rounded one by one.
    if (isTooDear(vm, hops, price - 1 + lossFrom[depth + 1])) break;
    const further = hops + triesHops[base + node];
    const loss = leastLossOn(vm, at, node);
    if (isTooDear(vm, further, loss + lossFrom[depth + 1])) continue;
    if (!visit()) return false;
    const home = homeOf(node, 0);
    const size = countsPages ? offeredPageSize(vm, cellPages[at], home) : 0;
    if (size < 0) continue;
    if (countsPages) countOffer(home, size, inPages(cellPages[at], size));
    pick(cell, node, cellDedicated[at], cellVcpus[at] - cellDedicated[at]);
    fixed += loss;
    const goesOn = descend(vm, cells, depth + 1, further);
    fixed -= loss;
    unpick();
    if (countsPages) countOffer(home, size, -inPages(cellPages[at], size));
    if (!goesOn) return false;
  }
  return true;
}

/** Divides a cell between more and more nodes, up to one more than it needs. On a small host it may be divided between any number. */
function descendSpan(vm: i32, cells: i32, depth: i32, hops: f64): bool {
  const at = vmStart[vm] + cellOrder[depth];
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  const most = min(nodeCount, cellVcpus[at]);
  const before = leaves;
  let needed = most;
  for (let parts = 1; parts <= min(most, needed + 1); parts++) {
    if (!divide(vm, cells, depth, hops, parts, dedicated, shared, 0)) return false;
    if (leaves > before && needed == most && nodeCount > FEW_NODES) needed = parts;
  }
  return true;
}

/** vCPUs that go with the pages of a node, where a cell's memory follows its vCPUs. */
export function roomByMemory(vm: i32, at: i32, node: i32): i32 {
  if (!followsVcpus) return cellVcpus[at];
  let room: i64 = 0;
  for (let size = 0; size < pageSizes; size++) {
    const pages = inPages(cellPages[at], size);
    let offered: i64 = 1;
    for (let home = 0; home < homesOf(node); home++) offered += offerPages[homeOf(node, home) * MAX_PAGE_SIZES + size];
    if (pages > 0) room = max(room, (min(offered, MOST_PAGES) * <i64>cellVcpus[at]) / pages);
  }
  return <i32>min(room, <i64>cellVcpus[at]);
}

/** Puts what is left of the cell on `parts` nodes: `node` or later ones are filled, the last takes the rest. */
function divide(vm: i32, cells: i32, depth: i32, hops: f64, parts: i32, dedicated: i32, shared: i32, first: i32): bool {
  const cell = cellOrder[depth];
  const at = vmStart[vm] + cell;
  const small = cellVcpus[at] <= SMALL_CELL;
  // The last node may be below those that are filled, unless every way to divide is tried anyway.
  for (let node = parts == 1 && !small ? 0 : first; node < nodeCount; node++) {
    if (!visit()) return false;
    spend(8);
    const seated = min(dedicated, offerRoom[node]);
    const floating = min(shared, small ? offerShared[node] : sharedBeside(vm, cell, node, seated));
    if (!open[node] || (parts == 1 ? seated < dedicated || floating < shared : seated + floating <= 0)) continue;
    if (twinStandsFor(node) || isPickedFor(cell, node)) continue;
    const room = roomByMemory(vm, at, node);
    const mostDedicated = min(seated, room);
    const mostShared = min(floating, room - mostDedicated);
    if (parts == 1) {
      if (mostDedicated < dedicated || mostShared < shared) continue;
      if (!divideOn(vm, cells, depth, hops, parts, dedicated, shared, node, dedicated, shared)) return false;
      continue;
    }
    // Something has to be left for each of the other parts.
    const most = min(min(room, mostDedicated + floating), dedicated + shared - parts + 1);
    for (let here = most; here > 0; here = small ? here - 1 : 0) {
      for (let seats = min(here, mostDedicated); seats >= 0 && here - seats <= floating; seats--) {
        if (!divideOn(vm, cells, depth, hops, parts, dedicated, shared, node, seats, here - seats)) return false;
        if (!small) break;
      }
    }
  }
  return true;
}

/** Puts so many vCPUs of the cell on the node and goes on with the rest. */
function divideOn(vm: i32, cells: i32, depth: i32, hops: f64, parts: i32, dedicated: i32, shared: i32, node: i32, seats: i32, floats: i32): bool {
  const cell = cellOrder[depth];
  const further = hops + hopsToAssigned(vm, cells, cell, node, seats, floats);
  // Threads may be on any node of the first cell.
  if (isTooDear(vm, further, 0) || sharedBeside(vm, -1, node, seats) < floats) return true;
  pick(cell, node, seats, floats);
  const goesOn =
    parts == 1
      ? descend(vm, cells, depth + 1, further)
      : divide(vm, cells, depth, further, parts - 1, dedicated - seats, shared - floats, node + 1);
  unpick();
  return goesOn;
}

/** Whether the threads of the VM find CPUs on some node, beside the first cell, or beside none of it where that may be divided. */
function findsThreads(vm: i32): bool {
  if (vmThreadCpus[vm] == 0) return true;
  const dedicated = vmSpan[vm] ? 0 : cellDedicated[vmStart[vm]];
  const shared = vmSpan[vm] ? 0 : cellVcpus[vmStart[vm]] - dedicated;
  for (let node = 0; node < nodeCount; node++) if (open[node] && takesThreads(vm, node, dedicated, shared)) return true;
  return false;
}

/**
 * Shows `onLeaf` every assignment of the VM's `cells` cells (laid out before) that the offer allows and that may cost no more than
 * the ceiling, in the VM's part arrays. `onLeaf` returns false to end the walk. Where cells span nodes, it sees only assignments
 * worth trying. Returns false where `onLeaf` ended the walk, or the budget was used up.
 */
export function walkAssignments(vm: i32, cells: i32, relax: i32, maxVisits: i32, onLeaf: (vm: i32, cells: i32) => bool): bool {
  relaxed = relax;
  fixed = cellsPrice(vm, cells);
  prepareLosses(vm);
  budget = maxVisits;
  visits = 0;
  leaves = 0;
  clearPicks(vm);
  complete = true;
  leaf = onLeaf;
  untied = twinsAlike && firstNodeAsked == -1 && !vmHasCurrent[vm] && !isPicky(vm) && vmDevice[vm] < 0;
  cellsAlike = !beginsNear && !vmHasCurrent[vm] && vmTraffic[vm] < 0 && vmThreadCpus[vm] == 0;
  countsPages = vmMemory[vm] == MEMORY_STRICT && !vmSpan[vm] && !homesAreOpen();
  followsVcpus = vmMemory[vm] == MEMORY_STRICT;
  orderCells(vm, cells);
  lossFrom[cells] = 0;
  const ofNodes = cells == 1 ? 0 : sumLosses(vm, cells);
  if (offersRest && vmBound[vm] >= 0 && vmBound[vm] + ofNodes > ceiling) return true;
  if (!findsThreads(vm)) return true;
  return descend(vm, cells, 0, 0);
}
