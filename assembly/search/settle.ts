// What happens to memory once all VMs have their places: cells get the largest pages that are free, and memory that spilled comes nearer.
import { MAX_PAGE_SIZES, MEMORY_PREFERRED } from '../abi';
import { nodeCount, pageSizes } from '../problem/host';
import { mayHaveMemory } from '../problem/nodes';
import { reach, spill } from '../model/lay';
import { barred, countMemory, entryNode, entryPages, forgetEntries, freePages, inPages, isWhole, limitLeft, nextEntry } from '../model/memory';
import { noteMemory } from '../model/waiting';
import { prepareRelations } from '../model/relations';
import { findHomes } from '../model/shares';
import { touchVm } from '../problem/stale';
import { cellMemory, cellPages, cellPageSize, vmAlive, vmCells, vmMemory, vmPageShift, vmSlots, vmStart } from '../problem/request';

/** Whether all that the cell has is whole pages of the size that are free where it is. */
function couldHave(cell: i32, size: i32): bool {
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
    const pages = entryPages[entry];
    if (!isWhole(pages, size) || freePages[entryNode[entry] * MAX_PAGE_SIZES + size] < inPages(pages, size)) return false;
  }
  return isWhole(cellPages[cell], size) && limitLeft[size] >= inPages(cellPages[cell], size);
}

/** Gives cells that take any page size larger pages where enough are free now; whether any changed. */
function enlargePages(vm: i32): bool {
  if (vmPageShift[vm] != 0) return false;
  let changed = false;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    for (let size = pageSizes - 1; size > cellPageSize[cell]; size--) {
      if (!couldHave(cell, size)) continue;
      countMemory(cell, -1);
      cellPageSize[cell] = size;
      countMemory(cell, 1);
      changed = true;
    }
  }
  return changed;
}

/** Moves a cell's memory nearer where nearer pages of its size are free now; whether it did. */
function pullCell(vm: i32, cell: i32): bool {
  const size = cellPageSize[cell];
  prepareRelations(vm, 0);
  findHomes(vm, cell - vmStart[vm]);
  let farthest = 0;
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
    farthest = max(farthest, reach(vm, cell, entryNode[entry]));
  }
  let open = false;
  for (let node = 0; node < nodeCount && !open; node++) {
    open = mayHaveMemory(vm, node) && !barred[node] && freePages[node * MAX_PAGE_SIZES + size] > 0 && reach(vm, cell, node) < farthest;
  }
  if (!open) return false;
  countMemory(cell, -1);
  noteMemory(vm, false);
  const before = cellMemory[cell];
  cellMemory[cell] = -1;
  // What was there before is free again, so there is enough.
  spill(vm, cell, size, true);
  forgetEntries(before);
  noteMemory(vm, true);
  touchVm(vm);
  return true;
}

function pullMemory(vm: i32): bool {
  if (vmMemory[vm] != MEMORY_PREFERRED) return false;
  let changed = false;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) changed = pullCell(vm, cell) || changed;
  return changed;
}

/**
 * Gives all VMs the largest pages and the nearest memory that are free, now that every VM has a place. It ends, since pages only get larger
 * and memory only comes nearer.
 */
export function settleMemory(): void {
  let again = true;
  while (again) {
    again = false;
    for (let vm = 0; vm < vmSlots; vm++) {
      if (!vmAlive[vm] || vmCells[vm] == 0) continue;
      if (enlargePages(vm)) again = true;
      if (pullMemory(vm)) again = true;
    }
  }
}
