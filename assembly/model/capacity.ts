// What is taken of CPUs, cores, LLCs, nodes and shared demand. VMs are placed and unplaced here.
import { Flat } from '../flat';
import { BECAUSE_THREAD_POLICY, BECAUSE_TRUST, CPU_GUESTS, CPU_ISOLATED, MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { coreCapacity, coreCpus, coreCpuStart, coreGuests, coreHasHost, coreList, coreLlc, coreNode, cpuCapacity, cpuCore, cpuId, cpuUse, isolatedCpus, nodeCoreStart, nodeCount, nodeGuests, nodePages, nodeUsable, pageSizes } from '../problem/host';
import { clearBeside, countBeside } from './beside';
import { takeMemory } from './lay';
import { clearWaiting, noteMemory, notePart } from './waiting';
import { clearMemory, forgetMemory, freePages, releaseMemory, retakeMemory } from './memory';
import { setPart } from '../problem/current';
import { touchShared, touchVm } from '../problem/stale';
import { cellMemory, MICRO, partNode, partShared, threadCpu, vcpuCpu, vmCells, vmParts, vmSharedDemand, vmStart, vmThreads, vmThreadsPlaced, vmThreadStart, vmTrust, vmVcpus } from '../problem/request';

/** Shared demand that a shared CPU may have. */
export let overcommit: f64 = 4;
export function setOvercommitTo(value: f64): void {
  overcommit = value;
}

/** 1 + the VM that has the CPU for a dedicated vCPU, or less 1 - that for a thread of its VMM; 0: free. */
export const cpuOwner = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Dedicated vCPUs on the core. */
export const coreDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Threads of VMMs that have a CPU of the core. */
export const coreThreads = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Trust domain of the dedicated vCPUs and threads on the core. */
export const coreTrust = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** 1 + the `isolate` or `require` VM that keeps the core for itself; 0: none. */
export const coreHolder = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Shared CPUs of the node: usable, not isolated, on cores without a dedicated vCPU or thread. */
export const nodeShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/**
 * CPUs of the node's cores that shared vCPUs float over, and the sum of their capacities. Where no core is on two nodes, their number is
 * `nodeShared`.
 */
export const nodeFloatCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeFloatCapacity = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Stands for the set of these CPUs, as `vcpuCurrentSet` does for a vCPU's. */
export const nodeFloatSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_NODES, 8));
/** Demand of the shared vCPUs on the node, in millionths of a CPU. */
export const nodeDemand = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
/** Dedicated vCPUs on the node, and on the LLC. */
const nodeDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const llcDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** CPUs on the node's cores without a dedicated vCPU or thread; such cores; those without the host's threads, and CPUs on these. */
export const nodeFresh = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeFreshCores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeFreshWhole = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeFreshWholeCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** The most CPUs that one of its LLCs has on cores without a dedicated vCPU or thread, as rooms.ts finds it. */
export const nodeWidest = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const UNKNOWN: i32 = -1;
/** Free CPUs on the node's other cores, and those of them on cores that a VM keeps for itself. */
export const nodeBeside = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeKept = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Parts of cells on the node. */
const nodeParts = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Parts with shared vCPUs on the node, and the trust domain that all of these have; UNNAMED: none of them names one. */
export const nodeFloating = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeTrust = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const UNNAMED: i32 = -1;
/** Isolated CPUs that nobody has. */
let isolatedLeft: i32 = 0;
// Nodes with a part, LLCs and cores with a dedicated vCPU.
let touchedNodes: i32 = 0;
let touchedLlcs: i32 = 0;
let touchedCores: i32 = 0;

export function clearOccupancy(): void {
  touchedNodes = 0;
  touchedLlcs = 0;
  touchedCores = 0;
  isolatedLeft = isolatedCpus;
  for (let cpu = 0; cpu < MAX_CPUS; cpu++) {
    cpuOwner[cpu] = 0;
    llcDedicated[cpu] = 0;
    coreDedicated[cpu] = 0;
    coreThreads[cpu] = 0;
    coreHolder[cpu] = 0;
  }
  for (let node = 0; node < nodeCount; node++) {
    clearWaiting(node);
    nodeFresh[node] = 0;
    nodeFreshCores[node] = 0;
    nodeFreshWhole[node] = 0;
    nodeFreshWholeCpus[node] = 0;
    nodeBeside[node] = 0;
    nodeKept[node] = 0;
    nodeShared[node] = nodeGuests[node];
    nodeFloatCpus[node] = 0;
    nodeFloatCapacity[node] = 0;
    nodeFloatSet[node] = 0;
    touchShared(node);
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      float(node, coreList[at], 1);
      countCore(coreList[at], 1);
    }
    nodeFloating[node] = 0;
    nodeDemand[node] = 0;
    nodeDedicated[node] = 0;
    nodeParts[node] = 0;
  }
  clearBeside();
  clearMemory();
}

