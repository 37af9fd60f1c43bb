// Places one VM as cheaply as possible. Everything else stays where it is.
import { BECAUSE_CPU_EXCLUSIVE, BECAUSE_EMULATOR, BECAUSE_NEAR, BECAUSE_OVERCOMMIT, MODEL_SMT, STRATEGY_SPREAD, THREADS_ISOLATE } from '../abi';
import { layOutCells, fewestCells, mostCells } from '../problem/cells';
import { coreCpus, coreCpuStart, cpuCore, cpuNode, isolatedCpus, nodeCount, speedsDiffer, widestCore } from '../problem/host';
import { coresInUse, cpuOwner, isolationScore, isUntouched, packScore, spreadScore, takeCpus, takeParts, takePartsAlone, unplace } from '../model/capacity';
import { cpuRoom, dedicatedRoom, sharedRoom, trustsPools, UNLIMITED } from '../model/rooms';
import { cellsPrice, vmCost } from '../model/cost';
import { expectedSizes, roomForExpected } from '../model/expected';
import { lossOfNodes } from '../model/totals';
import { isSpent, spend, workDone } from '../work';
import { model, rounded } from '../problem/coefficients';
import { CHOOSE_DENSE, CHOOSE_FAST, CHOOSE_ISOLATED, CHOOSE_KEPT, CHOOSE_NEAR, setAside, strategy } from './cpus';
import { asItIs, vcpuCurrentCpu, vmCurrentCells, vmHasCurrent } from '../problem/current';
import { complete, limitVisits, setCeiling, visits, walkAssignments } from './assign';
import { diveAssignments, diveOnWidest } from './dive';
import { clearPicks, layParts, mayBegin, missesDevice, picks, pickVcpu, unpick } from './picks';
import { offerCpus, offerPagesFrom, offerRoom, offerShared, offerUntouched, isRoomOffered, setOffersRest } from './offer';
import { freePages, limitLeft } from '../model/memory';
import { BEST, recall, record, recordedNode, takeRecordedThreads } from '../model/record';
import { setThrifty } from '../model/thrift';
import { firstNodeAsked, MEMORY_ANYWHERE, open, prepareRelations } from '../model/relations';
import { assignNodes, seatVcpus, swapForTraffic } from './seat';
import { takeThreads } from './threads';
import { cellVcpus, MICRO, vcpuCpu, vcpuShared, vmBound, vmCellsAsked, vmDedicated, vmParts, vmSpan, vmStart, vmThreadCpus, vmThreads, vmTrust, vmVcpus, vmWeight } from '../problem/request';

/** Nodes tried for a number of cells, until one assignment is known and after. */
const VISITS_TO_FIT: i32 = 20000;
const VISITS_TO_IMPROVE: i32 = 500;
let visitsToImprove: i32 = VISITS_TO_IMPROVE;
/** Whether many VMs are placed one after another: then nothing is tried that can only be as good as what is known. */
let many: bool = false;
/** Lowers what is tried once an assignment is known, where `vms` VMs are placed one after another. 1: does not lower it. */
export function placeMany(vms: i32): void {
  many = vms > 1;
  visitsToImprove = max(VISITS_OF_MANY / MOST_OF_MANY, min(VISITS_TO_IMPROVE, VISITS_OF_MANY / vms));
}
/** Nodes tried for all of many VMs, of which no more than so many share in them. */
const VISITS_OF_MANY: i32 = 64000;
const MOST_OF_MANY: i32 = 640;
/** How many cells more than the best known number are tried, unless all effort is asked for. */
const MORE_CELLS: i32 = 2;
/** Nodes tried for all numbers of cells beyond that of the nodes. */
const VISITS_TO_IMPROVE_BY_CELLS: i32 = 1000;

/** On as few cores as possible, whatever that costs, so that other VMs find cores. */
export const PLACE_DENSE: i32 = 0;
/** Where it is cheapest, with no more cells than nodes where that will do. */
export const PLACE_SOON: i32 = 1;
/** Where it is cheapest, with any number of cells. */
export const PLACE_WELL: i32 = 2;

// The best placement of the VM that is being placed. Its memory follows from it.
let bestCells: i32 = 0;
let bestCost: i64 = 0;
let bestScore: i64 = 0;
let bestRoom: i64 = 0;
let bestParts: i32 = 0;
/** The least score that the plan can have with the VM where that costs no more than its bound, and where it costs more, if it is looked for. */
let leastScore: i64 = 0;
let leastScoreBeside: i64 = 0;

/** The number that decides between plans of equal cost. */
export function tieScore(): i64 {
  return isolationScore(0) + (strategy == STRATEGY_SPREAD ? spreadScore() : packScore());
}

