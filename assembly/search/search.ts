// The search: every VM in turn where it is cheapest; where there are few, all of them together; then, step by step, a few VMs are taken
// out and placed anew, together or in another order, which stays where the plan gets better (more weight placed, less cost,
// fewer nodes, LLCs and cores).
import { Flat } from '../flat';
import { MAX_VMS, MEMORY_PREFERRED } from '../abi';
import { prepareBound } from '../proof/bound';
import { lowerBound, simpleBound } from '../proof/competition';
import { boundForWeight } from '../proof/others';
import { unplace } from '../model/capacity';
import { clearKept, drop, isKept, keep, putBack } from './kept';
import { setThrifty } from '../model/thrift';
import { MOST_JOINT, placementsLeft, placeTogether, provesOptimum, sawAllPlans } from './joint';
import { settleMemory } from './settle';
import { makeRoom } from './exchange';
import { PLACE_DENSE, PLACE_SOON, PLACE_WELL, placeVm, tieScore, visitsToPlace } from '../place/construct';
import { totalCost, vmCost } from '../model/cost';
import { vmHasCurrent } from '../problem/current';
import { limitPages, nodeCount, nodePages, nodeUsable, pageShift } from '../problem/host';
import { homePages } from '../model/memory';
import { greatestCommonDivisor, mostWeight, weightOf } from '../problem/weight';
import { countVms, hasShared, partNode, placedVms, refusedVms, vmAlive, vmBound, vmCells, vmMemory, vmPages, vmPageShift, vmParts, vmSlots, vmStart, vmVcpus, vmWeight } from '../problem/request';

/** VMs taken out in one step, besides those that are refused. */
const MOST_OUT: i32 = 4;
/** Refused VMs tried again in one step. */
const MOST_RETRIED: i32 = 8;

const MOST_STEPS: i32 = 1 << 30;
/** Nodes tried that make up a step. */
const VISITS_IN_STEP: i32 = 256;
/** Placements priced that make up a step. */
const PRICES_IN_STEP: i32 = 128;
/** Placements priced in one step of joint placing, the fewest; some steps get up to eight times as many. */
const PRICES_OF_JOINT: i32 = 96;
let visitsOfStep: i32 = 0;
let pricesOfStep: i32 = 0;

/** Steps since the last reset, up to MOST_STEPS. */
export let stepsTaken: i32 = 0;
let random: u32 = 1;

/** VMs in the order in which they are placed. */
const order = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let ordered: i32 = 0;

// The plan as it stands, as the objective sees it.
let placedWeight: i64 = 0;
let planCost: i64 = 0;
let planScore: i64 = 0;
let bound: i64 = 0;
let heaviest: i64 = 0;
/** Whether the plan, as long as nothing changes, is known to be the best. */
let proven: bool = false;
/** Placements that were priced in vain to prove that. */
let pricedForProof: i32 = 0;

export function resetSearch(): void {
  stepsTaken = 0;
  forgetProof();
}

/** What was proven is not any more: VMs have come, gone or changed. */
export function forgetProof(): void {
  proven = false;
  pricedForProof = 0;
}

/** The next number below `below`: xorshift32, the same in every runtime. */
function nextRandom(below: u32): u32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random % below;
}

/** Whether VM `a` is placed before `b`: more weight, somewhere already, dedicated, more vCPUs, more memory, lower handle. */
function comesBefore(a: i32, b: i32): bool {
  if (vmWeight[a] != vmWeight[b]) return vmWeight[a] > vmWeight[b];
  if (vmHasCurrent[a] != vmHasCurrent[b]) return vmHasCurrent[a];
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

function measure(): void {
  placedWeight = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && vmCells[vm] != 0) placedWeight += weightOf(vm);
  planCost = totalCost();
  planScore = tieScore();
}

/** Enters some of the refused VMs into `order`; whether there are such. */
function enterRefused(most: i32): bool {
  countVms();
  const skipped = refusedVms > most ? <i32>nextRandom(<u32>(refusedVms - most + 1)) : 0;
  let seen = 0;
  for (let vm = 0; vm < vmSlots && ordered < most; vm++) {
    if (vmAlive[vm] && vmCells[vm] == 0 && seen++ >= skipped) order[ordered++] = vm;
  }
  return refusedVms > 0;
}

/** The placed VM at or after a random place for which `fits` holds; -1: none. */
function findPlaced(other: i32, fits: (vm: i32, other: i32) => bool): i32 {
  const first = <i32>nextRandom(<u32>vmSlots);
  for (let at = 0; at < vmSlots; at++) {
    const vm = (first + at) % vmSlots;
    if (vmAlive[vm] && vmCells[vm] != 0 && fits(vm, other)) return vm;
  }
  return -1;
}

function isAny(_vm: i32, _other: i32): bool {
  return true;
}

