// The search: every VM in turn where it is cheapest, then, step by step, a few VMs are lifted out and put back in another
// order, which stays where the plan gets better (more weight placed, less cost, fewer nodes, LLCs and cores).
import { MAX_VCPUS, MAX_VMS } from './abi';
import { lowerBound, prepareBound } from './bound';
import { enlargePagesOf, takeCells, takeCpus, takeThread, unplace } from './capacity';
import { PLACE_DENSE, PLACE_SOON, PLACE_WELL, placeVm, tieScore, visitsToPlace } from './construct';
import { rounded, totalCost, vmCost } from './cost';
import { cellNode, cellPages, cellPageSize, cellVcpus, countVms, MICRO, placedVms, refusedVms, threadCpu, vcpuCpu, vmAlive, vmBound, vmCells, vmPages, vmPageShift, vmSharedDemand, vmSlots, vmStart, vmThreadCpus, vmThreadStart, vmVcpus, vmWeight } from './request';

/** VMs lifted out in one step, besides those that are refused. */
const MOST_LIFTED: u32 = 3;
/** Refused VMs tried again in one step. */
const MOST_RETRIED: i32 = 8;

const MOST_STEPS: i32 = 1 << 30;
/** Nodes tried that make up a step. */
const VISITS_IN_STEP: i32 = 256;
let visitsOfStep: i32 = 0;

/** Steps since the last reset, up to MOST_STEPS. */
export let stepsTaken: i32 = 0;
let random: u32 = 1;

/** VMs in the order in which they are placed. */
const order = new StaticArray<i32>(MAX_VMS);
let ordered: i32 = 0;

// What the lifted VMs had.
const keptCells = new StaticArray<i32>(MAX_VMS);
const keptStart = new StaticArray<i32>(MAX_VMS);
const keptNode = new StaticArray<i32>(MAX_VCPUS);
const keptVcpus = new StaticArray<i32>(MAX_VCPUS);
const keptPages = new StaticArray<i64>(MAX_VCPUS);
const keptPageSize = new StaticArray<i32>(MAX_VCPUS);
const keptCpu = new StaticArray<i32>(MAX_VCPUS);
const keptThreadStart = new StaticArray<i32>(MAX_VMS);
const keptThreadCpu = new StaticArray<i32>(MAX_VCPUS);
let keptThreads: i32 = 0;
let keptEntries: i32 = 0;

// The plan as it stands, as the objective sees it.
let placedWeight: i64 = 0;
let planCost: i64 = 0;
let planScore: i64 = 0;

export function resetSearch(): void {
  stepsTaken = 0;
}

/** The next number below `below`: xorshift32, the same in every runtime. */
function nextRandom(below: u32): u32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random % below;
}

/** Whether VM `a` is placed before `b`: more weight, dedicated, more vCPUs, more memory, lower handle. */
function comesBefore(a: i32, b: i32): bool {
  if (vmWeight[a] != vmWeight[b]) return vmWeight[a] > vmWeight[b];
  const sharedA = vmSharedDemand[a] != 0;
  const sharedB = vmSharedDemand[b] != 0;
  if (sharedA != sharedB) return sharedB;
  if (vmVcpus[a] != vmVcpus[b]) return vmVcpus[a] > vmVcpus[b];
  return vmPages[a] != vmPages[b] ? vmPages[a] > vmPages[b] : a < b;
}

function orderUnplaced(): void {
  ordered = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || vmCells[vm] != 0) continue;
    let at = ordered++;
    while (at > 0 && comesBefore(vm, order[at - 1])) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = vm;
  }
}

/** Places the VMs of `order`, in turn. */
function placeOrdered(how: i32): void {
  for (let at = 0; at < ordered; at++) {
    placeVm(order[at], how);
    visitsOfStep += visitsToPlace;
  }
  measure();
}

/** Places every VM that is not placed and fits: where it is cheapest, or if some are refused then, where most get in. */
export function placeAll(): void {
  orderUnplaced();
  for (let at = 0; at < ordered; at++) prepareBound(order[at]);
  placeOrdered(PLACE_SOON);
  if (placesAll()) return;
  const cheap = placedWeight;
  unplaceOrdered();
  placeOrdered(PLACE_DENSE);
  if (placedWeight > cheap) return;
  unplaceOrdered();
  placeOrdered(PLACE_SOON);
}

function placesAll(): bool {
  for (let at = 0; at < ordered; at++) if (vmCells[order[at]] == 0) return false;
  return true;
}

function unplaceOrdered(): void {
  for (let at = 0; at < ordered; at++) if (vmCells[order[at]] != 0) unplace(order[at], vmVcpus[order[at]]);
}

function weightOf(vm: i32): i64 {
  return rounded(vmWeight[vm] * <f64>MICRO);
}

function measure(): void {
  placedWeight = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && vmCells[vm] != 0) placedWeight += weightOf(vm);
  planCost = totalCost();
  planScore = tieScore();
}

function lift(vm: i32): void {
  const start = vmStart[vm];
  keptCells[vm] = vmCells[vm];
  keptStart[vm] = keptEntries;
  for (let entry = 0; entry < vmVcpus[vm]; entry++) {
    keptNode[keptEntries] = cellNode[start + entry];
    keptVcpus[keptEntries] = cellVcpus[start + entry];
    keptPages[keptEntries] = cellPages[start + entry];
    keptPageSize[keptEntries] = cellPageSize[start + entry];
    keptCpu[keptEntries++] = vcpuCpu[start + entry];
  }
  keptThreadStart[vm] = keptThreads;
  for (let at = 0; at < vmThreadCpus[vm]; at++) keptThreadCpu[keptThreads++] = threadCpu[vmThreadStart[vm] + at];
  unplace(vm, vmVcpus[vm]);
}