/** What the other VMs on the cores of this VM lose by it. */
function lossOfNeighbours(vm: i32): i64 {
  const start = vmStart[vm];
  let cost: i64 = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    if (vcpuCpu[vcpu] < 0) continue;
    const core = cpuCore[vcpuCpu[vcpu]];
    for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
      const owner = cpuOwner[coreCpus[at]] - 1;
      if (owner >= 0 && owner != vm) cost += rounded(vmWeight[owner] * model[MODEL_SMT] * <f64>MICRO);
    }
  }
  return cost;
}

function keepBest(vm: i32, cells: i32, cost: i64, room: i64, score: i64): void {
  bestCells = cells;
  bestCost = cost;
  bestScore = score;
  bestRoom = room;
  bestParts = vmParts[vm];
  record(vm, cells, BEST, BEST);
  // Of those that cost as much in so many cells none has a better score.
  const least = score <= (effort != PLACE_DENSE && cost <= max<i64>(0, vmBound[vm]) ? leastScore : leastScoreBeside);
  if (least) setCeiling(cost - 1);
  else if (effort != PLACE_DENSE) setCeiling(cost);
}

/** Takes what keepBest kept. */
function takeBest(vm: i32): void {
  recall(vm, bestCells, bestParts, BEST);
  takeParts(vm, bestCells);
  takeCpus(vm);
  takeRecordedThreads(vm, BEST);
}

function isBetter(cells: i32, cost: i64, room: i64, score: i64): bool {
  if (bestCells == 0) return true;
  if (effort == PLACE_DENSE && score != bestScore) return score < bestScore;
  if (cost != bestCost) return cost < bestCost;
  if (cells != bestCells) return cells < bestCells;
  return room != bestRoom ? room > bestRoom : score < bestScore;
}

let effort: i32 = PLACE_SOON;
/** Nodes that the last call of placeVm tried. */
export let visitsToPlace: i32 = 0;
let lossBefore: i64 = 0;
/** Dives of one VM end here, except the one with the most cells: these fit where any do. */
let endOfDives: i64 = 0;
const WORK_OF_DIVES: i64 = 200000;
/** What it takes to try a placement, whatever the VM. */
const WORK_OF_TRY: i32 = 200;

/** Places the VM as its parts stand, prices that, takes it back; keeps it where it is the best so far. */
function tryCpus(vm: i32, cells: i32, way: i32): void {
  const start = vmStart[vm];
  spend(WORK_OF_TRY + 8 * vmVcpus[vm] + vmParts[vm]);
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) vcpuCpu[vcpu] = -1;
  if (!assignNodes(vm, cells) || !trustsPools(vm) || !takeParts(vm, cells)) return;
  if (seatVcpus(vm, cells, way) && takeThreads(vm, cells, 0)) {
    if (way != CHOOSE_KEPT) swapForTraffic(vm, cells);
    onSeated(vm, cells, addedCost(vm));
  }
  unplace(vm);
}

/** What the plan loses by the VM where it is. */
export function addedCost(vm: i32): i64 {
  return vmCost(vm) + lossOfNodes() - lossBefore + lossOfNeighbours(vm);
}

/** Is shown every placement that is tried, while the VM has it. */
let onSeated: (vm: i32, cells: i32, cost: i64) => bool = keepIfBetter;

function keepIfBetter(vm: i32, cells: i32, cost: i64): bool {
  const score = effort == PLACE_DENSE ? coresInUse() : tieScore();
  const room = effort == PLACE_DENSE ? 0 : roomForExpected();
  spend(strategy == STRATEGY_SPREAD ? nodeCount : 1);
  if (bestCells == 0) limitVisits(visitsToImprove);
  if (isBetter(cells, cost, room, score)) keepBest(vm, cells, cost, room, score);
  return true;
}

/**
 * The least score before the VM is placed. It takes no node and no LLC that is not in use. `beside`: it may be on cores with others. Where
 * room counts before the score, none is the least.
 */
function scoreAtLeast(vm: i32, beside: bool): i64 {
  if (!many || (effort != PLACE_DENSE && (strategy == STRATEGY_SPREAD || expectedSizes > 0))) return i64.MIN_VALUE;
  const dedicated = vmDedicated[vm];
  const alone = vmTrust[vm] < 0 || !beside;
  const cores = vmThreads[vm] == THREADS_ISOLATE ? dedicated : alone ? (dedicated + widestCore - 1) / widestCore : 0;
  return <i64>cores + (effort == PLACE_DENSE ? coresInUse() : packScore() + isolationScore(dedicated + vmThreadCpus[vm]));
}

/** Whether no placement is better than the best known. */
function isBest(vm: i32): bool {
  return bestCells == fewestCells(vm) && bestScore == leastScore && bestCost <= max<i64>(0, vmBound[vm]);
}