/** Counts the core's free CPUs among those of its node (1), or no longer (-1): before and after someone comes to it or goes. */
function countCore(core: i32, sign: i32): void {
  const node = coreNode[core];
  const cpus = sign * freeOnCore(core);
  if (!isDedicated(core)) {
    nodeWidest[node] = UNKNOWN;
    nodeFresh[node] += cpus;
    nodeFreshCores[node] += sign;
    if (coreHasHost[core]) return;
    nodeFreshWhole[node] += sign;
    nodeFreshWholeCpus[node] += cpus;
    return;
  }
  const kept = coreHolder[core] != 0;
  nodeBeside[node] += cpus;
  if (kept) nodeKept[node] += cpus;
  if (coreTrust[core] >= 0) countBeside(node, coreTrust[core], sign, freeOnCore(core), kept);
}

export function coreWidth(core: i32): i32 {
  return coreCpuStart[core + 1] - coreCpuStart[core];
}

/** Shared vCPUs may float over the core's CPUs from now on (1), or no longer (-1). */
function float(node: i32, core: i32, sign: i32): void {
  nodeFloatCpus[node] += sign * coreGuests[core];
  for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
    const cpu = coreCpus[at];
    if (cpuUse[cpu] != CPU_GUESTS) continue;
    nodeFloatCapacity[node] += sign * cpuCapacity[cpu];
    nodeFloatSet[node] += <u64>(<i64>sign) * setPart(cpuId[cpu]);
  }
}

/** Whether two cores are interchangeable: alike, and the same VMs on the same of their CPUs. */
export function coresAlike(a: i32, b: i32): bool {
  if (coreCapacity[a] != coreCapacity[b] || coreWidth(a) != coreWidth(b)) return false;
  if (coreGuests[a] != coreGuests[b] || coreHasHost[a] != coreHasHost[b]) return false;
  for (let at = 0; at < coreWidth(a); at++) {
    if (cpuOwner[coreCpus[coreCpuStart[a] + at]] != cpuOwner[coreCpus[coreCpuStart[b] + at]]) return false;
  }
  return true;
}

/** A core that nobody's dedicated vCPU is on. */
export function isFreshCore(core: i32): bool {
  return coreDedicated[core] == 0;
}

/** Whether a dedicated vCPU or thread is on the core. */
export function isDedicated(core: i32): bool {
  return coreDedicated[core] + coreThreads[core] != 0;
}

/** CPUs that shared vCPUs lose where somebody gets one of the core to itself. */
export function guestsLost(core: i32): i32 {
  return isDedicated(core) ? 0 : coreGuests[core];
}

/** Usable CPUs of the core that are nobody's. */
export function freeOnCore(core: i32): i32 {
  return coreWidth(core) - coreDedicated[core] - coreThreads[core];
}

/** Usable CPUs that nobody has for itself. */
export function freeCpus(): i64 {
  let free: i64 = 0;
  for (let node = 0; node < nodeCount; node++) free += nodeUsable[node] - nodeDedicated[node];
  return free;
}

/** The trust domain of the VM among those that float: those without a name may be together. */
export function domainOf(vm: i32): i32 {
  return max(UNNAMED, vmTrust[vm]);
}

/** Gives a CPU to somebody for itself: its core is not shared from then on. */
function give(vm: i32, cpu: i32, owner: i32): void {
  const core = cpuCore[cpu];
  const node = coreNode[core];
  cpuOwner[cpu] = owner;
  nodeDedicated[node]++;
  if (cpuUse[cpu] == CPU_ISOLATED) isolatedLeft--;
  if (isDedicated(core)) return;
  touchShared(node);
  nodeShared[node] -= coreGuests[core];
  float(node, core, -1);
  coreTrust[core] = vmTrust[vm];
}

