// The cost of docs/model.md: whole micro-vCPUs, one rounding for each VM and term.
import { MAX_CPUS, MAX_NODES, THREADS_ISOLATE, THREADS_SPREAD, MODEL_COMMUNICATION, MODEL_DEVICE, MODEL_HOME, MODEL_SMT } from './abi';
import { coreCpus, coreCpuStart, coreList, cpuCapacity, cpuCore, cpuLlc, cpuNode, distance, memoryNode, nodeBandwidth, nodeCoreStart, nodeCount, nodeLlcs, widestCore } from './host';
import { coreDedicated, cpuOwner, demandBeyond } from './capacity';
import { cellNode, cellPages, cellVcpus, deviceNode, devices, deviceStrict, deviceVm, MICRO, vcpuCpu, vcpuDemand, vmAlive, vmBandwidth, vmCells, vmMemoryBound, vmPages, vmSharedDemand, vmSlots, vmStart, vmThreads, vmVcpus, vmWeight } from './request';

/** Coefficients, by MODEL_ number. */
export const model = new StaticArray<f64>(4);

export function resetModel(): void {
  model[MODEL_HOME] = 0.9;
  model[MODEL_COMMUNICATION] = 0.1;
  model[MODEL_SMT] = 0.38;
  model[MODEL_DEVICE] = 0.05;
}

export function rounded(value: f64): i64 {
  return <i64>Math.floor(value + 0.5);
}

/** Memory node of a cell's node, or the node itself where the host has no memory at all. */
function homeOf(node: i32): i32 {
  return memoryNode[node] < 0 ? node : memoryNode[node];
}

/** Demand of a cell's vCPUs times the mean distance beyond 10 that they have to memory: its own and the other cells'. */
function farDemand(vm: i32, cells: i32, cell: i32): f64 {
  const start = vmStart[vm];
  const node = cellNode[cell];
  const own = <f64>(distance(node, homeOf(node)) - 10);
  let far: i64 = 0;
  let pages: i64 = 0;
  for (let other = start; other < start + cells; other++) {
    if (other == cell) continue;
    far += cellPages[other] * <i64>(distance(node, homeOf(cellNode[other])) - 10);
    pages += cellPages[other];
  }
  const demand = <f64>(<i64>cellVcpus[cell] * vcpuDemand(vm));
  if (pages == 0) return demand * own;
  const home = model[MODEL_HOME];
  return demand * (home * own + ((1 - home) * <f64>far) / <f64>pages);
}

/** `remoteMemory`, with the VM's first `cells` cells where their arrays say. */
export function remoteMemory(vm: i32, cells: i32): i64 {
  const start = vmStart[vm];
  let demand: f64 = 0;
  for (let cell = start; cell < start + cells; cell++) demand += farDemand(vm, cells, cell);
  return rounded((vmWeight[vm] * vmMemoryBound[vm] * demand) / 10);
}

/** Ten times the hops of all ordered pairs of vCPUs, as a price. */
export function communicationPrice(vm: i32, hops: i64): i64 {
  const vcpus = vmVcpus[vm];
  if (vcpus < 2) return 0;
  const weighted = <f64>(hops * vcpuDemand(vm));
  return rounded((vmWeight[vm] * model[MODEL_COMMUNICATION] * weighted) / 10 / <f64>(vcpus - 1));
}

// Groups of a VM's vCPUs that are alike: an LLC on a node, or a node for shared vCPUs.
const groupNode = new StaticArray<i32>(MAX_CPUS);
const groupLlc = new StaticArray<i32>(MAX_CPUS);
const groupSize = new StaticArray<i64>(MAX_CPUS);
let groups: i32 = 0;

function enterGroup(node: i32, llc: i32, size: i64): void {
  for (let group = groups - 1; group >= 0; group--) {
    if (groupNode[group] == node && groupLlc[group] == llc) {
      groupSize[group] += size;
      return;
    }
  }
  groupNode[groups] = node;
  groupLlc[groups] = llc;
  groupSize[groups++] = size;
}

