// The search. First every VM in turn is placed where it is cheapest; if there are few VMs, all of them are placed together. Then, step by
// step, a few VMs are taken out and placed anew, together or in another order. The change stays if the plan gets better: more weight
// placed, less cost, fewer nodes, LLCs and cores.
import { Flat } from '../flat';
import { MAX_VMS, MEMORY_PREFERRED } from '../abi';
import { fitsNowhere, prepareBound } from '../proof/bound';
import { lowerBound, simpleBound } from '../proof/competition';
import { forgetWeights, isMostCounted, mostInAll } from '../proof/weights';
import { forgetPatterns } from '../proof/patterns';
import { boundForWeight } from '../proof/others';
import { takeCpus, takeParts, unplace } from '../model/capacity';
import { comesBefore } from '../problem/order';
import { placeNext } from './first';
import { clearKept, drop, isKept, keep, putBack } from './kept';
import { expectedSizes, roomForExpected } from '../model/expected';
import { setThrifty } from '../model/thrift';
import { MOST_JOINT, placementsLeft, placeTogether, provesOptimum, sawAllPlans, setWantsRoom } from './joint';
import { beginWriting, list, readPlan, vms, writePlace } from './places';
import { ruinAndRecreate } from './ruin';
import { settleMemory } from './settle';
import { makeRoom } from './exchange';
import { PLACE_DENSE, PLACE_SOON, PLACE_WELL, tieScore } from '../place/construct';
import { touchVm, vmsOnNode } from '../problem/stale';
import { losingSet, placedSet, placedVms, placedWeight, refresh, refusedSet, refusedVms, totalCost } from '../model/totals';
import { memberAt, nextMember, SET_WORDS } from '../vm-set';
import { sortBy } from '../sort';
import { clearKinds, enterKind, hasTies } from '../problem/alike';
import { isSpent, setWorkLimit, spend, workDone } from '../work';
import { pageShift } from '../problem/host';
import { weightOf } from '../problem/weight';
import { partNode, vmAlive, vmBound, vmCells, vmMemory, vmPageShift, vmParts, vmSlots, vmStart } from '../problem/request';

/** VMs taken out in one step, besides those that are refused. */
const MOST_OUT: i32 = 4;
/** Refused VMs tried again in one step. */
const MOST_RETRIED: i32 = 8;

const MOST_STEPS: i32 = 1 << 30;
/** Nodes tried that make up a step. */
const VISITS_IN_STEP: i32 = 256;
/** Placements priced that make up a step. */
const PRICES_IN_STEP: i32 = 128;
/** Work that makes up a step. */
const WORK_IN_STEP: i64 = 120000;
/** Steps that one may count as, by its work. */
const MOST_STEPS_AT_ONCE: i64 = 64;
/** Work of the bounds of all VMs. */
const WORK_OF_BOUNDS: i64 = 24000000;
/** Placements priced in one step of joint placing, the fewest; some steps get up to eight times as many. */
const PRICES_OF_JOINT: i32 = 96;
/** Steps of search to each that looks for room for VMs that are expected. */
const STEPS_TO_ROOM: i32 = 8;
/** Rearranging begins anew with twice the work, from this part of all steps on. */
const SHORTEST_BURST: i32 = 32;
let visitsOfStep: i32 = 0;
let pricesOfStep: i32 = 0;

/** Steps since the last reset, up to MOST_STEPS. */
export let stepsTaken: i32 = 0;
let random: u32 = 1;

/** VMs in the order in which they are placed. */
const order = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let ordered: i32 = 0;

// The plan as it stands, as the objective sees it.
let planWeight: i64 = 0;
let planCost: i64 = 0;
let planRoom: i64 = 0;
let planScore: i64 = 0;
/** No plan that places as much weight costs less; of any VMs of that weight, since the plan may come to place others. -1: not known yet. */
let bound: i64 = -1;
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
  forgetWeights();
  forgetPatterns();
}

/** The next number below `below`: xorshift32, the same in every runtime. */
function nextRandom(below: u32): u32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random % below;
}

/** Places the VMs of `order`, in turn. */
function placeOrdered(how: i32): void {
  clearKinds();
  for (let at = 0; at < ordered; at++) visitsOfStep += placeNext(order[at], how);
  measure();
}

function measure(): void {
  planCost = totalCost();
  planWeight = placedWeight;
  planRoom = roomForExpected();
  planScore = tieScore();
}

