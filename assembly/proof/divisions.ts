// The ways to divide a VM, and the one that costs the least with prices on pieces: what it loses by being apart (communication, memory of its
// other cells), by cells, by cores that it does not fill or shares, and the price of its pieces on every level. A dynamic programme finds the
// least but for rounding. From that the divisions near it are seen one by one, priced as the model rounds.
import { Flat } from '../flat';
import { MEMORY_STRICT, MODEL_HOME, THREADS_ISOLATE, THREADS_PREFER, THREADS_REQUIRE, THREADS_SPREAD } from '../abi';
import { fewestCells, mostCells } from '../problem/cells';
import { pageShift, widestCore } from '../problem/host';
import { isPicky } from '../problem/nodes';
import { communicationPrice } from '../model/communication';
import { capacityPrice, cellsPrice } from '../model/cost';
import { model, rounded } from '../problem/coefficients';
import { MICRO, vmBound, vmCellsAsked, vmCellsGiven, vmMemory, vmMemoryBound, vmPages, vmPageShift, vmSpan, vmThreads, vmWeight } from '../problem/request';
import { spend } from '../work';
import { smallestPiece } from './bound';
import { leastSlownessOfHost } from './hostwide';
import { levelHops, levelReach, levels, MOST_LEVELS, nodeLevel } from './levels';
import { CONTENTS, coresOf, grain, keepsCores, LARGEST, leastPieces, levelUnits, MOST_UNITS, NEVER, pieceCost, piecePrice, pieceTakes, plain, pricePieces, smtPrice, takeVm, together, unitsOf, vcpus, vm } from './pieces';

/** Numbers of cells that are looked at one by one; beyond, cells are of any size. */
const MOST_CELLS: i32 = 16;

// The division that was found: the pieces of each level.
const MOST_PIECES: i32 = 2 * LARGEST;
export let pieces: i32 = 0;
export const pieceLevel = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PIECES, 8));
export const pieceUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PIECES, 8));
/** What it costs without prices. */
export let divisionCost: i64 = 0;

// A way to cut it into cells: so many of each of two sizes. A content is a number of cells of each, as one number.
let bigCells: i32 = 0;
let smallCells: i32 = 0;
let bigSize: i32 = 0;
let smallSize: i32 = 0;
/** Whether these are the cells, rather than single vCPUs in cells of any size. */
let exact: bool = false;
/** The fewest vCPUs on a node. */
let leastPart: i32 = 1;
/** Whether no node has all of the VM. */
let apart: bool = false;
let cells: i32 = 1;
/** For each pair of cells in one group, by sizes: memory that is near, per unit of distance. */
let nearBig: f64 = 0;
let nearMixed: f64 = 0;
let nearSmall: f64 = 0;

/** By level and content: what the group as such costs, that with all in it, and the least for so much. */
const groupCost = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * CONTENTS, 8));
const groupAll = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * CONTENTS, 8));
const leastGroups = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * CONTENTS, 8));
/** Whether the siblings of the content on a node count. */
const countsSiblings = changetype<Flat<bool>>(memory.data(sizeof<bool>() * CONTENTS, 8));

function sizeOf(content: i32): i32 {
  return (content / (smallCells + 1)) * bigSize + (content % (smallCells + 1)) * smallSize;
}

/** Near memory of the pairs of cells of the content. */
function nearOf(content: i32): f64 {
  const big = <f64>(content / (smallCells + 1));
  const small = <f64>(content % (smallCells + 1));
  return nearBig * big * (big - 1) + nearMixed * big * small + nearSmall * small * (small - 1);
}

