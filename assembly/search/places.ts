// Where VMs are, as ruin and recreate sees it: pieces of cells on LLCs, in whole cores, with their price. They are read from the model's plan and
// written to it; meanwhile that is not touched. Prices are the model's, but for how pages are rounded.
import { Flat } from '../flat';
import { MAX_NODES, MAX_PAGE_SIZES, MAX_VMS, MEMORY_STRICT, MODEL_HOME, MODEL_SMT, THREADS_ISOLATE, THREADS_SPREAD } from '../abi';
import { hasTiesBeyondDevices } from '../problem/alike';
import { layOutCells } from '../problem/cells';
import { model } from '../problem/coefficients';
import { coreCpus, coreCpuStart, coreHasHost, coreList, coreLlc, cpuCore, distance, hopBetween, llcSpansNodes, nodeCoreStart, nodeCount, pageShift, pageSizes, speedsDiffer, widestCore } from '../problem/host';
import { homeOf, homesOf, useAllNodes } from '../problem/nodes';
import { cellVcpus, deviceNode, deviceStrict, hasShared, MICRO, nextDevice, partCell, partDedicated, partNode, partShared, vcpuCpu, vcpuNode, vmAlive, vmCells, vmCellsGiven, vmDevice, vmMemory, vmMemoryBound, vmPages, vmParts, vmSlots, vmSpan, vmStart, vmThreads, vmTrust, vmVcpus, vmWeight } from '../problem/request';
import { freeOnCore } from '../model/capacity';
import { communicationPrice } from '../model/communication';
import { cellsPrice, devicePrice } from '../model/cost';
import { freePages } from '../model/memory';
import { keepsCores } from '../proof/pieces';
import { spend } from '../work';

/** VMs in more pieces are not moved; nor are there places in more. */
const MOST_PIECES: i32 = 16;
const MOST_LLCS: i32 = 512;

// LLCs, by node: cores that are free.
export let llcs: i32 = 0;
export const llcFree = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));
const llcOf = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));
export const llcNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));
export const nodeLlc = changetype<Flat<i32>>(memory.data(sizeof<i32>() * (MAX_NODES + 1), 8));
export const nodeFree = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Odd pieces of VMs that may share cores. Where cores are fewer than none, as many pairs of them share one. */
export const llcOdd = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));
export const nodeOdd = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Cores that are shared. */
export let shared: i32 = 0;
/** Base pages of the node's memory that are free. */
export const nodePages = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));

/** So many vCPUs on an LLC; with the first piece on a node the cells that are there, by size. */
@unmanaged
export class Piece {
  llc: i32;
  vcpus: i32;
  large: i32;
  small: i32;
}

/** Where a VM is, and what it loses there. Its pieces are behind it. */
@unmanaged
export class Place {
  cost: i64;
  cells: i32;
  pieces: i32;
}

const SIZE: i32 = 16 + 16 * MOST_PIECES;
/** The VMs that are moved. */
export let vms: i32 = 0;
export const list = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
// Of each VM of the list: where it is, where it was, and where it is in the best plan. Then one that is being made, and the cheapest so far.
const places = memory.data(SIZE * (3 * MAX_VMS + 2), 8);
export const made = changetype<Place>(places + 3 * MAX_VMS * SIZE);
export const cheapest = changetype<Place>(places + (3 * MAX_VMS + 1) * SIZE);

export const BEFORE: i32 = MAX_VMS;
export const BEST: i32 = 2 * MAX_VMS;

export function placeAt(at: i32): Place {
  return changetype<Place>(places + at * SIZE);
}

export function pieceAt(place: Place, at: i32): Piece {
  return changetype<Piece>(changetype<usize>(place) + 16 + 16 * at);
}

/** Whether pieces of the VM are all there is to know of its place. */
function isMovable(vm: i32): bool {
  if (vmCells[vm] == 0 || hasTiesBeyondDevices(vm) || vmSpan[vm] || vmCellsGiven[vm]) return false;
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) if (deviceStrict[device]) return false;
  return vmMemory[vm] == MEMORY_STRICT && vmThreads[vm] != THREADS_SPREAD;
}

/** The trust domain whose VMs may share cores here; -1: none does. */
let pool: i32 = -1;

export function isPooled(vm: i32): bool {
  return pool >= 0 && vmTrust[vm] == pool && !keepsCores(vm);
}

/** Lists the VMs that can be moved; false where the host or some VM is of a kind that this search does not know. */
function listMovable(): bool {
  vms = 0;
  if (llcSpansNodes || speedsDiffer) return false;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    if (coreCpuStart[core + 1] - coreCpuStart[core] != widestCore || coreHasHost[core]) return false;
  }
  pool = -1;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm]) continue;
    if (hasShared(vm)) return false;
    if (!isMovable(vm)) continue;
    list[vms++] = vm;
    if (pool < 0 && widestCore == 2 && !keepsCores(vm)) pool = vmTrust[vm];
  }
  return vms > 1;
}

