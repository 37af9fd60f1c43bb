// Places a few VMs together in the best way. Everything else stays where it is. The method is branch and bound over the placements of one
// VM after another. With all VMs, and every placement looked at, the result is the optimum.
import { Flat } from '../flat';
import { MAX_PAGE_SIZES, MEMORY_STRICT } from '../abi';
import { setTwinsAlike } from '../place/assign';
import { lossOnFreeCpus } from '../proof/competition';
import { arePriced, pricedLeast, pricedRoom } from '../proof/patterns';
import { layOutCells } from '../problem/cells';
import { freeCpus, takeCpus, takeParts, takeThread, unplace } from '../model/capacity';
import { findUseful, freePages, homePages, limitLeft } from '../model/memory';
import { barOthers } from '../model/relations';
import { greatestCommonDivisor, mostWeight, weightOf } from '../problem/weight';
import { showPlacements, tryAssignment } from '../place/construct';
import { roomForExpected } from '../model/expected';
import { totalCost } from '../model/totals';
import { rounded } from '../problem/coefficients';
import { corePlace, cpuCore, llcSpansNodes, nodeCount, nodePages, pageSizes, speedsDiffer } from '../problem/host';
import { areSame } from '../problem/alike';
import { vmHasCurrent } from '../problem/current';
import { homesAreOpen, pickyVms, useNodesOf } from '../problem/nodes';
import { hasFewSeatings, sawAllSeatings, showSeatings } from './seatings';
import { devices, hasShared, partCell, partDedicated, partNode, partShared, threadCpu, vcpuCpu, vcpuNode, vmAlive, vmBound, vmDedicated, vmMemory, vmMemoryBound, vmParts, vmSlots, vmSpan, vmStart, vmThreadCpus, vmThreadStart, vmVcpus, vmWeight } from '../problem/request';
import { vmTraffic } from '../problem/traffic';
import { isSpent, spend } from '../work';

/** The most VMs that are placed together. */
export const MOST_JOINT: i32 = 24;
const POOL: i32 = 1 << 19;
const MOST_FOUND: i32 = 1 << 15;

// Placements found, as a stack: those of one VM after those of another. Each has the number of cells, the number of parts, four numbers a
// part, two a vCPU and one a thread.
const pool = changetype<Flat<i32>>(memory.data(sizeof<i32>() * POOL, 8));
let poolTop: i32 = 0;
const foundAt = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_FOUND, 8));
const foundCost = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_FOUND, 8));
let foundTop: i32 = 0;
/** The best of all so far, a placement for each VM of the list; -1: it is refused. */
const best = changetype<Flat<i32>>(memory.data(sizeof<i32>() * POOL, 8));
const bestAt = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_JOINT, 8));
let bestTop: i32 = 0;

let count: i32 = 0;
const list = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_JOINT, 8));
/** Where each VM's placement now is in the pool; -1: none. */
const usedAt = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_JOINT, 8));
/** Weight, and least cost, of the VMs from a place in the list on. */
const weightFrom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_JOINT + 1), 8));
const boundFrom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_JOINT + 1), 8));
/** The same by the prices of patterns, in parts of a millionth. */
const pricedFrom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_JOINT + 1), 8));
/** What all weights are multiples of. */
let weightUnit: i64 = 1;
/** Whether the VM is the same as the one before it in the list. */
const repeats = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MOST_JOINT, 8));

const lightest = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_JOINT, 8));
let leastWeight: f64 = 1;
let leastMemoryBound: f64 = 1;

let bestWeight: i64 = 0;
let bestCost: i64 = 0;
/** Room for VMs that are expected. */
let bestRoom: i64 = 0;
/** Whether more of it makes plans of equal cost better. */
let wantsRoom: bool = false;
export function setWantsRoom(on: bool): void {
  wantsRoom = on;
}
let improved: bool = false;
let thorough: bool = false;
/** Whether every placement has been looked at. */
export let sawAllPlans: bool = true;
/** vCPUs that take as long to price as a placement otherwise. */
const VCPUS_IN_PRICE: i32 = 8;
/** Placements that may still be priced. */
let left: i32 = 0;
let pricedNow: i32 = 0;
/** What a placement may add to the cost; what is dearer is not kept. */
let dearest: i64 = 0;
/** The same less what the rest costs at the least by the prices of patterns, but for what is left free: in parts of a millionth. */
let dearestPriced: i64 = 0;
let isPriced: bool = false;
/** The first core of the VM before, where VMs repeat. */
let leastPlace: i32 = 0;
/** Prices of single placements and of whole plans are rounded apart; this is more than they differ by. */
const SLACK: i64 = 1000;

