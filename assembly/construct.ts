// Placing one VM as cheaply as it goes, everything else staying where it is.
import { BECAUSE_CPU_EXCLUSIVE, BECAUSE_EMULATOR, BECAUSE_NEAR, BECAUSE_OVERCOMMIT, BECAUSE_SEPARATE, MAX_NODES, MAX_VM_CELLS, MAX_VM_THREADS, MAX_VM_VCPUS, MODEL_SMT, STRATEGY_SPREAD } from './abi';
import { coreCpus, coreCpuStart, cpuCore, memoryNode, nodeCount, speedsDiffer } from './host';
import { coresInUse, cpuOwner, demandFits, freePages, isUntouched, nodeRoom, packScore, spreadScore, takeCells, takeCpus, takeThread, unplace } from './capacity';
import { bandwidthCost, model, overcommitCost, rounded, vmCost } from './cost';
import { CHOOSE_DENSE, CHOOSE_FAST, CHOOSE_NEAR, chooseCpus, chooseThreadCpus, setAside, strategy } from './cpus';
import { layOutCells, offerBarred, offerFirst, offerPagesFrom, offerRoom, offerUntouched, roomOffered, setCeiling, setOfferFirst, visits, walkAssignments } from './assign';
import { cellNode, cellPages, cellPageSize, cellVcpus, MICRO, relationNear, relationPeer, relations, threadCpu, vcpuCpu, vmBound, vmCells, vmCellsAsked, vmSharedDemand, vmStart, vmThreadCpus, vmThreadStart, vmVcpus, vmWeight } from './request';

/** Nodes tried for a number of cells, until one assignment is known and after. */
const VISITS_TO_FIT: i32 = 20000;
const VISITS_TO_IMPROVE: i32 = 500;
/** How many cells more than the best known number are tried, unless all effort is asked for. */
const MORE_CELLS: i32 = 2;
/** Nodes tried for all numbers of cells beyond that of the nodes. */
const VISITS_TO_IMPROVE_BY_CELLS: i32 = 1000;

/** On as few cores as possible, whatever that costs, so that others find theirs. */
export const PLACE_DENSE: i32 = 0;
/** Where it is cheapest, with no more cells than nodes where that will do. */
export const PLACE_SOON: i32 = 1;
/** Where it is cheapest, with any number of cells. */
export const PLACE_WELL: i32 = 2;

// The best placement of the VM that is being placed.
let bestCells: i32 = 0;
let bestCost: i64 = 0;
let bestScore: i64 = 0;
const bestNode = new StaticArray<i32>(MAX_VM_CELLS);
const bestVcpus = new StaticArray<i32>(MAX_VM_CELLS);
const bestPages = new StaticArray<i64>(MAX_VM_CELLS);
const bestPageSize = new StaticArray<i32>(MAX_VM_CELLS);
const bestCpu = new StaticArray<i32>(MAX_VM_VCPUS);
const bestThreadCpu = new StaticArray<i32>(MAX_VM_THREADS);

/** The number that decides between plans of equal cost. */
export function tieScore(): i64 {
  return strategy == STRATEGY_SPREAD ? spreadScore() : packScore();
}

/** What is lost by nodes, not by VMs of their own. */
function lossOfNodes(): i64 {
  return overcommitCost() + bandwidthCost();
}

/** What the other VMs on the cores of this VM lose by it. */
function lossOfNeighbours(vm: i32): i64 {
  const start = vmStart[vm];
  let cost: i64 = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    const core = cpuCore[vcpuCpu[vcpu]];
    for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
      const owner = cpuOwner[coreCpus[at]] - 1;
      if (owner >= 0 && owner != vm) cost += rounded(vmWeight[owner] * model[MODEL_SMT] * <f64>MICRO);
    }
  }
  return cost;
}

/** vCPUs that the VM still has for the node. */
const needed = new StaticArray<i32>(MAX_NODES);

/** Takes CPUs for every cell; how many vCPUs have theirs. */
function chooseForCells(vm: i32, cells: i32, way: i32): i32 {
  const start = vmStart[vm];
  let placed = 0;
  for (let cell = start; cell < start + cells; cell++) needed[cellNode[cell]] = 0;
  for (let cell = start; cell < start + cells; cell++) needed[cellNode[cell]] += cellVcpus[cell];
  for (let cell = start; cell < start + cells; cell++) {
    const node = cellNode[cell];
    const taken = chooseCpus(vm, node, placed, cellVcpus[cell], needed[node], way);
    needed[node] -= cellVcpus[cell];
    placed += taken;
    if (taken < cellVcpus[cell]) break;
  }
  return placed;
}