export function coresFor(vm: i32, vcpus: i32): i32 {
  return vmThreads[vm] == THREADS_ISOLATE ? vcpus : (vcpus + widestCore - 1) / widestCore;
}

/** vCPUs that so many cores hold. */
export function heldBy(vm: i32, cores: i32): i32 {
  return vmThreads[vm] == THREADS_ISOLATE ? cores : cores * widestCore;
}

function cellSize(vm: i32, cells: i32, isLarge: bool): i32 {
  return vmVcpus[vm] / cells + (isLarge ? 1 : 0);
}

export function addPiece(place: Place, llc: i32, vcpus: i32): bool {
  if (place.pieces == MOST_PIECES) return false;
  const piece = pieceAt(place, place.pieces++);
  piece.llc = llc;
  piece.vcpus = vcpus;
  piece.large = 0;
  piece.small = 0;
  return true;
}

export function copyPlace(from: Place, to: Place): void {
  for (let at = 16 * from.pieces + 8; at >= 0; at -= 8) store<i64>(changetype<usize>(to) + at, load<i64>(changetype<usize>(from) + at));
}

/** Takes the place's cores and pages (1), or gives them back (-1). */
export function take(vm: i32, place: Place, sign: i32): void {
  const each = <f64>vmPages[vm] / <f64>vmVcpus[vm];
  spend(8 * place.pieces);
  for (let at = 0; at < place.pieces; at++) {
    const piece = pieceAt(place, at);
    const llc = piece.llc;
    const node = llcNode[llc];
    const cores = sign * coresFor(vm, piece.vcpus);
    shared -= max(0, -llcFree[llc]);
    llcFree[llc] -= cores;
    shared += max(0, -llcFree[llc]);
    nodeFree[node] -= cores;
    if (isPooled(vm) && (piece.vcpus & 1) == 1) {
      llcOdd[llc] += sign;
      nodeOdd[node] += sign;
    }
    nodePages[homeOf(node, 0)] -= <f64>(sign * piece.vcpus) * each;
  }
}

/** Finds what a VM loses at the place. */
export function priceAt(vm: i32, place: Place): void {
  const cells = place.cells;
  let hops: i64 = 0;
  let cores = 0;
  let remote: f64 = 0;
  const larges = vmVcpus[vm] % cells;
  const ofSmall = vmVcpus[vm] / cells;
  spend(32 + 8 * place.pieces * place.pieces);
  for (let a = 0; a < place.pieces; a++) {
    const piece = pieceAt(place, a);
    const node = llcNode[piece.llc];
    cores += coresFor(vm, piece.vcpus);
    // What the cells on the node have of the memory of all but themselves.
    let shares = <f64>(piece.small * ofSmall) / <f64>(vmVcpus[vm] - ofSmall);
    if (piece.large > 0) shares += <f64>(piece.large * (ofSmall + 1)) / <f64>(vmVcpus[vm] - ofSmall - 1);
    for (let b = 0; b < place.pieces; b++) {
      const next = pieceAt(place, b);
      const other = llcNode[next.llc];
      if (a != b) hops += <i64>(piece.vcpus * next.vcpus) * <i64>(node == other ? 10 : hopBetween(node, other));
      if (node != other) remote += shares * <f64>(next.vcpus * (distance(node, homeOf(other, 0)) - 10));
    }
  }
  let cost = communicationPrice(vm, <f64>(MICRO * hops)) + cellsPrice(vm, cells);
  if (cells > 1) cost += <i64>((vmWeight[vm] * vmMemoryBound[vm] * (1 - model[MODEL_HOME]) * <f64>MICRO * remote) / 10);
  let far: i64 = 0;
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) {
    let nearest = i32.MAX_VALUE;
    for (let at = 0; at < place.pieces; at++) nearest = min(nearest, distance(llcNode[pieceAt(place, at).llc], deviceNode[device]) - 10);
    far += <i64>nearest;
  }
  if (far > 0) cost += devicePrice(vm, far);
  const fewest = larges * coresFor(vm, ofSmall + 1) + (cells - larges) * coresFor(vm, ofSmall);
  place.cost = cost + <i64>(vmWeight[vm] * model[MODEL_SMT] * <f64>(MICRO * <i64>max(0, cores - fewest)));
}

/** Reads the place of a VM in the model's plan; false where it is in too many pieces. */
function readPlace(vm: i32, place: Place): bool {
  const start = vmStart[vm];
  const cells = vmCells[vm];
  place.cells = cells;
  place.pieces = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    let llc = nodeLlc[vcpuNode[vcpu]];
    while (llcOf[llc] != coreLlc[cpuCore[vcpuCpu[vcpu]]]) llc++;
    let at = 0;
    while (at < place.pieces && pieceAt(place, at).llc != llc) at++;
    if (at == place.pieces && !addPiece(place, llc, 0)) return false;
    pieceAt(place, at).vcpus++;
  }
  for (let cell = 0; cell < cells; cell++) {
    const piece = pieceOn(place, partNode[start + cell]);
    if (cell < vmVcpus[vm] % cells) piece.large++;
    else piece.small++;
  }
  priceAt(vm, place);
  return true;
}

