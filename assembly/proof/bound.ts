// The least that a VM can lose: alone on the empty host, with every part of its cost at its least.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, MAX_VM_CELLS, MAX_VMS, MEMORY_PREFERRED, MEMORY_STRICT, MODEL_HOME, THREADS_ISOLATE } from '../abi';
import { layOutCells, fewestCells, mostCells } from '../problem/cells';
import { coreList, coreCapacity, coreCpuStart, coreLlc, llcSpansNodes, nodeCoreStart, nodeCount, nodeReach, nodeUsable, pageShift, speedsDiffer } from '../problem/host';
import { emptyDedicatedRoom } from '../model/rooms';
import { complete, leafHops, setCeiling, visits, walkAssignments } from '../place/assign';
import { isRoomOffered, offerEmptyHost, poolPages } from '../place/offer';
import { communicationPrice, sharedHop } from '../model/communication';
import { capacityPrice, cellsPrice, deviceCost, remoteMemory } from '../model/cost';
import { model, rounded } from '../problem/coefficients';
import { imagineMemory } from '../model/lay';
import { forgetMemory } from '../model/memory';
import { clearRelations } from '../model/relations';
import { cellVcpusAsked, demandOf, hasShared, MICRO, partDedicated, partNode, partShared, vmBound, vmCells, vmCellsAsked, vmCellsGiven, vmDedicated, vmMemory, vmMemoryBound, vmPages, vmPageShift, vmParts, vmSharedDemand, vmSpan, vmStart, vmThreads, vmVcpus, vmWeight } from '../problem/request';
import { vmTraffic } from '../problem/traffic';
import { spend } from '../work';
import { leastSlownessOfHost, mostPairsInLlcs, nearestNodes, shortestHop } from './hostwide';

/** Nodes tried for one VM; beyond, the bound is what holds for every assignment. */
const VISITS: i32 = 20000;

const onNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const onNodeShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const llcRoom = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const rooms = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
let best: i64 = 0;

/**
 * The most ordered pairs (each vCPU with itself included) of `vcpus` that can share a group, the groups having the `count`
 * first of `rooms`: filling the largest first is best, since the sum of squares is convex.
 */