/** What pairs of cells lose by each other's memory for each unit of distance: pages are whole, so cells may have one more or less. */
function takeNearness(): void {
  nearBig = 0;
  nearMixed = 0;
  nearSmall = 0;
  if (!exact || cells < 2 || !plain || vmSpan[vm] || vmMemory[vm] != MEMORY_STRICT || isPicky(vm)) return;
  const pages = vmPages[vm] >> <i64>max(0, vmPageShift[vm] - pageShift[0]);
  const all = <f64>pages;
  const each = (vmWeight[vm] * vmMemoryBound[vm] * (1 - model[MODEL_HOME]) * <f64>MICRO) / 10;
  const big = (pages * <i64>bigSize) / <i64>vcpus;
  const small = (pages * <i64>smallSize) / <i64>vcpus;
  // Without large cells there is nothing to divide by.
  const ofBig = bigCells == 0 ? 0 : (each * <f64>bigSize) / (all - <f64>big);
  const ofSmall = (each * <f64>smallSize) / (all - <f64>small);
  nearBig = ofBig * <f64>big;
  nearMixed = ofBig * <f64>small + ofSmall * <f64>big;
  nearSmall = ofSmall * <f64>small;
}

/** Cores that the cells of a content touch at the least, each by itself. */
function coresOfCells(content: i32): i32 {
  return (content / (smallCells + 1)) * coresOf(bigSize) + (content % (smallCells + 1)) * coresOf(smallSize);
}

function hasExcess(): bool {
  return exact && (vmThreads[vm] == THREADS_PREFER || vmThreads[vm] == THREADS_REQUIRE);
}

/** Cells as the model cuts them. */
function cutInto(count: i32): void {
  cells = count;
  exact = true;
  bigCells = vcpus % count;
  smallCells = count - bigCells;
  smallSize = vcpus / count;
  bigSize = smallSize + 1;
  leastPart = 1;
  takeNearness();
}

/** Single vCPUs, of cells that are any, and `count` at the least. */
function cutFinely(count: i32, part: i32): void {
  cells = count;
  exact = false;
  bigCells = 0;
  smallCells = vcpus;
  smallSize = 1;
  bigSize = 2;
  leastPart = part;
  takeNearness();
}

/** The least for every content of every level; what all of the VM costs at the least but for what is the same for all its divisions. */
function priceContents(): f64 {
  const last = (bigCells + 1) * (smallCells + 1) - 1;
  const width = smallCells + 1;
  for (let level = nodeLevel; level < levels; level++) {
    const first = level * CONTENTS;
    leastGroups[first] = 0;
    for (let content = 1; content <= last; content++) {
      const size = sizeOf(content);
      const units = unitsOf(vm, size);
      const at = first + content;
      groupCost[at] = NEVER;
      groupAll[at] = NEVER;
      leastGroups[at] = NEVER;
      if (units <= levelUnits[level] && (level > nodeLevel || (size >= leastPart && (size < vcpus || !apart)))) {
        const square = <f64>size * <f64>size;
        groupCost[at] = (level > 0 ? piecePrice[level * (MOST_UNITS + 1) + units] - together[level] * square : 0) - nearOf(content) * <f64>levelReach[level];
        groupAll[at] = groupCost[at] + (level > nodeLevel ? leastGroups[at - CONTENTS] : allPieces(content, size));
      }
      const bigs = content / width;
      const smalls = content % width;
      let least = groupAll[at];
      for (let big = 0; big <= bigs; big++) {
        // What is more than a group holds is not looked at.
        const end = min(smalls, (levelUnits[level] * grain - big * bigSize) / smallSize);
        for (let small = big == 0 ? 1 : 0; small <= end; small++) {
          const part = big * width + small;
          if (part != content) least = Math.min(least, groupAll[first + part] + leastGroups[at - part]);
        }
        spend(end + 1);
      }
      leastGroups[at] = least;
    }
  }
  return leastGroups[(levels - 1) * CONTENTS + last];
}

/** The least for the pieces of so many vCPUs on one node. */
function piecesOf(size: i32, siblings: i32): f64 {
  if (nodeLevel == 1) return leastPieces[siblings * CONTENTS + size];
  return size <= levelUnits[0] * grain ? pieceCost[siblings * CONTENTS + size] : NEVER;
}