/** Returns whether another assignment may be better than the best known. */
export function tryAssignment(vm: i32, cells: i32): bool {
  tryCpus(vm, cells, CHOOSE_NEAR);
  if (isBest(vm)) return false;
  // When the work is used up, one way has to do.
  if (isSpent()) return true;
  if (vmHasCurrent[vm]) tryCpus(vm, cells, CHOOSE_KEPT);
  if (vmDedicated[vm] == 0) return true;
  if (isolatedCpus > 0) tryCpus(vm, cells, CHOOSE_ISOLATED);
  if (speedsDiffer) tryCpus(vm, cells, CHOOSE_FAST);
  if (effort == PLACE_DENSE) tryCpus(vm, cells, CHOOSE_DENSE);
  return !isBest(vm);
}

/** The same, as long as nothing is known. */
function tryIfNone(vm: i32, cells: i32): bool {
  tryAssignment(vm, cells);
  return bestCells == 0;
}

/** Lays the VM's parts where its vCPUs are now; false where that is not a place for so many cells. */
function layCurrentParts(vm: i32, cells: i32): bool {
  clearPicks(vm);
  let fits = true;
  let vcpu = vmStart[vm];
  for (let cell = 0; cell < cells && fits; cell++) {
    const first = picks;
    for (let end = vcpu + cellVcpus[vmStart[vm] + cell]; vcpu < end && fits; vcpu++) {
      const cpu = vcpuCurrentCpu[vcpu];
      fits = cpu >= 0 && open[cpuNode[cpu]];
      if (fits) pickVcpu(cell, cpuNode[cpu], vcpuShared[vcpu]);
    }
    fits = fits && (picks == first + 1 || vmSpan[vm]);
  }
  fits = fits && mayBegin(vm) && !missesDevice(vm);
  layParts(vm);
  while (picks > 0) unpick();
  return fits;
}

/** Tries where the VM is now: what is looked for has to be worth the moves. */
function tryCurrent(vm: i32): void {
  if (!vmHasCurrent[vm] || firstNodeAsked == -2) return;
  const cells = vmCellsAsked[vm] != 0 ? vmCellsAsked[vm] : vmCurrentCells[vm];
  if (cells < fewestCells(vm) || cells > mostCells(vm) || !layOutCells(vm, cells)) return;
  if (layCurrentParts(vm, cells)) tryCpus(vm, cells, CHOOSE_KEPT);
}

/**
 * Whether the VM's cells, as they stand, and its threads find their CPUs and memory and leave every node's shared demand met, the
 * constraints in `relaxed` left aside.
 */
export function standsUp(vm: i32, cells: i32, relaxed: i32): bool {
  const start = vmStart[vm];
  spend(8 * vmVcpus[vm] + vmParts[vm]);
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) vcpuCpu[vcpu] = -1;
  if (!assignNodes(vm, cells) && (relaxed & BECAUSE_NEAR) == 0) return false;
  if ((relaxed & MEMORY_ANYWHERE) != 0) takePartsAlone(vm, cells);
  else if (!takeParts(vm, cells)) return false;
  if ((relaxed & BECAUSE_CPU_EXCLUSIVE) != 0) {
    // Then every CPU takes any number of vCPUs.
    unplace(vm);
    return true;
  }
  setAside(relaxed);
  const stands = seatVcpus(vm, cells, CHOOSE_NEAR) && takeThreads(vm, cells, relaxed);
  unplace(vm);
  setAside(0);
  return stands;
}

/** Offers the VM what is free, the constraints in `relaxed` left aside. */
export function offerHost(vm: i32, relaxed: i32): void {
  spend(4 * nodeCount);
  setOffersRest(relaxed == 0);
  const free = (relaxed & (BECAUSE_CPU_EXCLUSIVE | BECAUSE_EMULATOR | BECAUSE_OVERCOMMIT)) != 0 || vmThreadCpus[vm] == 0;
  for (let node = 0; node < nodeCount; node++) {
    offerRoom[node] = dedicatedRoom(vm, node, relaxed);
    offerCpus[node] = free ? UNLIMITED : cpuRoom(vm, node, relaxed);
    offerShared[node] = sharedRoom(vm, node, relaxed);
    offerUntouched[node] = isUntouched(node);
  }
  offerPagesFrom(freePages, limitLeft);
  prepareRelations(vm, relaxed);
}

/** Whether the number of cells alone costs too much. */
function isTooMany(vm: i32, cells: i32): bool {
  return effort != PLACE_DENSE && bestCells != 0 && cellsPrice(vm, cells) > bestCost;
}

