// A lower bound for all VMs together, by linear programming over patterns. A VM's vCPUs are divided into pieces, one for each LLC (or node)
// that it is on, at a price that depends on the pairs of vCPUs which are apart. An LLC (or node) holds a pattern of pieces. The programme
// finds prices for pieces of each size. With any prices at all this holds: no plan costs less than what every VM costs at the least,
// its pieces with it, minus what the pieces in every LLC (or node) bring at the most. Prices and sums are whole numbers, so it holds exactly.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { coreCpus, coreCpuStart, coreList, coreLlc, coreNode, cpuLlc, cpuNode, nodeCoreStart, nodeCount, widestCore } from '../problem/host';
import { areAlike } from '../problem/alike';
import { vmAlive, vmBound, vmCells, vmDedicated, vmSlots, vmThreads, vmTrust } from '../problem/request';
import { spend, workDone } from '../work';
import { isPlain, lossApart, smallestPiece } from './bound';
import { addRow, beginColumns, clearRows, column, enterColumn, rowPrice } from './simplex';

/** VMs of more types, LLCs (nodes) of more sizes, or larger ones, have no such bound. */
const MOST_TYPES: i32 = 64;
const MOST_CLASSES: i32 = 32;
const MOST_UNITS: i32 = 128;
/** VMs of up to so many dedicated vCPUs are divided in every way; larger ones are taken to lose nothing by it. */
const SMALL: i32 = 32;
const LARGE: i32 = 512;
const WORK: i64 = 3000000;

/** Prices are in parts of a millionth. */
const SCALE: i64 = 12;
/** In millionths: what a VM costs that is not placed. Prices and losses beyond it count as so much. */
const MOST_PRICE: f64 = 1e9;
const NEVER: i64 = 1 << 60;

// What a piece takes: CPUs, the CPUs of whole cores, or a core for each vCPU.
const BY_CPUS: i32 = 0;
const BY_CORES: i32 = 1;
const BY_ISOLATED: i32 = 2;
/** CPUs in a unit. */
let grain: i32 = 1;

let types: i32 = 0;
const typeVm = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_TYPES, 8));
const typeCount = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_TYPES, 8));
let classes: i32 = 0;
const classUnits = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CLASSES, 8));
const classCount = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_CLASSES, 8));
/** Units of the largest class. */
let units: i32 = 0;
/** Whether the pieces are on nodes, rather than on LLCs. */
let onNodes: bool = false;

const SQUARES: i32 = SMALL * SMALL + 1;
/** By type and sum of the squares of its pieces: what the VM loses. */
const costs = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_TYPES * SQUARES, 8));
/** By what pieces take, vCPUs, and sum of the squares of the pieces: the least price of the pieces. */
const squarePrice = changetype<Flat<i64>>(memory.data(sizeof<i64>() * 3 * (SMALL + 1) * SQUARES, 8));
/** By what pieces take, and vCPUs: the same whatever the pieces are. */
const leastPrice = changetype<Flat<i64>>(memory.data(sizeof<i64>() * 3 * (LARGE + 1), 8));
/** Price of a piece, and the most that pieces in so many units bring. */
const piecePrice = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_UNITS + 1), 8));
const mostPrice = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MOST_UNITS + 1), 8));
/** By what pieces take: the most vCPUs of a VM, and of one that is divided in every way. */
const widest = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 3, 8));
const widestSmall = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 3, 8));
const groupCores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

function takes(vm: i32): i32 {
  if (vmThreads[vm] == THREADS_ISOLATE) return BY_ISOLATED;
  return vmTrust[vm] < 0 || vmThreads[vm] == THREADS_REQUIRE ? BY_CORES : BY_CPUS;
}

/** Units that a piece of so many vCPUs takes. */
function unitsOf(kind: i32, vcpus: i32): i32 {
  if (kind == BY_CPUS) return vcpus;
  return ((kind == BY_CORES ? (vcpus + widestCore - 1) / widestCore : vcpus) * widestCore) / grain;
}

function scaled(loss: i64): i64 {
  return min(loss, <i64>MOST_PRICE) << SCALE;
}

/** Whether all ways to divide the VM are priced. */
function isPriced(vm: i32): bool {
  return isPlain(vm) && vmDedicated[vm] <= SMALL;
}

/** Enters all VMs with dedicated vCPUs; what the others lose at the least; -1: there are too many types, or VMs that are not placed. */
function enterTypes(): i64 {
  let rest: i64 = 0;
  types = 0;
  grain = widestCore;
  for (let kind = 0; kind < 3; kind++) {
    widest[kind] = 0;
    widestSmall[kind] = 0;
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    if (vmCells[vm] == 0) return -1;
    const vcpus = vmDedicated[vm];
    if (vcpus == 0 || vcpus > LARGE) {
      rest += vmBound[vm];
      continue;
    }
    let type = 0;
    while (type < types && !isOfType(vm, typeVm[type])) type++;
    if (type == MOST_TYPES) return -1;
    if (type < types) {
      typeCount[type]++;
      continue;
    }
    typeVm[types] = vm;
    typeCount[types++] = 1;
    const kind = takes(vm);
    widest[kind] = max(widest[kind], vcpus);
    if (isPriced(vm)) widestSmall[kind] = max(widestSmall[kind], vcpus);
    if (kind == BY_CPUS) grain = 1;
  }
  return rest;
}

