// Which CPUs the emulator and the I/O threads of a VM get, where they have their own: on the node of its first vCPU.
import { BECAUSE_EMULATOR, BECAUSE_OVERCOMMIT } from '../abi';
import { coreList, nodeCoreStart } from '../problem/host';
import { demandFits, freeCpu, freeOnCore, guestsLost, isFreshCore, isOwnCore, releaseThreads, takesThread, takeThread } from '../model/capacity';
import { spend } from '../work';
import { thrifty } from '../model/thrift';
import { aside } from './cpus';
import { leavesCoresIdle } from './seat';
import { partNode, vcpuNode, vmParts, vmStart, vmThreadCpus, vmThreadsPlaced } from '../problem/request';

/** The core that threads get CPUs of before any other; -1: none is. */
let firstCore: i32 = -1;

/** Free CPUs of a core beyond these count as so many. */
const MOST_FREE: i32 = 64;

/**
 * Rank of a core for so many threads, the least is the best. First a core of the VM's own. Then a core that takes all of the threads, the
 * one by which shared vCPUs lose the fewest CPUs. Then the core that takes the most. Cores with vCPUs of others come last. `tight`: the core
 * with the fewest free CPUs that another trust domain could have.
 */
function rankOf(vm: i32, core: i32, threads: i32, tight: bool): i32 {
  if (core == firstCore) return -1;
  if (isOwnCore(vm, core)) return 0;
  const free = min(MOST_FREE, freeOnCore(core));
  const lost = min(MOST_FREE, guestsLost(core));
  const busy = tight || isFreshCore(core) ? 0 : 8 * MOST_FREE;
  if (free < threads) return busy + 4 * MOST_FREE - free;
  return busy + 1 + (tight ? 2 * free + (lost > 0 ? 1 : 0) : lost);
}

/** Takes CPUs of the node for the VM's threads; false where there are too few. */
function choose(vm: i32, node: i32, tight: bool): bool {
  while (vmThreadsPlaced[vm] < vmThreadCpus[vm]) {
    spend(2 * (nodeCoreStart[node + 1] - nodeCoreStart[node]));
    let best = -1;
    let least = i32.MAX_VALUE;
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      const core = coreList[at];
      if (!takesThread(vm, core, aside)) continue;
      const rank = rankOf(vm, core, vmThreadCpus[vm] - vmThreadsPlaced[vm], tight);
      if (rank >= least) continue;
      best = core;
      least = rank;
    }
    if (best < 0) return false;
    while (vmThreadsPlaced[vm] < vmThreadCpus[vm] && takesThread(vm, best, aside)) takeThread(vm, freeCpu(best));
  }
  return true;
}

function demandFitsEverywhere(vm: i32): bool {
  const start = vmStart[vm];
  for (let part = start; part < start + vmParts[vm]; part++) if (!demandFits(partNode[part])) return false;
  return true;
}

/**
 * Takes CPUs for the VM's threads, its vCPUs having theirs, so that the shared demand is met and cores are left as `require` wants them,
 * the constraints in `relaxed` left aside; false, and none is taken, where there is no way that is tried.
 */
export function takeThreads(vm: i32, cells: i32, relaxed: i32): bool {
  const ways = vmThreadCpus[vm] == 0 ? 1 : 2;
  for (let way = 0; way < ways; way++) {
    const served = (relaxed & BECAUSE_EMULATOR) != 0 || choose(vm, vcpuNode[vmStart[vm]], (way != 0) != thrifty);
    const met = (relaxed & BECAUSE_OVERCOMMIT) != 0 || demandFitsEverywhere(vm);
    if (served && met && !leavesCoresIdle(vm, cells)) return true;
    releaseThreads(vm);
  }
  return false;
}

/** The same, the threads getting CPUs of the core first. */
export function takeThreadsFrom(vm: i32, cells: i32, core: i32): bool {
  firstCore = core;
  const taken = takeThreads(vm, cells, 0);
  firstCore = -1;
  return taken;
}