function groupVcpus(vm: i32): void {
  const start = vmStart[vm];
  groups = 0;
  if (vmSharedDemand[vm] != 0) {
    for (let cell = start; cell < start + vmCells[vm]; cell++) enterGroup(cellNode[cell], -1, cellVcpus[cell]);
    return;
  }
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    const cpu = vcpuCpu[vcpu];
    enterGroup(cpuNode[cpu], cpuLlc[cpu], 1);
  }
}

/** Ten times the hop between two vCPUs on one node of which at least one is shared. */
export function sharedHop(node: i32): i64 {
  return nodeLlcs[node] == 1 ? 0 : 10;
}

export function communication(vm: i32): i64 {
  groupVcpus(vm);
  const shared = vmSharedDemand[vm] != 0;
  let hops: i64 = 0;
  for (let a = 0; a < groups; a++) {
    if (shared) hops += groupSize[a] * (groupSize[a] - 1) * sharedHop(groupNode[a]);
    for (let b = 0; b < groups; b++) {
      if (a == b || (!shared && groupLlc[a] == groupLlc[b])) continue;
      const hop = groupNode[a] == groupNode[b] ? 10 : <i64>distance(groupNode[a], groupNode[b]);
      hops += groupSize[a] * groupSize[b] * hop;
    }
  }
  return communicationPrice(vm, hops);
}

// Dedicated vCPUs of one VM (or of one cell) by core, valid where the stamp is the current one.
const coreStamp = new StaticArray<i32>(MAX_CPUS);
const coreOwn = new StaticArray<i32>(MAX_CPUS);
let stamp: i32 = 0;

function countOwn(from: i32, to: i32): i32 {
  let cores = 0;
  stamp++;
  for (let vcpu = from; vcpu < to; vcpu++) {
    const core = cpuCore[vcpuCpu[vcpu]];
    if (coreStamp[core] != stamp) {
      coreStamp[core] = stamp;
      coreOwn[core] = 0;
      cores++;
    }
    coreOwn[core]++;
  }
  return cores;
}

/** Busy siblings and excess cores. */
function smtCount(vm: i32): i64 {
  const start = vmStart[vm];
  const end = start + vmVcpus[vm];
  const threads = vmThreads[vm];
  let count: i64 = 0;
  if (threads == THREADS_ISOLATE || threads == THREADS_SPREAD) {
    for (let vcpu = start; vcpu < end; vcpu++) count += <i64>(coreDedicated[cpuCore[vcpuCpu[vcpu]]] - 1);
    return count;
  }
  countOwn(start, end);
  for (let vcpu = start; vcpu < end; vcpu++) {
    const core = cpuCore[vcpuCpu[vcpu]];
    count += <i64>(coreDedicated[core] - coreOwn[core]);
  }
  let vcpu = start;
  for (let cell = start; cell < start + vmCells[vm]; cell++) {
    const fewest = (cellVcpus[cell] + widestCore - 1) / widestCore;
    count += <i64>(countOwn(vcpu, vcpu + cellVcpus[cell]) - fewest);
    vcpu += cellVcpus[cell];
  }
  return count;
}

export function smt(vm: i32): i64 {
  if (vmSharedDemand[vm] != 0) return 0;
  return rounded(vmWeight[vm] * model[MODEL_SMT] * <f64>MICRO * <f64>smtCount(vm));
}

/** 1024 less the mean capacity, rounded down, of the shared CPUs of the node. */
function sharedSlowness(node: i32): i64 {
  let capacities = 0;
  let cpus = 0;
  for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
    const core = coreList[at];
    if (coreDedicated[core] != 0) continue;
    for (let cpu = coreCpuStart[core]; cpu < coreCpuStart[core + 1]; cpu++) {
      if (cpuOwner[coreCpus[cpu]] != 0) continue;
      capacities += cpuCapacity[coreCpus[cpu]];
      cpus++;
    }
  }
  return cpus == 0 ? 0 : <i64>(1024 - capacities / cpus);
}

/** `slowness`: the sum over the VM's vCPUs of 1024 - capacity. */
export function capacityPrice(vm: i32, slowness: i64): i64 {
  return rounded((vmWeight[vm] * <f64>(slowness * vcpuDemand(vm))) / 1024);
}