/** The same for a content. Where its cells, each by itself, touch more cores than its pieces, siblings cost nothing. */
function allPieces(content: i32, size: i32): f64 {
  const bare = piecesOf(size, 0);
  countsSiblings[content] = vmThreads[vm] == THREADS_SPREAD;
  if (countsSiblings[content]) return piecesOf(size, 1);
  if (!hasExcess()) return bare;
  const loaded = piecesOf(size, 1) - smtPrice * <f64>coresOfCells(content);
  if (loaded < bare) return bare;
  countsSiblings[content] = true;
  return loaded;
}

/** What all divisions with these cells lose: all pairs apart, and cells. Those that are together do not. */
function costApart(): f64 {
  let cost = <f64>cellsPrice(vm, cells) + <f64>slowness();
  const last = (bigCells + 1) * (smallCells + 1) - 1;
  for (let level = 0; level < levels; level++) {
    cost += together[level] * <f64>vcpus * <f64>vcpus + nearOf(last) * <f64>levelReach[level];
  }
  return cost;
}

function slowness(): i64 {
  return plain ? capacityPrice(vm, MICRO * leastSlownessOfHost(vcpus)) : 0;
}

// Divisions near the least, one by one. By level: what is left to be divided, and the last group that was taken of it.
const left = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS, 8));
const lastTaken = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS, 8));
/** Sums over the groups that were taken: squares of sizes, near memory; and cores in excess. */
const squares = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_LEVELS, 8));
const nearness = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS, 8));
let excess: i32 = 0;
let partCells: i32 = 0;
let partCores: i32 = 0;
let partSiblings: i32 = 0;
let rivals: i32 = 0;
let taken: i32 = 0;
const takenLevel = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PIECES, 8));
const takenUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PIECES, 8));
let takenPrice: f64 = 0;
/** The least that was seen, prices included, and divisions that may still be looked at. */
let least: f64 = 0;
let looks: i32 = 0;
/** Rounding of up to five terms. */
const ROUNDING: f64 = 2.51;

function takePiece(level: i32, units: i32): void {
  takenLevel[taken] = level;
  takenUnits[taken++] = units;
}

/** The price of a division without the prices of its pieces, as the model rounds, or less. */
function costOfTaken(): i64 {
  let cost = cellsPrice(vm, cells) + slowness();
  if (plain) {
    let hops: i64 = 0;
    let reach: f64 = 0;
    const last = (bigCells + 1) * (smallCells + 1) - 1;
    for (let level = 0; level < levels; level++) {
      hops += levelHops[level] * (<i64>vcpus * <i64>vcpus - squares[level]);
      reach += <f64>levelReach[level] * (nearOf(last) - nearness[level]);
    }
    cost += communicationPrice(vm, <f64>((MICRO / 2) * hops));
    // Doubles are far more exact than a thousandth.
    cost += max<i64>(0, rounded(reach - 0.001));
  }
  cost += rounded(smtPrice * <f64>(excess + rivals));
  // Of the ways to use more or fewer cores the one was taken that costs the least but for rounding.
  if (rivals > 0 && smtPrice != Math.floor(smtPrice)) cost--;
  return max(vmBound[vm], cost);
}

/** Whether all divisions are seen that may cost the least, rather than the first that is found. */
let thorough: bool = false;

function finish(): void {
  looks = thorough ? looks - 1 : 0;
  const cost = costOfTaken();
  if (<f64>cost + takenPrice >= least) return;
  least = <f64>cost + takenPrice;
  divisionCost = cost;
  pieces = taken;
  for (let at = 0; at < taken; at++) {
    pieceLevel[at] = takenLevel[at];
    pieceUnits[at] = takenUnits[at];
  }
}

/** Goes on with the lowest level of which something is left; `cost`: of what is taken, `above`: the least of what is left above that level. */
function divide(cost: f64): void {
  spend(8);
  if (looks <= 0) return;
  let level = 0;
  let beyond: f64 = 0;
  while (level < levels && left[level] == 0) level++;
  if (level == levels) {
    finish();
    return;
  }
  for (let higher = level + 1; higher < levels; higher++) beyond += leastGroups[higher * CONTENTS + left[higher]];
  if (level < nodeLevel) takePieces(cost, beyond);
  else takeGroups(level, cost, beyond);
}

