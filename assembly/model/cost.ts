// The cost of docs/model.md: whole micro-vCPUs, one rounding for each VM and term.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, MODEL_CELLS, MODEL_DEVICE, MODEL_HOME, MODEL_SMT, TERM_CAPACITY, TERM_CELLS, TERM_COMMUNICATION, TERM_DEVICE, TERM_MIGRATION, TERM_REMOTE_MEMORY, TERM_SMT, THREADS_ISOLATE, THREADS_SPREAD } from '../abi';
import { spend } from '../work';
import { coreDedicated, nodeFloatCapacity, nodeFloatCpus } from './capacity';
import { communication } from './communication';
import { cpuCapacity, cpuCore, distance, widestCore } from '../problem/host';
import { entryNode, entryPages, nextEntry } from './memory';
import { migration } from './migration';
import { model, rounded } from '../problem/coefficients';
import { MICRO, cellDedicated, cellMemory, cellVcpus, demandOf, deviceNode, deviceStrict, nextDevice, partCell, partDedicated, partNode, partShared, vcpuCpu, vmCells, vmDemand, vmDevice, vmMemoryBound, vmPages, vmParts, vmStart, vmThreads, vmVcpus, vmWeight } from '../problem/request';

/** Base pages of the VM by node, and the nodes that have some. */
const vmPagesOn = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const vmMemoryNodes = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
let memoryNodes: i32 = 0;

function sumPages(vm: i32): void {
  memoryNodes = 0;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCells[vm]; cell++) {
    for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
      const node = entryNode[entry];
      let at = 0;
      while (at < memoryNodes && vmMemoryNodes[at] != node) at++;
      if (at == memoryNodes) {
        vmMemoryNodes[memoryNodes++] = node;
        vmPagesOn[node] = 0;
      }
      vmPagesOn[node] += entryPages[entry];
    }
  }
}

/** Mean distance beyond 10 from a node to the memory that vCPUs of the cell use: its own and the other cells'. */
function meanReach(node: i32, cell: i32, allPages: i64): f64 {
  let ownPages: i64 = 0;
  let ownReach: i64 = 0;
  let reach: i64 = 0;
  for (let entry = cellMemory[cell]; entry >= 0; entry = nextEntry[entry]) {
    ownPages += entryPages[entry];
    ownReach += entryPages[entry] * <i64>(distance(node, entryNode[entry]) - 10);
  }
  for (let at = 0; at < memoryNodes; at++) {
    reach += vmPagesOn[vmMemoryNodes[at]] * <i64>(distance(node, vmMemoryNodes[at]) - 10);
  }
  const own = <f64>ownReach / <f64>ownPages;
  const others = allPages - ownPages;
  if (others == 0) return own;
  const home = model[MODEL_HOME];
  return home * own + ((1 - home) * <f64>(reach - ownReach)) / <f64>others;
}

export function remoteMemory(vm: i32): i64 {
  const start = vmStart[vm];
  let demand: f64 = 0;
  let pages: i64 = 0;
  sumPages(vm);
  for (let at = 0; at < memoryNodes; at++) pages += vmPagesOn[vmMemoryNodes[at]];
  spend(vmCells[vm] * memoryNodes + vmParts[vm] * (2 + memoryNodes));
  for (let part = start; part < start + vmParts[vm]; part++) {
    const mean = meanReach(partNode[part], start + partCell[part], pages);
    demand += <f64>demandOf(vm, partDedicated[part], partShared[part]) * mean;
  }
  return rounded((vmWeight[vm] * vmMemoryBound[vm] * demand) / 10);
}

// Dedicated vCPUs of one VM (or of one cell) by core. An entry is valid if its stamp is the current one.
const coreStamp = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const coreOwn = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
let stamp: i32 = 0;