/** Enters some of the refused VMs into `order`; whether there are such. */
function enterRefused(most: i32): bool {
  refresh();
  const skipped = refusedVms > most ? <i32>nextRandom(<u32>(refusedVms - most + 1)) : 0;
  for (let vm = memberAt(refusedSet, 0, skipped); vm >= 0 && ordered < most; vm = nextMember(refusedSet, 0, vm + 1)) order[ordered++] = vm;
  return refusedVms > 0;
}

/** The member of the set at or after a random slot; -1: none. */
function findIn(set: Flat<u64>): i32 {
  const first = <i32>nextRandom(<u32>vmSlots);
  const vm = nextMember(set, 0, first);
  return vm >= 0 ? vm : nextMember(set, 0, 0);
}

/** The VMs with vCPUs on a node of another. */
const besideSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * SET_WORDS, 8));

function findBeside(vm: i32): Flat<u64> {
  for (let word = 0; word < SET_WORDS; word++) besideSet[word] = 0;
  let before = -1;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    const node = partNode[part];
    if (node == before) continue;
    before = node;
    spend(SET_WORDS);
    for (let word = 0; word < SET_WORDS; word++) besideSet[word] |= vmsOnNode[node * SET_WORDS + word];
  }
  return besideSet;
}

/**
 * Takes a few placed VMs out and enters them into `order`: one that could lose less, if there is one, and some from its nodes or elsewhere.
 */