/** Tries so many cells, unless that cannot be better than what is known; the visits that it took. */
function tryCells(vm: i32, cells: i32, maxVisits: i32): i32 {
  if (isTooMany(vm, cells) || !layOutCells(vm, cells)) return 0;
  // More cells have to pay: on a tie the smaller number wins.
  if (bestCells != 0) setCeiling(cells < bestCells ? bestCost : bestCost - 1);
  walkAssignments(vm, cells, 0, maxVisits, tryAssignment);
  visitsToPlace += visits;
  if (bestCells == 0 && !complete && ((workDone < endOfDives && !isSpent()) || cells == mostCells(vm))) {
    diveAssignments(vm, cells, 0, tryIfNone);
  }
  if (!complete && !isSpent()) diveOnWidest(vm, cells, tryAssignment);
  return visits;
}

/** Whether there is no need to look for anything better: where only room matters, the fewest cells are good enough. */
function isDone(vm: i32): bool {
  return bestCells != 0 && (effort == PLACE_DENSE || bestCost <= max<i64>(0, vmBound[vm]));
}

function bestIsOnOneNode(): bool {
  for (let part = 1; part < bestParts; part++) if (recordedNode[BEST + part] != recordedNode[BEST]) return false;
  return true;
}

/** Fills the best placement of the VM; false where it has none. */
function findBest(vm: i32): bool {
  const first = fewestCells(vm);
  const last = mostCells(vm);
  const early = min(last, max(first, nodeCount));
  tryCurrent(vm);
  if (asItIs) return bestCells != 0;
  // When the work is used up, only the largest number of cells is tried besides.
  for (let cells = first; cells <= early && !isDone(vm); cells = isSpent() ? max(cells + 1, early) : cells + 1) {
    if (effort != PLACE_WELL && bestCells != 0 && cells > bestCells + MORE_CELLS) break;
    tryCells(vm, cells, bestCells == 0 ? VISITS_TO_FIT : visitsToImprove);
  }
  // If the VM is on one node, more cells do not help. Else they let it be divided more unevenly between nodes.
  const enough = bestCells != 0 && (effort != PLACE_WELL || bestIsOnOneNode());
  if (early == last || isDone(vm) || enough) return bestCells != 0;
  // The finest cells fit where any do.
  let left = VISITS_TO_IMPROVE_BY_CELLS - tryCells(vm, last, bestCells == 0 ? VISITS_TO_FIT : visitsToImprove);
  if (effort != PLACE_WELL) return bestCells != 0;
  for (let cells = early + 1; cells < last && left > 0 && !isDone(vm); cells++) left -= tryCells(vm, cells, left);
  return bestCells != 0;
}

/**
 * Places the VM in a PLACE_ way; false, and nothing has changed, where it does not fit.
 */
export function placeVm(vm: i32, how: i32): bool {
  effort = how;
  visitsToPlace = 0;
  offerHost(vm, 0);
  lossBefore = lossOfNodes();
  bestCells = 0;
  setCeiling(i64.MAX_VALUE);
  endOfDives = workDone + WORK_OF_DIVES;
  if (!isRoomOffered(vm)) return false;
  // Beside others of its trust domain, where that costs something, it loses more than its bound.
  const costs = vmBound[vm] <= 0 && rounded(vmWeight[vm] * model[MODEL_SMT] * <f64>MICRO) > 0;
  leastScore = scoreAtLeast(vm, !costs);
  leastScoreBeside = scoreAtLeast(vm, true);
  setThrifty(how == PLACE_DENSE);
  const found = findBest(vm);
  if (found) takeBest(vm);
  setThrifty(false);
  return found;
}

/**
 * Shows `onFound` placements of the VM that cost up to `ceiling`, each while the VM has it. Calls `onLeaf` for every assignment of cells to
 * nodes until it returns false. Returns whether all assignments were seen, if it never did. The VM is not placed, before and after.
 */
export function showPlacements(vm: i32, maxVisits: i32, ceiling: i64, onFound: (vm: i32, cells: i32, cost: i64) => bool, onLeaf: (vm: i32, cells: i32) => bool): bool {
  effort = PLACE_SOON;
  visitsToPlace = 0;
  offerHost(vm, 0);
  if (!isRoomOffered(vm)) return true;
  lossBefore = lossOfNodes();
  onSeated = onFound;
  let left = maxVisits;
  let seen = true;
  let goesOn = true;
  tryCurrent(vm);
  for (let cells = fewestCells(vm); cells <= mostCells(vm) && left > 0 && goesOn; cells++) {
    if (cellsPrice(vm, cells) > ceiling || !layOutCells(vm, cells)) break;
    setCeiling(ceiling);
    goesOn = walkAssignments(vm, cells, 0, left, onLeaf) || !complete;
    left -= visits;
    seen = seen && complete;
  }
  onSeated = keepIfBetter;
  visitsToPlace = maxVisits - left;
  return seen && left > 0;
}