function countOwn(from: i32, to: i32): i32 {
  let cores = 0;
  stamp++;
  for (let vcpu = from; vcpu < to; vcpu++) {
    if (vcpuCpu[vcpu] < 0) continue;
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
  spend(4 * vmVcpus[vm]);
  const start = vmStart[vm];
  const end = start + vmVcpus[vm];
  const threads = vmThreads[vm];
  let count: i64 = 0;
  if (threads == THREADS_ISOLATE || threads == THREADS_SPREAD) {
    for (let vcpu = start; vcpu < end; vcpu++) {
      if (vcpuCpu[vcpu] >= 0) count += <i64>(coreDedicated[cpuCore[vcpuCpu[vcpu]]] - 1);
    }
    return count;
  }
  countOwn(start, end);
  for (let vcpu = start; vcpu < end; vcpu++) {
    if (vcpuCpu[vcpu] < 0) continue;
    const core = cpuCore[vcpuCpu[vcpu]];
    count += <i64>(coreDedicated[core] - coreOwn[core]);
  }
  let vcpu = start;
  for (let cell = start; cell < start + vmCells[vm]; cell++) {
    const fewest = (cellDedicated[cell] + widestCore - 1) / widestCore;
    count += <i64>(countOwn(vcpu, vcpu + cellVcpus[cell]) - fewest);
    vcpu += cellVcpus[cell];
  }
  return count;
}

export function smt(vm: i32): i64 {
  return rounded(vmWeight[vm] * model[MODEL_SMT] * <f64>MICRO * <f64>smtCount(vm));
}

/** 1024 less the mean capacity, rounded down, of the shared CPUs of the node. */
function sharedSlowness(node: i32): i64 {
  return nodeFloatCpus[node] == 0 ? 0 : <i64>(1024 - nodeFloatCapacity[node] / nodeFloatCpus[node]);
}

/** `slowness`: the sum over the VM's vCPUs of demand x (1024 - capacity). */
export function capacityPrice(vm: i32, slowness: i64): i64 {
  return rounded((vmWeight[vm] * <f64>slowness) / 1024);
}

export function capacity(vm: i32): i64 {
  const start = vmStart[vm];
  let slowness: i64 = 0;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    if (vcpuCpu[vcpu] >= 0) slowness += MICRO * <i64>(1024 - cpuCapacity[vcpuCpu[vcpu]]);
  }
  for (let part = start; part < start + vmParts[vm]; part++) {
    if (partShared[part] != 0) slowness += demandOf(vm, 0, partShared[part]) * sharedSlowness(partNode[part]);
  }
  return capacityPrice(vm, slowness);
}

export function deviceCost(vm: i32): i64 {
  const start = vmStart[vm];
  if (vmDevice[vm] < 0) return 0;
  let far: i64 = 0;
  for (let device = vmDevice[vm]; device >= 0; device = nextDevice[device]) {
    if (deviceStrict[device]) continue;
    let least = i32.MAX_VALUE;
    spend(vmParts[vm]);
    for (let part = start; part < start + vmParts[vm]; part++) {
      least = min(least, distance(partNode[part], deviceNode[device]) - 10);
    }
    far += <i64>least;
  }
  return devicePrice(vm, far);
}

/** What the VM loses that is so far from its devices, as a sum of distances beyond 10. */
export function devicePrice(vm: i32, far: i64): i64 {
  return rounded((vmWeight[vm] * model[MODEL_DEVICE] * <f64>vmDemand(vm) * <f64>far) / 10);
}

/** What so many cells of the VM cost. */
export function cellsPrice(vm: i32, cells: i32): i64 {
  return rounded(vmWeight[vm] * model[MODEL_CELLS] * <f64>MICRO * <f64>vmVcpus[vm] * <f64>(cells - 1));
}

/** One TERM_ of what a placed VM loses. 0 for the terms that nodes lose. */
export function termOf(vm: i32, term: i32): i64 {
  switch (term) {
    case TERM_REMOTE_MEMORY: return remoteMemory(vm);
    case TERM_COMMUNICATION: return communication(vm);
    case TERM_SMT: return smt(vm);
    case TERM_CAPACITY: return capacity(vm);
    case TERM_CELLS: return cellsPrice(vm, vmCells[vm]);
    case TERM_DEVICE: return deviceCost(vm);
    case TERM_MIGRATION: return migration(vm);
    default: return 0;
  }
}

/** What a placed VM loses. */
export function vmCost(vm: i32): i64 {
  let cost: i64 = 0;
  for (let term = 0; term <= TERM_MIGRATION; term++) cost += termOf(vm, term);
  return cost;
}
