// A number that no plan of the placed VMs can be below: each VM alone on the empty host, with every part of its cost at its
// least; what the shared demand exceeds all CPUs by; and what it costs that only so many VMs of a size find a node, or an
// LLC, for themselves.
import { Flat } from './flat';
import { MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES, MAX_VM_CELLS, MAX_VMS, MEMORY_PREFERRED, MEMORY_STRICT, MODEL_HOME, THREADS_ISOLATE } from './abi';
import { layOutCells, fewestCells, mostCells } from './cells';
import { coreList, coreCapacity, coreCpuStart, coreLlc, distance, llcSpansNodes, nodeCoreStart, nodeCount, nodePages, nodeReach, nodeUsable, pageShift, pageSizes } from './host';
import { emptyDedicatedRoom, emptySharedRoom, freeOnCore } from './capacity';
import { complete, isRoomOffered, leafHops, offerPagesFrom, offerRoom, offerShared, offerUntouched, setCeiling, visits, walkAssignments } from './assign';
import { capacityPrice, communicationPrice, deviceCost, model, remoteMemory, rounded, sharedHop } from './cost';
import { forgetMemory, imagineMemory } from './memory';
import { clearRelations } from './relations';
import { cellVcpusAsked, demandOf, hasShared, MICRO, partDedicated, partNode, partShared, vmAlive, vmBound, vmCells, vmCellsAsked, vmCellsGiven, vmDedicated, vmMemory, vmMemoryBound, vmPages, vmPageShift, vmParts, vmSharedDemand, vmSlots, vmSpan, vmStart, vmThreads, vmVcpus, vmWeight } from './request';
import { vmTraffic } from './traffic';

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
  let left = dedicated;
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

/** The least sum of demand x (1024 - capacity) of so many vCPUs of the VM on the node (on the host for -1). */
function leastSlow(vm: i32, node: i32, dedicated: i32, shared: i32): i64 {
  const slowness = MICRO * leastSlowness(node, dedicated);
  if (shared == 0) return slowness;
  return slowness + demandOf(vm, 0, shared) * leastSlowness(node, 1);
}

/** The least `remoteMemory` of the VM as its parts stand. */
function leastRemote(vm: i32, cells: i32): i64 {
  const start = vmStart[vm];
  // Where rounding to pages decides what is where, or other VMs do, only distances count.
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
  const cost = leastRemote(vm, cells) + talk + capacityPrice(vm, slowness) + deviceCost(vm);
  if (cost < best) {
    best = cost;
    setCeiling(cost - 1);
  }
  return best > 0;
}

/** Distance between the nearest two nodes. */
function nearestNodes(): i32 {
  let nearest = i32.MAX_VALUE;
  for (let a = 0; a < nodeCount; a++) {
    for (let b = 0; b < nodeCount; b++) if (a != b) nearest = min(nearest, distance(a, b));
  }
  return nearest;
}

/**
 * The least `remoteMemory` where `apart` ordered pairs of vCPUs are on different nodes: cells of even size have memory as they have
 * vCPUs, so of the others' memory a vCPU finds as much elsewhere as vCPUs. One page more or less a cell and the rounding are taken off.
 */
function leastRemoteApart(vm: i32, nearest: i32, apart: i64): i64 {
  if (vmCellsGiven[vm] || vmSpan[vm] || vmMemory[vm] != MEMORY_STRICT) return 0;
  const vcpus = vmVcpus[vm];
  const uneven = 1 - <f64>(4 * mostCells(vm)) / <f64>(vmPages[vm] >> <i64>max(0, vmPageShift[vm] - pageShift[0]));
  const others = <f64>(<i64>(nearest - 10) * apart) / <f64>(vcpus - 1);
  const price = vmWeight[vm] * vmMemoryBound[vm] * (1 - model[MODEL_HOME]) * <f64>MICRO;
  return max<i64>(0, rounded((price * others * uneven) / 10) - 2);
}

/** Whether all of the VM is known to be dedicated and alike: what the bounds below are for. */
function isPlain(vm: i32): bool {
  return !hasShared(vm) && vmTraffic[vm] < 0 && !llcSpansNodes && vmVcpus[vm] > 1;
}

/** The least `communication` of a VM where so many ordered pairs of its vCPUs are on different nodes, and so many in different LLCs. */
function talkApart(vm: i32, apart: i64, acrossLlcs: i64): i64 {
  const vcpus = vmVcpus[vm];
  const all = <i64>vcpus * <i64>vcpus;
  const across = max(acrossLlcs, max(apart, all - mostPairs(vcpus, enterLlcRooms(vm, -1))));
  const nearest = apart == 0 ? 10 : nearestNodes();
  return communicationPrice(vm, <f64>(MICRO * (10 * across + <i64>(nearest - 10) * apart)));
}

