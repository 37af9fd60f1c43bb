// A number that no plan of the placed VMs can be below: each VM alone on the empty host, with every part of its cost at
// its least, and the shared demand that exceeds all CPUs together.
import { MAX_CPUS, MAX_NODES, MAX_VM_CELLS, MODEL_HOME, THREADS_ISOLATE } from './abi';
import { coreList, coreCapacity, coreCpuStart, coreLlc, distance, llcSpansNodes, nodeCoreStart, nodeCount, nodePages, nodeUsable, pageShift } from './host';
import { emptyNodeRoom } from './capacity';
import { layOutCells, offerBarred, offerPagesFrom, offerRoom, offerUntouched, complete, setCeiling, setOfferFirst, visits, walkAssignments } from './assign';
import { fewestCells, mostCells } from './construct';
import { capacityPrice, communicationPrice, deviceCost, model, remoteMemory, sharedHop } from './cost';
import { cellNode, cellVcpus, MICRO, vcpuDemand, vmAlive, vmBound, vmCells, vmCellsAsked, vmCellsGiven, vmMemoryBound, vmPages, vmPageShift, vmSharedDemand, vmSlots, vmStart, vmThreads, vmVcpus, vmWeight } from './request';

/** Assignments looked at for one VM; beyond, the bound is what holds for every assignment. */
const VISITS: i32 = 20000;

const onNode = new StaticArray<i32>(MAX_NODES);
const llcRoom = new StaticArray<i32>(MAX_CPUS);
const rooms = new StaticArray<i32>(MAX_CPUS);
let best: i64 = 0;

/**
 * The most ordered pairs (each vCPU with itself included) of `vcpus` that can share a group, the groups having the `count`
 * first of `rooms`: filling the largest first is best, since the sum of squares is convex.
 */
function mostPairs(vcpus: i32, count: i32): i64 {
  let pairs: i64 = 0;
  let left = vcpus;
  while (left > 0) {
    let largest = 0;
    for (let group = 1; group < count; group++) if (rooms[group] > rooms[largest]) largest = group;
    const here = count == 0 ? left : min(rooms[largest], left);
    if (here <= 0) return pairs + <i64>left * <i64>left;
    pairs += <i64>here * <i64>here;
    left -= here;
    rooms[largest] = 0;
  }
  return pairs;
}

/** Enters the room in each LLC of the node (of the host for -1) into `rooms`; how many LLCs. */
function enterLlcRooms(vm: i32, node: i32): i32 {
  const first = node < 0 ? 0 : nodeCoreStart[node];
  const last = nodeCoreStart[node < 0 ? nodeCount : node + 1];
  for (let at = first; at < last; at++) llcRoom[coreLlc[coreList[at]]] = 0;
  for (let at = first; at < last; at++) {
    const core = coreList[at];
    llcRoom[coreLlc[core]] += vmThreads[vm] == THREADS_ISOLATE ? 1 : coreCpuStart[core + 1] - coreCpuStart[core];
  }
  let count = 0;
  for (let at = first; at < last; at++) {
    const llc = coreLlc[coreList[at]];
    if (llcRoom[llc] == 0) continue;
    rooms[count++] = llcRoom[llc];
    llcRoom[llc] = 0;
  }
  return count;
}

/** Ten times the least hops within a node that has `vcpus` of the VM. */
function hopsWithin(vm: i32, node: i32, vcpus: i32): i64 {
  const all = <i64>vcpus * <i64>vcpus;
  if (vmSharedDemand[vm] != 0) return (all - <i64>vcpus) * sharedHop(node);
  return 10 * (all - mostPairs(vcpus, enterLlcRooms(vm, node)));
}

/** The least sum of 1024 - capacity of `vcpus` CPUs of the node (of the host for -1): the fastest, one each. */
function leastSlowness(vm: i32, node: i32, vcpus: i32): i64 {
  if (vmSharedDemand[vm] != 0) return <i64>vcpus * leastSlownessOfOne(node);
  let left = vcpus;
  let slowness: i64 = 0;
  let ceiling = 1025;
  while (left > 0) {
    let fastest = -1;
    let count = 0;
    for (let at = node < 0 ? 0 : nodeCoreStart[node]; at < nodeCoreStart[node < 0 ? nodeCount : node + 1]; at++) {
      const core = coreList[at];
      const capacity = coreCapacity[core];
      if (capacity >= ceiling || capacity < fastest) continue;
      if (capacity > fastest) count = 0;
      fastest = capacity;
      count += coreCpuStart[core + 1] - coreCpuStart[core];
    }
    if (fastest < 0) break;
    const here = min(left, count);
    slowness += <i64>here * <i64>(1024 - fastest);
    left -= here;
    ceiling = fastest;
  }
  return slowness;
}

function leastSlownessOfOne(node: i32): i64 {
  let fastest = 0;
  for (let at = node < 0 ? 0 : nodeCoreStart[node]; at < nodeCoreStart[node < 0 ? nodeCount : node + 1]; at++) {
    fastest = max(fastest, coreCapacity[coreList[at]]);
  }
  return <i64>(1024 - fastest);
}