function isOfType(vm: i32, other: i32): bool {
  spend(4);
  return vmBound[vm] == vmBound[other] && isPlain(vm) == isPlain(other) && areAlike(vm, other);
}

/** Enters the LLCs or nodes by size; false where there are too many sizes, they are too large, or a core is on several. */
function enterClasses(): bool {
  classes = 0;
  units = 0;
  const most = onNodes ? MAX_NODES : MAX_CPUS;
  spend(nodeCoreStart[nodeCount] + most);
  for (let group = 0; group < most; group++) groupCores[group] = 0;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    for (let cpu = coreCpuStart[core]; cpu < coreCpuStart[core + 1]; cpu++) {
      if (cpuNode[coreCpus[cpu]] != coreNode[core] || cpuLlc[coreCpus[cpu]] != coreLlc[core]) return false;
    }
    groupCores[onNodes ? coreNode[core] : coreLlc[core]]++;
  }
  for (let group = 0; group < most; group++) {
    if (groupCores[group] == 0) continue;
    const size = (groupCores[group] * widestCore) / grain;
    let at = 0;
    while (at < classes && classUnits[at] != size) at++;
    if (at == MOST_CLASSES || size > MOST_UNITS) return false;
    if (at == classes) {
      classUnits[classes] = size;
      classCount[classes++] = 0;
    }
    classCount[at]++;
    units = max(units, size);
  }
  return true;
}

/** What the types lose by every sum of squares, and the rows of the programme: types, classes, sizes of pieces. */
function begin(): void {
  clearRows();
  for (let type = 0; type < types; type++) {
    const vm = typeVm[type];
    const vcpus = vmDedicated[vm];
    addRow(<f64>typeCount[type], MOST_PRICE);
    if (!isPriced(vm)) continue;
    const all = vcpus * vcpus;
    const whole = onNodes && smallestPiece(vm) == 0;
    spend(4 * all);
    for (let squares = vcpus; squares <= all; squares += 2) {
      const apart = <i64>(all - squares);
      const loss = max(vmBound[vm], onNodes ? lossApart(vm, apart, 0) : lossApart(vm, 0, apart));
      costs[type * SQUARES + squares] = whole && apart > 0 ? NEVER : scaled(loss);
    }
  }
  for (let at = 0; at < classes; at++) addRow(<f64>classCount[at], 0);
  for (let size = 1; size <= units; size++) addRow(0, 0);
  beginColumns();
}

function pieceRow(size: i32): i32 {
  return types + classes + size - 1;
}

/** Takes the prices of the programme, as whole numbers from 0, and finds the least and the most that they make. */
function takePrices(): void {
  const most = MOST_PRICE * <f64>(1 << SCALE);
  for (let size = 1; size <= units; size++) {
    const price = Math.floor(-rowPrice[pieceRow(size)] * <f64>(1 << SCALE) + 0.5);
    piecePrice[size] = price > 0 ? <i64>Math.min(price, most) : 0;
  }
  spend(units * units);
  mostPrice[0] = 0;
  for (let room = 1; room <= units; room++) {
    mostPrice[room] = mostPrice[room - 1];
    for (let size = 1; size <= room; size++) mostPrice[room] = max(mostPrice[room], mostPrice[room - size] + piecePrice[size]);
  }
  for (let kind = 0; kind < 3; kind++) priceDivisions(kind);
}

function priceDivisions(kind: i32): void {
  const first = kind * (LARGE + 1);
  spend(widest[kind] * units);
  leastPrice[first] = 0;
  for (let vcpus = 1; vcpus <= widest[kind]; vcpus++) {
    let least = NEVER;
    for (let piece = 1; piece <= vcpus && unitsOf(kind, piece) <= units; piece++) {
      least = min(least, leastPrice[first + vcpus - piece] + piecePrice[unitsOf(kind, piece)]);
    }
    leastPrice[first + vcpus] = least;
  }
  squarePrice[squareAt(kind, 0, 0)] = 0;
  for (let vcpus = 1; vcpus <= widestSmall[kind]; vcpus++) {
    for (let squares = vcpus; squares <= vcpus * vcpus; squares += 2) {
      let least = NEVER;
      for (let piece = 1; isPieceOf(kind, vcpus, squares, piece); piece++) {
        least = min(least, priceWith(kind, vcpus, squares, piece));
      }
      squarePrice[squareAt(kind, vcpus, squares)] = least;
      spend(vcpus);
    }
  }
}