function takeSomeOut(): void {
  const count = 1 + <i32>nextRandom(MOST_OUT);
  let seed = findIn(losingSet);
  if (seed < 0 || nextRandom(4) == 0) seed = findIn(placedSet);
  if (seed < 0) return;
  // Which VMs share a node with the first is known only while the first is placed.
  const first = ordered;
  order[ordered++] = seed;
  for (let more = 1; more < count; more++) {
    const vm = findIn(nextRandom(2) == 0 ? findBeside(seed) : placedSet);
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

/**
 * How much the VM's memory yields to that of others. Memory that may spill yields most, unless it spills into large pages only. Memory in
 * any page size comes next.
 */
function yielding(vm: i32): i32 {
  if (vmMemory[vm] != MEMORY_PREFERRED) return vmPageShift[vm] == 0 ? 2 : 0;
  return vmPageShift[vm] > pageShift[0] ? 1 : 3;
}

/** Whether VM `a` is placed before `b` where they are placed together: those that fit in the fewest places first. */
function comesBeforeTogether(a: i32, b: i32): bool {
  return yielding(a) != yielding(b) ? yielding(a) < yielding(b) : comesBefore(a, b);
}

/** Whether the VMs of `order` that are placed now are those that were taken out. */
function placesTheSame(): bool {
  for (let at = 0; at < ordered; at++) if (isKept(order[at]) != (vmCells[order[at]] != 0)) return false;
  return true;
}

/** Leaves the VMs of `order` as they are now if the plan is better than the given one; else puts them back. Returns whether it is better. */
function settleFor(weight: i64, cost: i64, room: i64, score: i64): bool {
  // If other VMs are placed, perhaps smaller ones, leaving more nodes free does not make the plan better.
  const packsBetter = (planRoom != room ? planRoom > room : planScore < score) && placesTheSame();
  const better = planWeight != weight ? planWeight > weight : planCost != cost ? planCost < cost : packsBetter;
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
  planWeight = weight;
  planCost = cost;
  planRoom = room;
  planScore = score;
  return false;
}

/** Places the VMs of `order` one after another. */
function placeInTurn(how: i32): bool {
  const weight = planWeight;
  const cost = planCost;
  const room = planRoom;
  const score = planScore;
  placeOrdered(how);
  return settleFor(weight, cost, room, score);
}

/** Places the VMs of `order` together, pricing up to `most` placements; `thrifty`: where most is left for others. */
function placeJointly(most: i32, all: bool, thrifty: bool): bool {
  const weight = planWeight;
  const cost = planCost;
  const room = planRoom;
  const score = planScore;
  let out: i64 = 0;
  for (let at = 0; at < ordered; at++) if (isKept(order[at])) out += weightOf(order[at]);
  sortBy(order, ordered, comesBeforeTogether);
  setThrifty(thrifty);
  const improved = placeTogether(order, ordered, out, cost, room, most, all);
  setThrifty(false);
  pricesOfStep += most - placementsLeft();
  if (improved) measure();
  return settleFor(weight, cost, room, score);
}

function step(): void {
  clearKept();
  ordered = 0;
  if (nextRandom(4) == 0) {
    const refused = enterRefused(MOST_RETRIED);
    takeSomeOut();
    shuffle();
    // If VMs are refused, the others make room every other time.
    placeInTurn(refused && nextRandom(2) == 0 ? PLACE_DENSE : PLACE_SOON);
    return;
  }
  const refused = enterRefused(2);
  takeSomeOut();
  placeJointly(PRICES_OF_JOINT << <i32>nextRandom(4), nextRandom(2) == 0, refused && nextRandom(2) == 0);
}

/** Searches among the pieces of VMs, as far as the work of so many steps goes, and takes what is better; whether that can be done. */
export function rearrange(steps: i32): bool {
  // Where others are in the way, there is more to gain by moving those.
  if (!readPlan() || vms < placedVms) return false;
  const weight = planWeight;
  const cost = planCost;
  const room = planRoom;
  const score = planScore;
  clearKept();
  ordered = 0;
  while (ordered < vms) {
    keep(list[ordered]);
    order[ordered] = list[ordered++];
  }
  const found = ruinAndRecreate(<i64>steps * WORK_IN_STEP, random, leastCost() - cost);
  if (found) beginWriting();
  for (let at = 0; at < ordered && found; at++) {
    if (!takeParts(order[at], writePlace(at))) break;
    takeCpus(order[at]);
  }
  measure();
  settleFor(weight, cost, room, score);
  return true;
}

/** Whether all VMs can be placed together. */
function areFew(): bool {
  refresh();
  return placedVms + refusedVms <= MOST_JOINT;
}

/** Places all VMs together, if they are few and that has not been tried with so much work; if everything was seen, that is the best. */
function proveWith(steps: i32, again: bool): void {
  const most = steps * PRICES_IN_STEP;
  if (!areFew() || most <= 2 * pricedForProof) return;
  placeAllTogether(steps, again && refusedVms > 0);
  pricedForProof = most;
  proven = sawAllPlans && provesOptimum();
}

function placeAllTogether(steps: i32, thrifty: bool): void {
  const before = setWorkLimit(workDone + <i64>steps * WORK_IN_STEP);
  clearKept();
  ordered = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    order[ordered++] = vm;
    if (vmCells[vm] != 0) keep(vm);
  }
  placeJointly(steps * PRICES_IN_STEP, true, thrifty);
  setWorkLimit(before);
}

/** Lets refused VMs in where one other that moves makes room, as far as the work of a quarter of `steps` steps goes. */
export function makeRoomWith(steps: i32): void {
  refresh();
  if (refusedVms == 0) return;
  const before = setWorkLimit(workDone + (<i64>steps * WORK_IN_STEP) / 4);
  makeRoom((<i64>steps * <i64>VISITS_IN_STEP) / 4);
  setWorkLimit(before);
}

/** Places each VM that costs more than its bound once more, with all effort, as far as the work of `steps` steps goes. */
export function refine(steps: i32): void {
  const most = <i64>steps * <i64>VISITS_IN_STEP;
  const before = setWorkLimit(workDone + (<i64>steps * WORK_IN_STEP) / 4);
  let visits: i64 = 0;
  refresh();
  for (let vm = nextMember(losingSet, 0, 0); vm >= 0 && visits < most && !isSpent() && canImprove(); vm = nextMember(losingSet, 0, vm + 1)) {
    clearKept();
    ordered = 1;
    order[0] = vm;
    keep(vm);
    visitsOfStep = 0;
    placeInTurn(PLACE_WELL);
    visits += visitsOfStep;
    refresh();
  }
  setWorkLimit(before);
}

/** Ends a search: memory gets the best pages and nodes that are free now that every VM has a place. */
export function settle(): void {
  settleMemory();
  measure();
}

/** Computes the bounds of all VMs for which that has not been done; a placed one is taken out for it. */
export function prepareBounds(): void {
  const before = setWorkLimit(workDone + WORK_OF_BOUNDS);
  clearKinds();
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || vmBound[vm] >= 0) continue;
    const same = hasTies(vm) ? -1 : enterKind(vm);
    if (same >= 0) {
      vmBound[vm] = vmBound[same];
      fitsNowhere[vm] = fitsNowhere[same];
      touchVm(vm);
      continue;
    }
    const placed = vmCells[vm] != 0;
    clearKept();
    if (placed) keep(vm);
    prepareBound(vm);
    if (placed) putBack(vm);
    touchVm(vm);
  }
  setWorkLimit(before);
}

