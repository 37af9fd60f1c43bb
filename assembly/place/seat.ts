// From parts to seats: which vCPU is on which node, and which CPU each dedicated one gets.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, MAX_VM_VCPUS, THREADS_REQUIRE } from '../abi';
import { coreList, cpuCore, cpuLlc, cpuNode, isUsable, nodeCoreStart } from '../problem/host';
import { cpuOwner, freeOnCore, takeCpu } from '../model/capacity';
import { coreRoom } from '../model/rooms';
import { aside, CHOOSE_KEPT, chooseCpus, chosen } from './cpus';
import { communication, prepareShares, tenHopsBetween, trafficShare } from '../model/communication';
import { thrifty } from '../model/thrift';
import { asItIs, vcpuCurrentCpu, vmHasCurrent } from '../problem/current';
import { beginsNear, firstNodeAsked } from '../model/relations';
import { cellVcpus, partCell, partDedicated, partNode, partShared, vcpuCpu, vcpuNode, vcpuShared, vmParts, vmStart, vmThreadCpus, vmThreads, vmVcpus } from '../problem/request';
import { vmTraffic } from '../problem/traffic';
import { spend } from '../work';

/** Seats of each kind that are left on the nodes of a cell. */
const leftDedicated = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
const leftShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));

function takeSeat(vcpu: i32, node: i32): bool {
  const left = vcpuShared[vcpu] ? leftShared : leftDedicated;
  if (left[node] == 0) return false;
  left[node]--;
  vcpuNode[vcpu] = node;
  return true;
}

/** The node with the most room beside what the parts take. Threads of the VMM, and VMs that have to be near, go to the first vCPU's node. */
function roomiest(vm: i32, part: i32, parts: i32): i32 {
  const seats = vcpuShared[vmStart[vm]] ? leftShared : leftDedicated;
  let best = partNode[part];
  let most = i32.MIN_VALUE;
  for (let at = part; at < part + parts; at++) {
    if (seats[partNode[at]] == 0) continue;
    let left = 0;
    for (let core = nodeCoreStart[partNode[at]]; core < nodeCoreStart[partNode[at] + 1]; core++) {
      const free = freeOnCore(coreList[core]);
      // Where the number of CPUs is the same, more cores are better: a core is not shared once a vCPU or thread has one of its CPUs.
      left += free > 0 ? 64 * free + 1 : 0;
    }
    for (let other = vmStart[vm]; other < vmStart[vm] + vmParts[vm]; other++) if (partNode[other] == partNode[at]) left -= 64 * partDedicated[other];
    if (left <= most) continue;
    most = left;
    best = partNode[at];
  }
  return best;
}

/**
 * Gives each vCPU of a cell on several nodes its node. vCPUs stay where they are now. The first goes where a near VM begins, or where others
 * find room. The rest follow in order.
 */
function divideCell(vm: i32, first: i32, count: i32, part: i32, parts: i32): void {
  for (let at = part; at < part + parts; at++) {
    leftDedicated[partNode[at]] = partDedicated[at];
    leftShared[partNode[at]] = partShared[at];
  }
  for (let vcpu = first; vcpu < first + count; vcpu++) vcpuNode[vcpu] = -1;
  if (first == vmStart[vm] && firstNodeAsked >= 0) takeSeat(first, firstNodeAsked);
  else if (first == vmStart[vm] && (vmThreadCpus[vm] > 0 || beginsNear) && (thrifty || !vmHasCurrent[vm])) takeSeat(first, roomiest(vm, part, parts));
  if (vmHasCurrent[vm]) {
    for (let vcpu = first; vcpu < first + count; vcpu++) {
      const cpu = vcpuCurrentCpu[vcpu];
      if (vcpuNode[vcpu] >= 0 || cpu < 0) continue;
      for (let at = part; at < part + parts; at++) if (partNode[at] == cpuNode[cpu]) takeSeat(vcpu, cpuNode[cpu]);
    }
  }
  let at = part;
  for (let vcpu = first; vcpu < first + count; vcpu++) {
    for (at = part; vcpuNode[vcpu] < 0; at++) takeSeat(vcpu, partNode[at]);
  }
}

/** Fills the nodes of the VM's vCPUs as its parts stand; false where its first vCPU is not where a near VM begins. */
export function assignNodes(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  let part = start;
  let vcpu = start;
  for (let cell = 0; cell < cells; cell++) {
    let parts = 0;
    while (part + parts < start + vmParts[vm] && partCell[part + parts] == cell) parts++;
    const count = cellVcpus[start + cell];
    if (parts == 1) for (let at = vcpu; at < vcpu + count; at++) vcpuNode[at] = partNode[part];
    else divideCell(vm, vcpu, count, part, parts);
    vcpu += count;
    part += parts;
  }
  return firstNodeAsked < 0 || vcpuNode[start] == firstNodeAsked;
}

/** Dedicated vCPUs that the VM still has to seat on the node. */
const needed = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** The dedicated vCPUs of a part that have no CPU yet. */
const waiting = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));

/** Takes the CPU that the vCPU has now, if it is on its node and may be had. */
function keepsCpu(vm: i32, vcpu: i32): bool {
  const cpu = vcpuCurrentCpu[vcpu];
  if (cpu < 0 || cpuNode[cpu] != vcpuNode[vcpu] || cpuOwner[cpu] != 0) return false;
  if (!isUsable(cpu) || coreRoom(vm, cpuCore[cpu], aside) == 0) return false;
  takeCpu(vm, cpu);
  vcpuCpu[vcpu] = cpu;
  return true;
}

