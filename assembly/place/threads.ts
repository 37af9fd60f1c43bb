// Which CPUs the emulator and the I/O threads of a VM get, where they have their own: on the node of its first vCPU.
import { BECAUSE_EMULATOR, BECAUSE_OVERCOMMIT } from '../abi';
import { coreList, nodeCoreStart } from '../problem/host';
import { demandFits, freeCpu, freeOnCore, guestsLost, isFreshCore, isOwnCore, releaseThreads, takesThread, takeThread } from '../model/capacity';
import { spend } from '../work';
import { thrifty } from '../model/thrift';
import { aside } from './cpus';
import { leavesCoresIdle } from './seat';
import { partNode, vcpuNode, vmParts, vmStart, vmThreadCpus, vmThreadsPlaced } from '../problem/request';

/** Cores of a higher rank have this one. */
const LAST_RANK: i32 = 16;

/**
 * Its own cores, then by how many CPUs shared vCPUs lose, and cores with vCPUs of others last; or `tight`, where the fewest CPUs are free that another
 * trust domain could have, and of these where shared vCPUs lose none.
 */
function rankOf(vm: i32, core: i32, tight: bool): i32 {
  if (isOwnCore(vm, core)) return 0;
  const lost = guestsLost(core);
  if (tight) return min(LAST_RANK, 2 * freeOnCore(core) + (lost > 0 ? 1 : 0));
  return isFreshCore(core) ? min(LAST_RANK, 1 + lost) : LAST_RANK;
}

/** Takes CPUs of the node for the VM's threads; false where there are too few. */
function choose(vm: i32, node: i32, tight: bool): bool {
  if (vmThreadCpus[vm] == 0) return true;
  spend(4 * (nodeCoreStart[node + 1] - nodeCoreStart[node]));
  for (let rank = 0; rank <= LAST_RANK && vmThreadsPlaced[vm] < vmThreadCpus[vm]; rank++) {
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      const core = coreList[at];
      while (vmThreadsPlaced[vm] < vmThreadCpus[vm] && takesThread(vm, core, aside) && rankOf(vm, core, tight) <= rank) {
        takeThread(vm, freeCpu(core));
      }
    }
  }
  return vmThreadsPlaced[vm] == vmThreadCpus[vm];
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