/** What `give` gave, after it is gone from its core. */
function takeBack(cpu: i32): void {
  const core = cpuCore[cpu];
  const node = coreNode[core];
  cpuOwner[cpu] = 0;
  nodeDedicated[node]--;
  if (cpuUse[cpu] == CPU_ISOLATED) isolatedLeft++;
  if (isDedicated(core)) return;
  touchShared(node);
  nodeShared[node] += coreGuests[core];
  float(node, core, 1);
}

/** The VMs on the core have someone else beside them. */
function touchNeighbours(core: i32): void {
  for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
    const owner = cpuOwner[coreCpus[at]];
    if (owner > 0) touchVm(owner - 1);
  }
}

export function takeCpu(vm: i32, cpu: i32): void {
  const core = cpuCore[cpu];
  countCore(core, -1);
  give(vm, cpu, vm + 1);
  touchVm(vm);
  if (llcDedicated[coreLlc[core]]++ == 0) touchedLlcs++;
  if (coreDedicated[core]++ > 0) {
    touchNeighbours(core);
  } else {
    touchedCores++;
    const threads = vmThreads[vm];
    coreHolder[core] = threads == THREADS_ISOLATE || threads == THREADS_REQUIRE ? vm + 1 : 0;
  }
  countCore(core, 1);
}

export function releaseCpu(cpu: i32): void {
  const core = cpuCore[cpu];
  countCore(core, -1);
  if (--llcDedicated[coreLlc[core]] == 0) touchedLlcs--;
  if (--coreDedicated[core] == 0) {
    touchedCores--;
    coreHolder[core] = 0;
  }
  takeBack(cpu);
  countCore(core, 1);
  touchNeighbours(core);
}

/** Whether a thread of the VM's VMM may have a CPU of the core. */
export function takesThread(vm: i32, core: i32, relaxed: i32): bool {
  const holder = (relaxed & BECAUSE_THREAD_POLICY) != 0 ? 0 : coreHolder[core];
  if (holder != 0 && (holder != vm + 1 || vmThreads[vm] == THREADS_ISOLATE)) return false;
  if (isDedicated(core) && coreTrust[core] != vmTrust[vm] && (relaxed & BECAUSE_TRUST) == 0) return false;
  return freeOnCore(core) > 0;
}

/** Whether the core has a dedicated vCPU or a thread of the VM. */
export function isOwnCore(vm: i32, core: i32): bool {
  for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
    if (abs(cpuOwner[coreCpus[at]]) == vm + 1) return true;
  }
  return false;
}

/** Gives the VM's next thread the CPU. */
export function takeThread(vm: i32, cpu: i32): void {
  const core = cpuCore[cpu];
  threadCpu[vmThreadStart[vm] + vmThreadsPlaced[vm]++] = cpu;
  countCore(core, -1);
  give(vm, cpu, -1 - vm);
  coreThreads[core]++;
  countCore(core, 1);
}

/** Gives back the CPUs of the VM's threads. */
export function releaseThreads(vm: i32): void {
  for (let at = 0; at < vmThreadsPlaced[vm]; at++) {
    const cpu = threadCpu[vmThreadStart[vm] + at];
    const core = cpuCore[cpu];
    countCore(core, -1);
    coreThreads[core]--;
    takeBack(cpu);
    countCore(core, 1);
  }
  vmThreadsPlaced[vm] = 0;
}

/** The core's first usable CPU that is free, isolated ones before others; -1: none. */
export function freeCpu(core: i32): i32 {
  for (let at = coreCpuStart[core]; at < coreCpuStart[core + 1]; at++) {
    if (cpuOwner[coreCpus[at]] == 0) return coreCpus[at];
  }
  return -1;
}

function moveParts(vm: i32, sign: i32): void {
  const start = vmStart[vm];
  for (let part = start; part < start + vmParts[vm]; part++) {
    const node = partNode[part];
    if (nodeParts[node] == (sign > 0 ? 0 : 1)) touchedNodes += sign;
    nodeParts[node] += sign;
    nodeDemand[node] += <i64>(sign * partShared[part]) * vmSharedDemand[vm];
    notePart(vm, node, sign > 0);
    if (partShared[part] == 0) continue;
    if (nodeFloating[node] == 0) nodeTrust[node] = domainOf(vm);
    nodeFloating[node] += sign;
  }
  noteMemory(vm, sign > 0);
  touchVm(vm);
}

