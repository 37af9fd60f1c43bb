// Which CPUs of a node a cell's dedicated vCPUs get. Whole or idle cores come before parts of busy ones. As few LLCs as possible are
// used, so that vCPUs of a VM share caches.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_VM_VCPUS, STRATEGY_SPREAD, THREADS_ISOLATE, THREADS_SPREAD } from '../abi';
import { coreCapacity, coreGuests, coreList, coreLlc, cpuCore, cpuNode, nodeCoreStart } from '../problem/host';
import { spend } from '../work';
import { freeCpu, isFreshCore, takeCpu } from '../model/capacity';
import { coreRoom } from '../model/rooms';
import { thrifty } from '../model/thrift';
import { vcpuCpu, vmStart, vmThreads, vmVcpus } from '../problem/request';

/** STRATEGY_ number. */
export let strategy: i32 = 0;
export function setStrategyTo(value: i32): void {
  strategy = value;
}

/** Room and own vCPUs by LLC, for one call of chooseCpus. */
const llcRoom = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const llcOwn = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

/** What chooseCpus took, ascending. */
export const chosen = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));

/** Whether cores are to be filled, whatever that costs. */
let dense: bool = false;
/** BECAUSE_ bits of constraints to leave aside, where an explanation asks what would be without them. */
export let aside: i32 = 0;
export function setAside(constraints: i32): void {
  aside = constraints;
}

/** Only cores of this capacity are looked at; 0: all. */
let level: i32 = 0;
/** Whether only cores of isolated CPUs are looked at. */
let onlyIsolated: bool = false;

/** vCPUs of the VM that the core takes when only fresh (or only busy) cores are looked at. */
function roomOn(vm: i32, core: i32, fresh: bool): i32 {
  if (isFreshCore(core) != fresh || (level != 0 && coreCapacity[core] != level)) return 0;
  if (onlyIsolated && coreGuests[core] != 0) return 0;
  const room = coreRoom(vm, core, aside);
  // If there are plenty of cores, `spread` gives each one vCPU. From then on the siblings count as busy.
  return fresh && !dense && vmThreads[vm] == THREADS_SPREAD ? min(room, 1) : room;
}

function countLlcs(vm: i32, node: i32, fresh: bool): i32 {
  const first = nodeCoreStart[node];
  const last = nodeCoreStart[node + 1];
  spend(3 * (last - first) + vmVcpus[vm]);
  for (let at = first; at < last; at++) {
    llcRoom[coreLlc[coreList[at]]] = 0;
    llcOwn[coreLlc[coreList[at]]] = 0;
  }
  let room = 0;
  for (let at = first; at < last; at++) {
    const core = coreList[at];
    const more = roomOn(vm, core, fresh);
    llcRoom[coreLlc[core]] += more;
    room += more;
  }
  const start = vmStart[vm];
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) {
    const cpu = vcpuCpu[vcpu];
    if (cpu >= 0 && cpuNode[cpu] == node) llcOwn[coreLlc[cpuCore[cpu]]]++;
  }
  return room;
}

/** Whether LLC `a` serves `wanted` vCPUs, of `need` that the VM still has for the node, better than `b`. */
function serves(wanted: i32, need: i32, a: i32, b: i32): bool {
  const allA = llcRoom[a] >= need;
  const allB = llcRoom[b] >= need;
  if (allA != allB) return allA;
  const wholeA = llcRoom[a] >= wanted;
  const wholeB = llcRoom[b] >= wanted;
  if (wholeA != wholeB) return wholeA;
  if (!wholeA) return llcRoom[a] > llcRoom[b];
  if (llcOwn[a] != llcOwn[b]) return llcOwn[a] > llcOwn[b];
  return strategy == STRATEGY_SPREAD ? llcRoom[a] > llcRoom[b] : llcRoom[a] < llcRoom[b];
}