function putBack(vm: i32): void {
  const start = vmStart[vm];
  for (let entry = 0; entry < vmVcpus[vm]; entry++) {
    cellNode[start + entry] = keptNode[keptStart[vm] + entry];
    cellVcpus[start + entry] = keptVcpus[keptStart[vm] + entry];
    cellPages[start + entry] = keptPages[keptStart[vm] + entry];
    cellPageSize[start + entry] = keptPageSize[keptStart[vm] + entry];
    vcpuCpu[start + entry] = keptCpu[keptStart[vm] + entry];
  }
  takeCells(vm, keptCells[vm]);
  takeCpus(vm, vmVcpus[vm]);
  for (let at = 0; at < vmThreadCpus[vm]; at++) takeThread(vm, keptThreadCpu[keptThreadStart[vm] + at]);
}

/** Lifts a few placed VMs out, and enters them with some of the refused ones into `order`; whether there are such. */
function chooseVms(): bool {
  ordered = 0;
  countVms();
  let placed = placedVms;
  let refused = refusedVms;
  const skipped = refused > MOST_RETRIED ? <i32>nextRandom(<u32>(refused - MOST_RETRIED + 1)) : 0;
  let seen = 0;
  for (let vm = 0; vm < vmSlots && ordered < MOST_RETRIED; vm++) {
    if (vmAlive[vm] && vmCells[vm] == 0 && seen++ >= skipped) order[ordered++] = vm;
  }
  if (placed == 0) return refused > 0;
  for (let lifted = 1 + nextRandom(MOST_LIFTED); lifted > 0; lifted--) {
    let nth = <i32>nextRandom(<u32>placed);
    for (let vm = 0; vm < vmSlots; vm++) {
      if (vmAlive[vm] && vmCells[vm] != 0 && nth-- == 0) {
        lift(vm);
        order[ordered++] = vm;
        break;
      }
    }
    if (--placed == 0) break;
  }
  return refused > 0;
}

function shuffle(): void {
  for (let at = ordered - 1; at > 0; at--) {
    const other = <i32>nextRandom(<u32>(at + 1));
    const vm = order[at];
    order[at] = order[other];
    order[other] = vm;
  }
}

function step(): void {
  keptEntries = 0;
  keptThreads = 0;
  for (let vm = 0; vm < vmSlots; vm++) keptCells[vm] = 0;
  // Where VMs are refused, the lifted ones make room every other time.
  const how = chooseVms() && nextRandom(2) == 0 ? PLACE_DENSE : PLACE_SOON;
  shuffle();
  replace(how);
}

/** Places the VMs of `order`, and puts the lifted ones back where that makes the plan no better. */
function replace(how: i32): void {
  const weight = placedWeight;
  const cost = planCost;
  const score = planScore;
  placeOrdered(how);
  if (placedWeight != weight ? placedWeight > weight : planCost != cost ? planCost < cost : planScore < score) return;
  unplaceOrdered();
  for (let at = 0; at < ordered; at++) if (keptCells[order[at]] != 0) putBack(order[at]);
  placedWeight = weight;
  planCost = cost;
  planScore = score;
}

/** Places each VM that costs more than its bound once more, with all effort, as far as the work of `steps` steps goes. */
export function refine(steps: i32): void {
  const most = <i64>steps * <i64>VISITS_IN_STEP;
  let visits: i64 = 0;
  for (let vm = 0; vm < vmSlots && visits < most; vm++) {
    if (!vmAlive[vm] || vmCells[vm] == 0 || vmCost(vm) <= vmBound[vm]) continue;
    keptEntries = 0;
    keptThreads = 0;
    ordered = 1;
    order[0] = vm;
    lift(vm);
    visitsOfStep = 0;
    replace(PLACE_WELL);
    visits += visitsOfStep;
  }
}

/** Gives cells that take any page size the largest that is free now that everybody has a place. */
export function enlargePages(): void {
  let again = true;
  while (again) {
    again = false;
    for (let vm = 0; vm < vmSlots; vm++) {
      if (vmAlive[vm] && vmCells[vm] != 0 && vmPageShift[vm] == 0 && enlargePagesOf(vm)) again = true;
    }
  }
}

/** Whether every VM is placed and nothing can cost less. */
export function isOptimal(): bool {
  orderUnplaced();
  return ordered == 0 && planCost == lowerBound();
}

/** Whether lifting VMs out can change anything: one VM alone is where it is best. */
function canImprove(): bool {
  countVms();
  return placedVms + refusedVms > 1 && !isOptimal();
}

/** Up to `steps` steps of search, fewer where nothing is to be gained. A step that looks at much counts more than once. */
export function improve(steps: i32, seed: i32): void {
  random = (<u32>seed * 2654435761) ^ (<u32>stepsTaken * 40503) ^ 0x9e3779b9;
  if (random == 0) random = 1;
  let left = steps;
  while (left > 0 && canImprove()) {
    visitsOfStep = 0;
    step();
    const taken = min(left, 1 + visitsOfStep / VISITS_IN_STEP);
    left -= taken;
    stepsTaken = min(stepsTaken + taken, MOST_STEPS);
  }
}