function seatPart(vm: i32, node: i32, first: i32, count: i32, way: i32): bool {
  let wait = 0;
  for (let vcpu = first; vcpu < first + count; vcpu++) {
    if (vcpuShared[vcpu] || vcpuNode[vcpu] != node) continue;
    if (way == CHOOSE_KEPT && keepsCpu(vm, vcpu)) continue;
    if (asItIs) return false;
    waiting[wait++] = vcpu;
  }
  spend(count);
  const taken = chooseCpus(vm, node, wait, needed[node], way);
  needed[node] -= wait;
  for (let at = 0; at < taken; at++) vcpuCpu[waiting[at]] = chosen[at];
  return taken == wait;
}

/** Takes CPUs for all dedicated vCPUs, whose nodes are known, in the CHOOSE_ way; false where some find none. */
export function seatVcpus(vm: i32, cells: i32, way: i32): bool {
  const start = vmStart[vm];
  for (let part = start; part < start + vmParts[vm]; part++) needed[partNode[part]] = 0;
  for (let part = start; part < start + vmParts[vm]; part++) needed[partNode[part]] += partDedicated[part];
  let part = start;
  let vcpu = start;
  for (let cell = 0; cell < cells; cell++) {
    const count = cellVcpus[start + cell];
    for (; part < start + vmParts[vm] && partCell[part] == cell; part++) {
      if (!seatPart(vm, partNode[part], vcpu, count, way)) return false;
    }
    vcpu += count;
  }
  return true;
}

const seenCore = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
let stamp: i32 = 0;

/** Whether under `require` some cell leaves more than one of its cores partly idle, as parts on several nodes may. */
export function leavesCoresIdle(vm: i32, cells: i32): bool {
  if (vmThreads[vm] != THREADS_REQUIRE) return false;
  let vcpu = vmStart[vm];
  for (let cell = vmStart[vm]; cell < vmStart[vm] + cells; cell++) {
    let idle = 0;
    stamp++;
    for (let end = vcpu + cellVcpus[cell]; vcpu < end; vcpu++) {
      if (vcpuCpu[vcpu] < 0) continue;
      const core = cpuCore[vcpuCpu[vcpu]];
      if (seenCore[core] == stamp) continue;
      seenCore[core] = stamp;
      if (freeOnCore(core) > 0) idle++;
    }
    if (idle > 1) return true;
  }
  return false;
}

/** Pairs of vCPUs x vCPUs looked at for one assignment. */
const MOST_LOOKS: i32 = 200000;

/** What exchanging the CPUs of two vCPUs saves, in hops weighted by traffic. */
function savedBySwap(vm: i32, a: i32, b: i32): f64 {
  const start = vmStart[vm];
  let saved: f64 = 0;
  for (let peer = 0; peer < vmVcpus[vm]; peer++) {
    if (peer == a || peer == b) continue;
    const more = trafficShare(vm, a, peer) - trafficShare(vm, b, peer);
    if (more == 0) continue;
    saved += more * <f64>(tenHopsBetween(start + a, start + peer) - tenHopsBetween(start + b, start + peer));
  }
  return saved;
}

function swapSeats(a: i32, b: i32): void {
  const cpu = vcpuCpu[a];
  const node = vcpuNode[a];
  vcpuCpu[a] = vcpuCpu[b];
  vcpuNode[a] = vcpuNode[b];
  vcpuCpu[b] = cpu;
  vcpuNode[b] = node;
}

const keptCpu = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));
const keptNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VM_VCPUS, 8));

/** Exchanges CPUs between dedicated vCPUs of the same cell as long as that brings those that talk closer together. */
export function swapForTraffic(vm: i32, cells: i32): void {
  if (vmTraffic[vm] < 0) return;
  const start = vmStart[vm];
  const before = communication(vm);
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    keptCpu[vcpu] = vcpuCpu[start + vcpu];
    keptNode[vcpu] = vcpuNode[start + vcpu];
  }
  prepareShares(vm);
  // Threads of the VMM and near VMs are where the first vCPU is.
  const tied = vmThreadCpus[vm] > 0 || firstNodeAsked >= 0;
  let looks = 0;
  for (let again = true; again && looks < MOST_LOOKS; ) {
    again = false;
    let first = 0;
    for (let cell = start; cell < start + cells; cell++) {
      const end = first + cellVcpus[cell];
      for (let a = first; a < end && looks < MOST_LOOKS; a++) {
        for (let b = a + 1; b < end; b++) {
          const cpuA = vcpuCpu[start + a];
          const cpuB = vcpuCpu[start + b];
          if (cpuA < 0 || cpuB < 0 || (cpuLlc[cpuA] == cpuLlc[cpuB] && cpuNode[cpuA] == cpuNode[cpuB])) continue;
          looks += vmVcpus[vm];
          spend(2 * vmVcpus[vm]);
          if (a == 0 && tied && cpuNode[cpuA] != cpuNode[cpuB]) continue;
          // Saving next to nothing could go on for ever.
          if (savedBySwap(vm, a, b) <= 1) continue;
          swapSeats(start + a, start + b);
          again = true;
        }
      }
      first = end;
    }
  }
  // Distances that differ by direction may mislead.
  if (communication(vm) <= before) return;
  for (let vcpu = 0; vcpu < vmVcpus[vm]; vcpu++) {
    vcpuCpu[start + vcpu] = keptCpu[vcpu];
    vcpuNode[start + vcpu] = keptNode[vcpu];
  }
}
