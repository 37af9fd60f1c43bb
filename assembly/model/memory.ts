// The memory of placed cells: for each a list of nodes with base pages, and what is free.
import { Flat } from '../flat';
import { MAX_MEMORY_ENTRIES, MAX_NODES, MAX_PAGE_SIZES } from '../abi';
import { limitPages, nodeCount, nodePages, nodeUsable, pageShift, pageSizes } from '../problem/host';
import { homeOf, homesOf, pickyVms, useAllNodes } from '../problem/nodes';
import { cellMemory, cellPageSize, vmCells, vmPageShift, vmStart } from '../problem/request';

/** Free pages by node and page size. */
export const freePages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES * MAX_PAGE_SIZES, 8));
/** Pages that are left of the limit, by page size. */
export const limitLeft = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_PAGE_SIZES, 8));

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
  for (let size = 0; size < pageSizes; size++) limitLeft[size] = limitPages[size];
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

/** Nodes on which the VM that is being laid out may have nothing. */
export const barred = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Takes so many pages of the cell's size on the node; false where no more entries are left. */
export function take(cell: i32, node: i32, pages: i64): bool {
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
  limitLeft[size] -= pages;
  return true;
}

/** Takes (1) or gives back (-1) the pages of the cell's list. */
export function countMemory(cell: i32, sign: i64): void {
  const size = cellPageSize[cell];
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
    const pages = sign * inPages(entryPages[entry], size);
    freePages[entryNode[entry] * MAX_PAGE_SIZES + size] -= pages;
    limitLeft[size] -= pages;
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

/** More than any host has. */
export const MOST_PAGES: i64 = 1 << 50;

/** Nodes on which VMs may have memory. */
const useful = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Finds the nodes on which VMs may have memory: those nearest to usable CPUs, or all where a VM may not use every node. */
export function findUseful(): void {
  useAllNodes();
  for (let node = 0; node < nodeCount; node++) useful[node] = pickyVms > 0;
  for (let node = 0; node < nodeCount; node++) {
    if (nodeUsable[node] == 0) continue;
    for (let at = 0; at < homesOf(node); at++) useful[homeOf(node, at)] = true;
  }
}

/**
 * Base pages, of those in pages of any size in `free` within the `limit`, that VMs may have on the nodes that their CPUs use. After
 * `findUseful`.
 */
export function homePages(free: Flat<i64>, limit: Flat<i64>): i64 {
  let all: i64 = 0;
  for (let size = 0; size < pageSizes; size++) {
    const shift = <i64>(pageShift[size] - pageShift[0]);
    const most = MOST_PAGES >> shift;
    let pages: i64 = 0;
    for (let node = 0; node < nodeCount; node++) if (useful[node]) pages += min(free[node * MAX_PAGE_SIZES + size], most);
    all += min(pages, limit[size]) << shift;
  }
  return all;
}
