// Every way to seat a VM's dedicated vCPUs on the cores of the nodes that its parts are on, up to symmetry. Cores in the same state are
// interchangeable, and so are LLCs. Of two such cores or LLCs the first gets no less than the second. No part has half of two cores of an LLC:
// one whole core in place of them costs no more, and who is on their other halves can be on the second one together.
import { Flat } from '../flat';
import { MAX_CPUS, THREADS_PREFER, THREADS_REQUIRE } from '../abi';
import { vmHasCurrent } from '../problem/current';
import { coreList, coreLlc, isolatedCpus, nodeCoreStart, speedsDiffer, widestCore } from '../problem/host';
import { coresAlike, freeCpu, releaseCpu, releaseThreads, takeCpu, takesThread, takeParts, unplace } from '../model/capacity';
import { coreRoom } from '../model/rooms';
import { isSpent, spend } from '../work';
import { addedCost } from '../place/construct';
import { takeThreads, takeThreadsFrom } from '../place/threads';
import { assignNodes } from '../place/seat';
import { cellVcpus, partCell, partDedicated, partNode, vcpuCpu, vcpuNode, vcpuShared, vmParts, vmStart, vmThreadCpus, vmThreads, vmVcpus } from '../problem/request';

/** VMs with more parts, or with parts on nodes of more cores, have only the seatings that place/construct.ts tries. */
const MOST_PARTS: i32 = 16;
/** Each is a call inside of another. */
const MOST_CORES: i32 = 1024;

// By part and place in coreList: whether the core is like the one before it, and how many places before it the same core of the LLC before
// is, if that LLC is like this one (0: it is not).
const alike = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MOST_PARTS * MAX_CPUS, 8));
const llcStep = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PARTS * MAX_CPUS, 8));
/** Room from the place on to the end of the node. */
const roomAfter = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PARTS * MAX_CPUS, 8));
/** vCPUs that the core at the place gets. */
const given = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_PARTS * MAX_CPUS, 8));

let budget: i32 = 0;
/** Whether the last call saw all. */
export let sawAllSeatings: bool = true;
let onSeating: (vm: i32, cells: i32, cost: i64) => bool = noSeating;
/** Whether the last caller has seen enough. */
let stopped: bool = false;

function noSeating(_vm: i32, _cells: i32, _cost: i64): bool {
  return true;
}

/** Fills the tables of one part for the cores as they are. */
function prepareNode(vm: i32, part: i32, node: i32): void {
  const base = part * MAX_CPUS;
  const first = nodeCoreStart[node];
  const last = nodeCoreStart[node + 1];
  spend(4 * (last - first));
  let room = 0;
  for (let at = last - 1; at >= first; at--) {
    room += coreRoom(vm, coreList[at], 0);
    roomAfter[base + at] = room;
  }
  let llcStart = first;
  let before = first;
  for (let at = first; at < last; at++) {
    const core = coreList[at];
    llcStep[base + at] = 0;
    alike[base + at] = at > first && coreLlc[core] == coreLlc[coreList[at - 1]] && coresAlike(core, coreList[at - 1]);
    if (at + 1 < last && coreLlc[coreList[at + 1]] == coreLlc[core]) continue;
    // The end of an LLC: is it like the one before?
    const size = at + 1 - llcStart;
    let same = llcStart - before == size;
    for (let place = llcStart; place <= at && same; place++) same = coresAlike(coreList[place], coreList[place - size]);
    if (same) for (let place = llcStart; place <= at; place++) llcStep[base + place] = size;
    before = llcStart;
    llcStart = at + 1;
  }
}

function finish(vm: i32, cells: i32): void {
  spend(8 * vmVcpus[vm]);
  if (vmThreadCpus[vm] == 0) {
    if (takeThreads(vm, cells, 0)) stopped = !onSeating(vm, cells, addedCost(vm));
    return;
  }
  // If cores are alike, only the first is tried.
  const node = vcpuNode[vmStart[vm]];
  for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1] && !stopped; at++) {
    const core = coreList[at];
    if (!takesThread(vm, core, 0) || (at > nodeCoreStart[node] && coresAlike(core, coreList[at - 1]))) continue;
    if (takeThreadsFrom(vm, cells, core)) stopped = !onSeating(vm, cells, addedCost(vm));
    releaseThreads(vm);
  }
}