/**
 * Takes memory and shared demand as the VM's cells and parts stand. False where there is too little memory: then nothing is taken.
 * Its dedicated CPUs are taken one by one.
 */
export function takeParts(vm: i32, cells: i32): bool {
  vmCells[vm] = cells;
  if (!takeMemory(vm)) {
    vmCells[vm] = 0;
    return false;
  }
  moveParts(vm, 1);
  return true;
}

/** The same without memory: for a VM whose memory is left aside. */
export function takePartsAlone(vm: i32, cells: i32): void {
  vmCells[vm] = cells;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + cells; cell++) cellMemory[cell] = -1;
  moveParts(vm, 1);
}

function releaseCpus(vm: i32): void {
  const start = vmStart[vm];
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) if (vcpuCpu[vcpu] >= 0) releaseCpu(vcpuCpu[vcpu]);
  releaseThreads(vm);
}

/** Lets go of everything that the VM has, CPUs as its vCPU array names them. */
export function unplace(vm: i32): void {
  moveParts(vm, -1);
  releaseMemory(vm);
  forgetMemory(vm);
  releaseCpus(vm);
  vmCells[vm] = 0;
}

/** Lets go of everything, but keeps the lists of memory for `restore`. */
export function lift(vm: i32): void {
  moveParts(vm, -1);
  releaseMemory(vm);
  releaseCpus(vm);
  vmCells[vm] = 0;
}

/** Takes everything in the VM's arrays again: cells, parts, lists of memory, CPUs. Threads' CPUs are taken one by one. */
export function restore(vm: i32, cells: i32): void {
  vmCells[vm] = cells;
  retakeMemory(vm);
  moveParts(vm, 1);
  takeCpus(vm);
}

/** Takes the CPUs that the VM's vCPU array names. */
export function takeCpus(vm: i32): void {
  const start = vmStart[vm];
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) if (vcpuCpu[vcpu] >= 0) takeCpu(vm, vcpuCpu[vcpu]);
}

/** Whether the shared demand of a node is within `overcommit` times its shared CPUs. */
export function demandFits(node: i32): bool {
  const demand = nodeDemand[node];
  return demand == 0 || <f64>demand <= overcommit * <f64>MICRO * <f64>nodeShared[node];
}

/** Whether nothing of the node is taken. */
export function isUntouched(node: i32): bool {
  if (nodeParts[node] != 0 || nodeDedicated[node] != 0) return false;
  for (let size = 0; size < pageSizes; size++) {
    if (freePages[node * MAX_PAGE_SIZES + size] != nodePages[node * MAX_PAGE_SIZES + size]) return false;
  }
  return true;
}

/** Isolated CPUs that are left once so many more are taken. Between plans of equal cost, the fewest of them come first. */
export function isolationScore(taken: i32): i64 {
  return <i64>max(0, isolatedLeft - taken) << 50;
}

/** Nodes, then LLCs, then cores in use, as one number: what `pack` keeps low between plans of equal cost. */
export function packScore(): i64 {
  return (<i64>touchedNodes << 40) | (<i64>touchedLlcs << 20) | <i64>touchedCores;
}

/** Cores with a dedicated vCPU. */
export function coresInUse(): i64 {
  return touchedCores;
}

/** Difference between the most and the least loaded node, in millionths: what `spread` keeps low. */
export function spreadScore(): i64 {
  let most: i64 = 0;
  let least: i64 = i64.MAX_VALUE;
  for (let node = 0; node < nodeCount; node++) {
    if (nodeUsable[node] == 0) continue;
    const load = (<i64>nodeDedicated[node] * MICRO + nodeDemand[node]) / <i64>nodeUsable[node];
    most = max(most, load);
    least = min(least, load);
  }
  return most - min(most, least);
}

/** Shared demand beyond the node's shared CPUs, in millionths: the cost term `overcommit`. */
export function demandBeyond(node: i32): i64 {
  return max<i64>(0, nodeDemand[node] - MICRO * <i64>nodeShared[node]);
}
