// Why a VM does not fit: the smallest set of constraints that clash, found by leaving constraints aside.
import { Flat } from '../flat';
import { BECAUSE_CELL_NODE, BECAUSE_CPU_EXCLUSIVE, BECAUSE_DEVICE, BECAUSE_DEVICE_NODES, BECAUSE_EMULATOR, BECAUSE_MEMORY_CAPACITY, BECAUSE_MEMORY_LIMIT, BECAUSE_MEMORY_NODES, BECAUSE_MEMORY_POLICY, BECAUSE_NEAR, BECAUSE_OVERCOMMIT, BECAUSE_PAGE_SIZE, BECAUSE_SEPARATE, BECAUSE_THREAD_POLICY, BECAUSE_TRUST, MAX_PAGE_SIZES, MAX_VM_CELLS } from '../abi';
import { fewestCells, layOutCells, mostCells } from '../problem/cells';
import { nodeCount, pageShift, pageSizes } from '../problem/host';
import { heedNodes, mayHaveMemory, vmKeepsOff, vmKeepsTo } from '../problem/nodes';
import { freePages, isWhole, limitLeft, MOST_PAGES } from '../model/memory';
import { MEMORY_ANYWHERE } from '../model/relations';
import { complete, setCeiling, walkAssignments } from '../place/assign';
import { diveAssignments } from '../place/dive';
import { offerLimit, offerPages, isRoomOffered } from '../place/offer';
import { offerHost, standsUp } from '../place/construct';
import { isSpent, setWorkLimit, workDone } from '../work';
import { vmCellsAsked, vmCellsGiven, vmDevice, vmPages, vmPageShift, vmRelation, vmThreadCpus, vmVcpus } from '../problem/request';

const VISITS: i32 = 20000;
/** More than were ever needed. */
const MOST_CORRECTIONS: i32 = 64;
/** Clashes of other VMs that are kept. */
const MOST_KNOWN: i32 = 8;
/** All constraints: BECAUSE_NEAR is the last. */
const ALL: i32 = 2 * BECAUSE_NEAR - 1;
/** In the order in which they are left out of the clash: the last ones are more likely to be blamed. */
const leastBlamed: StaticArray<i32> = [
  BECAUSE_NEAR, BECAUSE_SEPARATE, BECAUSE_DEVICE, BECAUSE_DEVICE_NODES, BECAUSE_EMULATOR, BECAUSE_TRUST, BECAUSE_OVERCOMMIT,
  BECAUSE_PAGE_SIZE, BECAUSE_THREAD_POLICY, BECAUSE_MEMORY_NODES, BECAUSE_MEMORY_POLICY, BECAUSE_CELL_NODE, BECAUSE_MEMORY_LIMIT,
  BECAUSE_MEMORY_CAPACITY, BECAUSE_CPU_EXCLUSIVE,
];

/** Work of all explanations since the last search, and of each question whether a VM fits at the least. */
const WORK_OF_ALL: i64 = 9000000;
const WORK_OF_ONE: i64 = 3000;
/** Questions that may use up what there is for all. */
const SHARED_BY: i64 = 32;
/** Cells x nodes that are tried without looking back even where all that work is done. */
const SMALL_DIVE: i32 = 4096;
let workLeft: i64 = WORK_OF_ALL;

let found: bool = false;
let leftAside: i32 = 0;

function onFit(vm: i32, cells: i32): bool {
  found = standsUp(vm, cells, leftAside);
  return !found && !isSpent();
}

/** Whether the nodes together have the VM's memory in pages of one size that it takes. */
function hasMemoryInAll(vm: i32, relaxed: i32): bool {
  const shift = vmPageShift[vm];
  for (let size = 0; size < pageSizes; size++) {
    if ((shift != 0 && pageShift[size] != shift) || !isWhole(vmPages[vm], size)) continue;
    const wanted = vmPages[vm] >> <i64>(pageShift[size] - pageShift[0]);
    let pages: i64 = (relaxed & BECAUSE_MEMORY_CAPACITY) != 0 ? wanted : 0;
    for (let node = 0; node < nodeCount && pages < wanted; node++) {
      if (mayHaveMemory(vm, node)) pages += freePages[node * MAX_PAGE_SIZES + size];
    }
    if (min(pages, limitLeft[size]) >= wanted) return true;
  }
  return false;
}