function recordSize(vm: i32): i32 {
  return 2 + 4 * vmParts[vm] + 2 * vmVcpus[vm] + vmThreadCpus[vm];
}

function firstPlace(vm: i32): i32 {
  let first = i32.MAX_VALUE;
  for (let vcpu = vmStart[vm]; vcpu < vmStart[vm] + vmVcpus[vm]; vcpu++) {
    if (vcpuCpu[vcpu] >= 0) first = min(first, corePlace[cpuCore[vcpuCpu[vcpu]]]);
  }
  return first;
}

/** Puts the placement that the VM has on the stack. */
function push(vm: i32, cells: i32, cost: i64): bool {
  left -= 1 + vmVcpus[vm] / VCPUS_IN_PRICE;
  pricedNow++;
  if (cost > dearest || firstPlace(vm) < leastPlace || (isPriced && (cost << 10) - pricedRoom() >= dearestPriced)) return true;
  if (foundTop == MOST_FOUND || poolTop + recordSize(vm) > POOL) {
    sawAllPlans = false;
    return true;
  }
  const start = vmStart[vm];
  foundAt[foundTop] = poolTop;
  foundCost[foundTop++] = cost;
  pool[poolTop++] = cells;
  pool[poolTop++] = vmParts[vm];
  for (let part = start; part < start + vmParts[vm]; part++) {
    pool[poolTop++] = partCell[part];
    pool[poolTop++] = partNode[part];
    pool[poolTop++] = partDedicated[part];
    pool[poolTop++] = partShared[part];
  }
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    pool[poolTop++] = vcpuCpu[vcpu];
    pool[poolTop++] = vcpuNode[vcpu];
  }
  for (let at = 0; at < vmThreadCpus[vm]; at++) pool[poolTop++] = threadCpu[vmThreadStart[vm] + at];
  return true;
}

/** Places the VM as the record says; false, and nothing is taken, where there is no memory. */
function take(vm: i32, records: Flat<i32>, record: i32): bool {
  const start = vmStart[vm];
  spend(8 * vmVcpus[vm]);
  let at = record;
  const cells = records[at++];
  const parts = records[at++];
  layOutCells(vm, cells);
  vmParts[vm] = parts;
  for (let part = start; part < start + parts; part++) {
    partCell[part] = records[at++];
    partNode[part] = records[at++];
    partDedicated[part] = records[at++];
    partShared[part] = records[at++];
  }
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    vcpuCpu[vcpu] = records[at++];
    vcpuNode[vcpu] = records[at++];
  }
  // Memory that spills keeps off the nodes of VMs that this one is apart from.
  barOthers(vm, 0);
  if (!takeParts(vm, cells)) return false;
  takeCpus(vm);
  for (let thread = 0; thread < vmThreadCpus[vm]; thread++) takeThread(vm, records[at++]);
  return true;
}

function onLeaf(vm: i32, cells: i32): bool {
  if (!thorough || vmHasCurrent[vm] || !hasFewSeatings(vm)) tryAssignment(vm, cells);
  if (thorough) {
    showSeatings(vm, cells, min(left, MOST_SEATINGS), push);
    if (!sawAllSeatings) sawAllPlans = false;
  }
  return left > 0 && !isSpent() && (thorough || pricedNow < MOST_PROMISING);
}

/** Seatings looked at for one assignment of cells to nodes. */
const MOST_SEATINGS: i32 = 2000;
/** Placements of one VM that are priced where not all are. */
const MOST_PROMISING: i32 = 32;
/** Nodes tried for one VM. */
const MOST_VISITS: i32 = 4000;

/** Whether the placement comes after one of this cost: it costs more, or as much and was found later. */
function comesAfter(found: i32, cost: i64, at: i32): bool {
  return foundCost[found] != cost ? foundCost[found] > cost : foundAt[found] > at;
}

