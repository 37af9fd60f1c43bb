// How much room cores and nodes have for a VM: what constraints and those who are there leave of them.
import { BECAUSE_CPU_EXCLUSIVE, BECAUSE_OVERCOMMIT, BECAUSE_THREAD_POLICY, BECAUSE_TRUST, THREADS_ISOLATE, THREADS_PREFER, THREADS_REQUIRE } from '../abi';
import { besideOn } from './beside';
import { coreHolder, coreTrust, coreWidth, domainOf, freeOnCore, isDedicated, nodeBeside, nodeDemand, nodeFloating, nodeFresh, nodeFreshWhole, nodeFreshWholeCpus, nodeKept, nodeShared, nodeTrust, nodeWidest, overcommit, UNKNOWN } from './capacity';
import { coreHasHost, coreList, coreLlc, nodeCoreStart, nodeGuests, nodeUsable, nodeWholeCores, nodeWholeCpus } from '../problem/host';
import { hasShared, MICRO, partNode, partShared, vmParts, vmSharedDemand, vmStart, vmThreads, vmTrust } from '../problem/request';
import { spend } from '../work';

/** Sentinel for "no limit", small enough to be added up over all nodes. */
export const UNLIMITED: i32 = 1 << 20;

/** How many dedicated vCPUs of the VM the core can take, the constraints in `relaxed` left aside. */
export function coreRoom(vm: i32, core: i32, relaxed: i32): i32 {
  const width = coreWidth(core);
  if ((relaxed & BECAUSE_CPU_EXCLUSIVE) != 0) return UNLIMITED;
  const threads = (relaxed & BECAUSE_THREAD_POLICY) != 0 ? THREADS_PREFER : vmThreads[vm];
  if (!isDedicated(core)) {
    if (threads != THREADS_ISOLATE && threads != THREADS_REQUIRE) return width;
    if (coreHasHost[core]) return 0;
    return threads == THREADS_ISOLATE ? 1 : width;
  }
  const free = freeOnCore(core);
  const ownHold = coreHolder[core] == vm + 1;
  if (threads == THREADS_ISOLATE) return 0;
  if (threads == THREADS_REQUIRE) return ownHold ? free : 0;
  if (coreHolder[core] != 0 && !ownHold && (relaxed & BECAUSE_THREAD_POLICY) == 0) return 0;
  if (coreTrust[core] != vmTrust[vm] && (relaxed & BECAUSE_TRUST) == 0) return 0;
  return free;
}

/** How many dedicated vCPUs of the VM, which is not placed, the node can take: the sum of coreRoom. */
export function dedicatedRoom(vm: i32, node: i32, relaxed: i32): i32 {
  if ((relaxed & BECAUSE_CPU_EXCLUSIVE) != 0) return nodeCoreStart[node] == nodeCoreStart[node + 1] ? 0 : UNLIMITED;
  const leavesPolicy = (relaxed & BECAUSE_THREAD_POLICY) != 0;
  if (!leavesPolicy && vmThreads[vm] == THREADS_ISOLATE) return nodeFreshWhole[node];
  if (!leavesPolicy && vmThreads[vm] == THREADS_REQUIRE) return nodeFreshWholeCpus[node];
  return cpuRoom(vm, node, relaxed);
}

/** How many dedicated vCPUs and threads of the VM, which is not placed, find a CPU of the node, its own thread policy left aside. */
export function cpuRoom(vm: i32, node: i32, relaxed: i32): i32 {
  const leavesPolicy = (relaxed & BECAUSE_THREAD_POLICY) != 0;
  if ((relaxed & BECAUSE_TRUST) != 0) return nodeFresh[node] + nodeBeside[node] - (leavesPolicy ? 0 : nodeKept[node]);
  // A domain of one's own is negative: nobody else is in it.
  return nodeFresh[node] + (vmTrust[vm] < 0 || nodeBeside[node] == 0 ? 0 : besideOn(node, vmTrust[vm], leavesPolicy));
}

/** The most CPUs that one LLC of the node has on cores without a dedicated vCPU or thread. */
export function widestLlc(node: i32): i32 {
  if (nodeWidest[node] != UNKNOWN) return nodeWidest[node];
  const first = nodeCoreStart[node];
  const last = nodeCoreStart[node + 1];
  spend(last - first);
  let most = 0;
  let here = 0;
  for (let at = first; at < last; at++) {
    const core = coreList[at];
    // Cores of one LLC come one after another.
    if (at > first && coreLlc[core] != coreLlc[coreList[at - 1]]) here = 0;
    if (!isDedicated(core)) here += coreWidth(core);
    most = max(most, here);
  }
  nodeWidest[node] = most;
  return most;
}

/** Whether so many shared vCPUs of the VM and those on the node go with `cpus` CPUs. */
export function meetsDemand(vm: i32, node: i32, shared: i32, cpus: i32): bool {
  return <f64>(nodeDemand[node] + <i64>shared * vmSharedDemand[vm]) <= overcommit * <f64>MICRO * <f64>cpus;
}

/**
 * How many shared vCPUs of the VM go with `cpus` shared CPUs that have `demand` already; negative where that is too much. Of a VM without
 * such only the sign counts.
 */
export function roomAmong(vm: i32, cpus: i32, demand: i64): i32 {
  const room = Math.floor((overcommit * <f64>MICRO * <f64>cpus - <f64>demand) / <f64>max<i64>(1, vmSharedDemand[vm]));
  return <i32>Math.max(-1, Math.min(room, <f64>UNLIMITED));
}

/** Whether shared vCPUs of the VM may float beside those on the node. */
function trustsPool(vm: i32, node: i32): bool {
  return nodeFloating[node] == 0 || nodeTrust[node] == domainOf(vm);
}

/** Whether shared vCPUs of the VM may float beside those on the nodes of its parts; it is not placed. */
export function trustsPools(vm: i32): bool {
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) {
    if (partShared[part] != 0 && !trustsPool(vm, partNode[part])) return false;
  }
  return true;
}

/** How many shared vCPUs of the VM the node can take. */
export function sharedRoom(vm: i32, node: i32, relaxed: i32): i32 {
  if (!hasShared(vm)) return 0;
  if ((relaxed & BECAUSE_TRUST) == 0 && !trustsPool(vm, node)) return 0;
  if ((relaxed & BECAUSE_OVERCOMMIT) != 0) return nodeGuests[node] == 0 ? 0 : UNLIMITED;
  return max(0, roomAmong(vm, nodeShared[node], nodeDemand[node]));
}

/** How many dedicated vCPUs of the VM the node takes on the empty host. */
export function emptyDedicatedRoom(vm: i32, node: i32): i32 {
  if (vmThreads[vm] == THREADS_ISOLATE) return nodeWholeCores[node];
  return vmThreads[vm] == THREADS_REQUIRE ? nodeWholeCpus[node] : nodeUsable[node];
}

/** How many shared vCPUs of the VM the node takes on the empty host. */
export function emptySharedRoom(vm: i32, node: i32): i32 {
  return hasShared(vm) ? roomAmong(vm, nodeGuests[node], 0) : 0;
}
