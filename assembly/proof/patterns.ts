// A lower bound for all VMs together, by linear programming over patterns. A VM is divided into pieces, one for each LLC, node and group of
// nodes that it is on (divisions.ts). An LLC, a node or a group holds a pattern of pieces. The programme finds prices for pieces of each size on
// each level. With any prices at all this holds: no plan costs less than what every VM costs at the least, its pieces with it, minus what the
// pieces in every group bring at the most. Prices are multiples of 1/1024, and so are their sums, so it holds exactly.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_VMS } from '../abi';
import { freeOnCore } from '../model/capacity';
import { coreCpuStart, coreList, nodeCoreStart, nodeCount, widestCore } from '../problem/host';
import { areAlike } from '../problem/alike';
import { vmAlive, vmBound, vmCells, vmDedicated, vmSlots } from '../problem/request';
import { spend, workDone } from '../work';
import { isPlain } from './bound';
import { divisionCost, pieceLevel, pieces, pieceUnits, priceApart, priceDivisions } from './divisions';
import { coresAreInGroups, groupAt, groupCores, groupUnits, levels, MOST_LEVELS, nodeLevel, prepareLevels } from './levels';
import { keepsCores, LARGEST, levelUnits, MOST_UNITS, mostUnits, NEVER, piecePrice, setGrain } from './pieces';
import { addRow, beginColumns, clearRows, column, enterColumn, makeDearer, MOST_ROWS, rowPrice } from './simplex';

/** VMs of more types, or groups of more sizes, have no such bound. */
const MOST_TYPES: i32 = 96;
const MOST_CLASSES: i32 = 64;
const WORK: i64 = 3000000;
/** In millionths: what a VM costs that is not placed. Prices beyond it count as so much. */
const MOST_PRICE: f64 = 1e9;
/** Of the prices of the best round, in those of the next. */
const SHARE: f64 = 0.9;
/** Parts of a millionth. */
const SCALE: f64 = 1024;

let types: i32 = 0;
const typeVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_TYPES, 8));
const typeCount = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_TYPES, 8));
/** Parts of a millionth that a VM of the type costs at the least, by the prices of this round and of the best. */
const typeCost = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_TYPES, 8));
const typeLeast = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_TYPES, 8));
/** By VM; -1: it has none. */
const vmType = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Groups of one size, by level. */
let classes: i32 = 0;
const classLevel = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CLASSES, 8));
const classUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CLASSES, 8));
const classCount = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CLASSES, 8));
/** CPUs in a unit; units of the largest VM. */
let grain: i32 = 1;
let widest: i32 = 0;
let rows: i32 = 0;
/** By level: the row of pieces of one unit, and how many sizes have a row. */
const firstRow = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS, 8));
const sizes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS, 8));
/** The most that pieces in so many units of a level bring. */
const mostPrice = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * (MAX_CPUS + 1), 8));

/** Enters all VMs with dedicated vCPUs; what the others lose at the least; -1: there are too many types, or VMs that are not placed. */
function enterTypes(): i64 {
  let rest: i64 = 0;
  types = 0;
  grain = widestCore;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    if (vmCells[vm] == 0) return -1;
    const vcpus = vmDedicated[vm];
    vmType[vm] = -1;
    if (vcpus == 0 || vcpus > LARGEST) {
      rest += vmBound[vm];
      continue;
    }
    let type = 0;
    while (type < types && !isOfType(vm, typeVm[type])) type++;
    if (type == MOST_TYPES) return -1;
    vmType[vm] = type;
    if (type < types) {
      typeCount[type]++;
      continue;
    }
    typeVm[types] = vm;
    typeCount[types++] = 1;
    if (!keepsCores(vm)) grain = 1;
  }
  setGrain(grain);
  widest = 0;
  for (let type = 0; type < types; type++) widest = max(widest, mostUnits(typeVm[type], vmDedicated[typeVm[type]]));
  return rest;
}

function isOfType(vm: i32, other: i32): bool {
  spend(4);
  return vmBound[vm] == vmBound[other] && isPlain(vm) == isPlain(other) && areAlike(vm, other);
}

/** Enters the groups by level and size; false where there are too many sizes. */
function enterClasses(): bool {
  classes = 0;
  for (let level = 0; level < levels; level++) {
    const first = classes;
    levelUnits[level] = 0;
    for (let group = 0; group < MAX_CPUS; group++) {
      if (groupCores[level * MAX_CPUS + group] == 0) continue;
      const size = groupUnits(level, group, grain);
      let at = first;
      while (at < classes && classUnits[at] != size) at++;
      if (at == MOST_CLASSES) return false;
      if (at == classes) {
        classLevel[classes] = level;
        classUnits[classes] = size;
        classCount[classes++] = 0;
      }
      classCount[at]++;
      levelUnits[level] = max(levelUnits[level], size);
    }
    spend(MAX_CPUS);
    levelUnits[level] = min(levelUnits[level], min(widest, MOST_UNITS));
  }
  return true;
}