/** Sorts the placements found from `from` on, the cheapest first (by Shell's method: there may be thousands). */
function sortFound(from: i32): void {
  let gap = 1;
  spend(8 * (foundTop - from));
  while (gap < foundTop - from) gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3) {
    for (let next = from + gap; next < foundTop; next++) {
      const at = foundAt[next];
      const cost = foundCost[next];
      let place = next;
      while (place >= from + gap && comesAfter(place - gap, cost, at)) {
        foundAt[place] = foundAt[place - gap];
        foundCost[place] = foundCost[place - gap];
        place -= gap;
      }
      foundAt[place] = at;
      foundCost[place] = cost;
    }
  }
}

function keepPlan(weight: i64, cost: i64): void {
  bestWeight = weight;
  bestCost = cost;
  bestRoom = roomForExpected();
  improved = true;
  bestTop = 0;
  for (let at = 0; at < count; at++) {
    bestAt[at] = -1;
    if (usedAt[at] < 0) continue;
    bestAt[at] = bestTop;
    const vm = list[at];
    for (let next = usedAt[at]; next < usedAt[at] + recordSize(vm); next++) best[bestTop++] = pool[next];
  }
}

/** The most weight of the VMs from `at` on that what is free allows. */
function weightAllowed(at: i32): i64 {
  return min(weightFrom[at], mostWeight(list, at, count, freeCpus(), homePages(freePages, limitLeft), weightUnit));
}

/** The fewest dedicated vCPUs that make up so much weight, of the VMs from `at` on, if the last may be placed in part. */
function fewestVcpus(at: i32, weight: i64): i32 {
  let vms = 0;
  for (let next = at; next < count; next++) {
    const vm = list[next];
    let place = vms++;
    while (place > 0 && <f64>vmDedicated[lightest[place - 1]] * vmWeight[vm] > <f64>vmDedicated[vm] * vmWeight[lightest[place - 1]]) {
      lightest[place] = lightest[place - 1];
      place--;
    }
    lightest[place] = vm;
  }
  let vcpus = 0;
  let left = weight;
  for (let next = 0; next < vms && left > 0; next++) {
    const own = weightOf(lightest[next]);
    if (own > left) return vcpus + <i32>((<i64>vmDedicated[lightest[next]] * left) / own);
    vcpus += vmDedicated[lightest[next]];
    left -= own;
  }
  return vcpus;
}

/** What the VMs from `at` on lose at the least on what is free, if as much weight has to be placed of them. */
function boundOfRest(at: i32, weight: i64): i64 {
  if (at == count || weight <= 0) return 0;
  // If some VMs may be left out, it is not known which ones lose what they lose alone.
  const all = weight == weightFrom[at];
  const alone = max(all ? boundFrom[at] : 0, lossOnFreeCpus(fewestVcpus(at, weight), leastWeight, leastMemoryBound));
  return all && thorough && arePriced ? max(alone, (pricedFrom[at] - pricedRoom() + 1023) >> 10) : alone;
}

/** Whether the plan may cost as much as the best because it keeps more room. No VM that is placed beside makes room. */
function keepsMore(): bool {
  return wantsRoom && roomForExpected() > bestRoom;
}

/** Goes on from the VM at `at` with so much weight placed; the plan as it stands costs `cost`. */
function branch(at: i32, weight: i64, cost: i64): void {
  if (at == count) {
    if (weight > bestWeight || (weight == bestWeight && (cost < bestCost || (cost == bestCost && keepsMore())))) keepPlan(weight, cost);
    return;
  }
  const vm = list[at];
  const most = weight + weightAllowed(at);
  if (most < bestWeight) return;
  const bottom = foundTop;
  const floor = poolTop;
  leastPlace = repeats[at] && usedAt[at - 1] >= 0 ? firstPlace(list[at - 1]) : 0;
  // If no more weight can be won, only a lower cost counts, or the same with more room.
  const spare = most > bestWeight ? i64.MAX_VALUE >> 1 : bestCost - cost - <i64>!keepsMore();
  // If VMs are the same, the first ones are placed.
  const waits = repeats[at] && usedAt[at - 1] < 0;
  if (spare >= 0 && !waits) {
    pricedNow = 0;
    dearest = spare + SLACK;
    isPriced = arePriced && thorough && weight + weightFrom[at] == bestWeight;
    dearestPriced = ((bestCost - cost + SLACK) << 10) - pricedFrom[at + 1];
    if (!showPlacements(vm, MOST_VISITS, dearest, push, onLeaf)) sawAllPlans = false;
    // A VM that cannot be seated at all costs time too.
    left -= pricedNow == 0 ? 1 : 0;
  }
  sortFound(bottom);
  const top = foundTop;
  for (let next = bottom; next < top && left > 0 && !isSpent(); next++) {
    if (!take(vm, pool, foundAt[next])) {
      sawAllPlans = false;
      continue;
    }
    usedAt[at] = foundAt[next];
    const further = thorough ? totalCost() : cost + foundCost[next];
    const placed = weight + weightFrom[at] - weightFrom[at + 1];
    const heaviest = placed + weightAllowed(at + 1);
    const below = bestCost + <i64>keepsMore();
    if (heaviest > bestWeight || (heaviest == bestWeight && further + boundOfRest(at + 1, bestWeight - placed) < below)) branch(at + 1, placed, further);
    usedAt[at] = -1;
    unplace(vm);
  }
  if (left <= 0 || isSpent()) sawAllPlans = false;
  foundTop = bottom;
  poolTop = floor;
  if (weight + weightFrom[at + 1] >= bestWeight) branch(at + 1, weight, cost);
}

