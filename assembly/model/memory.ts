// The memory of placed cells: for each a list of nodes with base pages, and what is free. Which nodes a cell's memory is on follows
// from its parts and its VM's memory policy.
import { Flat } from '../flat';
import { MAX_MEMORY_ENTRIES, MAX_NODES, MAX_PAGE_SIZES, MEMORY_INTERLEAVE, MEMORY_PREFERRED } from '../abi';
import { distance, memoryNode, nodeCount, nodeHasMemory, nodePages, nodeUsable, pageShift, pageSizeIndex, pageSizes } from '../problem/host';
import { cellMemory, cellPages, cellPageSize, partCell, partDedicated, partNode, partShared, vmCells, vmMemory, vmPageShift, vmParts, vmStart } from '../problem/request';

/** Free pages by node and page size. */
export const freePages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES * MAX_PAGE_SIZES, 8));

export const entryNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_MEMORY_ENTRIES, 8));
/** Base pages. */
export const entryPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_MEMORY_ENTRIES, 8));
/** The cell's next entry; -1: none. */
export const nextEntry = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_MEMORY_ENTRIES, 8));
/** Entries from here on were never used; those before that are free are a list. */
let unused: i32 = 0;
let firstFree: i32 = -1;

export function clearMemory(): void {
  unused = 0;
  firstFree = -1;
  for (let node = 0; node < nodeCount; node++) {
    for (let size = 0; size < pageSizes; size++) {
      freePages[node * MAX_PAGE_SIZES + size] = nodePages[node * MAX_PAGE_SIZES + size];
    }
  }
}

export function isWhole(pages: i64, size: i32): bool {
  const shift = <i64>(pageShift[size] - pageShift[0]);
  return ((pages >> shift) << shift) == pages;
}

/** Base pages in pages of the size. */
export function inPages(pages: i64, size: i32): i64 {
  return pages >> <i64>(pageShift[size] - pageShift[0]);
}

/** Whether a cell of the VM with so many base pages may have pages of this size. */
export function takesSize(vm: i32, pages: i64, size: i32): bool {
  return (vmPageShift[vm] == 0 || pageShift[size] == vmPageShift[vm]) && isWhole(pages, size);
}

/** The largest page size that a cell of so many base pages may have and that is free from `free[at]` on; -1: none. */
export function fittingPageSize(vm: i32, pages: i64, free: Flat<i64>, at: i32): i32 {
  for (let size = pageSizes - 1; size >= 0; size--) {
    if (takesSize(vm, pages, size) && free[at + size] >= inPages(pages, size)) return size;
  }
  return -1;
}

/** Nodes on which the VM that is being laid out may have nothing. */
export const barred = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

// The homes of what is being laid out: memory nodes, each with its weight and its share in pages.
const homes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const weights = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const shares = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const left = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
let homeCount: i32 = 0;

function addHome(node: i32, weight: i32): void {
  let at = 0;
  while (at < homeCount && homes[at] != node) at++;
  if (at == homeCount) {
    homes[homeCount] = node;
    weights[homeCount++] = 0;
  }
  weights[at] += <i64>weight;
}

/** Enters the memory nodes of the parts of one cell, or (-1) of all; false where a part has none. */
export function findHomes(vm: i32, cell: i32): bool {
  homeCount = 0;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    if (cell >= 0 && partCell[part] != cell) continue;
    const home = memoryNode[partNode[part]];
    if (home < 0) return false;
    addHome(home, cell < 0 ? 0 : partDedicated[part] + partShared[part]);
  }
  if (cell < 0) for (let at = 0; at < homeCount; at++) weights[at] = 1;
  return true;
}

/** Divides so many pages among the homes by their weights: the whole parts, then one each to those that miss most. */
function divide(pages: i64): void {
  let all: i64 = 0;
  for (let at = 0; at < homeCount; at++) all += weights[at];
  let over = pages;
  const each = pages / all;
  const rest = pages % all;
  for (let at = 0; at < homeCount; at++) {
    shares[at] = each * weights[at] + (rest * weights[at]) / all;
    left[at] = (rest * weights[at]) % all;
    over -= shares[at];
  }
  for (; over > 0; over--) {
    let most = 0;
    for (let at = 1; at < homeCount; at++) if (left[at] > left[most]) most = at;
    shares[most]++;
    left[most] = -1;
  }
}

/** Whether what `divide` gave is free in pages of the size. */
function sharesAreFree(size: i32): bool {
  for (let at = 0; at < homeCount; at++) if (freePages[homes[at] * MAX_PAGE_SIZES + size] < shares[at]) return false;
  return true;
}

/** Takes so many pages of the cell's size on the node; false where no more entries are left. */
function take(cell: i32, node: i32, pages: i64): bool {
  if (pages == 0) return true;
  if (firstFree < 0 && unused == MAX_MEMORY_ENTRIES) return false;
  const entry = firstFree < 0 ? unused++ : firstFree;
  if (entry == firstFree) firstFree = nextEntry[entry];
  const size = cellPageSize[cell];
  entryNode[entry] = node;
  entryPages[entry] = pages << <i64>(pageShift[size] - pageShift[0]);
  nextEntry[entry] = cellMemory[cell];
  cellMemory[cell] = entry;
  freePages[node * MAX_PAGE_SIZES + size] -= pages;
  return true;
}

function takeShares(cell: i32, size: i32): bool {
  cellPageSize[cell] = size;
  for (let at = homeCount - 1; at >= 0; at--) if (!take(cell, homes[at], shares[at])) return false;
  return true;
}

