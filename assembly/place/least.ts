// What a cell loses on a node at the least, beside hops to other cells, as far as that is quick to see: by memory that is far from there,
// and by those who are there. The walk tries the nodes where that is least first. It need not try those where it is too much.
import { MAX_PAGE_SIZES, MEMORY_INTERLEAVE, MEMORY_PREFERRED, MODEL_HOME, MODEL_SMT, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { nodeDemand, nodeFresh, nodeShared } from '../model/capacity';
import { communicationPrice, sharedHop } from '../model/communication';
import { devicePrice } from '../model/cost';
import { inPages, takesSize } from '../model/memory';
import { cpuRoom, roomAmong, widestLlc } from '../model/rooms';
import { model, rounded } from '../problem/coefficients';
import { distance, llcSpansNodes, nodeFewestGuests, pageSizes, widestCore } from '../problem/host';
import { beyondHomes, homeOf, homesOf } from '../problem/nodes';
import { cellDedicated, cellPages, cellVcpus, demandOf, deviceNode, deviceStrict, MICRO, nextDevice, threads, vmDedicated, vmDevice, vmMemory, vmMemoryBound, vmPages, vmSpan, vmThreadCpus, vmThreads, vmTrust, vmVcpus, vmWeight } from '../problem/request';
import { vmTraffic } from '../problem/traffic';
import { offerPages, offerShared, offersRest } from './offer';
import { assigned, firstNode, floating, hopsOnNode, seated } from './picks';

/** Whether losses are asked for. Where one VM of many is placed anew, over and over, that costs more than it saves. */
export let weighsLosses: bool = false;

export function weighLosses(on: bool): void {
  weighsLosses = on;
}

/** What a vCPU loses for each unit of distance to all of the memory that it uses. */
let perDistance: f64 = 0;
/** What a vCPU loses that has another VM's beside it. */
let perNeighbour: f64 = 0;
/** Whether the VM's vCPUs are on cores that nobody has a CPU of. */
let alone: bool = false;

/** Asks for the losses of this VM from now on. */
export function prepareLosses(vm: i32): void {
  // Which pages of interleaved memory are where is not known.
  perDistance = vmMemory[vm] == MEMORY_INTERLEAVE ? 0 : (vmWeight[vm] * vmMemoryBound[vm]) / 10;
  perNeighbour = vmWeight[vm] * model[MODEL_SMT] * <f64>MICRO;
  // A domain of one's own is negative. On cores that only threads have CPUs of a vCPU has no other beside it.
  alone = vmTrust[vm] < 0 && threads == 0;
}

/** Share of the cell's memory that its memory nodes on the node do not offer at the least. */
function shareBeyond(vm: i32, at: i32, node: i32): f64 {
  let least: f64 = 1;
  for (let size = 0; size < pageSizes && least > 0; size++) {
    if (!takesSize(vm, cellPages[at], size)) continue;
    const wanted = inPages(cellPages[at], size);
    let missing = wanted;
    for (let home = 0; home < homesOf(node) && missing > 0; home++) missing -= offerPages[homeOf(node, home) * MAX_PAGE_SIZES + size];
    least = Math.min(least, <f64>max<i64>(0, missing) / <f64>wanted);
  }
  return least;
}

/** Distance beyond 10 from the node to the cell's own memory, in the mean, at the least. */
function leastDistance(vm: i32, at: i32, node: i32): f64 {
  if (homesOf(node) == 0) return 0;
  const home = <f64>(distance(node, homeOf(node, 0)) - 10);
  if (vmMemory[vm] != MEMORY_PREFERRED) return home;
  const more = <f64>beyondHomes(vm, node) - home;
  return more <= 0 ? home : home + shareBeyond(vm, at, node) * more;
}

/** Prices of cells are rounded together: what one of several adds at the least. */
function added(vm: i32, at: i32, price: i64): i64 {
  return cellVcpus[at] == vmVcpus[vm] ? price : max<i64>(0, price - 1);
}

/** Far more than sums of fractions are off by. */
const SLACK: f64 = 1e-6;
const SLACK_SHARE: f64 = 1e-12;

/** What the cell loses by memory. */
function byMemory(vm: i32, at: i32, node: i32): i64 {
  const far = leastDistance(vm, at, node);
  if (far == 0) return 0;
  // Of other cells' memory nothing is known.
  const own = cellPages[at] == vmPages[vm] ? 1 : model[MODEL_HOME];
  const demand = <f64>demandOf(vm, cellDedicated[at], cellVcpus[at] - cellDedicated[at]);
  return added(vm, at, max<i64>(0, rounded(perDistance * own * demand * far * (1 - SLACK_SHARE) - SLACK)));
}

/** Ordered pairs of dedicated vCPUs that are in different LLCs. */
function pairsApart(node: i32, dedicated: i32): i64 {
  const most = dedicated > 1 ? widestLlc(node) : 0;
  if (dedicated <= most || most == 0) return 0;
  const rest = dedicated % most;
  return <i64>dedicated * <i64>dedicated - <i64>(dedicated / most) * <i64>most * <i64>most - <i64>rest * <i64>rest;
}

/** What the cell's vCPUs lose by each other, and by those of cells that are assigned to the node. */
function byTalk(vm: i32, at: i32, node: i32, dedicated: i32, shared: i32): i64 {
  const apart = alone ? pairsApart(node, dedicated) : 0;
  const floating = demandOf(vm, 0, shared) * <i64>(dedicated + shared - 1) + demandOf(vm, dedicated, 0) * <i64>shared;
  const beside = assigned[node] == 0 || cellVcpus[at] == vmVcpus[vm] ? 0 : hopsOnNode(vm, node, dedicated, shared);
  const hops = MICRO * 10 * apart + floating * sharedHop(node) + beside;
  return hops == 0 ? 0 : added(vm, at, communicationPrice(vm, <f64>hops));
}

/**
 * Shared CPUs of the node that so many dedicated vCPUs and threads take at the least: those that find no CPU on a core that is taken already, and
 * no isolated one. `all`: they are all that the VM has there, so that those which share a core are known.
 */
function sharedTaken(vm: i32, node: i32, dedicated: i32, all: bool): i32 {
  const onWhole = vmThreads[vm] == THREADS_ISOLATE || vmThreads[vm] == THREADS_REQUIRE;
  const taking = dedicated - (onWhole && vmThreadCpus[vm] == 0 ? 0 : cpuRoom(vm, node, 0) - nodeFresh[node]) - max(0, nodeFresh[node] - nodeShared[node]);
  if (taking <= 0 || !all) return max(0, taking);
  const cores = vmThreads[vm] == THREADS_ISOLATE && vmThreadCpus[vm] == 0 ? taking : (taking + widestCore - 1) / widestCore;
  return max(taking, cores * nodeFewestGuests[node]);
}

/** Dedicated vCPUs and threads of the VM on the node with so many more of the cell; -1: threads left aside. */
function seatsWith(vm: i32, cell: i32, node: i32, dedicated: i32): i32 {
  const begins = cell >= 0 && (firstNode < 0 ? cell == 0 : firstNode == node);
  return seated[node] + dedicated + (begins ? vmThreadCpus[vm] : 0);
}

/** How many shared vCPUs of the cell the node takes beside so many of its dedicated ones, as far as counting goes; negative: not even these. */
export function sharedBeside(vm: i32, cell: i32, node: i32, dedicated: i32): i32 {
  const seats = seatsWith(vm, cell, node, dedicated);
  const nobodyShares = offerShared[node] + floating[node] == 0 && nodeDemand[node] == 0;
  if (!offersRest || seats == 0 || nobodyShares) return offerShared[node];
  return min(offerShared[node], roomAmong(vm, nodeShared[node] - sharedTaken(vm, node, seats, true), nodeDemand[node]) - floating[node]);
}

/** What shared vCPUs on the node lose more because the cell is there. */
export function byOvercommit(vm: i32, at: i32, node: i32): i64 {
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  if (!offersRest || shared == 0) return 0;
  const taken = sharedTaken(vm, node, dedicated, dedicated == vmDedicated[vm]);
  const more = demandOf(vm, taken, shared);
  return max<i64>(0, more - max<i64>(0, MICRO * <i64>nodeShared[node] - nodeDemand[node]));
}

/** What the VM loses by its devices where all of it is on the node. */
function byDevices(vm: i32, node: i32): i64 {
  let far: i64 = 0;
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) {
    if (!deviceStrict[device]) far += <i64>(distance(node, deviceNode[device]) - 10);
  }
  return devicePrice(vm, far);
}

/** What a cell that is wholly on the node loses at the least; 0 where that is not asked for. `at`: its entry. */
export function leastLossOn(vm: i32, at: i32, node: i32): i64 {
  if (!weighsLosses) return 0;
  let loss: i64 = perDistance == 0 ? 0 : byMemory(vm, at, node);
  if (vmDevice[vm] >= 0 && cellVcpus[at] == vmVcpus[vm]) loss += byDevices(vm, node);
  if (!offersRest) return loss;
  const dedicated = cellDedicated[at];
  const shared = cellVcpus[at] - dedicated;
  loss += byOvercommit(vm, at, node);
  if (threads == 0 && dedicated > nodeFresh[node]) loss += added(vm, at, rounded(perNeighbour * <f64>(dedicated - nodeFresh[node])));
  if (!llcSpansNodes && vmTraffic[vm] < 0) loss += byTalk(vm, at, node, dedicated, shared);
  return loss;
}