/** The rows of the programme: types, classes, sizes of pieces; false where there are too many. */
function begin(price: f64): bool {
  rows = types + classes;
  for (let level = 0; level < levels; level++) {
    firstRow[level] = rows;
    sizes[level] = levelUnits[level];
    rows += sizes[level];
  }
  if (rows > MOST_ROWS) return false;
  clearRows();
  for (let type = 0; type < types; type++) addRow(<f64>typeCount[type], price);
  for (let at = 0; at < classes; at++) addRow(<f64>classCount[at], 0);
  for (let row = types + classes; row < rows; row++) addRow(0, 0);
  beginColumns();
  return true;
}

function pieceRow(level: i32, units: i32): i32 {
  return firstRow[level] + units - 1;
}

/** The prices of the best round. */
const bestPrice = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MOST_LEVELS * (MOST_UNITS + 1), 8));

function keepPrices(): void {
  for (let at = 0; at < levels * (MOST_UNITS + 1); at++) bestPrice[at] = piecePrice[at];
  for (let type = 0; type < types; type++) typeLeast[type] = typeCost[type];
}

/**
 * Takes the prices of the programme, `share` of them those of the best round: they swing less then. A larger piece costs no less than a
 * smaller one.
 */
function takePrices(share: f64): void {
  for (let level = 0; level < levels; level++) {
    const first = level * (MOST_UNITS + 1);
    piecePrice[first] = 0;
    for (let size = 1; size <= sizes[level]; size++) {
      const own = Math.max(0, Math.min(-rowPrice[pieceRow(level, size)], MOST_PRICE));
      const price = Math.floor((own + share * (bestPrice[first + size] - own)) * SCALE + 0.5) / SCALE;
      piecePrice[first + size] = Math.max(price, piecePrice[first + size - 1]);
    }
  }
  for (let at = 0; at < classes; at++) {
    if (at == 0 || classLevel[at] != classLevel[at - 1]) priceLevel(classLevel[at]);
  }
}

function priceLevel(level: i32): void {
  let units = 0;
  for (let at = 0; at < classes; at++) if (classLevel[at] == level) units = max(units, classUnits[at]);
  const first = level * (MAX_CPUS + 1);
  const prices = level * (MOST_UNITS + 1);
  spend(units * sizes[level]);
  mostPrice[first] = 0;
  for (let room = 1; room <= units; room++) {
    let most = mostPrice[first + room - 1];
    const end = min(room, sizes[level]);
    for (let size = 1; size <= end; size++) most = Math.max(most, mostPrice[first + room - size] + piecePrice[prices + size]);
    mostPrice[first + room] = most;
  }
}

/** Fills the column of the pieces that bring the most in a class. */
function fillClass(at: i32): void {
  const level = classLevel[at];
  const first = level * (MAX_CPUS + 1);
  const prices = level * (MOST_UNITS + 1);
  column[types + at] = 1;
  for (let room = classUnits[at]; room > 0; ) {
    if (mostPrice[first + room] == mostPrice[first + room - 1]) {
      room--;
      continue;
    }
    let size = 1;
    while (mostPrice[first + room - size] + piecePrice[prices + size] != mostPrice[first + room]) size++;
    column[pieceRow(level, size)] -= 1;
    room -= size;
  }
}

/** Groups and places for pieces may be left empty, and a place for a piece takes the next smaller one, too. */
function enterSlack(): bool {
  let entered = false;
  for (let row = types; row < rows; row++) {
    if (rowPrice[row] <= 0) continue;
    column[row] = 1;
    entered = enterColumn(0) || entered;
  }
  for (let level = 0; level < levels; level++) {
    for (let size = 2; size <= sizes[level]; size++) {
      if (rowPrice[pieceRow(level, size)] <= rowPrice[pieceRow(level, size - 1)]) continue;
      column[pieceRow(level, size - 1)] = -1;
      column[pieceRow(level, size)] = 1;
      entered = enterColumn(0) || entered;
    }
  }
  return entered;
}

