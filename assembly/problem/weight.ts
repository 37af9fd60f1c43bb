// The most weight of VMs that can be placed, judged only by the sums of CPUs and memory.
import { Flat } from '../flat';
import { MAX_VMS, MEMORY_PREFERRED, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { rounded } from './coefficients';
import { sortBy } from '../sort';
import { nodeCoreStart, nodeCount, nodeGuests, widestCore } from './host';
import { MICRO, vmCells, vmDedicated, vmMemory, vmPages, vmSharedDemand, vmThreadCpus, vmThreads, vmTrust, vmVcpus, vmWeight } from './request';

/** The VM's weight in millionths, at least one. Weights are above 0 and at most 1000. */
export function weightOf(vm: i32): i64 {
  return max<i64>(1, <i64>(vmWeight[vm] * <f64>MICRO + 0.5));
}

export function greatestCommonDivisor(a: i64, b: i64): i64 {
  return b == 0 ? a : greatestCommonDivisor(b, a % b);
}

// What VMs compete for.
const CPUS: i32 = 0;
const MEMORY: i32 = 1;
/** Cores, in CPUs of the widest. */
const CORES: i32 = 2;
/** Millionths of a CPU that are shared. */
const DEMAND: i32 = 3;
let kind: i32 = CPUS;

/** CPUs of the widest core that so many CPUs are in whole cores. */
function inCores(cpus: i32): i32 {
  return ((cpus + widestCore - 1) / widestCore) * widestCore;
}

/** Cores that dedicated vCPUs and threads of the VM take at the least: those of a named trust domain may be on cores with others. */
function coresOf(vm: i32): i32 {
  const cpus = vmDedicated[vm];
  const threads = vmThreadCpus[vm];
  const named = vmTrust[vm] >= 0;
  if (vmThreads[vm] == THREADS_ISOLATE) return cpus * widestCore + (named ? threads : inCores(threads));
  if (!named) return inCores(cpus + threads);
  return vmThreads[vm] == THREADS_REQUIRE ? max(inCores(cpus), cpus + threads) : cpus + threads;
}

/** What the VM needs of the kind at the least; of base pages those on nodes with CPUs. */
function needOf(vm: i32): i64 {
  if (kind == CPUS) return vmDedicated[vm];
  if (kind == CORES) return coresOf(vm);
  if (kind == DEMAND) return <i64>(vmVcpus[vm] - vmDedicated[vm]) * vmSharedDemand[vm];
  return vmMemory[vm] == MEMORY_PREFERRED ? 0 : vmPages[vm];
}

/** The VM with more weight for what it takes comes first; else the lower handle. */
function comesFirst(a: i32, b: i32): bool {
  const forA = <f64>needOf(a) * vmWeight[b];
  const forB = <f64>needOf(b) * vmWeight[a];
  return forA != forB ? forA < forB : a < b;
}

const ranked = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

/** The most weight that goes with so much of one kind, if the last VM may be placed in part. */
function weightWithin(list: Flat<i32>, from: i32, to: i32, free: i64, what: i32): i64 {
  const vms = to - from;
  kind = what;
  for (let next = 0; next < vms; next++) ranked[next] = list[from + next];
  sortBy(ranked, vms, comesFirst);
  let weight: i64 = 0;
  let left = free;
  for (let next = 0; next < vms; next++) {
    const need = needOf(ranked[next]);
    if (need > left) return weight + rounded((<f64>weightOf(ranked[next]) * <f64>max<i64>(0, left)) / <f64>need) + 1;
    weight += weightOf(ranked[next]);
    left -= need;
  }
  return weight;
}

/** The most weight, a multiple of `unit`, of the VMs from `from` to `to` in the list that go with so many CPUs and base pages. */
export function mostWeight(list: Flat<i32>, from: i32, to: i32, cpus: i64, pages: i64, unit: i64): i64 {
  const weight = min(weightWithin(list, from, to, cpus, CPUS), weightWithin(list, from, to, pages, MEMORY));
  return (weight / unit) * unit;
}

/** The number of the VM's trust domain among those of a list, and CPUs of its vCPUs and threads that may share cores, by that number. */
const domain = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const domainCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

function hasLowerTrust(a: i32, b: i32): bool {
  return vmTrust[a] < vmTrust[b];
}

/** What a VM adds (1) to the cores of those before it or takes away (-1) at the least, in CPUs of the widest: domains fill cores together. */
function addCores(vm: i32, sign: i32): i32 {
  if (vmTrust[vm] < 0) return sign * coresOf(vm);
  if (vmThreads[vm] == THREADS_ISOLATE) return sign * vmDedicated[vm] * widestCore;
  if (vmThreads[vm] == THREADS_REQUIRE) return sign * inCores(vmDedicated[vm]);
  const before = inCores(domainCpus[domain[vm]]);
  domainCpus[domain[vm]] += sign * (vmDedicated[vm] + vmThreadCpus[vm]);
  return inCores(domainCpus[domain[vm]]) - before;
}

/** Whether, as far as cores tell, a VM of the list that is not placed finds room beside those before it that are, however these are placed. */
export function coresFitMore(list: Flat<i32>, vms: i32): bool {
  for (let at = 0; at < vms; at++) ranked[at] = list[at];
  sortBy(ranked, vms, hasLowerTrust);
  let domains = 0;
  for (let at = 0; at < vms; at++) {
    if (at > 0 && vmTrust[ranked[at]] != vmTrust[ranked[at - 1]]) domains++;
    domain[ranked[at]] = domains;
    domainCpus[domains] = 0;
  }
  let left = nodeCoreStart[nodeCount] * widestCore;
  for (let at = 0; at < vms; at++) {
    const own = addCores(list[at], 1);
    if (vmCells[list[at]] != 0) left -= own;
    else if (own <= left) return true;
    else addCores(list[at], -1);
  }
  return false;
}

/** The most weight, a multiple of `unit`, of the first VMs in the list that go with the cores and the shared demand of the host. */
export function mostWeightOnCores(list: Flat<i32>, vms: i32, unit: i64, overcommit: f64): i64 {
  let guests = 0;
  for (let node = 0; node < nodeCount; node++) guests += nodeGuests[node];
  const demand = <i64>(overcommit * <f64>MICRO * <f64>guests);
  const cores = <i64>(nodeCoreStart[nodeCount] * widestCore);
  return (min(weightWithin(list, 0, vms, cores, CORES), weightWithin(list, 0, vms, demand, DEMAND)) / unit) * unit;
}