/** What the VM loses at the least where they are. */
function lossApart(vm: i32, apart: i64, acrossLlcs: i64): i64 {
  const slowness = capacityPrice(vm, leastSlow(vm, -1, vmVcpus[vm], 0));
  const nearest = apart == 0 ? 10 : nearestNodes();
  return slowness + leastRemoteApart(vm, nearest, apart) + talkApart(vm, apart, acrossLlcs);
}

/** The least `communication` of shared vCPUs: on one node or between two, each pair has at least so much of a hop. */
function talkOfShared(vm: i32): i64 {
  if (!hasShared(vm) || vmTraffic[vm] >= 0 || llcSpansNodes) return 0;
  let hop: i64 = nodeCount > 1 ? <i64>nearestNodes() : i64.MAX_VALUE;
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
  if (!isPlain(vm)) return capacityPrice(vm, leastSlow(vm, -1, vmDedicated[vm], vcpus - vmDedicated[vm])) + talkOfShared(vm);
  for (let node = 0; node < nodeCount; node++) rooms[node] = emptyDedicatedRoom(vm, node);
  const apart = nodeCount < 2 ? 0 : <i64>vcpus * <i64>vcpus - mostPairs(vcpus, nodeCount);
  return lossApart(vm, apart, 0);
}

/**
 * Computes the least that the VM can lose alone on the empty host, if that is not known yet. The walk uses the VM's cell
 * and part arrays: the VM must not be placed.
 */
export function prepareBound(vm: i32): void {
  if (vmBound[vm] >= 0) return;
  for (let node = 0; node < nodeCount; node++) {
    offerRoom[node] = emptyDedicatedRoom(vm, node);
    offerShared[node] = emptySharedRoom(vm, node);
    offerUntouched[node] = true;
  }
  clearRelations();
  offerPagesFrom(nodePages);
  best = i64.MAX_VALUE;
  setCeiling(i64.MAX_VALUE);
  // Shared vCPUs find room nearly everywhere: then there are far too many ways to see them all.
  let left = hasShared(vm) ? VISITS / 4 : VISITS;
  // Of the ways to divide a cell between nodes the walk sees only some.
  // What does not fit alone is never placed: any bound will do.
  let seen = !vmSpan[vm] && isRoomOffered(vm) && (mostCells(vm) < MAX_VM_CELLS || vmCellsAsked[vm] != 0);
  for (let cells = fewestCells(vm); cells <= mostCells(vm) && best > 0 && seen; cells++) {
    if (!layOutCells(vm, cells)) break;
    walkAssignments(vm, cells, 0, left, boundAssignment);
    left -= visits;
    seen = complete || best == 0;
  }
  vmBound[vm] = seen && best != i64.MAX_VALUE ? best : min(coarseBound(vm), best);
}

/** The fewest vCPUs of the VM that can be on another node than the rest; 0: it cannot be divided. */
function smallestPiece(vm: i32): i32 {
  if (vmSpan[vm] || (vmCellsAsked[vm] == 0 && vmVcpus[vm] <= MAX_VM_CELLS)) return 1;
  if (vmCellsAsked[vm] == 1) return 0;
  if (!vmCellsGiven[vm]) return max(1, vmVcpus[vm] / mostCells(vm));
  let least = vmVcpus[vm];
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCellsAsked[vm]; cell++) least = min(least, cellVcpusAsked[cell]);
  return least;
}

// VMs that compete for groups: what each saves by having all of itself in one, and its size.
let rivals: i32 = 0;
const saving = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
const size = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
const order = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** Room in the groups. */
let groups: i32 = 0;
const groupRoom = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_CPUS, 8));
/** Sizes that occur, ascending, how many groups' worth of rivals of that size or more there is room for, and how many there are. */
const sizes = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
const roomFor = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
const taken = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));

function enterRival(own: i64, saves: i64): void {
  if (saves <= 0) return;
  let at = rivals++;
  size[at] = own;
  saving[at] = saves;
  while (at > 0 && saving[order[at - 1]] < saves) {
    order[at] = order[at - 1];
    at--;
  }
  order[at] = rivals - 1;
}

function countSizes(): i32 {
  let count = 0;
  for (let rival = 0; rival < rivals; rival++) {
    let at = 0;
    while (at < count && sizes[at] < size[rival]) at++;
    if (at < count && sizes[at] == size[rival]) continue;
    for (let later = count++; later > at; later--) sizes[later] = sizes[later - 1];
    sizes[at] = size[rival];
  }
  for (let at = 0; at < count; at++) {
    roomFor[at] = 0;
    taken[at] = 0;
    for (let group = 0; group < groups; group++) roomFor[at] += groupRoom[group] / sizes[at];
  }
  return count;
}