/** The bound by the prices of one round after another, until none is better, or `enough`. */
function boundByRounds(enough: i64, price: f64): i64 {
  let best: i64 = 0;
  const end = workDone + WORK;
  let absent = price;
  let thorough = false;
  let share = SHARE;
  for (let at = 0; at < levels * (MOST_UNITS + 1); at++) bestPrice[at] = 0;
  for (let entered = true; entered && workDone < end && best < enough; ) {
    takePrices(share);
    entered = false;
    let sum: i64 = 0;
    for (let type = 0; type < types; type++) {
      const cost = priceDivisions(typeVm[type], thorough);
      // No such VM fits: there is a plan, so that cannot be.
      if (cost >= NEVER) return 0;
      typeCost[type] = <i64>Math.floor(cost * SCALE);
      sum += <i64>typeCount[type] * typeCost[type];
      if (pieces == 0) continue;
      column[type] = 1;
      for (let at = 0; at < pieces; at++) column[pieceRow(pieceLevel[at], pieceUnits[at])] += 1;
      entered = enterColumn(<f64>divisionCost) || entered;
    }
    for (let at = 0; at < classes; at++) {
      sum -= <i64>classCount[at] * <i64>(mostPrice[classLevel[at] * (MAX_CPUS + 1) + classUnits[at]] * SCALE);
      fillClass(at);
      entered = enterColumn(0) || entered;
    }
    entered = enterSlack() || entered;
    // A cost is a whole number: what is beyond one is the next.
    const bound = (sum + <i64>SCALE - 1) >> 10;
    if (bound > best) {
      best = bound;
      keepPrices();
    }
    if (!entered && share > 0) {
      // Nothing was found with these prices: with those of the programme alone something may be.
      share = 0;
      entered = true;
      continue;
    }
    if (entered && !thorough) share = SHARE;
    if (!entered && absent < MOST_PRICE) {
      entered = makeDearer(absent, absent * 8);
      absent *= 8;
    }
    // What rounding adds is looked at in the end.
    if (!entered && !thorough) {
      entered = true;
      thorough = true;
    }
  }
  takePrices(1);
  arePriced = best > 0;
  return best;
}

/** Whether the prices of the best round are for the VMs as they are. */
export let arePriced: bool = false;

/** Parts of a millionth that the VM costs at the least by these prices. */
export function pricedLeast(vm: i32): i64 {
  return vmType[vm] < 0 ? vmBound[vm] << 10 : typeLeast[vmType[vm]];
}

/** What the VM costs beyond its least by these prices where it is on two nodes or more, or on one at this price; 0 or less: nothing. */
export function pricedBeyond(vm: i32, price: i64): i64 {
  if (vmType[vm] < 0) return 0;
  // What it loses alone has its devices in it.
  const alone = vmBound[vm];
  vmBound[vm] = 0;
  const cost = Math.min(priceDivisions(vm, true) + <f64>price, priceApart(vm));
  vmBound[vm] = alone;
  return (<i64>Math.floor(cost * SCALE) - pricedLeast(vm)) >> 10;
}

/** By level and group: units that are free. */
const freeUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS * MAX_CPUS, 8));

/** Parts of a millionth that pieces in what is free bring at the most by these prices. */
export function pricedRoom(): i64 {
  let most: f64 = 0;
  const cores = nodeCoreStart[nodeCount];
  spend(levels * cores);
  for (let at = 0; at < cores; at++) {
    const core = coreList[at];
    const cpus = freeOnCore(core);
    const units = grain == 1 ? cpus : cpus < coreCpuStart[core + 1] - coreCpuStart[core] ? 0 : 1;
    for (let level = 0; level < levels; level++) freeUnits[groupAt(level, core)] += units;
  }
  for (let at = 0; at < cores; at++) {
    for (let level = 0; level < levels; level++) {
      const group = groupAt(level, coreList[at]);
      most += mostPrice[level * (MAX_CPUS + 1) + freeUnits[group]];
      freeUnits[group] = 0;
    }
  }
  return <i64>(most * SCALE);
}

/** What `patternBound` found; -1: VMs have come, gone or changed since. */
let known: i64 = -1;

/** VMs have come, gone or changed. */
export function forgetPatterns(): void {
  known = -1;
  arePriced = false;
}

/** A number that no plan which places all VMs is below, as far as patterns tell: 0 where some VM is not placed. It need not be more than `enough`. */
export function patternBound(enough: i64): i64 {
  const rest = enterTypes();
  if (rest < 0) {
    arePriced = false;
    return 0;
  }
  if (known >= 0) return known;
  known = 0;
  prepareLevels();
  if (coresAreInGroups && levels > nodeLevel && enterClasses() ) {
    let vms = 0;
    for (let type = 0; type < types; type++) vms += typeCount[type];
    const price = 2 * (<f64>enough / <f64>vms) + 1000.5;
    if (begin(price)) known = rest + boundByRounds(enough - rest, price);
  }
  return known;
}