function mostPairs(vcpus: i32, count: i32): i64 {
  let pairs: i64 = 0;
  let left = vcpus;
  while (left > 0) {
    spend(count);
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

/** Enters the room in each LLC of the node into `rooms`; how many LLCs. */
function enterLlcRooms(vm: i32, node: i32): i32 {
  const first = nodeCoreStart[node];
  const last = nodeCoreStart[node + 1];
  spend(3 * (last - first));
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

/** Ten times the least hops, weighted by demand, within a node that has so many vCPUs of the VM. */
function hopsWithin(vm: i32, node: i32, dedicated: i32, shared: i32): f64 {
  const all = <i64>dedicated * <i64>dedicated;
  const seated = MICRO * (all - mostPairs(dedicated, enterLlcRooms(vm, node))) * 10;
  const floating = vmSharedDemand[vm] * <i64>shared * <i64>(shared - 1);
  const mixed = demandOf(vm, dedicated, 0) * <i64>shared + demandOf(vm, 0, shared) * <i64>dedicated;
  return <f64>(seated + (floating + mixed) * sharedHop(node));
}

/** The least sum of 1024 - capacity of so many CPUs of the node (of the host for -1): the fastest, one each. */
function leastSlowness(node: i32, dedicated: i32): i64 {
  if (node < 0 || !speedsDiffer) return leastSlownessOfHost(dedicated);
  let left = dedicated;
  let slowness: i64 = 0;
  let ceiling = 1025;
  while (left > 0) {
    let fastest = -1;
    let count = 0;
    spend(nodeCoreStart[node + 1] - nodeCoreStart[node]);
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
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

/** The least sum of demand x (1024 - capacity) of so many vCPUs of the VM on the node (on the host for -1). */
function leastSlow(vm: i32, node: i32, dedicated: i32, shared: i32): i64 {
  const slowness = MICRO * leastSlowness(node, dedicated);
  if (shared == 0) return slowness;
  return slowness + demandOf(vm, 0, shared) * leastSlowness(node, 1);
}

/** The least `remoteMemory` of the VM as its parts stand. */
function leastRemote(vm: i32, cells: i32): i64 {
  const start = vmStart[vm];
  // If rounding to pages, or other VMs, decide what is where, only distances count.
  const known = vmMemory[vm] == MEMORY_STRICT ? !vmSpan[vm] || vmPageShift[vm] != 0 : vmMemory[vm] != MEMORY_PREFERRED && vmPageShift[vm] != 0;
  if (known) {
    vmCells[vm] = cells;
    imagineMemory(vm);
    const cost = remoteMemory(vm);
    forgetMemory(vm);
    vmCells[vm] = 0;
    return cost;
  }
  let demand: f64 = 0;
  for (let part = start; part < start + vmParts[vm]; part++) {
    demand += <f64>demandOf(vm, partDedicated[part], partShared[part]) * <f64>nodeReach[partNode[part]];
  }
  return max<i64>(0, rounded((vmWeight[vm] * vmMemoryBound[vm] * demand) / 10) - 1);
}

/** What every placement of this assignment of cells to nodes loses at the least; lowers `best` to it. */
function boundAssignment(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  const end = start + vmParts[vm];
  for (let part = start; part < end; part++) {
    onNode[partNode[part]] = 0;
    onNodeShared[partNode[part]] = 0;
  }
  for (let part = start; part < end; part++) {
    onNode[partNode[part]] += partDedicated[part];
    onNodeShared[partNode[part]] += partShared[part];
  }
  let hops = leafHops;
  let slowness: i64 = 0;
  for (let part = start; part < end; part++) {
    const node = partNode[part];
    if (onNode[node] + onNodeShared[node] == 0) continue;
    if (!llcSpansNodes && vmTraffic[vm] < 0) hops += hopsWithin(vm, node, onNode[node], onNodeShared[node]);
    slowness += leastSlow(vm, node, onNode[node], onNodeShared[node]);
    onNode[node] = 0;
    onNodeShared[node] = 0;
  }
  // Sums of fractions of traffic may be off by less than a millionth.
  const talk = max<i64>(0, communicationPrice(vm, hops) - (vmTraffic[vm] < 0 ? 0 : 1));
  const cost = leastRemote(vm, cells) + talk + capacityPrice(vm, slowness) + cellsPrice(vm, cells) + deviceCost(vm);
  if (cost < best) {
    best = cost;
    setCeiling(cost - 1);
  }
  return best > 0;
}

/**
 * The least `remoteMemory` where `apart` ordered pairs of vCPUs are on different nodes. Cells of even size have memory in proportion to
 * their vCPUs, so the other cells' memory is elsewhere for a vCPU as far as their vCPUs are. One page more or less for each cell, and the
 * rounding, are taken off.
 */
function leastRemoteApart(vm: i32, nearest: i32, apart: i64): i64 {
  if (vmCellsGiven[vm] || vmSpan[vm] || vmMemory[vm] != MEMORY_STRICT) return 0;
  const vcpus = vmVcpus[vm];
  const uneven = 1 - <f64>(4 * mostCells(vm)) / <f64>(vmPages[vm] >> <i64>max(0, vmPageShift[vm] - pageShift[0]));
  const others = <f64>(<i64>(nearest - 10) * apart) / <f64>(vcpus - 1);
  const price = vmWeight[vm] * vmMemoryBound[vm] * (1 - model[MODEL_HOME]) * <f64>MICRO;
  return max<i64>(0, rounded((price * others * uneven) / 10) - 2);
}

/** The fewest vCPUs of the VM that can be on another node than the rest; 0: it cannot be divided. */
export function smallestPiece(vm: i32): i32 {
  if (vmSpan[vm] || (vmCellsAsked[vm] == 0 && vmVcpus[vm] <= MAX_VM_CELLS)) return 1;
  if (vmCellsAsked[vm] == 1) return 0;
  if (!vmCellsGiven[vm]) return max(1, vmVcpus[vm] / mostCells(vm));
  let least = vmVcpus[vm];
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCellsAsked[vm]; cell++) least = min(least, cellVcpusAsked[cell]);
  return least;
}

/** Whether all of the VM is known to be dedicated and alike: what the bounds below are for. */
export function isPlain(vm: i32): bool {
  return !hasShared(vm) && vmTraffic[vm] < 0 && !llcSpansNodes && vmVcpus[vm] > 1;
}

/** The least `communication` of a VM where so many ordered pairs of its vCPUs are on different nodes, and so many in different LLCs. */
export function talkApart(vm: i32, apart: i64, acrossLlcs: i64): i64 {
  const vcpus = vmVcpus[vm];
  const all = <i64>vcpus * <i64>vcpus;
  const across = max(acrossLlcs, max(apart, all - mostPairsInLlcs(vcpus, vmThreads[vm] == THREADS_ISOLATE)));
  const shortest = apart == 0 ? 10 : shortestHop();
  return communicationPrice(vm, <f64>(MICRO * (10 * across + <i64>(shortest - 10) * apart)));
}

/** What the VM loses at the least where they are. */
export function lossApart(vm: i32, apart: i64, acrossLlcs: i64): i64 {
  const slowness = capacityPrice(vm, leastSlow(vm, -1, vmVcpus[vm], 0));
  const nearest = apart == 0 ? 10 : nearestNodes();
  const cells = cellsPrice(vm, max(fewestCells(vm), apart > 0 && !vmSpan[vm] ? 2 : 1));
  return slowness + cells + leastRemoteApart(vm, nearest, apart) + talkApart(vm, apart, acrossLlcs);
}

/** The least `communication` of shared vCPUs: on one node or between two, each pair has at least so much of a hop. */
function talkOfShared(vm: i32): i64 {
  if (!hasShared(vm) || vmTraffic[vm] >= 0 || llcSpansNodes) return 0;
  let hop: i64 = nodeCount > 1 ? <i64>shortestHop() : i64.MAX_VALUE;
  for (let node = 0; node < nodeCount; node++) if (nodeUsable[node] > 0) hop = min(hop, sharedHop(node));
  if (hop == i64.MAX_VALUE) return 0;
  const dedicated = vmDedicated[vm];
  const shared = vmVcpus[vm] - dedicated;
  const pairs = demandOf(vm, dedicated, 0) * <i64>shared + demandOf(vm, 0, shared) * <i64>(vmVcpus[vm] - 1);
  return communicationPrice(vm, <f64>(pairs * hop));
}

/** What holds for every assignment: LLCs and nodes are only so large, CPUs only so fast. */
function coarseBound(vm: i32): i64 {
  const vcpus = vmVcpus[vm];
  if (!isPlain(vm)) {
    const slowness = capacityPrice(vm, leastSlow(vm, -1, vmDedicated[vm], vcpus - vmDedicated[vm]));
    return slowness + cellsPrice(vm, fewestCells(vm)) + talkOfShared(vm);
  }
  for (let node = 0; node < nodeCount; node++) rooms[node] = emptyDedicatedRoom(vm, node);
  const apart = nodeCount < 2 ? 0 : <i64>vcpus * <i64>vcpus - mostPairs(vcpus, nodeCount);
  return lossApart(vm, apart, 0);
}

/** Whether the VM is known not to fit even alone. */
export const fitsNowhere = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_VMS, 8));

/**
 * Computes the least that the VM can lose alone on the empty host, if that is not known yet. The walk uses the VM's cell
 * and part arrays: the VM must not be placed.
 */
export function prepareBound(vm: i32): void {
  if (vmBound[vm] >= 0) return;
  offerEmptyHost(vm);
  clearRelations(vm);
  // Which cell has which pages depends on the other cells, so all count as base pages.
  if (vmPageShift[vm] == 0) poolPages();
  best = i64.MAX_VALUE;
  setCeiling(i64.MAX_VALUE);
  // Shared vCPUs find room nearly everywhere, so there are far too many ways to see them all.
  let left = hasShared(vm) ? VISITS / 4 : VISITS;
  // Of the ways to divide a cell between nodes the walk sees only some.
  // What does not fit alone is never placed: any bound will do.
  const hasRoom = isRoomOffered(vm);
  let seen = !vmSpan[vm] && hasRoom && (mostCells(vm) < MAX_VM_CELLS || vmCellsAsked[vm] != 0);
  for (let cells = fewestCells(vm); cells <= mostCells(vm) && best > 0 && seen; cells++) {
    if (cellsPrice(vm, cells) >= best || !layOutCells(vm, cells)) break;
    walkAssignments(vm, cells, 0, left, boundAssignment);
    left -= visits;
    seen = complete || best == 0;
  }
  fitsNowhere[vm] = !hasRoom || (seen && best == i64.MAX_VALUE);
  vmBound[vm] = seen && best != i64.MAX_VALUE ? best : min(coarseBound(vm), best);
}