function losesMore(vm: i32, _other: i32): bool {
  return vmCost(vm) > vmBound[vm];
}

function sharesNode(vm: i32, other: i32): bool {
  for (let a = vmStart[vm]; a < vmStart[vm] + vmParts[vm]; a++) {
    for (let b = vmStart[other]; b < vmStart[other] + vmParts[other]; b++) if (partNode[a] == partNode[b]) return true;
  }
  return false;
}

/** Takes a few placed VMs out and enters them into `order`: one that could lose less, if there is one, and some beside it or elsewhere. */
function takeSomeOut(): void {
  const count = 1 + <i32>nextRandom(MOST_OUT);
  let seed = findPlaced(-1, losesMore);
  if (seed < 0 || nextRandom(4) == 0) seed = findPlaced(-1, isAny);
  if (seed < 0) return;
  // Who shares a node with the first is known only while that is placed.
  const first = ordered;
  order[ordered++] = seed;
  for (let more = 1; more < count; more++) {
    const vm = findPlaced(seed, nextRandom(2) == 0 ? sharesNode : isAny);
    let known = vm < 0;
    for (let at = first; at < ordered && !known; at++) known = order[at] == vm;
    if (!known) order[ordered++] = vm;
  }
  for (let at = first; at < ordered; at++) keep(order[at]);
}

function shuffle(): void {
  for (let at = ordered - 1; at > 0; at--) {
    const other = <i32>nextRandom(<u32>(at + 1));
    const vm = order[at];
    order[at] = order[other];
    order[other] = vm;
  }
}

/** How much the VM's memory yields to that of others: it takes any page size, and above all it may spill, unless into large pages only. */
function yielding(vm: i32): i32 {
  if (vmMemory[vm] != MEMORY_PREFERRED) return vmPageShift[vm] == 0 ? 2 : 0;
  return vmPageShift[vm] > pageShift[0] ? 1 : 3;
}

/** Whether VM `a` is placed before `b` where they are placed together. */
function comesBeforeTogether(a: i32, b: i32): bool {
  return yielding(a) != yielding(b) ? yielding(a) < yielding(b) : comesBefore(a, b);
}

/** The order in which VMs are placed together: those that fit in the fewest places first. */
function sort(): void {
  for (let next = 1; next < ordered; next++) {
    const vm = order[next];
    let at = next;
    while (at > 0 && comesBeforeTogether(vm, order[at - 1])) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = vm;
  }
}

/** Whether the VMs of `order` that are placed now are those that were taken out. */
function placesTheSame(): bool {
  for (let at = 0; at < ordered; at++) if (isKept(order[at]) != (vmCells[order[at]] != 0)) return false;
  return true;
}

/** Leaves the VMs of `order` as they are now if the plan is better than this one; else they are as they were. Whether it is better. */
function settleFor(weight: i64, cost: i64, score: i64): bool {
  // A plan of others, smaller ones perhaps, is no better for the nodes that it leaves.
  const packsBetter = planScore < score && placesTheSame();
  const better = placedWeight != weight ? placedWeight > weight : planCost != cost ? planCost < cost : packsBetter;
  for (let at = 0; at < ordered; at++) {
    const vm = order[at];
    if (better) {
      if (isKept(vm)) drop(vm);
    } else if (vmCells[vm] != 0) {
      unplace(vm);
    }
  }
  if (better) return true;
  for (let at = 0; at < ordered; at++) if (isKept(order[at])) putBack(order[at]);
  placedWeight = weight;
  planCost = cost;
  planScore = score;
  return false;
}

/** Places the VMs of `order` one after another. */
function placeInTurn(how: i32): bool {
  const weight = placedWeight;
  const cost = planCost;
  const score = planScore;
  placeOrdered(how);
  return settleFor(weight, cost, score);
}

/** Places the VMs of `order` together, pricing up to `most` placements; `thrifty`: where most is left for others. */
function placeJointly(most: i32, all: bool, thrifty: bool): bool {
  const weight = placedWeight;
  const cost = planCost;
  const score = planScore;
  let out: i64 = 0;
  for (let at = 0; at < ordered; at++) if (isKept(order[at])) out += weightOf(order[at]);
  sort();
  setThrifty(thrifty);
  const improved = placeTogether(order, ordered, out, cost, most, all);
  setThrifty(false);
  pricesOfStep += most - placementsLeft();
  if (improved) measure();
  return settleFor(weight, cost, score);
}

function step(): void {
  clearKept();
  ordered = 0;
  if (nextRandom(4) == 0) {
    const refused = enterRefused(MOST_RETRIED);
    takeSomeOut();
    shuffle();
    // Where VMs are refused, the others make room every other time.
    placeInTurn(refused && nextRandom(2) == 0 ? PLACE_DENSE : PLACE_SOON);
    return;
  }
  const refused = enterRefused(2);
  takeSomeOut();
  placeJointly(PRICES_OF_JOINT << <i32>nextRandom(4), nextRandom(2) == 0, refused && nextRandom(2) == 0);
}