/** Whether what costs so much at the least, but for rounding, may be less than the best. */
function mayBeLess(cost: f64): bool {
  looks--;
  return cost < least + ROUNDING && looks > 0;
}

function takePieces(cost: f64, beyond: f64): void {
  const all = left[0];
  const before = lastTaken[0];
  const first = partSiblings * CONTENTS;
  const most = min(min(all, before), levelUnits[0] * grain);
  for (let size = most; size > 0; size--) {
    const own = pieceCost[first + size];
    if (!mayBeLess(cost + own + leastPieces[first + all - size] + beyond)) continue;
    left[0] = all - size;
    lastTaken[0] = size;
    enterPiece(size, 1);
    divide(cost + own);
    enterPiece(size, -1);
  }
  left[0] = all;
  lastTaken[0] = before;
}

/** A piece of an LLC comes (1) or goes (-1). */
function enterPiece(size: i32, sign: i32): void {
  const units = pieceTakes[partSiblings * CONTENTS + size];
  squares[0] += <i64>(sign * size * size);
  takenPrice += <f64>sign * piecePrice[units];
  if (sign > 0) takePiece(0, units);
  else taken--;
  if (partSiblings == 1 && widestCore == 2) {
    if (vmThreads[vm] == THREADS_SPREAD && keepsCores(vm)) rivals += sign * 2 * (size - (units * grain) / 2);
    if (vmThreads[vm] == THREADS_PREFER && !keepsCores(vm) && units == size && (size & 1) == 1) rivals += sign;
  }
  if (!hasExcess()) return;
  excess -= max(0, partCores - partCells);
  partCores += sign * coresOf(size);
  excess += max(0, partCores - partCells);
}

function takeGroups(level: i32, cost: f64, beyond: f64): void {
  const all = left[level];
  const before = lastTaken[level];
  const width = smallCells + 1;
  const first = level * CONTENTS;
  for (let content = min(all, before); content > 0; content--) {
    if (content / width > all / width || content % width > all % width) continue;
    const own = groupCost[first + content];
    if (own >= NEVER || !mayBeLess(cost + groupAll[first + content] + leastGroups[first + all - content] + beyond)) continue;
    const size = sizeOf(content);
    left[level] = all - content;
    lastTaken[level] = content;
    nearness[level] += nearOf(content);
    if (level > 0) {
      squares[level] += <i64>(size * size);
      const units = unitsOf(vm, size);
      takePiece(level, units);
      takenPrice += piecePrice[level * (MOST_UNITS + 1) + units];
    }
    if (level > nodeLevel) intoGroups(level - 1, content, cost + own);
    else intoPieces(content, size, cost + own);
    if (level > 0) {
      taken--;
      takenPrice -= piecePrice[level * (MOST_UNITS + 1) + unitsOf(vm, size)];
      squares[level] -= <i64>(size * size);
    }
    nearness[level] -= nearOf(content);
  }
  left[level] = all;
  lastTaken[level] = before;
}

/** Divides what a group has among those of the level below. */
function intoGroups(level: i32, content: i32, cost: f64): void {
  const before = lastTaken[level];
  left[level] = content;
  lastTaken[level] = content;
  divide(cost);
  left[level] = 0;
  lastTaken[level] = before;
}

/** Divides what a node has among its LLCs. */
function intoPieces(content: i32, size: i32, cost: f64): void {
  const cellsBefore = partCells;
  const coresBefore = partCores;
  const siblingsBefore = partSiblings;
  partCells = hasExcess() ? coresOfCells(content) : 0;
  partCores = 0;
  partSiblings = countsSiblings[content] ? 1 : 0;
  const credit = partSiblings == 1 && hasExcess() ? smtPrice * <f64>partCells : 0;
  if (nodeLevel == 1) {
    const before = lastTaken[0];
    left[0] = size;
    lastTaken[0] = size;
    divide(cost - credit);
    left[0] = 0;
    lastTaken[0] = before;
  } else if (pieceCost[partSiblings * CONTENTS + size] < NEVER) {
    enterPiece(size, 1);
    divide(cost + pieceCost[partSiblings * CONTENTS + size] - credit);
    enterPiece(size, -1);
  }
  partCells = cellsBefore;
  partCores = coresBefore;
  partSiblings = siblingsBefore;
}