/**
 * What the rivals lose at the least because a group holds only so many of a size. Who may be whole is a laminar matroid (for each
 * size: at most so many of that size or more), so taking those that save most first is the most that can be saved.
 */
function lossOfRivals(): i64 {
  const count = countSizes();
  let loss: i64 = 0;
  for (let next = 0; next < rivals; next++) {
    const rival = order[next];
    let fits = true;
    for (let at = 0; at < count && sizes[at] <= size[rival]; at++) fits = fits && taken[at] < roomFor[at];
    if (!fits) loss += saving[rival];
    for (let at = 0; at < count && sizes[at] <= size[rival] && fits; at++) taken[at]++;
  }
  return loss;
}

function isPlaced(vm: i32): bool {
  return vmAlive[vm] && vmCells[vm] != 0;
}

/** Ordered pairs of the VM's vCPUs that are on different nodes where it is not on one; -1: it cannot be divided. */
function pairsDivided(vm: i32): i64 {
  const piece = smallestPiece(vm);
  return piece == 0 ? -1 : 2 * <i64>piece * <i64>(vmVcpus[vm] - piece);
}

/** More than any VM loses: what one that cannot be divided saves by not being. */
const NO_END: i64 = i64.MAX_VALUE >> 16;

/** What the VM saves by being on one node: all that it loses (or only its `communication`) where it is not, less its least. */
function savedOnNode(vm: i32, talkOnly: bool): i64 {
  const apart = pairsDivided(vm);
  if (apart < 0) return NO_END;
  return talkOnly ? talkApart(vm, apart, 0) - talkApart(vm, 0, 0) : lossApart(vm, apart, 0) - vmBound[vm];
}

/** The same for one LLC. */
function savedInLlc(vm: i32, talkOnly: bool): i64 {
  const across = 2 * <i64>(vmVcpus[vm] - 1);
  return talkOnly ? talkApart(vm, 0, across) - talkApart(vm, 0, 0) : lossApart(vm, 0, across) - vmBound[vm];
}

function lossForNodes(talkOnly: bool): i64 {
  rivals = 0;
  groups = nodeCount;
  for (let node = 0; node < nodeCount; node++) groupRoom[node] = nodeUsable[node];
  for (let vm = 0; vm < vmSlots; vm++) {
    if (isPlaced(vm) && isPlain(vm)) enterRival(vmVcpus[vm], savedOnNode(vm, talkOnly));
  }
  return lossOfRivals();
}

/** More than any host has. */
const MOST_PAGES: i64 = 1 << 50;

function lossForMemory(talkOnly: bool): i64 {
  rivals = 0;
  groups = 0;
  for (let node = 0; node < nodeCount; node++) {
    let pages: i64 = 0;
    for (let page = 0; page < pageSizes; page++) {
      const shift = <i64>(pageShift[page] - pageShift[0]);
      pages += min(nodePages[node * MAX_PAGE_SIZES + page], MOST_PAGES >> shift) << shift;
    }
    groupRoom[groups++] = pages;
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (isPlaced(vm) && isPlain(vm) && vmMemory[vm] == MEMORY_STRICT) enterRival(vmPages[vm], savedOnNode(vm, talkOnly));
  }
  return lossOfRivals();
}

function lossForLlcs(talkOnly: bool): i64 {
  rivals = 0;
  groups = 0;
  for (let llc = 0; llc < MAX_CPUS; llc++) llcRoom[llc] = 0;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    llcRoom[coreLlc[core]] += coreCpuStart[core + 1] - coreCpuStart[core];
  }
  for (let llc = 0; llc < MAX_CPUS; llc++) {
    if (llcRoom[llc] > 0) groupRoom[groups++] = llcRoom[llc];
    llcRoom[llc] = 0;
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (isPlaced(vm) && isPlain(vm)) enterRival(vmVcpus[vm], savedInLlc(vm, talkOnly));
  }
  return lossOfRivals();
}

/** What is lost at the least because VMs compete for nodes, for their memory or for LLCs. */
function lossOfDivided(talkOnly: bool): i64 {
  return max(lossForNodes(talkOnly), max(lossForMemory(talkOnly), lossForLlcs(talkOnly)));
}

// Kinds of CPUs, by what a vCPU of weight 1 loses there by far memory and slow cores, ascending, with how many there are.
let kinds: i32 = 0;
const kindLoss = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_CPUS, 8));
const kindCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const byWeight = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

function enterCpus(loss: f64, cpus: i32): void {
  let at = 0;
  while (at < kinds && kindLoss[at] < loss) at++;
  if (at < kinds && kindLoss[at] == loss) {
    kindCpus[at] += cpus;
    return;
  }
  for (let later = kinds++; later > at; later--) {
    kindLoss[later] = kindLoss[later - 1];
    kindCpus[later] = kindCpus[later - 1];
  }
  kindLoss[at] = loss;
  kindCpus[at] = cpus;
}

