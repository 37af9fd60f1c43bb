// How a cell's memory is divided among nodes. Its homes are the memory nodes of its parts. The model may leave open how much each home
// has: then pages go where they are free and cost least.
import { Flat } from '../flat';
import { MAX_NODES, MAX_PAGE_SIZES, MEMORY_INTERLEAVE, MODEL_HOME } from '../abi';
import { asItIs, currentBytes } from '../problem/current';
import { distance, nodeCount, pageShift } from '../problem/host';
import { homeOf, homesOf } from '../problem/nodes';
import { barred, freePages, limitLeft, MOST_PAGES } from './memory';
import { thrifty } from './thrift';
import { spend } from '../work';
import { model } from '../problem/coefficients';
import { cellPages, demandOf, partCell, partDedicated, partNode, partShared, vmMemory, vmPages, vmParts, vmStart } from '../problem/request';

// The homes of the cell that is being laid out, its pages on each, and how many more each can take.
export let homeCount: i32 = 0;
export const homes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const shares = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const room = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
/** What a page there costs, in any unit. */
const price = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));
/** Whether the VM has a part on the home. */
const isOwn = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
/** Place of a node in `homes`, where it is one. */
const placeOf = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

// The parts of the cell: entries, and the pages that each has on each home.
let parts: i32 = 0;
const entry = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const rest = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const flow = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES * MAX_NODES, 8));

function enterHomes(part: i32, evenly: bool): void {
  const node = partNode[part];
  spend(homesOf(node));
  for (let at = 0; at < homesOf(node); at++) {
    const home = homeOf(node, at);
    if (barred[home] && !evenly) continue;
    if (placeOf[home] >= homeCount || homes[placeOf[home]] != home) {
      placeOf[home] = homeCount;
      isOwn[homeCount] = false;
      homes[homeCount++] = home;
    }
    if (home == node) isOwn[placeOf[home]] = true;
  }
}

/** Finds the homes of one cell: the memory nodes of its parts, or of all parts of a VM that interleaves. */
export function findHomes(vm: i32, cell: i32): void {
  homeCount = 0;
  parts = 0;
  const evenly = vmMemory[vm] == MEMORY_INTERLEAVE;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    const own = partCell[part] == cell;
    if (own) entry[parts++] = part;
    if (own || evenly) enterHomes(part, evenly);
  }
}

/** What a page of the cell on the node adds to `remoteMemory`, in a unit that is the same for all of the cell's pages. */
export function priceOn(vm: i32, cell: i32, node: i32): f64 {
  const start = vmStart[vm];
  const own = cellPages[start + cell];
  spend(2 * vmParts[vm]);
  const home = own == vmPages[vm] ? 1 : model[MODEL_HOME];
  let cost: f64 = 0;
  for (let part = start; part < start + vmParts[vm]; part++) {
    const far = <f64>(demandOf(vm, partDedicated[part], partShared[part]) * <i64>(distance(partNode[part], node) - 10));
    if (partCell[part] == cell) cost += (far * home) / <f64>own;
    else cost += (far * (1 - home)) / <f64>(vmPages[vm] - cellPages[start + partCell[part]]);
  }
  return cost;
}

/** Whether there was a choice among homes since this was cleared. */
export let hadChoice: bool = false;
export function clearChoice(): void {
  hadChoice = false;
}

/** Rank of a home for a page: the cheapest, or the one with the most room, has the least. */
function rankOf(place: i32): f64 {
  return thrifty ? -(<f64>room[place]) : price[place];
}

/**
 * Whether home `a` is better than `b` for so many pages of a part. In this order: the lesser rank, room for all of the pages, being on the
 * part's node (-1: on any node of the VM), the lower number.
 */
function isBetter(a: i32, b: i32, pages: i64, node: i32): bool {
  if (rankOf(a) != rankOf(b)) return rankOf(a) < rankOf(b);
  const holdsA = room[a] >= pages;
  const holdsB = room[b] >= pages;
  if (holdsA != holdsB) return holdsA;
  const nearA = node < 0 ? isOwn[a] : homes[a] == node;
  const nearB = node < 0 ? isOwn[b] : homes[b] == node;
  return nearA != nearB ? nearA : homes[a] < homes[b];
}

/** The best home with room for the part, by place; -1: none has any. */
function bestHome(part: i32, pages: i64): i32 {
  const node = partNode[entry[part]];
  spend(homesOf(node));
  let best = -1;
  for (let at = 0; at < homesOf(node); at++) {
    const home = homeOf(node, at);
    if (barred[home]) continue;
    const place = placeOf[home];
    if (room[place] > 0 && (best < 0 || isBetter(place, best, pages, node))) best = place;
  }
  return best;
}

// For a breadth-first search: homes in the order in which they are reached, the part that reached each home, and the home that reached
// each part.
const queue = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const reachedBy = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const cameFrom = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const isReached = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
let queued: i32 = 0;

function reachHomes(part: i32): void {
  const node = partNode[entry[part]];
  for (let at = 0; at < homesOf(node); at++) {
    const home = homeOf(node, at);
    if (barred[home] || reachedBy[placeOf[home]] >= 0) continue;
    reachedBy[placeOf[home]] = part;
    queue[queued++] = placeOf[home];
  }
}