function prepare(order: Flat<i32>, vms: i32): void {
  count = vms;
  weightFrom[count] = 0;
  boundFrom[count] = 0;
  pricedFrom[count] = 0;
  weightUnit = 0;
  leastWeight = 1000;
  leastMemoryBound = 1;
  for (let at = count - 1; at >= 0; at--) {
    const vm = order[at];
    list[at] = vm;
    usedAt[at] = -1;
    weightFrom[at] = weightFrom[at + 1] + weightOf(vm);
    weightUnit = greatestCommonDivisor(weightUnit, weightFrom[at] - weightFrom[at + 1]);
    boundFrom[at] = boundFrom[at + 1] + vmBound[vm];
    pricedFrom[at] = pricedFrom[at + 1] + pricedLeast(vm);
    leastWeight = Math.min(leastWeight, vmWeight[vm]);
    leastMemoryBound = Math.min(leastMemoryBound, vmMemoryBound[vm]);
    repeats[at] = thorough && at > 0 && areSame(order[at - 1], vm);
  }
  poolTop = 0;
  foundTop = 0;
  findUseful();
}

/**
 * Places the VMs of `order`, none of which is placed, in the best way that it finds by pricing `most` placements. It does so only if that
 * places more than `weight`, or as much for less than `cost`, or for as much with more than `room` where that is wanted; else it places none. `all`: looks at every seating, not only at those that
 * promise most. Returns whether it placed them. `sawAllPlans` tells whether there is nothing better.
 */
export function placeTogether(order: Flat<i32>, vms: i32, weight: i64, cost: i64, room: i64, most: i32, all: bool): bool {
  thorough = all;
  prepare(order, vms);
  // A VM may be tied to nodes, by a device or by name. Then like nodes are not interchangeable for the other VMs.
  setTwinsAlike(!all || (devices == 0 && pickyVms == 0));
  bestWeight = weight;
  bestCost = cost;
  bestRoom = room;
  improved = false;
  sawAllPlans = true;
  left = most;
  branch(0, 0, totalCost());
  leastPlace = 0;
  setTwinsAlike(true);
  if (!improved) return false;
  for (let at = 0; at < count; at++) if (bestAt[at] >= 0) take(list[at], best, bestAt[at]);
  return true;
}

/** Placements that the last call could have priced besides. */
export function placementsLeft(): i32 {
  return max(0, left);
}

/** Whether more than one page size is free somewhere, so that which one a cell gets matters to others. */
function pagesCompete(): bool {
  for (let node = 0; node < nodeCount; node++) {
    let sizes = 0;
    for (let size = 0; size < pageSizes; size++) if (nodePages[node * MAX_PAGE_SIZES + size] > 0) sizes++;
    if (sizes > 1) return true;
  }
  return false;
}

/** Whether seeing every plan that joint placing looks at is seeing all there are: else it proves nothing. */
export function provesOptimum(): bool {
  if (llcSpansNodes || pagesCompete()) return false;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    useNodesOf(vm);
    // If memory may be divided in several ways, only one of them is looked at.
    if (vmSpan[vm] || vmMemory[vm] != MEMORY_STRICT || homesAreOpen() || vmThreadCpus[vm] > 0 || vmTraffic[vm] >= 0) return false;
    if (vmHasCurrent[vm] || (speedsDiffer && hasShared(vm))) return false;
  }
  return true;
}