/** What every placement of this assignment of cells to nodes loses at the least; lowers `best` to it. */
function boundAssignment(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  for (let cell = start; cell < start + cells; cell++) onNode[cellNode[cell]] = 0;
  for (let cell = start; cell < start + cells; cell++) onNode[cellNode[cell]] += cellVcpus[cell];
  let hops: i64 = 0;
  let slowness: i64 = 0;
  for (let cell = start; cell < start + cells; cell++) {
    const node = cellNode[cell];
    if (onNode[node] == 0) continue;
    if (!llcSpansNodes) hops += hopsWithin(vm, node, onNode[node]);
    slowness += leastSlowness(vm, node, onNode[node]);
    onNode[node] = 0;
  }
  if (!llcSpansNodes) {
    for (let a = start; a < start + cells; a++) {
      for (let b = start; b < start + cells; b++) {
        if (cellNode[a] == cellNode[b]) continue;
        hops += <i64>cellVcpus[a] * <i64>cellVcpus[b] * <i64>distance(cellNode[a], cellNode[b]);
      }
    }
  }
  const cost =
    remoteMemory(vm, cells) + communicationPrice(vm, hops) + capacityPrice(vm, slowness) + deviceCost(vm, cells);
  if (cost < best) {
    best = cost;
    setCeiling(cost - 1);
  }
  return best > 0;
}

/**
 * The least `remoteMemory` where `apart` ordered pairs of vCPUs are on different nodes: cells of even size have memory as they have
 * vCPUs, so of the others' memory a vCPU finds as much elsewhere as vCPUs. One page more or less a cell and the rounding are taken off.
 */
function leastRemoteMemory(vm: i32, nearest: i32, apart: i64): i64 {
  if (vmCellsGiven[vm]) return 0;
  const vcpus = vmVcpus[vm];
  const uneven = 1 - <f64>(4 * mostCells(vm)) / <f64>(vmPages[vm] >> <i64>max(0, vmPageShift[vm] - pageShift[0]));
  const others = <f64>(<i64>(nearest - 10) * apart) / <f64>(vcpus - 1);
  const price = vmWeight[vm] * vmMemoryBound[vm] * (1 - model[MODEL_HOME]) * <f64>MICRO;
  return max<i64>(0, <i64>Math.floor((price * others * uneven) / 10) - 1);
}

/** What holds for every assignment: LLCs and nodes are only so large, CPUs only so fast. */
function coarseBound(vm: i32): i64 {
  const vcpus = vmVcpus[vm];
  const all = <i64>vcpus * <i64>vcpus;
  const slowness = capacityPrice(vm, leastSlowness(vm, -1, vcpus));
  if (vmSharedDemand[vm] != 0) return slowness;
  let hops = 10 * (all - mostPairs(vcpus, enterLlcRooms(vm, -1)));
  let remote: i64 = 0;
  if (!llcSpansNodes) {
    let nearest = i32.MAX_VALUE;
    for (let a = 0; a < nodeCount; a++) {
      rooms[a] = emptyNodeRoom(vm, a);
      for (let b = 0; b < nodeCount; b++) if (a != b) nearest = min(nearest, distance(a, b));
    }
    if (nodeCount > 1) {
      const apart = all - mostPairs(vcpus, nodeCount);
      hops += <i64>(nearest - 10) * apart;
      remote = leastRemoteMemory(vm, nearest, apart);
    }
  }
  return slowness + remote + communicationPrice(vm, hops);
}

/**
 * Computes the least that the VM can lose alone on the empty host, if that is not known yet. The walk uses the VM's cell
 * arrays: the VM must not be placed.
 */
export function prepareBound(vm: i32): void {
  if (vmBound[vm] >= 0) return;
  for (let node = 0; node < nodeCount; node++) {
    offerRoom[node] = emptyNodeRoom(vm, node);
    offerBarred[node] = false;
    offerUntouched[node] = true;
  }
  setOfferFirst(-1);
  offerPagesFrom(nodePages);
  best = i64.MAX_VALUE;
  setCeiling(i64.MAX_VALUE);
  let left = VISITS;
  let seen = mostCells(vm) < MAX_VM_CELLS || vmCellsAsked[vm] != 0;
  for (let cells = fewestCells(vm); cells <= mostCells(vm) && best > 0 && seen; cells++) {
    if (!layOutCells(vm, cells)) break;
    walkAssignments(vm, cells, 0, left, boundAssignment);
    left -= visits;
    seen = complete || best == 0;
  }
  vmBound[vm] = seen && best != i64.MAX_VALUE ? best : min(coarseBound(vm), best);
}

/** The bound of the plan as it stands. */
export function lowerBound(): i64 {
  let bound: i64 = 0;
  let demand: i64 = 0;
  let cpus: i64 = 0;
  for (let node = 0; node < nodeCount; node++) cpus += nodeUsable[node];
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || vmCells[vm] == 0) continue;
    bound += vmBound[vm];
    if (vmSharedDemand[vm] == 0) cpus -= vmVcpus[vm];
    else demand += <i64>vmVcpus[vm] * vcpuDemand(vm);
  }
  return bound + max<i64>(0, demand - MICRO * cpus);
}