function keepBest(vm: i32, cells: i32, cost: i64, score: i64): void {
  const start = vmStart[vm];
  bestCells = cells;
  bestCost = cost;
  bestScore = score;
  for (let cell = 0; cell < cells; cell++) {
    bestNode[cell] = cellNode[start + cell];
    bestVcpus[cell] = cellVcpus[start + cell];
    bestPages[cell] = cellPages[start + cell];
    bestPageSize[cell] = cellPageSize[start + cell];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) bestCpu[vcpu] = vcpuCpu[start + vcpu];
  for (let at = 0; at < vmThreadCpus[vm]; at++) bestThreadCpu[at] = threadCpu[vmThreadStart[vm] + at];
  if (effort != PLACE_DENSE) setCeiling(cost);
}

function isBetter(cells: i32, cost: i64, score: i64): bool {
  if (bestCells == 0) return true;
  if (effort == PLACE_DENSE && score != bestScore) return score < bestScore;
  if (cost != bestCost) return cost < bestCost;
  return cells != bestCells ? cells < bestCells : score < bestScore;
}

function demandFitsEverywhere(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  for (let cell = start; cell < start + cells; cell++) if (!demandFits(cellNode[cell])) return false;
  return true;
}

let effort: i32 = PLACE_SOON;
/** Nodes that the last call of placeVm tried. */
export let visitsToPlace: i32 = 0;
let lossBefore: i64 = 0;

/** Places the VM as its cells stand, prices that, takes it back; keeps it where it is the best so far. */
function tryCpus(vm: i32, cells: i32, way: i32): void {
  const shared = vmSharedDemand[vm] != 0;
  const vcpus = vmVcpus[vm];
  takeCells(vm, cells);
  const placed = shared ? 0 : chooseForCells(vm, cells, way);
  const seated = (shared || placed == vcpus) && chooseThreadCpus(vm, cellNode[vmStart[vm]]);
  if (seated && demandFitsEverywhere(vm, cells)) {
    const around = lossOfNodes() - lossBefore + (shared ? 0 : lossOfNeighbours(vm));
    const cost = vmCost(vm) + around;
    const score = effort == PLACE_DENSE ? coresInUse() : tieScore();
    if (isBetter(cells, cost, score)) keepBest(vm, cells, cost, score);
  }
  unplace(vm, placed);
}

function tryAssignment(vm: i32, cells: i32): bool {
  tryCpus(vm, cells, CHOOSE_NEAR);
  if (vmSharedDemand[vm] != 0) return true;
  if (speedsDiffer) tryCpus(vm, cells, CHOOSE_FAST);
  if (effort == PLACE_DENSE) tryCpus(vm, cells, CHOOSE_DENSE);
  return true;
}

/**
 * Whether the VM's cells, as they stand, and its threads find their CPUs and leave every node's shared demand met, the constraints
 * in `relaxed` left aside.
 */
export function standsUp(vm: i32, cells: i32, relaxed: i32): bool {
  // Then every CPU takes any number of vCPUs.
  if ((relaxed & BECAUSE_CPU_EXCLUSIVE) != 0) return true;
  const shared = vmSharedDemand[vm] != 0;
  setAside(relaxed);
  takeCells(vm, cells);
  const placed = shared ? 0 : chooseForCells(vm, cells, CHOOSE_NEAR);
  const seated = shared || placed == vmVcpus[vm];
  const served = (relaxed & BECAUSE_EMULATOR) != 0 || chooseThreadCpus(vm, cellNode[vmStart[vm]]);
  const met = (relaxed & BECAUSE_OVERCOMMIT) != 0 || demandFitsEverywhere(vm, cells);
  unplace(vm, placed);
  setAside(0);
  return seated && served && met;
}

function offerHost(vm: i32): void {
  for (let node = 0; node < nodeCount; node++) {
    offerRoom[node] = nodeRoom(vm, node, 0);
    offerUntouched[node] = isUntouched(node);
  }
  offerPagesFrom(freePages);
  offerRelations(vm, 0);
}

/** Whether the VM's vCPUs or memory are on the node. */
function isOn(vm: i32, node: i32): bool {
  const start = vmStart[vm];
  for (let cell = start; cell < start + vmCells[vm]; cell++) {
    if (cellNode[cell] == node || memoryNode[cellNode[cell]] == node) return true;
  }
  return false;
}