/** Places all VMs together, if they are few and that has not been tried with so much work; if everything was seen, that is the best. */
function proveWith(steps: i32, again: bool): void {
  const most = steps * PRICES_IN_STEP;
  countVms();
  if (placedVms + refusedVms > MOST_JOINT || most <= 2 * pricedForProof) return;
  clearKept();
  ordered = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    order[ordered++] = vm;
    if (vmCells[vm] != 0) keep(vm);
  }
  placeJointly(most, true, again && refusedVms > 0);
  pricedForProof = most;
  proven = sawAllPlans && provesOptimum();
}

/** Lets refused VMs in where one other that moves makes room, as far as the work of a quarter of `steps` steps goes. */
export function makeRoomWith(steps: i32): void {
  countVms();
  if (refusedVms > 0) makeRoom((<i64>steps * <i64>VISITS_IN_STEP) / 4);
}

/** Places each VM that costs more than its bound once more, with all effort, as far as the work of `steps` steps goes. */
export function refine(steps: i32): void {
  const most = <i64>steps * <i64>VISITS_IN_STEP;
  let visits: i64 = 0;
  for (let vm = 0; vm < vmSlots && visits < most && canImprove(); vm++) {
    if (!vmAlive[vm] || vmCells[vm] == 0 || vmCost(vm) <= vmBound[vm]) continue;
    clearKept();
    ordered = 1;
    order[0] = vm;
    keep(vm);
    visitsOfStep = 0;
    placeInTurn(PLACE_WELL);
    visits += visitsOfStep;
  }
}

/** Ends a search: memory becomes what it may be now that everybody has a place. */
export function settle(): void {
  settleMemory();
  measure();
}

/** Computes the bounds of all VMs for which that has not been done; a placed one is taken out for it. */
function prepareBounds(): void {
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || vmBound[vm] >= 0) continue;
    const placed = vmCells[vm] != 0;
    clearKept();
    if (placed) keep(vm);
    prepareBound(vm);
    if (placed) putBack(vm);
  }
}

/** A number that no plan of the placed VMs can be below. */
export function planLowerBound(): i64 {
  if (proven) return totalCost();
  prepareBounds();
  return boundForWeight();
}

/** Whether every VM is placed and nothing can cost less; `soon`: only if that is known without more work. */
export function isOptimal(soon: bool): bool {
  countVms();
  if (refusedVms > 0) return false;
  if (proven || planCost == 0) return true;
  if (soon) return false;
  prepareBounds();
  // The simple bound is soon computed, and often enough.
  return planCost == simpleBound() || planCost == lowerBound();
}

/** The most weight that can be placed, as far as CPUs and memory in all can tell. */
function weightBound(): i64 {
  let vms = 0;
  let unit: i64 = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    order[vms++] = vm;
    unit = greatestCommonDivisor(unit, weightOf(vm));
  }
  let cpus: i64 = 0;
  for (let node = 0; node < nodeCount; node++) cpus += nodeUsable[node];
  return vms == 0 ? 0 : mostWeight(order, 0, vms, cpus, homePages(nodePages, limitPages), unit);
}

/** Whether more might be placed, or the same for less. */
function canImprove(): bool {
  countVms();
  return !proven && ((refusedVms > 0 && placedWeight < heaviest) || planCost > bound);
}

/** Up to `steps` steps of search, fewer where nothing is to be gained. A step that looks at much counts more than once. */
export function improve(steps: i32, seed: i32): void {
  random = (<u32>seed * 2654435761) ^ (<u32>stepsTaken * 40503) ^ 0x9e3779b9;
  if (random == 0) random = 1;
  prepareBounds();
  bound = lowerBound();
  heaviest = weightBound();
  let left = steps;
  let proofs = 0;
  while (left > 0 && canImprove()) {
    visitsOfStep = 0;
    pricesOfStep = 0;
    const weight = placedWeight;
    // Early for what is soon seen, then with half of the work.
    if (proofs == 0 || (proofs == 1 && (left <= steps / 2 || placedVms + refusedVms == 1))) {
      proveWith(proofs == 0 ? steps / 8 : steps / 2, proofs > 0);
      proofs++;
    } else if (placedVms + refusedVms == 1) {
      // One VM alone has been tried everywhere.
      break;
    } else {
      step();
    }
    if (placedWeight != weight) bound = lowerBound();
    const taken = min(left, 1 + visitsOfStep / VISITS_IN_STEP + pricesOfStep / PRICES_IN_STEP);
    left -= taken;
    stepsTaken = min(stepsTaken + taken, MOST_STEPS);
  }
}