/** Seats part after part. */
function seatPart(vm: i32, cells: i32, part: i32): void {
  if (part == vmParts[vm]) {
    if (budget-- > 0 && !isSpent()) finish(vm, cells);
    else sawAllSeatings = false;
    return;
  }
  const at = vmStart[vm] + part;
  const node = partNode[at];
  prepareNode(vm, part, node);
  seatOnCores(vm, cells, part, nodeCoreStart[node], partDedicated[at], false, false);
}

/** Entry of the part's dedicated vCPU that is next when `left` of them have no CPU. */
function nextVcpu(vm: i32, part: i32, left: i32): i32 {
  const at = vmStart[vm] + part;
  let first = vmStart[vm];
  for (let cell = 0; cell < partCell[at]; cell++) first += cellVcpus[vmStart[vm] + cell];
  let skip = partDedicated[at] - left;
  let vcpu = first;
  while (vcpuShared[vcpu] || vcpuNode[vcpu] != partNode[at] || skip-- > 0) vcpu++;
  return vcpu;
}

/** Whether no part of the VM need have half of two cores of an LLC. */
let joins: bool = false;

/**
 * Gives the core at `place` every number of the `left` vCPUs of the part. `tied`: this LLC has got the same as the like one before so far; `hasHalf`:
 * half of one of its cores.
 */
function seatOnCores(vm: i32, cells: i32, part: i32, place: i32, left: i32, tied: bool, hasHalf: bool): void {
  spend(2);
  if (left == 0) {
    seatPart(vm, cells, part + 1);
    return;
  }
  const base = part * MAX_CPUS;
  const node = partNode[vmStart[vm] + part];
  if (place == nodeCoreStart[node + 1] || roomAfter[base + place] < left || budget <= 0 || isSpent()) {
    if (budget <= 0 || isSpent()) sawAllSeatings = false;
    return;
  }
  const core = coreList[place];
  const step = llcStep[base + place];
  const startsLlc = place == nodeCoreStart[node] || coreLlc[core] != coreLlc[coreList[place - 1]];
  const bound = step > 0 && (startsLlc || tied);
  const room = coreRoom(vm, core, 0);
  const before = hasHalf && !startsLlc;
  let most = min(room, left);
  if (alike[base + place]) most = min(most, given[base + place - 1]);
  if (bound) most = min(most, given[base + place - step]);
  for (let here = most; here >= 0 && !stopped; here--) {
    const isHalf = joins && here == 1 && room == 2;
    if (isHalf && before) continue;
    given[base + place] = here;
    for (let seat = 0; seat < here; seat++) {
      const cpu = freeCpu(core);
      takeCpu(vm, cpu);
      vcpuCpu[nextVcpu(vm, part, left - seat)] = cpu;
    }
    seatOnCores(vm, cells, part, place + 1, left - here, bound && here == given[base + place - step], before || isHalf);
    for (let seat = 0; seat < here; seat++) {
      const vcpu = nextVcpu(vm, part, left - seat);
      releaseCpu(vcpuCpu[vcpu]);
      vcpuCpu[vcpu] = -1;
    }
  }
}

/** Whether there are so few parts and cores that seatings can be tried one by one. */
export function hasFewSeatings(vm: i32): bool {
  if (vmParts[vm] > MOST_PARTS) return false;
  let cores = 0;
  for (let part = vmStart[vm]; part < vmStart[vm] + vmParts[vm]; part++) cores += nodeCoreStart[partNode[part] + 1] - nodeCoreStart[partNode[part]];
  return cores <= MOST_CORES;
}

/** Shows `onFound` up to `most` seatings of the VM as its parts stand, each while the VM has it, until it returns false. */
export function showSeatings(vm: i32, cells: i32, most: i32, onFound: (vm: i32, cells: i32, cost: i64) => bool): void {
  const start = vmStart[vm];
  sawAllSeatings = hasFewSeatings(vm);
  if (!sawAllSeatings) return;
  for (let vcpu = start; vcpu < start + vmVcpus[vm]; vcpu++) vcpuCpu[vcpu] = -1;
  if (!assignNodes(vm, cells) || !takeParts(vm, cells)) return;
  joins = widestCore == 2 && !speedsDiffer && isolatedCpus == 0 && !vmHasCurrent[vm] && (vmThreads[vm] == THREADS_PREFER || vmThreads[vm] == THREADS_REQUIRE);
  budget = most;
  stopped = false;
  onSeating = onFound;
  seatPart(vm, cells, 0);
  unplace(vm);
}
