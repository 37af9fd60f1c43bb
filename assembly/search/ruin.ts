// Ruin and recreate: takes some VMs out of a plan and puts each back where it is cheapest, very often. What moves are pieces: so many vCPUs of
// some cells of a VM on an LLC. A plan that is a little worse is gone on from, too, less and less so (threshold accepting). VMs are put back with
// blinks: now and then the cheapest place is not seen.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VMS, MODEL_SMT } from '../abi';
import { mostCells } from '../problem/cells';
import { model } from '../problem/coefficients';
import { hopBetween, nodeCount } from '../problem/host';
import { homeOf } from '../problem/nodes';
import { MICRO, vmCellsAsked, vmPages, vmVcpus } from '../problem/request';
import { cellsPrice } from '../model/cost';
import { sortBy } from '../sort';
import { spend, workDone } from '../work';
import { addPiece, BEFORE, BEST, cheapest, copyPlace, coresFor, enterLlcs, heldBy, isPooled, list, llcFree, llcNode, llcOdd, llcs, made, nodeFree, nodeLlc, nodeOdd, nodePages, pieceAt, placeAt, priceAt, shared, take, vms } from './places';

/** Numbers of cells beyond the fewest that are tried where a VM is divided among nodes. */
const MOST_CELLS: i32 = 8;

/** Nodes with room from which it is divided. */
const MOST_STARTS: i32 = 3;

let random: u32 = 1;

function below(most: i32): i32 {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return <i32>(random % <u32>most);
}

/** Whether cores are shared where a place is made. */
let shares: bool = false;

/** vCPUs of the VM that so many cores hold, and beside so many odd pieces. */
function roomFor(vm: i32, cores: i32, odd: i32): i32 {
  return shares ? 2 * cores + odd : heldBy(vm, cores);
}

/** Divides so many vCPUs among the LLCs of the node: all on the one that they fill best, or as many as go on the emptiest and so on. */
function divideOn(vm: i32, node: i32, vcpus: i32): bool {
  let left = vcpus;
  const begin = made.pieces;
  while (left > 0) {
    let best = -1;
    let most = 0;
    spend(8 * (nodeLlc[node + 1] - nodeLlc[node]));
    for (let llc = nodeLlc[node]; llc < nodeLlc[node + 1]; llc++) {
      let room = roomFor(vm, llcFree[llc], llcOdd[llc]);
      for (let at = begin; at < made.pieces; at++) if (pieceAt(made, at).llc == llc) room = 0;
      if (room <= 0) continue;
      const holds = room >= left;
      // What fits goes where the least is left, what does not where the most is.
      const better = best < 0 || (holds != most >= left ? holds : holds ? room < most : room > most);
      if (!better || (best >= 0 && below(16) == 0)) continue;
      best = llc;
      most = room;
    }
    if (best < 0) return false;
    const here = min(left, most);
    if (!addPiece(made, best, here)) return false;
    left -= here;
  }
  return true;
}

/** Cells of the size that go on the node, of so many. */
function cellsOn(vm: i32, node: i32, size: i32, cells: i32, taken: i32): i32 {
  const byMemory = Math.min((nodePages[homeOf(node, 0)] * <f64>vmVcpus[vm]) / <f64>vmPages[vm] + 1e-6, <f64>roomFor(vm, nodeFree[node], nodeOdd[node]));
  return max(0, min(cells, (<i32>Math.max(0, byMemory) - taken) / size));
}

const usedNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
let used: i32 = 0;

/** Makes a place in so many cells that begins on the node; false where there is none. */
function makePlace(vm: i32, cells: i32, first: i32): bool {
  const ofSmall = vmVcpus[vm] / cells;
  let large = vmVcpus[vm] % cells;
  let small = cells - large;
  made.cells = cells;
  made.pieces = 0;
  used++;
  for (let node = first; large + small > 0; ) {
    usedNode[node] = used;
    const piece = pieceAt(made, made.pieces);
    const larges = cellsOn(vm, node, ofSmall + 1, large, 0);
    const taken = larges * (ofSmall + 1);
    const smalls = larges < large ? 0 : cellsOn(vm, node, ofSmall, small, taken);
    if (larges + smalls > 0) {
      if (!divideOn(vm, node, taken + smalls * ofSmall)) return false;
      piece.large = larges;
      piece.small = smalls;
      large -= larges;
      small -= smalls;
    }
    if (large + small == 0) break;
    let next = -1;
    spend(nodeCount);
    for (let other = 0; other < nodeCount; other++) {
      if (usedNode[other] == used || roomFor(vm, nodeFree[other], nodeOdd[other]) <= 0) continue;
      const nearer = next < 0 ? -1 : hopBetween(first, other) - hopBetween(first, next);
      if (nearer < 0 || (nearer == 0 && nodeFree[other] > nodeFree[next])) next = other;
    }
    if (next < 0) return false;
    node = next;
  }
  return true;
}

/** What each shared core costs: a sibling for both. */
let sharedPrice: i64 = 0;
/** What the cheapest place costs with the cores that are shared for it. */
let least: i64 = 0;

/** Keeps the place that was made if it is cheaper than the cheapest, or as cheap and leaves less than `rest` beside it; what that leaves. */
function keepIfCheaper(vm: i32, rest: i32): i32 {
  const own = llcFree[pieceAt(made, 0).llc];
  priceAt(vm, made);
  let price = made.cost;
  for (let at = 0; at < made.pieces; at++) {
    const piece = pieceAt(made, at);
    price += sharedPrice * <i64>max(0, coresFor(vm, piece.vcpus) - max(0, llcFree[piece.llc]));
  }
  if (rest != NOTHING && (price > least || (price == least && own >= rest))) return rest;
  copyPlace(made, cheapest);
  least = price;
  return own;
}