/** Fills the kinds from all usable CPUs, or from those that are nobody's. */
function findKinds(memoryBound: f64, onlyFree: bool): void {
  kinds = 0;
  for (let node = 0; node < nodeCount; node++) {
    const far = (memoryBound * <f64>nodeReach[node]) / 10;
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      const core = coreList[at];
      const cpus = onlyFree ? freeOnCore(core) : coreCpuStart[core + 1] - coreCpuStart[core];
      if (cpus > 0) enterCpus(far + <f64>(1024 - coreCapacity[core]) / 1024, cpus);
    }
  }
}

/** What so many dedicated vCPUs of such a weight lose at the least by far memory and slow cores on the CPUs that are free. */
export function lossOnFreeCpus(vcpus: i32, weight: f64, memoryBound: f64): i64 {
  findKinds(memoryBound, true);
  let loss: f64 = 0;
  let left = vcpus;
  for (let kind = 0; kind < kinds && left > 0; kind++) {
    const here = min(left, kindCpus[kind]);
    loss += <f64>here * kindLoss[kind];
    left -= here;
  }
  // Each vCPU could be a VM of its own, with two terms that are rounded.
  return max<i64>(0, rounded(weight * loss * <f64>MICRO) - <i64>vcpus - 1);
}

/** Whether a vCPU of this weight loses whole millionths on every kind of CPU. */
function lossesAreWhole(weight: f64): bool {
  for (let kind = 0; kind < kinds; kind++) {
    const loss = weight * kindLoss[kind] * <f64>MICRO;
    if (Math.abs(loss - Math.floor(loss + 0.5)) > 1e-6) return false;
  }
  return true;
}

/**
 * What dedicated vCPUs lose at the least by far memory and slow cores, since each CPU has one: the heaviest on the best CPUs, which is
 * the least that sums of weight x loss can be.
 */
function lossForCpus(): i64 {
  let memoryBound: f64 = 1;
  let vms = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!isPlaced(vm) || vmDedicated[vm] == 0) continue;
    memoryBound = Math.min(memoryBound, vmMemoryBound[vm]);
    let at = vms++;
    while (at > 0 && vmWeight[byWeight[at - 1]] < vmWeight[vm]) {
      byWeight[at] = byWeight[at - 1];
      at--;
    }
    byWeight[at] = vm;
  }
  findKinds(memoryBound, false);
  let loss: f64 = 0;
  let slack: f64 = 0;
  let kind = 0;
  let left = kinds > 0 ? kindCpus[0] : 0;
  for (let at = 0; at < vms; at++) {
    // Two terms of each VM are rounded by themselves, unless they are whole.
    if (!lossesAreWhole(vmWeight[byWeight[at]])) slack += 1;
    for (let vcpus = vmDedicated[byWeight[at]]; vcpus > 0 && kind < kinds; ) {
      const here = min(vcpus, left);
      loss += <f64>here * kindLoss[kind] * vmWeight[byWeight[at]];
      vcpus -= here;
      left -= here;
      if (left == 0 && ++kind < kinds) left = kindCpus[kind];
    }
  }
  // Doubles are far more exact than a tenth of a millionth here.
  return max<i64>(0, rounded(Math.ceil(loss * <f64>MICRO - slack - 0.1)));
}

/** The least `communication` of all placed VMs. */
function lossByTalk(): i64 {
  let loss: i64 = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (isPlaced(vm) && isPlain(vm)) loss += talkApart(vm, 0, 0);
  return loss + lossOfDivided(true);
}

/** Shared demand beyond all CPUs that dedicated vCPUs leave. */
function demandBeyondAll(): i64 {
  let demand: i64 = 0;
  let cpus: i64 = 0;
  for (let node = 0; node < nodeCount; node++) cpus += nodeUsable[node];
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!isPlaced(vm)) continue;
    cpus -= vmDedicated[vm];
    demand += demandOf(vm, 0, vmVcpus[vm] - vmDedicated[vm]);
  }
  return max<i64>(0, demand - MICRO * cpus);
}

/** What each placed VM loses alone, and what the shared demand exceeds all CPUs by. */
export function simpleBound(): i64 {
  let bound: i64 = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (isPlaced(vm)) bound += vmBound[vm];
  return bound + demandBeyondAll();
}

/** The bound of the plan as it stands: the better of two. One takes each VM by itself, the other each term. */
export function lowerBound(): i64 {
  return max(simpleBound() + lossOfDivided(false), lossForCpus() + lossByTalk() + demandBeyondAll());
}