/** The first piece on the node. */
function pieceOn(place: Place, node: i32): Piece {
  let at = 0;
  while (llcNode[pieceAt(place, at).llc] != node) at++;
  return pieceAt(place, at);
}

/** Enters the LLCs with what is free while the VMs of the list are out. */
export function enterLlcs(): bool {
  llcs = 0;
  shared = 0;
  useAllNodes();
  for (let node = 0; node < nodeCount; node++) {
    nodeLlc[node] = llcs;
    nodeFree[node] = 0;
    nodeOdd[node] = 0;
    nodePages[node] = 0;
    if (homesOf(node) == 0) return false;
    for (let size = 0; size < pageSizes; size++) {
      nodePages[node] += <f64>(freePages[node * MAX_PAGE_SIZES + size] << <i64>(pageShift[size] - pageShift[0]));
    }
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      const core = coreList[at];
      if (at == nodeCoreStart[node] || coreLlc[core] != llcOf[llcs - 1]) {
        if (llcs == MOST_LLCS) return false;
        llcOf[llcs] = coreLlc[core];
        llcNode[llcs] = node;
        llcOdd[llcs] = 0;
        llcFree[llcs++] = 0;
      }
      if (freeOnCore(core) < widestCore) continue;
      llcFree[llcs - 1]++;
      nodeFree[node]++;
    }
  }
  nodeLlc[nodeCount] = llcs;
  return true;
}

/** Lists the VMs that can be moved and reads where they are; false where that is not known, or not for this search. */
export function readPlan(): bool {
  spend(nodeCoreStart[nodeCount]);
  if (!listMovable() || !enterLlcs()) return false;
  for (let at = 0; at < vms; at++) if (!readPlace(list[at], placeAt(at))) return false;
  return true;
}

/** The place in coreList from which cores of the LLC are free. */
const coreAt = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));

/** A CPU of a core that is to be shared, whose other CPU is taken; -1: none. */
const halfCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LLCS, 8));

/** Before the places of the best plan are written. */
export function beginWriting(): void {
  enterLlcs();
  for (let at = 0; at < vms; at++) take(list[at], placeAt(BEST + at), 1);
  for (let llc = 0; llc < llcs; llc++) {
    halfCpu[llc] = -1;
    coreAt[llc] = nodeCoreStart[llcNode[llc]];
    while (coreLlc[coreList[coreAt[llc]]] != llcOf[llc]) coreAt[llc]++;
  }
}

/** Fills the VM's arrays with its place in the best plan; how many cells it has. Nothing is taken. */
export function writePlace(at: i32): i32 {
  const vm = list[at];
  const place = placeAt(BEST + at);
  const cells = place.cells;
  const start = vmStart[vm];
  layOutCells(vm, cells);
  vmParts[vm] = cells;
  let vcpu = start;
  for (let cell = start; cell < start + cells; cell++) {
    // Cells of a size are alike: any of them are on the node.
    const isLarge = cell - start < vmVcpus[vm] % cells;
    let first = 0;
    while ((isLarge ? pieceAt(place, first).large : pieceAt(place, first).small) == 0) first++;
    const piece = pieceAt(place, first);
    if (isLarge) piece.large--;
    else piece.small--;
    partCell[cell] = cell - start;
    partNode[cell] = llcNode[piece.llc];
    partDedicated[cell] = cellVcpus[cell];
    partShared[cell] = 0;
    for (let end = vcpu + cellVcpus[cell]; vcpu < end; vcpu++) {
      vcpuNode[vcpu] = partNode[cell];
      vcpuCpu[vcpu] = -1;
    }
  }
  for (let next = 0; next < place.pieces; next++) giveCores(vm, pieceAt(place, next));
  return cells;
}

/** Gives the piece's vCPUs, the first on the node that have none, CPUs of free cores. */
function giveCores(vm: i32, piece: Piece): void {
  const llc = piece.llc;
  let vcpu = vmStart[vm];
  let cpu = 0;
  for (let given = 0; given < piece.vcpus; given++) {
    const isLast = given == piece.vcpus - 1 && isPooled(vm) && (given & 1) == 0;
    if (isLast && halfCpu[llc] >= 0) {
      cpu = halfCpu[llc];
      halfCpu[llc] = -1;
    } else if (given % heldBy(vm, 1) == 0) {
      while (freeOnCore(coreList[coreAt[llc]]) < widestCore) coreAt[llc]++;
      cpu = coreCpuStart[coreList[coreAt[llc]++]];
      if (isLast && llcFree[llc] < 0) {
        llcFree[llc]++;
        halfCpu[llc] = cpu + 1;
      }
    }
    while (vcpuCpu[vcpu] >= 0 || vcpuNode[vcpu] != llcNode[llc]) vcpu++;
    vcpuCpu[vcpu] = coreCpus[cpu++];
  }
}