/** Adds so many pages to the limits. */
function lendPages(pages: i64): void {
  for (let size = 0; size < pageSizes; size++) limitLeft[size] += pages;
}

/** Whether the VM fits where the constraints in `relaxed` are left aside. */
function fits(vm: i32, relaxed: i32): bool {
  const shift = vmPageShift[vm];
  const asked = vmCellsAsked[vm];
  const given = vmCellsGiven[vm];
  const keepsTo = vmKeepsTo[vm];
  const keepsOff = vmKeepsOff[vm];
  const lent = (relaxed & BECAUSE_MEMORY_LIMIT) != 0 ? MOST_PAGES : 0;
  if ((relaxed & BECAUSE_PAGE_SIZE) != 0) vmPageShift[vm] = 0;
  if ((relaxed & BECAUSE_CELL_NODE) != 0) {
    // A cell that may span nodes is like as many cells as it has vCPUs.
    vmCellsAsked[vm] = min(vmVcpus[vm], MAX_VM_CELLS);
    vmCellsGiven[vm] = false;
  }
  heedNodes(vm, keepsTo && (relaxed & BECAUSE_MEMORY_NODES) == 0, keepsOff && (relaxed & BECAUSE_DEVICE_NODES) == 0);
  lendPages(lent);
  const fitting = fitsAsAsked(vm, relaxed);
  lendPages(-lent);
  heedNodes(vm, keepsTo, keepsOff);
  vmPageShift[vm] = shift;
  vmCellsAsked[vm] = asked;
  vmCellsGiven[vm] = given;
  return fitting;
}

function fitsAsAsked(vm: i32, relaxed: i32): bool {
  offerHost(vm, relaxed);
  if ((relaxed & MEMORY_ANYWHERE) != 0) {
    if (!hasMemoryInAll(vm, relaxed)) return false;
    for (let entry = 0; entry < nodeCount * MAX_PAGE_SIZES; entry++) offerPages[entry] = MOST_PAGES;
    for (let size = 0; size < pageSizes; size++) offerLimit[size] = MOST_PAGES;
  }
  found = false;
  leftAside = relaxed;
  setCeiling(i64.MAX_VALUE);
  if (!isRoomOffered(vm)) return false;
  // Each question has its share, so that an answer does not depend on those before it.
  const before = setWorkLimit(workDone + WORK_OF_ONE + workLeft / SHARED_BY);
  const last = mostCells(vm);
  // The finest cells fit where any do.
  for (let cells = fewestCells(vm); cells <= last && !found; cells = cells < nodeCount ? cells + 1 : max(cells + 1, last)) {
    if (!layOutCells(vm, cells)) continue;
    walkAssignments(vm, cells, relaxed, VISITS, onFit);
    if (!found && !complete && cells == last && (workLeft > 0 || cells * nodeCount <= SMALL_DIVE)) {
      diveAssignments(vm, cells, relaxed, onFit);
    }
  }
  setWorkLimit(before);
  return found;
}

/** Of each of these sets every clash has a constraint: all the others together can be met. */
const corrections = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CORRECTIONS, 8));
let correctionCount: i32 = 0;

/** The fewest constraints, and fewer than `below`, such that each correction has one of them; -1: there are none. */
function fewestInAll(below: i32): i32 {
  let named = 0;
  for (let at = 0; at < correctionCount; at++) named |= corrections[at];
  for (let count = 0; count < below; count++) {
    for (let set = named; set >= 0; set = set == 0 ? -1 : (set - 1) & named) {
      if (popcnt(set) != count) continue;
      let at = 0;
      while (at < correctionCount && (set & corrections[at]) != 0) at++;
      if (at == correctionCount) return set;
    }
  }
  return -1;
}

/** Adds constraints to a set that can be met until none more can be added, and enters those left out. `clash` cannot be met. */
function enterCorrection(vm: i32, clash: i32, met: i32): void {
  for (let at = leastBlamed.length - 1; at >= 0; at--) {
    const more = met | leastBlamed[at];
    if (more != met && (clash & ~more) != 0 && fits(vm, ALL & ~more)) met = more;
  }
  corrections[correctionCount++] = ALL & ~met;
}