/**
 * Makes room for up to so many pages of the part: along a shortest chain, pages of other parts move to other homes of theirs.
 * Returns how many.
 */
function displace(first: i32, pages: i64): i64 {
  spend(homeCount * parts);
  for (let place = 0; place < homeCount; place++) reachedBy[place] = -1;
  for (let part = 0; part < parts; part++) isReached[part] = part == first;
  queued = 0;
  reachHomes(first);
  let end = -1;
  for (let at = 0; at < queued && end < 0; at++) {
    const place = queue[at];
    if (room[place] > 0) end = place;
    for (let part = 0; part < parts && end < 0; part++) {
      if (isReached[part] || flow[part * MAX_NODES + place] == 0) continue;
      isReached[part] = true;
      cameFrom[part] = place;
      reachHomes(part);
    }
  }
  if (end < 0) return 0;
  let moved = min(pages, room[end]);
  for (let part = reachedBy[end]; part != first; part = reachedBy[cameFrom[part]]) {
    moved = min(moved, flow[part * MAX_NODES + cameFrom[part]]);
  }
  room[end] -= moved;
  let place = end;
  for (let part = reachedBy[end]; part != first; part = reachedBy[place]) {
    flow[part * MAX_NODES + place] += moved;
    place = cameFrom[part];
    flow[part * MAX_NODES + place] -= moved;
  }
  flow[first * MAX_NODES + place] += moved;
  return moved;
}

/** Finds room for so many more pages of the part; false where there is none. */
function send(part: i32, pages: i64): bool {
  let left = pages;
  while (left > 0) {
    const place = bestHome(part, left);
    if (place < 0) break;
    const here = min(left, room[place]);
    room[place] -= here;
    flow[part * MAX_NODES + place] += here;
    left -= here;
  }
  while (left > 0) {
    const here = displace(part, left);
    if (here == 0) return false;
    left -= here;
  }
  return true;
}

/** Divides in proportion to the parts. Each gets its whole pages; those that are short of one get one more where that costs least. */
function divideByParts(vm: i32, cell: i32, pages: i64): bool {
  let all: i64 = 0;
  spend(2 * parts * homeCount);
  for (let part = 0; part < parts; part++) {
    all += <i64>(partDedicated[entry[part]] + partShared[entry[part]]);
    for (let place = 0; place < homeCount; place++) flow[part * MAX_NODES + place] = 0;
  }
  let over = pages;
  for (let part = 0; part < parts; part++) {
    const weight = <i64>(partDedicated[entry[part]] + partShared[entry[part]]);
    const share = (pages / all) * weight + ((pages % all) * weight) / all;
    rest[part] = ((pages % all) * weight) % all;
    over -= share;
    if (!send(part, share)) return false;
  }
  while (over > 0) {
    let next = -1;
    let least: f64 = 0;
    for (let part = 0; part < parts; part++) {
      if (rest[part] == 0) continue;
      const place = bestHome(part, 1);
      const cost = place < 0 ? f64.MAX_VALUE : rankOf(place);
      if (next >= 0 && (cost > least || (cost == least && rest[part] <= rest[next]))) continue;
      next = part;
      least = cost;
    }
    if (next < 0) return false;
    rest[next] = 0;
    if (send(next, 1)) over--;
  }
  for (let place = 0; place < homeCount; place++) {
    for (let part = 0; part < parts; part++) shares[place] += flow[part * MAX_NODES + place];
  }
  return true;
}

/** Divides evenly among all homes. The pages that are left over go where they cost least. */
function divideEvenly(pages: i64): bool {
  const even = pages / <i64>homeCount;
  for (let place = 0; place < homeCount; place++) {
    if (room[place] < even) return false;
    shares[place] = even;
  }
  for (let over = pages % <i64>homeCount; over > 0; over--) {
    let next = -1;
    for (let place = 0; place < homeCount; place++) {
      if (shares[place] != even || room[place] == even) continue;
      if (next < 0 || isBetter(place, next, 1, -1)) next = place;
    }
    if (next < 0) return false;
    shares[next]++;
  }
  return true;
}

/**
 * Divides so many pages of the size among the homes that findHomes found, into `shares`; false where they are not free.
 * `real` false: as if every home had enough. Of a VM that is to be as it is every node is a home, with what is there now.
 */
export function divide(vm: i32, cell: i32, size: i32, pages: i64, real: bool): bool {
  if (asItIs) homeCount = nodeCount;
  if (homeCount == 0 || (real && limitLeft[size] < pages)) return false;
  hadChoice = hadChoice || homeCount > 1;
  const evenly = vmMemory[vm] == MEMORY_INTERLEAVE;
  let given: i64 = 0;
  const priced = homeCount > 1 && !(evenly && pages % <i64>homeCount == 0);
  for (let place = 0; place < homeCount; place++) {
    if (asItIs) homes[place] = place;
    room[place] = barred[homes[place]] ? 0 : real ? freePages[homes[place] * MAX_PAGE_SIZES + size] : MOST_PAGES;
    price[place] = priced ? priceOn(vm, cell, homes[place]) : 0;
    shares[place] = asItIs ? min(room[place], <i64>currentBytes(vm, cell, homes[place]) >> <i64>pageShift[size]) : 0;
    given += shares[place];
  }
  if (asItIs) return given == pages;
  return evenly ? divideEvenly(pages) : divideByParts(vm, cell, pages);
}
