// A number that no plan of the placed VMs can be below. It adds up what each VM loses alone, what the shared demand exceeds all CPUs by,
// and what scarcity costs: only so many VMs of a size find a node or an LLC for themselves, and only so many vCPUs find a good CPU.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES, MAX_VMS, MEMORY_STRICT } from '../abi';
import { coreList, coreCapacity, coreCpuStart, coreLlc, distance, hostVersion, nodeCoreStart, nodeCount, nodeGuests, nodePages, nodeReach, nodeUsable, pageShift, pageSizes } from '../problem/host';
import { homeOf, homesOf, isPicky, useAllNodes } from '../problem/nodes';
import { sortBy } from '../sort';
import { spend, workDone } from '../work';
import { freeOnCore } from '../model/capacity';
import { devicePrice } from '../model/cost';
import { totalCost } from '../model/totals';
import { rounded } from '../problem/coefficients';
import { demandOf, devices, deviceNode, deviceStrict, MICRO, nextDevice, vmAlive, vmBound, vmCells, vmCellsAsked, vmDedicated, vmDevice, vmMemory, vmMemoryBound, vmPages, vmSlots, vmSpan, vmVcpus, vmWeight } from '../problem/request';
import { fitsNowhere, isPlain, lossApart, smallestPiece, talkApart } from './bound';
import { arePriced, patternBound, pricedBeyond } from './patterns';

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
  order[rivals] = rivals;
  size[rivals] = own;
  saving[rivals++] = saves;
}

function isSmaller(a: i32, b: i32): bool {
  return size[a] < size[b];
}

function savesMore(a: i32, b: i32): bool {
  return saving[a] > saving[b];
}

function countSizes(): i32 {
  sortBy(order, rivals, isSmaller);
  let count = 0;
  for (let next = 0; next < rivals; next++) {
    const own = size[order[next]];
    if (count == 0 || sizes[count - 1] != own) sizes[count++] = own;
  }
  spend(2 * count * groups);
  for (let at = 0; at < count; at++) {
    roomFor[at] = 0;
    taken[at] = 0;
    for (let group = 0; group < groups; group++) roomFor[at] += groupRoom[group] / sizes[at];
  }
  return count;
}

/**
 * What the rivals lose at the least because a group holds only so many of a size. The sets of rivals that may be whole form a laminar
 * matroid: for each size, at most so many of that size or more. So the most is saved by taking those that save most first.
 */
function lossOfRivals(): i64 {
  const count = countSizes();
  sortBy(order, rivals, savesMore);
  let loss: i64 = 0;
  for (let next = 0; next < rivals; next++) {
    const rival = order[next];
    spend(count);
    let fits = true;
    for (let at = 0; at < count && sizes[at] <= size[rival]; at++) fits = fits && taken[at] < roomFor[at];
    if (!fits) loss += saving[rival];
    for (let at = 0; at < count && sizes[at] <= size[rival] && fits; at++) taken[at]++;
  }
  return loss;
}

/** Whether VMs count that are refused though they would fit alone, not only those that are placed. */
let everybody: bool = false;
export function countEverybody(all: bool): void {
  everybody = all;
}

function isCounted(vm: i32): bool {
  return vmAlive[vm] && (everybody ? !fitsNowhere[vm] : vmCells[vm] != 0);
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
    if (isCounted(vm) && isPlain(vm)) enterRival(vmVcpus[vm], savedOnNode(vm, talkOnly));
  }
  return lossOfRivals();
}

/** More than any host has. */
const MOST_PAGES: i64 = 1 << 50;

/** A number that is the same for nodes which are memory nodes of one node. */
export const memoryGroup = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

function joinGroups(a: i32, b: i32): void {
  const from = memoryGroup[a];
  for (let node = 0; node < nodeCount; node++) if (memoryGroup[node] == from) memoryGroup[node] = memoryGroup[b];
}

/** The host that they are of. */
let groupedVersion: i32 = -1;

/** Finds the groups. */
export function groupMemory(): void {
  if (groupedVersion == hostVersion) return;
  groupedVersion = hostVersion;
  useAllNodes();
  for (let node = 0; node < nodeCount; node++) memoryGroup[node] = node;
  for (let node = 0; node < nodeCount; node++) {
    for (let at = 1; at < homesOf(node); at++) joinGroups(homeOf(node, at), homeOf(node, 0));
  }
}

function competesForMemory(vm: i32): bool {
  return !isPicky(vm) && vmMemory[vm] == MEMORY_STRICT;
}

function lossForMemory(talkOnly: bool): i64 {
  rivals = 0;
  groups = nodeCount;
  groupMemory();
  for (let node = 0; node < nodeCount; node++) groupRoom[node] = 0;
  for (let node = 0; node < nodeCount; node++) {
    let pages: i64 = 0;
    for (let page = 0; page < pageSizes; page++) {
      const shift = <i64>(pageShift[page] - pageShift[0]);
      pages += min(nodePages[node * MAX_PAGE_SIZES + page], MOST_PAGES >> shift) << shift;
    }
    groupRoom[memoryGroup[node]] += pages;
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (isCounted(vm) && isPlain(vm) && competesForMemory(vm)) enterRival(vmPages[vm], savedOnNode(vm, talkOnly));
  }
  return lossOfRivals();
}

/** Usable CPUs of each LLC. */
const llcCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