/** What no place leaves. */
const NOTHING: i32 = i32.MAX_VALUE;

/** Finds a cheap place for the VM; false where none was found. */
function findPlace(vm: i32): bool {
  shares = false;
  let found = findPlaceIn(vm, NOTHING);
  // Among whole cores alone, but where that is dear, or nowhere.
  if (isPooled(vm) && (found == NOTHING || least > 0)) {
    shares = true;
    found = findPlaceIn(vm, found);
  }
  return found != NOTHING;
}

/** The same, whether or not cores are shared, if it is cheaper than the one that was found; what that leaves. */
function findPlaceIn(vm: i32, before: i32): i32 {
  const asked = vmCellsAsked[vm];
  let found = before;
  spend(2 * nodeCount);
  if (asked < 2) {
    for (let node = 0; node < nodeCount; node++) {
      if (roomFor(vm, nodeFree[node], nodeOdd[node]) < vmVcpus[vm] || below(16) == 0) continue;
      if (makePlace(vm, 1, node) && made.pieces > 0) found = keepIfCheaper(vm, found);
    }
    if (found != before && below(16) > 0) return found;
  }
  if (asked == 1) return found;
  const fewest = max(2, asked);
  const most = asked > 0 ? asked : min(mostCells(vm), fewest + MOST_CELLS);
  const begin = below(nodeCount);
  for (let step = 0, looks = 0; step < nodeCount && looks < MOST_STARTS; step++) {
    const node = (begin + step) % nodeCount;
    if (roomFor(vm, nodeFree[node], nodeOdd[node]) <= 0) continue;
    looks++;
    for (let cells = fewest; cells <= most; cells++) {
      if (found != NOTHING && cellsPrice(vm, cells) >= least) break;
      if (below(2) == 0) continue;
      if (makePlace(vm, cells, node)) found = keepIfCheaper(vm, found);
    }
  }
  return found;
}

/** VMs that are out at once. */
const MOST_OUT: i32 = 8;
const out = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_OUT, 8));
const isOut = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));

/** The node of the first piece. */
function nodeOf(at: i32): i32 {
  return llcNode[pieceAt(placeAt(at), 0).llc];
}

/** Takes VMs out, one that loses something first, if chance finds one, then mostly its neighbours; how many. */
function ruin(): i32 {
  let seed = below(vms);
  for (let tries = 0; tries < 8 && placeAt(seed).cost == 0; tries++) seed = below(vms);
  const wanted = 2 + below(min(MOST_OUT, vms) - 1);
  let count = 0;
  out[count++] = seed;
  isOut[seed] = true;
  for (let tries = 0; tries < 4 * wanted && count < wanted; tries++) {
    const next = below(vms);
    spend(8);
    if (isOut[next] || ((tries & 1) == 0 && nodeOf(seed) != nodeOf(next))) continue;
    isOut[next] = true;
    out[count++] = next;
  }
  for (let at = 0; at < count; at++) {
    isOut[out[at]] = false;
    take(list[out[at]], placeAt(out[at]), -1);
    copyPlace(placeAt(out[at]), placeAt(BEFORE + out[at]));
  }
  return count;
}

function isLarger(a: i32, b: i32): bool {
  return vmVcpus[list[a]] > vmVcpus[list[b]];
}

/** Times that VMs were taken out and put back: a bench reads it (counted.ts). */
export let ruins: i32 = 0;

/**
 * Searches for so much work from the plan that was read, while the VMs of the list are out of the model's plan; whether a better one was
 * found. `enough`: a change of cost (below 0) that need not be gone below.
 */
export function ruinAndRecreate(work: i64, seed: u32, enough: i64): bool {
  random = seed | 1;
  enterLlcs();
  let cost: i64 = 0;
  for (let at = 0; at < vms; at++) {
    take(list[at], placeAt(at), 1);
    cost += placeAt(at).cost;
    copyPlace(placeAt(at), placeAt(BEST + at));
  }
  for (let llc = 0; llc < llcs; llc++) if (2 * llcFree[llc] + llcOdd[llc] < 0) return false;
  sharedPrice = <i64>(2.0 * model[MODEL_SMT] * <f64>MICRO);
  cost += sharedPrice * <i64>shared;
  const first = cost;
  let best = cost;
  const begin = workDone;
  const heat = <f64>cost / <f64>vms;
  while (workDone - begin < work && best - first > enough) {
    let next = cost - sharedPrice * <i64>shared;
    const count = ruin();
    ruins++;
    // In any order now and then.
    if (below(4) > 0) sortBy(out, count, isLarger);
    let placed = 0;
    for (let at = 0; at < count; at++) next -= placeAt(out[at]).cost;
    next += sharedPrice * <i64>shared;
    const cooled = 1 - <f64>(workDone - begin) / <f64>work;
    const limit = cost + <i64>(heat * cooled * cooled * <f64>below(1024) * (1.0 / 1024));
    while (placed < count && next <= limit) {
      const vm = list[out[placed]];
      if (!findPlace(vm)) break;
      take(vm, cheapest, 1);
      copyPlace(cheapest, placeAt(out[placed++]));
      next += least;
    }
    if (placed == count && next <= limit) {
      cost = next;
      if (cost < best) {
        best = cost;
        for (let at = 0; at < vms; at++) copyPlace(placeAt(at), placeAt(BEST + at));
        spend(2 * vms);
      }
      continue;
    }
    for (let at = 0; at < placed; at++) take(list[out[at]], placeAt(out[at]), -1);
    for (let at = 0; at < count; at++) {
      copyPlace(placeAt(BEFORE + out[at]), placeAt(out[at]));
      take(list[out[at]], placeAt(out[at]), 1);
    }
  }
  return best < first;
}