/** Looks at divisions with these cells whose least is known; whether all were seen that may be less than `least`. */
function seeDivisions(): bool {
  const last = (bigCells + 1) * (smallCells + 1) - 1;
  for (let level = 0; level < levels; level++) {
    left[level] = 0;
    lastTaken[level] = i32.MAX_VALUE;
    squares[level] = 0;
    nearness[level] = 0;
  }
  excess = 0;
  rivals = 0;
  taken = 0;
  takenPrice = 0;
  left[levels - 1] = last;
  divide(costApart());
  return looks > 0;
}

/** What is certain whatever was not seen. */
let sure: f64 = 0;

/** The VM cut as it is now: looks for a division that costs less than `least`, prices included. */
function search(): void {
  const real = priceContents() + costApart();
  if (real >= NEVER || real - ROUNDING >= least) return;
  const before = least;
  // What rounding alone makes dearer is near enough.
  least = Math.min(before, real + 3);
  const near = least;
  looks = LOOKS;
  let seen = seeDivisions();
  if (least == near && near < before) {
    least = before;
    looks = LOOKS;
    seen = seeDivisions();
  }
  if (!seen) sure = Math.min(sure, real - ROUNDING);
}

const LOOKS: i32 = 400;

/** Whether the VM may be cut into so many cells one by one. */
function isCutInto(count: i32): bool {
  return count <= vcpus && (vcpus % count + 1) * (count - (vcpus % count) + 1) <= MOST_CUTS;
}

const MOST_CUTS: i32 = 96;

function searchAll(): void {
  const asked = vmCellsAsked[vm];
  if (!plain || vmSpan[vm]) {
    cutFinely(fewestCells(vm), 1);
    search();
  } else if (asked == 1 || (asked > 1 && !vmCellsGiven[vm] && isCutInto(asked))) {
    cutInto(asked);
    search();
  } else if (asked > 1) {
    cutFinely(asked, smallestPiece(vm));
    search();
  } else {
    searchAuto();
  }
}

/** Numbers of cells in turn, as long as they may cost less than the best that is known. */
function searchAuto(): void {
  const most = mostCells(vm);
  cutInto(1);
  search();
  if (most == 1) return;
  cutFinely(2, 1);
  const fine = priceContents() + costApart() - <f64>cellsPrice(vm, 2) - ROUNDING;
  let count = 2;
  while (count <= min(most, MOST_CELLS) && isCutInto(count) && fine + <f64>cellsPrice(vm, count) < least) {
    cutInto(count++);
    search();
  }
  if (count > most || fine + <f64>cellsPrice(vm, count) >= least) return;
  cutFinely(count, smallestPiece(vm));
  search();
}

/**
 * What the VM costs at the least, prices of its pieces included: never more than that. The division that does is in `pieces`, if one was found; NEVER:
 * there is none. `all`: as exactly as can be, rather than but for rounding.
 */
export function priceDivisions(next: i32, all: bool): f64 {
  takeVm(next);
  thorough = all;
  pieces = 0;
  least = NEVER;
  sure = NEVER;
  pricePieces();
  searchAll();
  return Math.min(least, sure);
}

/** What the VM, whose cells are open, costs at the least where it is on two nodes or more, prices included: never more than that. */
export function priceApart(next: i32): f64 {
  takeVm(next);
  pricePieces();
  apart = true;
  cutFinely(3, 1);
  const more = priceContents() + costApart();
  cutInto(2);
  const two = priceContents() + costApart();
  apart = false;
  return Math.min(two, more) - ROUNDING;
}