function lossForLlcs(talkOnly: bool): i64 {
  rivals = 0;
  groups = 0;
  for (let llc = 0; llc < MAX_CPUS; llc++) llcCpus[llc] = 0;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    llcCpus[coreLlc[core]] += coreCpuStart[core + 1] - coreCpuStart[core];
  }
  for (let llc = 0; llc < MAX_CPUS; llc++) {
    if (llcCpus[llc] > 0) groupRoom[groups++] = llcCpus[llc];
    llcCpus[llc] = 0;
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (isCounted(vm) && isPlain(vm)) enterRival(vmVcpus[vm], savedInLlc(vm, talkOnly));
  }
  return lossOfRivals();
}

/** Kinds of groups that VMs compete for: nodes, their memory, LLCs. */
const DIVIDED_BY_NODES: i32 = 0;
const DIVIDED_BY_MEMORY: i32 = 1;
export const DIVIDED_BY_LLCS: i32 = 2;

/** What is lost at the least because VMs compete for groups of a kind. */
export function divided(kind: i32): i64 {
  return kind == DIVIDED_BY_NODES ? lossForNodes(false) : kind == DIVIDED_BY_MEMORY ? lossForMemory(false) : lossForLlcs(false);
}

/** What a VM saves by having all of itself in one group of the kind; 0 where it does not compete. */
export function savingOf(kind: i32, vm: i32): i64 {
  if (!isPlain(vm) || (kind == DIVIDED_BY_MEMORY && !competesForMemory(vm))) return 0;
  return max<i64>(0, kind == DIVIDED_BY_LLCS ? savedInLlc(vm, false) : savedOnNode(vm, false));
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
  spend(2 * nodeCoreStart[nodeCount]);
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
  // Each vCPU could be a VM of its own, with two rounded terms.
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

function weighsMore(a: i32, b: i32): bool {
  return vmWeight[a] != vmWeight[b] ? vmWeight[a] > vmWeight[b] : a < b;
}

/**
 * What dedicated vCPUs lose at the least by far memory and slow cores, since each CPU has one vCPU. The heaviest vCPUs are on the best CPUs:
 * that makes the sum of weight x loss the least.
 */
function lossForCpus(): i64 {
  let memoryBound: f64 = 1;
  let vms = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!isCounted(vm) || vmDedicated[vm] == 0) continue;
    memoryBound = Math.min(memoryBound, vmMemoryBound[vm]);
    byWeight[vms++] = vm;
  }
  sortBy(byWeight, vms, weighsMore);
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
  for (let vm = 0; vm < vmSlots; vm++) if (isCounted(vm) && isPlain(vm)) loss += talkApart(vm, 0, 0);
  return loss + lossOfDivided(true);
}

/** Shared demand beyond all CPUs that dedicated vCPUs leave. */
function demandBeyondAll(): i64 {
  let demand: i64 = 0;
  let cpus: i64 = 0;
  let guests: i64 = 0;
  for (let node = 0; node < nodeCount; node++) {
    cpus += nodeUsable[node];
    guests += nodeGuests[node];
  }
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!isCounted(vm)) continue;
    cpus -= vmDedicated[vm];
    demand += demandOf(vm, 0, vmVcpus[vm] - vmDedicated[vm]);
  }
  return max<i64>(0, demand - MICRO * min(cpus, guests));
}

/** What each placed VM loses alone, and what the shared demand exceeds all CPUs by. */
export function simpleBound(): i64 {
  let bound: i64 = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (isCounted(vm)) bound += vmBound[vm];
  return bound + demandBeyondAll();
}

const WORK_OF_DEVICES: i64 = 1000000;

/**
 * What is lost beyond the prices of patterns because a node has no room for all VMs that have their device there: some, with as many vCPUs as are too
 * many, are off the node or divided. Of VMs with one device whose cells are open.
 */
function lossForDevices(): i64 {
  const end = workDone + WORK_OF_DEVICES;
  let loss: i64 = 0;
  for (let node = 0; node < nodeCount && devices > 0; node++) {
    let far = i32.MAX_VALUE;
    for (let other = 0; other < nodeCount; other++) if (other != node && nodeUsable[other] > 0) far = min(far, distance(other, node) - 10);
    let over = -nodeUsable[node];
    let least: i64 = 0;
    for (let round = 0; round < 2; round++) {
      spend(vmSlots);
      for (let vm = 0; vm < vmSlots; vm++) {
        const device = vmDevice[vm];
        if (!vmAlive[vm] || device < 0 || nextDevice[device] >= 0 || deviceNode[device] != node || deviceStrict[device] || !isPlain(vm) || vmCellsAsked[vm] != 0 || vmSpan[vm]) continue;
        const own = vmVcpus[vm];
        if (round == 0) over += own;
        else least = min(least, workDone < end ? (max<i64>(0, pricedBeyond(vm, devicePrice(vm, far))) * <i64>over) / <i64>min(own, over) : 0);
      }
      if (over <= 0) break;
      if (round == 0) least = NO_END;
    }
    loss += least;
  }
  return loss;
}

/** The bound of the plan as it stands: the best of three. One takes each VM by itself, one each term, and one all VMs by patterns. */
export function lowerBound(): i64 {
  const demand = demandBeyondAll();
  const bound = max(simpleBound() + lossOfDivided(false), lossForCpus() + lossByTalk() + demand);
  const cost = totalCost();
  if (cost <= bound) return bound;
  const priced = patternBound(cost - demand) + demand;
  return max(bound, arePriced && priced < cost ? priced + lossForDevices() : priced);
}