/** Bars the nodes of VMs that this one keeps apart from, and finds the first node of those that it is near to. */
export function offerRelations(vm: i32, relaxed: i32): void {
  for (let node = 0; node < nodeCount; node++) offerBarred[node] = false;
  setOfferFirst(-1);
  for (let relation = 0; relation < relations; relation++) {
    const peer = relationPeer(relation, vm);
    if (peer < 0 || vmCells[peer] == 0) continue;
    if (relationNear[relation]) {
      const first = cellNode[vmStart[peer]];
      if ((relaxed & BECAUSE_NEAR) == 0) setOfferFirst(offerFirst == -1 || offerFirst == first ? first : -2);
    } else if ((relaxed & BECAUSE_SEPARATE) == 0) {
      for (let node = 0; node < nodeCount; node++) {
        const home = memoryNode[node];
        if (isOn(peer, node) || (home >= 0 && isOn(peer, home))) offerBarred[node] = true;
      }
    }
  }
}

/** The most cells that the VM can have. */
export function mostCells(vm: i32): i32 {
  return vmCellsAsked[vm] == 0 ? min(vmVcpus[vm], MAX_VM_CELLS) : vmCellsAsked[vm];
}

/** The least number of cells that the VM can have. */
export function fewestCells(vm: i32): i32 {
  return vmCellsAsked[vm] == 0 ? 1 : vmCellsAsked[vm];
}

/** Tries so many cells, unless that cannot be better than what is known; the visits that it took. */
function tryCells(vm: i32, cells: i32, maxVisits: i32): i32 {
  if (!layOutCells(vm, cells)) return 0;
  // More cells have to pay: the smallest number is taken on a tie.
  if (bestCells != 0) setCeiling(cells < bestCells ? bestCost : bestCost - 1);
  walkAssignments(vm, cells, 0, maxVisits, tryAssignment);
  visitsToPlace += visits;
  return visits;
}

/** Whether nothing better is to be looked for: where room is what matters, the fewest cells do. */
function isDone(vm: i32): bool {
  return bestCells != 0 && (effort == PLACE_DENSE || bestCost <= vmBound[vm]);
}

function bestIsOnOneNode(): bool {
  for (let cell = 1; cell < bestCells; cell++) if (bestNode[cell] != bestNode[0]) return false;
  return true;
}

/** Fills the best placement of the VM; false where it has none. */
function findBest(vm: i32): bool {
  const first = fewestCells(vm);
  const last = mostCells(vm);
  const early = min(last, max(first, nodeCount));
  for (let cells = first; cells <= early && !isDone(vm); cells++) {
    if (effort != PLACE_WELL && bestCells != 0 && cells > bestCells + MORE_CELLS) break;
    tryCells(vm, cells, bestCells == 0 ? VISITS_TO_FIT : VISITS_TO_IMPROVE);
  }
  // Where the VM is on one node, more cells do not help; else they let it be divided more unevenly between nodes.
  const enough = bestCells != 0 && (effort != PLACE_WELL || bestIsOnOneNode());
  if (early == last || isDone(vm) || enough) return bestCells != 0;
  // The finest cells fit where any do.
  let left = VISITS_TO_IMPROVE_BY_CELLS - tryCells(vm, last, bestCells == 0 ? VISITS_TO_FIT : VISITS_TO_IMPROVE);
  if (effort != PLACE_WELL) return bestCells != 0;
  for (let cells = early + 1; cells < last && left > 0 && !isDone(vm); cells++) left -= tryCells(vm, cells, left);
  return bestCells != 0;
}

/**
 * Places the VM in a PLACE_ way; false, and nothing has changed, where it does not fit. Its bound is known.
 */
export function placeVm(vm: i32, how: i32): bool {
  effort = how;
  visitsToPlace = 0;
  offerHost(vm);
  lossBefore = lossOfNodes();
  bestCells = 0;
  setCeiling(i64.MAX_VALUE);
  if (roomOffered() < vmVcpus[vm] || !findBest(vm)) return false;
  const start = vmStart[vm];
  for (let cell = 0; cell < bestCells; cell++) {
    cellNode[start + cell] = bestNode[cell];
    cellVcpus[start + cell] = bestVcpus[cell];
    cellPages[start + cell] = bestPages[cell];
    cellPageSize[start + cell] = bestPageSize[cell];
  }
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) vcpuCpu[start + vcpu] = bestCpu[vcpu];
  takeCells(vm, bestCells);
  takeCpus(vm, vmVcpus[vm]);
  for (let at = 0; at < vmThreadCpus[vm]; at++) takeThread(vm, bestThreadCpu[at]);
  return true;
}