/** On the homes, in the largest pages that are free there; false where there are none such. */
function layAtHome(vm: i32, cell: i32): bool {
  for (let size = pageSizes - 1; size >= 0; size--) {
    if (!takesSize(vm, cellPages[cell], size)) continue;
    divide(inPages(cellPages[cell], size));
    if (sharesAreFree(size)) return takeShares(cell, size);
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

/** Nodes that have been looked at. */
const seen = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** The nearest node that has not been looked at, homes first; -1: none. Marks it. */
function nextNearest(vm: i32, cell: i32): i32 {
  let nearest = -1;
  let least = i32.MAX_VALUE;
  for (let node = 0; node < nodeCount; node++) {
    if (seen[node] || !nodeHasMemory[node]) continue;
    const far = reach(vm, cell, node);
    if (far >= least) continue;
    nearest = node;
    least = far;
  }
  if (nearest >= 0) seen[nearest] = true;
  return nearest;
}

/**
 * Pages of the size that spill beyond the homes, where the homes and then the nearest nodes are filled; -1 where there are too few.
 * Takes them if told so.
 */
export function spill(vm: i32, cell: i32, size: i32, taking: bool): i64 {
  let missing = inPages(cellPages[cell], size);
  let beyond: i64 = 0;
  if (taking) cellPageSize[cell] = size;
  for (let node = 0; node < nodeCount; node++) seen[node] = false;
  while (missing > 0) {
    const node = nextNearest(vm, cell);
    if (node < 0) return -1;
    if (barred[node]) continue;
    const here = min(missing, freePages[node * MAX_PAGE_SIZES + size]);
    if (reach(vm, cell, node) != 0) beyond += here;
    if (taking && !take(cell, node, here)) return -1;
    missing -= here;
  }
  return beyond;
}

/** At home if it fits there; else in the pages of which the fewest bytes spill. */
function layNearHome(vm: i32, cell: i32): bool {
  if (layAtHome(vm, cell)) return true;
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

/** The largest cell that has no memory yet, since it fits in the fewest places; -1: none. */
function largestWithout(vm: i32): i32 {
  let largest = -1;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    if (cellMemory[cell] < 0 && (largest < 0 || cellPages[cell] > cellPages[largest])) largest = cell;
  }
  return largest;
}

/** Takes memory for all cells of the VM as its parts stand; false, and nothing is taken, where there is too little. */
export function takeMemory(vm: i32): bool {
  const start = vmStart[vm];
  const policy = vmMemory[vm];
  for (let cell = start; cell < start + vmCells[vm]; cell++) cellMemory[cell] = -1;
  for (let cell = largestWithout(vm); cell >= 0; cell = largestWithout(vm)) {
    const found = findHomes(vm, policy == MEMORY_INTERLEAVE ? -1 : cell - start);
    if (found && (policy == MEMORY_PREFERRED ? layNearHome(vm, cell) : layAtHome(vm, cell))) continue;
    releaseMemory(vm);
    forgetMemory(vm);
    return false;
  }
  return true;
}

/** Takes (1) or gives back (-1) the pages of the cell's list. */
export function countMemory(cell: i32, sign: i64): void {
  const size = cellPageSize[cell];
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
    freePages[entryNode[entry] * MAX_PAGE_SIZES + size] -= sign * inPages(entryPages[entry], size);
  }
}

/** Gives the pages back; the lists stay, for `retakeMemory`. */
export function releaseMemory(vm: i32): void {
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) countMemory(cell, -1);
}

/** Takes the pages of the VM's lists again. */
export function retakeMemory(vm: i32): void {
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) countMemory(cell, 1);
}

/** Gives back the list that starts with this entry. */
export function forgetEntries(first: i32): void {
  let entry = first;
  while (entry >= 0) {
    const next = nextEntry[entry];
    nextEntry[entry] = firstFree;
    firstFree = entry;
    entry = next;
  }
}

/** Gives back the lists of the VM's cells. */
export function forgetMemory(vm: i32): void {
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    forgetEntries(cellMemory[cell]);
    cellMemory[cell] = -1;
  }
}

/** Whether the cell has memory on the node. */
export function hasMemoryOn(cell: i32, node: i32): bool {
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) if (entryNode[entry] == node) return true;
  return false;
}

/** Lays the memory of all cells at home, in pages of the size asked for, as if all were free; nothing is taken. */
export function imagineMemory(vm: i32): void {
  for (let cell = 0; cell < vmCells[vm]; cell++) {
    const at = vmStart[vm] + cell;
    findHomes(vm, vmMemory[vm] == MEMORY_INTERLEAVE ? -1 : cell);
    const size = max(0, pageSizeIndex(vmPageShift[vm]));
    cellMemory[at] = -1;
    divide(inPages(cellPages[at], size));
    takeShares(at, size);
    countMemory(at, -1);
  }
}

/** More than any host has. */
const MOST_PAGES: i64 = 1 << 50;

/** Base pages, of those in pages of any size in `free`, on the memory nodes of all nodes with usable CPUs. */
export function homePages(free: Flat<i64>): i64 {
  let pages: i64 = 0;
  for (let node = 0; node < nodeCount; node++) seen[node] = false;
  for (let node = 0; node < nodeCount; node++) {
    const home = memoryNode[node];
    if (nodeUsable[node] == 0 || home < 0 || seen[home]) continue;
    seen[home] = true;
    for (let size = 0; size < pageSizes; size++) {
      const shift = <i64>(pageShift[size] - pageShift[0]);
      pages += min(free[home * MAX_PAGE_SIZES + size], MOST_PAGES >> shift) << shift;
    }
  }
  return pages;
}