/** If leaving aside one constraint of the clash lets the VM in, every clash has that constraint. */
function enterSingleCorrections(vm: i32, clash: i32): void {
  correctionCount = 0;
  for (let at = 0; at < leastBlamed.length; at++) {
    const constraint = leastBlamed[at];
    if ((clash & constraint) != 0 && fits(vm, constraint)) corrections[correctionCount++] = constraint;
  }
}

/** A search begins: explanations of the plan before it are forgotten. */
export function forgetExplanations(): void {
  knownCount = 0;
  workLeft = WORK_OF_ALL;
}

/**
 * The constraints, as BECAUSE_ bits, that keep a VM out of the plan as it stands: the fewest that cannot be met together. 0: there is
 * nothing to give it at all, or nothing that keeps it out. The VM must not be placed.
 */
export function clashOf(vm: i32): i32 {
  const done = workDone;
  const clash = smallestClash(vm);
  if (clash != 0) enterKnown(clash);
  workLeft = max<i64>(0, workLeft - (workDone - done));
  return clash;
}

/** The constraints that may keep the VM out: those that ask something of it. */
function askedOf(vm: i32): i32 {
  let asked = ALL;
  if (vmRelation[vm] < 0) asked &= ~(BECAUSE_NEAR | BECAUSE_SEPARATE);
  if (vmDevice[vm] < 0) asked &= ~BECAUSE_DEVICE;
  if (!vmKeepsOff[vm]) asked &= ~BECAUSE_DEVICE_NODES;
  if (!vmKeepsTo[vm]) asked &= ~BECAUSE_MEMORY_NODES;
  if (vmThreadCpus[vm] == 0) asked &= ~BECAUSE_EMULATOR;
  return vmPageShift[vm] == 0 ? asked & ~BECAUSE_PAGE_SIZE : asked;
}

// Clashes of other VMs, those of the fewest constraints first. Where the work for explanations is done, they are tried before others.
const known = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_KNOWN, 8));
let knownCount: i32 = 0;

function enterKnown(clash: i32): void {
  let at = 0;
  while (at < knownCount && popcnt(known[at]) <= popcnt(clash)) if (known[at++] == clash) return;
  if (at == MOST_KNOWN) return;
  if (knownCount < MOST_KNOWN) knownCount++;
  for (let later = knownCount - 1; later > at; later--) known[later] = known[later - 1];
  known[at] = clash;
}

/** A clash of another VM that is one of this VM, too; 0: none of them is. */
function knownClash(vm: i32, asked: i32): i32 {
  for (let at = 0; at < knownCount; at++) {
    if ((known[at] & ~asked) == 0 && !fits(vm, ALL & ~known[at])) return known[at];
  }
  return 0;
}

/**
 * Leaves out of the clash what can be left out of `leastBlamed` from `from` to `to`, several at once where none of them is to blame; what stays.
 * The result is that of trying them one by one.
 */
function withoutBlameless(vm: i32, clash: i32, from: i32, to: i32): i32 {
  let without = clash;
  for (let at = from; at < to; at++) without &= ~leastBlamed[at];
  if (without == clash) return clash;
  if (!fits(vm, ALL & ~without)) return without;
  if (to - from == 1) return clash;
  const middle = (from + to) >> 1;
  const rest = withoutBlameless(vm, clash, from, middle);
  return withoutBlameless(vm, rest, middle, to);
}

function smallestClash(vm: i32): i32 {
  const last = leastBlamed.length - 1;
  const asked = askedOf(vm);
  const same = workLeft > 0 ? 0 : knownClash(vm, asked);
  if (same != 0) return same;
  // Most often there are no CPUs, whatever else is left aside.
  const clash = withoutBlameless(vm, withoutBlameless(vm, asked, 0, last), last, last + 1);
  // No constraint can be left out of this clash. Whether another clash has fewer follows from what every clash must have.
  const end = workDone + workLeft / 4;
  // Left aside or not, all of them let the VM in: only the search has found no place.
  if (clash == asked && fits(vm, 0)) return 0;
  if (workLeft == 0) return clash;
  enterSingleCorrections(vm, clash);
  while (correctionCount < MOST_CORRECTIONS && workDone < end) {
    const fewer = fewestInAll(popcnt(clash));
    if (fewer < 0) return clash;
    if (!fits(vm, ALL & ~fewer)) return fewer;
    enterCorrection(vm, clash, fewer);
  }
  return clash;
}