/** Takes up to `wanted` CPUs on the LLC of which the first core of the node is at `place` in the list; the number taken. */
function takeFromLlc(vm: i32, node: i32, place: i32, wanted: i32, fresh: bool, at: i32): i32 {
  const llc = coreLlc[coreList[place]];
  let taken = 0;
  let last = place;
  while (last + 1 < nodeCoreStart[node + 1] && coreLlc[coreList[last + 1]] == llc) last++;
  // Cores with few CPUs come last in the list. There a vCPU that wants a core for itself leaves the fewest CPUs idle.
  const backwards = thrifty && vmThreads[vm] == THREADS_ISOLATE;
  for (let next = place; next <= last && taken < wanted; next++) {
    const core = coreList[backwards ? place + last - next : next];
    for (let room = min(roomOn(vm, core, fresh), wanted - taken); room > 0; room--) {
      const cpu = freeCpu(core);
      takeCpu(vm, cpu);
      chosen[at + taken++] = cpu;
    }
  }
  return taken;
}

function takePass(vm: i32, node: i32, wanted: i32, need: i32, fresh: bool, at: i32): i32 {
  let taken = 0;
  let room = countLlcs(vm, node, fresh);
  while (taken < wanted && room > 0) {
    let best = -1;
    let place = -1;
    spend(nodeCoreStart[node + 1] - nodeCoreStart[node]);
    for (let next = nodeCoreStart[node]; next < nodeCoreStart[node + 1]; next++) {
      const llc = coreLlc[coreList[next]];
      if (llc == best || llcRoom[llc] == 0 || (best >= 0 && !serves(wanted - taken, need - taken, llc, best))) continue;
      best = llc;
      place = next;
    }
    const more = takeFromLlc(vm, node, place, wanted - taken, fresh, at + taken);
    taken += more;
    room -= llcRoom[best];
    llcRoom[best] = 0;
    if (more == 0) break;
  }
  return taken;
}

/** The highest capacity below `below` of a core of the node; 0: none. */
function nextLevel(node: i32, below: i32): i32 {
  let next = 0;
  for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
    const capacity = coreCapacity[coreList[at]];
    if (capacity < below) next = max(next, capacity);
  }
  return next;
}

/** A pass over the cores of each capacity in turn, the fastest first. */
function takeFastest(vm: i32, node: i32, wanted: i32, need: i32, fresh: bool, at: i32): i32 {
  let taken = 0;
  level = nextLevel(node, i32.MAX_VALUE);
  while (level != 0 && taken < wanted) {
    taken += takePass(vm, node, wanted - taken, need - taken, fresh, at + taken);
    level = nextLevel(node, level);
  }
  level = 0;
  return taken;
}

/** Cores of isolated CPUs, then others. */
function takeIsolated(vm: i32, node: i32, wanted: i32, need: i32, fresh: bool, at: i32): i32 {
  onlyIsolated = true;
  const taken = takePass(vm, node, wanted, need, fresh, at);
  onlyIsolated = false;
  return taken == wanted ? taken : taken + takePass(vm, node, wanted - taken, need - taken, fresh, at + taken);
}

/** Few LLCs, on fresh cores where there are some. */
export const CHOOSE_NEAR: i32 = 0;
/** The fastest cores, then few LLCs. */
export const CHOOSE_FAST: i32 = 1;
/** Cores that are busy already, then as few others as possible. */
export const CHOOSE_DENSE: i32 = 2;
/** The CPUs that the vCPUs have now, then as CHOOSE_NEAR. */
export const CHOOSE_KEPT: i32 = 3;
/** Isolated CPUs, then as CHOOSE_NEAR. */
export const CHOOSE_ISOLATED: i32 = 4;

/**
 * Takes up to `wanted` CPUs of the node for the VM in the CHOOSE_ way. Returns the number taken; they are then in `chosen`. `need`: how many
 * vCPUs the VM still has for the node, these included. They should have one LLC.
 */
export function chooseCpus(vm: i32, node: i32, wanted: i32, need: i32, way: i32): i32 {
  const pass = way == CHOOSE_FAST ? takeFastest : way == CHOOSE_ISOLATED ? takeIsolated : takePass;
  dense = way == CHOOSE_DENSE;
  let taken = pass(vm, node, wanted, need, !dense, 0);
  if (taken < wanted) taken += pass(vm, node, wanted - taken, need - taken, dense, taken);
  dense = false;
  for (let next = 1; next < taken; next++) {
    const cpu = chosen[next];
    let at = next;
    while (at > 0 && chosen[at - 1] > cpu) {
      chosen[at] = chosen[at - 1];
      at--;
    }
    chosen[at] = cpu;
  }
  return taken;
}