/** Whether so many vCPUs with such a sum of squares may have the piece, or a larger one. */
function isPieceOf(kind: i32, vcpus: i32, squares: i32, piece: i32): bool {
  const rest = vcpus - piece;
  return rest >= 0 && squares - piece * piece >= rest && unitsOf(kind, piece) <= units;
}

/** The least price of pieces of which one is this. */
function priceWith(kind: i32, vcpus: i32, squares: i32, piece: i32): i64 {
  const rest = vcpus - piece;
  const left = squares - piece * piece;
  return left > rest * rest ? NEVER : squarePrice[squareAt(kind, rest, left)] + piecePrice[unitsOf(kind, piece)];
}

function squareAt(kind: i32, vcpus: i32, squares: i32): i32 {
  return (kind * (SMALL + 1) + vcpus) * SQUARES + squares;
}

/** The sum of squares with which a VM of the type and its pieces cost the least. */
function cheapestSquares(type: i32): i32 {
  const vcpus = vmDedicated[typeVm[type]];
  const kind = takes(typeVm[type]);
  let best = vcpus;
  spend(vcpus * vcpus);
  for (let squares = vcpus; squares <= vcpus * vcpus; squares += 2) {
    if (costWith(type, kind, vcpus, squares) < costWith(type, kind, vcpus, best)) best = squares;
  }
  return best;
}

function costWith(type: i32, kind: i32, vcpus: i32, squares: i32): i64 {
  return costs[type * SQUARES + squares] + min(squarePrice[squareAt(kind, vcpus, squares)], NEVER);
}

/** What the column that was filled for a type costs. */
let columnCost: f64 = 0;

/** What a VM of the type costs at the least, its pieces with it; fills the column that does. */
function priceType(type: i32): i64 {
  const vm = typeVm[type];
  const kind = takes(vm);
  let left = vmDedicated[vm];
  column[type] = 1;
  if (!isPriced(vm)) {
    const price = leastPrice[kind * (LARGE + 1) + left];
    while (left > 0 && price < NEVER) {
      let piece = 1;
      while (leastPrice[kind * (LARGE + 1) + left - piece] + piecePrice[unitsOf(kind, piece)] != leastPrice[kind * (LARGE + 1) + left]) piece++;
      column[pieceRow(unitsOf(kind, piece))] += 1;
      left -= piece;
    }
    const cost = scaled(vmBound[vm]);
    columnCost = <f64>(cost >> SCALE);
    return cost + price;
  }
  let squares = cheapestSquares(type);
  const cost = costWith(type, kind, left, squares);
  columnCost = <f64>(costs[type * SQUARES + squares] >> SCALE);
  while (left > 0 && cost < NEVER) {
    let piece = 1;
    while (priceWith(kind, left, squares, piece) != squarePrice[squareAt(kind, left, squares)]) piece++;
    column[pieceRow(unitsOf(kind, piece))] += 1;
    left -= piece;
    squares -= piece * piece;
  }
  return cost;
}

/** Fills the column of the pieces that bring the most in a class. */
function fillClass(at: i32): void {
  column[types + at] = 1;
  for (let room = classUnits[at]; room > 0; ) {
    if (mostPrice[room] == mostPrice[room - 1]) {
      room--;
      continue;
    }
    let size = 1;
    while (mostPrice[room - size] + piecePrice[size] != mostPrice[room]) size++;
    column[pieceRow(size)] -= 1;
    room -= size;
  }
}

/** The bound by the prices of one round after another, until none is better, or `enough`. */
function boundByRounds(enough: i64): i64 {
  let best: i64 = 0;
  const end = workDone + WORK;
  for (let entered = true; entered && workDone < end && best < enough; ) {
    entered = false;
    takePrices();
    let sum: i64 = 0;
    for (let type = 0; type < types; type++) {
      const cost = priceType(type);
      // No such VM fits: there is a plan, so that cannot be.
      if (cost >= NEVER) return 0;
      sum += <i64>typeCount[type] * cost;
      entered = enterColumn(columnCost) || entered;
    }
    for (let at = 0; at < classes; at++) {
      sum -= <i64>classCount[at] * mostPrice[classUnits[at]];
      fillClass(at);
      entered = enterColumn(0) || entered;
    }
    // A cost is a whole number: what is beyond one is the next.
    best = max(best, (sum + (1 << SCALE) - 1) >> SCALE);
  }
  return best;
}

/** What `patternBound` found; -1: VMs have come, gone or changed since. */
let known: i64 = -1;

/** VMs have come, gone or changed. */
export function forgetPatterns(): void {
  known = -1;
}

/** A number that no plan which places all VMs is below, as far as patterns tell: 0 where some VM is not placed. It need not be more than `enough`. */
export function patternBound(enough: i64): i64 {
  const rest = enterTypes();
  if (rest < 0) return 0;
  if (known >= 0) return known;
  known = 0;
  for (let kind = 0; kind < 2 && known < enough; kind++) {
    onNodes = kind == 1;
    if (!enterClasses()) continue;
    begin();
    known = max(known, rest + boundByRounds(enough - rest));
  }
  return known;
}