/** A number that no plan of the placed VMs can be below. */
export function planLowerBound(): i64 {
  if (proven) return totalCost();
  prepareBounds();
  return boundForWeight();
}

/** Whether every VM is placed and nothing can cost less; `soon`: only if that is known without more work. */
export function isOptimal(soon: bool): bool {
  refresh();
  if (refusedVms > 0) return false;
  if (proven || planCost == 0) return true;
  if (soon) return false;
  prepareBounds();
  // The simple bound is quick to compute, and often good enough.
  return planCost == simpleBound() || planCost == lowerBound();
}

/** Whether the plan is known to place the most weight that there is. */
export function isHeaviest(): bool {
  refresh();
  return proven || placedWeight >= mostInAll() || isMostCounted(placedWeight);
}

function leastCost(): i64 {
  if (bound < 0) bound = boundForWeight();
  return bound;
}

/** Whether more might be placed, or the same for less. */
function canImprove(): bool {
  refresh();
  return !proven && ((refusedVms > 0 && planWeight < heaviest) || planCost > leastCost());
}

/** Work when the step began. */
let workBefore: i64 = 0;

/** Begins a step that may count as up to `left`; the limit of work before it. */
function beginStep(left: i32): i64 {
  visitsOfStep = 0;
  pricesOfStep = 0;
  workBefore = workDone;
  return setWorkLimit(workDone + min<i64>(<i64>left, MOST_STEPS_AT_ONCE) * WORK_IN_STEP);
}

/** Ends it; as how many it counts. */
function endStep(left: i32, limit: i64): i32 {
  setWorkLimit(limit);
  const byWork = <i32>((workDone - workBefore) / WORK_IN_STEP);
  const taken = min(left, max(1 + visitsOfStep / VISITS_IN_STEP + pricesOfStep / PRICES_IN_STEP, byWork));
  stepsTaken = min(stepsTaken + taken, MOST_STEPS);
  return taken;
}

/** Up to `steps` steps of search, fewer where nothing is to be gained. A step that looks at much counts more than once. */
export function improve(steps: i32, seed: i32): void {
  random = (<u32>seed * 2654435761) ^ (<u32>stepsTaken * 40503) ^ 0x9e3779b9;
  if (random == 0) random = 1;
  measure();
  prepareBounds();
  bound = -1;
  heaviest = mostInAll();
  let left = steps;
  let proofs = 0;
  let burst = max(1, steps / SHORTEST_BURST);
  while (left > 0 && canImprove()) {
    const before = beginStep(left);
    const weight = planWeight;
    // Once early, for what is quick to see, then with half of the work.
    if (proofs == 0 || (proofs == 1 && (left <= steps / 2 || placedVms + refusedVms == 1))) {
      proveWith(proofs == 0 ? steps / 8 : steps / 2, proofs > 0);
      proofs++;
    } else if (placedVms + refusedVms == 1) {
      // One VM alone has been tried everywhere.
      break;
    } else if (refusedVms == 0 && burst > 0 && burst < left / 2) {
      burst = rearrange(burst) ? 2 * burst : 0;
    } else {
      step();
    }
    if (planWeight != weight) bound = -1;
    left -= endStep(left, before);
  }
}

/**
 * Makes room for VMs that are expected where that costs nothing: places all VMs together where they are few, else goes on with steps, as far as an
 * eighth of `steps` goes. After `improve`.
 */
export function keepRoom(steps: i32): void {
  if (expectedSizes == 0) return;
  setWantsRoom(true);
  const few = areFew();
  let left = max(1, steps / STEPS_TO_ROOM);
  let seen = false;
  if (few) {
    const before = beginStep(left);
    placeAllTogether(left, false);
    seen = sawAllPlans;
    left -= endStep(left, before);
  }
  while (left > 0 && !seen && placedVms > 0) {
    const before = beginStep(left);
    step();
    left -= endStep(left, before);
  }
  setWantsRoom(false);
}