export function capacity(vm: i32): i64 {
  const start = vmStart[vm];
  let slowness: i64 = 0;
  if (vmSharedDemand[vm] != 0) {
    for (let cell = start; cell < start + vmCells[vm]; cell++) {
      slowness += <i64>cellVcpus[cell] * sharedSlowness(cellNode[cell]);
    }
  } else {
    for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) slowness += <i64>(1024 - cpuCapacity[vcpuCpu[vcpu]]);
  }
  return capacityPrice(vm, slowness);
}

/** `device`, with the VM's first `cells` cells where their arrays say. */
export function deviceCost(vm: i32, cells: i32): i64 {
  const start = vmStart[vm];
  let far: i64 = 0;
  for (let device = 0; device < devices; device++) {
    if (deviceVm[device] != vm || deviceStrict[device]) continue;
    let least = i32.MAX_VALUE;
    for (let cell = start; cell < start + cells; cell++) {
      least = min(least, distance(cellNode[cell], deviceNode[device]) - 10);
    }
    far += <i64>least;
  }
  const demand = <f64>(<i64>vmVcpus[vm] * vcpuDemand(vm));
  return rounded((vmWeight[vm] * model[MODEL_DEVICE] * demand * <f64>far) / 10);
}

/** What a placed VM loses. */
export function vmCost(vm: i32): i64 {
  return remoteMemory(vm, vmCells[vm]) + communication(vm) + smt(vm) + capacity(vm) + deviceCost(vm, vmCells[vm]);
}

/** What all nodes lose by overcommitted shared CPUs. */
export function overcommitCost(): i64 {
  let cost: i64 = 0;
  for (let node = 0; node < nodeCount; node++) cost += demandBeyond(node);
  return cost;
}

// By node: what is taken of its bandwidth, and its vCPUs' share of time that waits for memory, in millionths.
const nodeTaken = new StaticArray<f64>(MAX_NODES);
const nodeWaiting = new StaticArray<f64>(MAX_NODES);

/** What all nodes lose by memory bandwidth that is asked for and not there. */
export function bandwidthCost(): i64 {
  for (let node = 0; node < nodeCount; node++) {
    nodeTaken[node] = 0;
    nodeWaiting[node] = 0;
  }
  let taken = false;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || vmCells[vm] == 0) continue;
    taken = taken || vmBandwidth[vm] > 0;
    addBandwidth(vm);
  }
  if (!taken) return 0;
  let cost: i64 = 0;
  for (let node = 0; node < nodeCount; node++) {
    const given = nodeBandwidth[node];
    if (given > 0 && nodeTaken[node] > given) cost += rounded((1 - given / nodeTaken[node]) * nodeWaiting[node]);
  }
  return cost;
}

/** One addition for each VM and node, so that sums do not depend on how it is divided into cells. */
function addBandwidth(vm: i32): void {
  const start = vmStart[vm];
  const end = start + vmCells[vm];
  for (let cell = start; cell < end; cell++) {
    const node = cellNode[cell];
    const home = homeOf(node);
    let vcpus = 0;
    let pages: i64 = 0;
    let firstOnNode = true;
    let firstAtHome = true;
    for (let other = start; other < end; other++) {
      if (cellNode[other] == node) {
        vcpus += cellVcpus[other];
        firstOnNode = firstOnNode && other >= cell;
      }
      if (homeOf(cellNode[other]) == home) {
        pages += cellPages[other];
        firstAtHome = firstAtHome && other >= cell;
      }
    }
    if (firstOnNode) nodeWaiting[node] += <f64>(<i64>vcpus * vcpuDemand(vm)) * vmMemoryBound[vm];
    if (firstAtHome) nodeTaken[home] += (vmBandwidth[vm] * <f64>pages) / <f64>vmPages[vm];
  }
}

/** What the plan loses as it stands. */
export function totalCost(): i64 {
  let cost = overcommitCost() + bandwidthCost();
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && vmCells[vm] != 0) cost += vmCost(vm);
  return cost;
}

