// The search: every VM in turn where it is cheapest, then, step by step, a few VMs are lifted out and put back in another
// order, which stays where the plan gets better (more weight placed, less cost, fewer nodes, LLCs and cores).
import { MAX_VCPUS, MAX_VMS } from './abi';
import { lowerBound, prepareBound } from './bound';
import { lift, restore, takeThread, unplace } from './capacity';
import { forgetEntries } from './memory';
import { settleMemory } from './settle';
import { PLACE_DENSE, PLACE_SOON, PLACE_WELL, placeVm, tieScore, visitsToPlace } from './construct';
import { rounded, totalCost, vmCost } from './cost';
import { cellDedicated, cellMemory, cellPages, cellPageSize, cellVcpus, countVms, hasShared, MICRO, partCell, partDedicated, partNode, partShared, placedVms, refusedVms, threadCpu, vcpuCpu, vcpuNode, vmAlive, vmBound, vmCells, vmPages, vmParts, vmSlots, vmStart, vmThreadCpus, vmThreadStart, vmVcpus, vmWeight } from './request';

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
const keptParts = new StaticArray<i32>(MAX_VMS);
const keptStart = new StaticArray<i32>(MAX_VMS);
const keptVcpus = new StaticArray<i32>(MAX_VCPUS);
const keptDedicated = new StaticArray<i32>(MAX_VCPUS);
const keptPages = new StaticArray<i64>(MAX_VCPUS);
const keptPageSize = new StaticArray<i32>(MAX_VCPUS);
const keptMemory = new StaticArray<i32>(MAX_VCPUS);
const keptPartCell = new StaticArray<i32>(MAX_VCPUS);
const keptPartNode = new StaticArray<i32>(MAX_VCPUS);
const keptPartDedicated = new StaticArray<i32>(MAX_VCPUS);
const keptPartShared = new StaticArray<i32>(MAX_VCPUS);
const keptCpu = new StaticArray<i32>(MAX_VCPUS);
const keptNode = new StaticArray<i32>(MAX_VCPUS);
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
  const sharedA = hasShared(a);
  const sharedB = hasShared(b);
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
  for (let at = 0; at < ordered; at++) if (vmCells[order[at]] != 0) unplace(order[at]);
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

/** Takes the VM out of the plan, so that it can be put back as it was. */
function keep(vm: i32): void {
  const start = vmStart[vm];
  const kept = keptEntries;
  keptCells[vm] = vmCells[vm];
  keptParts[vm] = vmParts[vm];
  keptStart[vm] = kept;
  keptEntries += vmVcpus[vm];
  for (let cell = 0; cell < vmCells[vm]; cell++) {
    keptVcpus[kept + cell] = cellVcpus[start + cell];
    keptDedicated[kept + cell] = cellDedicated[start + cell];
    keptPages[kept + cell] = cellPages[start + cell];
    keptPageSize[kept + cell] = cellPageSize[start + cell];
    keptMemory[kept + cell] = cellMemory[start + cell];
  }
  for (let part = 0; part < vmParts[vm]; part++) {
    keptPartCell[kept + part] = partCell[start + part];
    keptPartNode[kept + part] = partNode[start + part];
    keptPartDedicated[kept + part] = partDedicated[start + part];
    keptPartShared[kept + part] = partShared[start + part];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    keptCpu[kept + vcpu] = vcpuCpu[start + vcpu];
    keptNode[kept + vcpu] = vcpuNode[start + vcpu];
  }
  keptThreadStart[vm] = keptThreads;
  for (let at = 0; at < vmThreadCpus[vm]; at++) keptThreadCpu[keptThreads++] = threadCpu[vmThreadStart[vm] + at];
  lift(vm);
}

function putBack(vm: i32): void {
  const start = vmStart[vm];
  const kept = keptStart[vm];
  for (let cell = 0; cell < keptCells[vm]; cell++) {
    cellVcpus[start + cell] = keptVcpus[kept + cell];
    cellDedicated[start + cell] = keptDedicated[kept + cell];
    cellPages[start + cell] = keptPages[kept + cell];
    cellPageSize[start + cell] = keptPageSize[kept + cell];
    cellMemory[start + cell] = keptMemory[kept + cell];
  }
  vmParts[vm] = keptParts[vm];
  for (let part = 0; part < vmParts[vm]; part++) {
    partCell[start + part] = keptPartCell[kept + part];
    partNode[start + part] = keptPartNode[kept + part];
    partDedicated[start + part] = keptPartDedicated[kept + part];
    partShared[start + part] = keptPartShared[kept + part];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    vcpuCpu[start + vcpu] = keptCpu[kept + vcpu];
    vcpuNode[start + vcpu] = keptNode[kept + vcpu];
  }
  restore(vm, keptCells[vm]);
  for (let at = 0; at < vmThreadCpus[vm]; at++) takeThread(vm, keptThreadCpu[keptThreadStart[vm] + at]);
}

/** Forgets what a lifted VM had. */
function drop(vm: i32): void {
  for (let cell = 0; cell < keptCells[vm]; cell++) forgetEntries(keptMemory[keptStart[vm] + cell]);
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
        keep(vm);
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
  if (placedWeight != weight ? placedWeight > weight : planCost != cost ? planCost < cost : planScore < score) {
    for (let at = 0; at < ordered; at++) if (keptCells[order[at]] != 0) drop(order[at]);
    return;
  }
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
    keep(vm);
    visitsOfStep = 0;
    replace(PLACE_WELL);
    visits += visitsOfStep;
  }
}

/** Ends a search: memory becomes what it may be now that everybody has a place. */
export function settle(): void {
  settleMemory();
  measure();
}

/** A number that no plan of the placed VMs can be below. */
export function planLowerBound(): i64 {
  return lowerBound();
}

/** Whether every VM is placed and nothing can cost less. */
export function isOptimal(): bool {
  orderUnplaced();
  return ordered == 0 && planCost == planLowerBound();
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
