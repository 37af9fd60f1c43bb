// Where the memory of a VM goes, as its parts and its memory policy have it (docs/model.md, "Cells").
import { Flat } from '../flat';
import { MAX_NODES, MAX_PAGE_SIZES, MEMORY_PREFERRED } from '../abi';
import { asItIs, cellCurrentSize } from '../problem/current';
import { distance, nodeCount, pageShift, pageSizeIndex, pageSizes } from '../problem/host';
import { mayHaveMemory } from '../problem/nodes';
import { barred, countMemory, forgetMemory, freePages, inPages, limitLeft, releaseMemory, take, takesSize } from './memory';
import { cellMemory, cellPages, cellPageSize, partCell, partNode, vmCells, vmMemory, vmPageShift, vmParts, vmStart } from '../problem/request';
import { clearChoice, divide, findHomes, hadChoice, homeCount, homes, priceOn, shares } from './shares';
import { setThrifty, thrifty } from './thrift';
import { spend } from '../work';

function takeShares(cell: i32, size: i32): bool {
  cellPageSize[cell] = size;
  for (let at = homeCount - 1; at >= 0; at--) if (!take(cell, homes[at], shares[at])) return false;
  return true;
}

/** Lays the cell on its homes, in the largest pages that are free there, or in those that it has now where it is to be as it is. False where none are. */
function layAtHome(vm: i32, cell: i32): bool {
  for (let size = pageSizes - 1; size >= 0; size--) {
    if (!takesSize(vm, cellPages[cell], size) || (asItIs && cellCurrentSize[cell] != 0 && cellCurrentSize[cell] != size + 1)) continue;
    if (divide(vm, cell - vmStart[vm], size, inPages(cellPages[cell], size), true)) return takeShares(cell, size);
  }
  return false;
}

/** How far a node is from the cell's parts: 0 for the homes that findHomes found. */
export function reach(vm: i32, cell: i32, node: i32): i32 {
  let nearest = i32.MAX_VALUE;
  for (let at = 0; at < homeCount; at++) if (homes[at] == node) return 0;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    if (partCell[part] == cell - vmStart[vm]) nearest = min(nearest, distance(partNode[part], node));
  }
  return nearest;
}

/** Nodes that have been looked at, and what a page there costs. */
const seen = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
const price = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));

/** The nearest node that has not been looked at, homes first, then the cheapest; -1: none. Marks it. */
function nextNearest(vm: i32, cell: i32): i32 {
  let nearest = -1;
  let least = i32.MAX_VALUE;
  spend(nodeCount * vmParts[vm]);
  for (let node = 0; node < nodeCount; node++) {
    if (seen[node]) continue;
    const far = reach(vm, cell, node);
    if (nearest >= 0 && (far > least || (far == least && price[node] >= price[nearest]))) continue;
    nearest = node;
    least = far;
  }
  if (nearest >= 0) seen[nearest] = true;
  return nearest;
}

/**
 * Pages of the size that spill beyond the homes. The homes are filled first, then the nearest nodes. -1: too few are free.
 * Takes them if told so.
 */
export function spill(vm: i32, cell: i32, size: i32, taking: bool): i64 {
  let missing = inPages(cellPages[cell], size);
  let beyond: i64 = 0;
  if (limitLeft[size] < missing) return -1;
  if (taking) cellPageSize[cell] = size;
  for (let node = 0; node < nodeCount; node++) {
    seen[node] = barred[node] || !mayHaveMemory(vm, node) || freePages[node * MAX_PAGE_SIZES + size] == 0;
    if (!seen[node]) price[node] = priceOn(vm, cell - vmStart[vm], node);
  }
  while (missing > 0) {
    const node = nextNearest(vm, cell);
    if (node < 0) return -1;
    const here = min(missing, freePages[node * MAX_PAGE_SIZES + size]);
    if (reach(vm, cell, node) != 0) beyond += here;
    if (taking && !take(cell, node, here)) return -1;
    missing -= here;
  }
  return beyond;
}

/** Lays the cell on its homes if it fits there. Else it takes the page size with which the fewest bytes spill. */
function layNearHome(vm: i32, cell: i32): bool {
  if (layAtHome(vm, cell)) return true;
  // Where there is one size, there is nothing to compare. What is taken of too little is given back by the caller.
  if (pageSizes == 1) return takesSize(vm, cellPages[cell], 0) && spill(vm, cell, 0, true) >= 0;
  let best = -1;
  let least: i64 = 0;
  for (let size = pageSizes - 1; size >= 0; size--) {
    if (!takesSize(vm, cellPages[cell], size)) continue;
    const beyond = spill(vm, cell, size, false);
    if (beyond < 0) continue;
    const pages = beyond << <i64>(pageShift[size] - pageShift[0]);
    if (best >= 0 && pages >= least) continue;
    best = size;
    least = pages;
  }
  return best >= 0 && spill(vm, cell, best, true) >= 0;
}

/** The largest cell that has no memory yet: it fits in the fewest places. -1: none. */
function largestWithout(vm: i32): i32 {
  let largest = -1;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    if (cellMemory[cell] < 0 && (largest < 0 || cellPages[cell] > cellPages[largest])) largest = cell;
  }
  return largest;
}

function takeForCells(vm: i32): bool {
  const start = vmStart[vm];
  spend(vmCells[vm] * (vmCells[vm] + vmParts[vm]));
  for (let cell = start; cell < start + vmCells[vm]; cell++) cellMemory[cell] = -1;
  for (let cell = largestWithout(vm); cell >= 0; cell = largestWithout(vm)) {
    findHomes(vm, cell - start);
    // A cell of which nothing was taken has no memory.
    if ((vmMemory[vm] == MEMORY_PREFERRED && !asItIs ? layNearHome(vm, cell) : layAtHome(vm, cell)) && cellMemory[cell] >= 0) continue;
    releaseMemory(vm);
    forgetMemory(vm);
    return false;
  }
  return true;
}

/**
 * Takes memory for all cells of the VM as its parts stand. There are two ways: where the first leaves a cell without memory, it tries the
 * other. False where there is too little: then nothing is taken.
 */
export function takeMemory(vm: i32): bool {
  const way = thrifty;
  clearChoice();
  if (takeForCells(vm)) return true;
  if (!hadChoice) return false;
  setThrifty(!way);
  const taken = takeForCells(vm);
  setThrifty(way);
  return taken;
}

/** Lays the memory of all cells at home, in pages of the size asked for, as if all were free; nothing is taken. */
export function imagineMemory(vm: i32): void {
  for (let cell = 0; cell < vmCells[vm]; cell++) {
    const at = vmStart[vm] + cell;
    const size = max(0, pageSizeIndex(vmPageShift[vm]));
    findHomes(vm, cell);
    cellMemory[at] = -1;
    divide(vm, cell, size, inPages(cellPages[at], size), false);
    takeShares(at, size);
    countMemory(at, -1);
  }
}
