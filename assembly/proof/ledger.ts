// What VMs take of each node at the least, whichever CPUs and pages they get: cores, CPUs, shared demand, pages. For proofs that VMs do not
// fit together. A VM is named by its place in a short list.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES, THREADS_ISOLATE, THREADS_REQUIRE } from '../abi';
import { domainOf, overcommit } from '../model/capacity';
import { MOST_PAGES } from '../model/memory';
import { coreCpuStart, coreGuests, coreList, hostVersion, limitPages, nodeCoreStart, nodeCount, nodePages, nodeUsable, nodeWholeCores, pageShift, pageSizes, widestCore } from '../problem/host';
import { MICRO, vmSharedDemand, vmThreads, vmTrust } from '../problem/request';
import { sortBy } from '../sort';
import { spend } from '../work';

/** The most VMs in the list. */
export const MOST_LISTED: i32 = 24;
export const listed = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LISTED, 8));

// By node and place in the list: dedicated vCPUs, shared vCPUs, threads of the VMM with CPUs of their own.
export const seats = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES * MOST_LISTED, 8));
export const floats = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES * MOST_LISTED, 8));
export const threads = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES * MOST_LISTED, 8));

/** Base pages that are taken, and those there are, by group of nodes and page size; the last size stands for any, the last group for all. */
const SIZES: i32 = MAX_PAGE_SIZES + 1;
export const ANY_SIZE: i32 = MAX_PAGE_SIZES;
export const ALL_NODES: i32 = MAX_NODES;
const pagesTaken = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MAX_NODES + 1) * SIZES, 8));
const pagesThere = changetype<Flat<i64>>(memory.data(sizeof<i64>() * (MAX_NODES + 1) * SIZES, 8));

/** The guests' CPUs of the node's cores without the first so many, those with the fewest of them first; by place in coreList. */
const guestsBeyond = changetype<Flat<i32>>(memory.data(sizeof<i32>() * (MAX_CPUS + MAX_NODES), 8));
const byGuests = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

function hasFewerGuests(a: i32, b: i32): bool {
  return coreGuests[a] < coreGuests[b];
}

function coresOf(node: i32): i32 {
  return nodeCoreStart[node + 1] - nodeCoreStart[node];
}

/** Whether every core is on one node. */
export let coresAreWhole: bool = true;
let openedVersion: i32 = -1;

function openCores(): void {
  if (openedVersion == hostVersion) return;
  openedVersion = hostVersion;
  coresAreWhole = true;
  for (let node = 0; node < nodeCount; node++) {
    const first = nodeCoreStart[node];
    const cores = coresOf(node);
    let cpus = 0;
    for (let at = 0; at < cores; at++) {
      byGuests[at] = coreList[first + at];
      cpus += coreCpuStart[byGuests[at] + 1] - coreCpuStart[byGuests[at]];
    }
    coresAreWhole = coresAreWhole && cpus == nodeUsable[node];
    sortBy(byGuests, cores, hasFewerGuests);
    let guests = 0;
    for (let at = cores; at >= 0; at--) {
      guestsBeyond[first + node + at] = guests;
      if (at > 0) guests += coreGuests[byGuests[at - 1]];
    }
  }
}

/** Nobody takes anything; `groupOf`: the group of each node. */
export function openLedger(groupOf: Flat<i32>): void {
  openCores();
  spend(nodeCount * (MOST_LISTED + SIZES));
  for (let at = 0; at < nodeCount * MOST_LISTED; at++) {
    seats[at] = 0;
    floats[at] = 0;
    threads[at] = 0;
  }
  for (let at = 0; at < (MAX_NODES + 1) * SIZES; at++) {
    pagesTaken[at] = 0;
    pagesThere[at] = 0;
  }
  for (let size = 0; size < pageSizes; size++) {
    const shift = <i64>(pageShift[size] - pageShift[0]);
    const most = MOST_PAGES >> shift;
    for (let node = 0; node < nodeCount; node++) {
      const pages = min(nodePages[node * MAX_PAGE_SIZES + size], most) << shift;
      pagesThere[groupOf[node] * SIZES + size] += pages;
      pagesThere[ALL_NODES * SIZES + size] += pages;
    }
    const all = ALL_NODES * SIZES + size;
    pagesThere[all] = min(pagesThere[all], min(limitPages[size], most) << shift);
  }
}

/** Takes base pages of a size (ANY_SIZE: of any) on a group of nodes, or gives back (-). */
export function takePages(group: i32, size: i32, pages: i64): void {
  pagesTaken[group * SIZES + size] += pages;
}

export function pagesFit(group: i32): bool {
  let left: i64 = 0;
  spend(2 * pageSizes);
  for (let at = group * SIZES; at < group * SIZES + pageSizes; at++) {
    if (pagesTaken[at] > pagesThere[at]) return false;
    left += pagesThere[at] - pagesTaken[at];
  }
  return pagesTaken[group * SIZES + ANY_SIZE] <= left;
}

function coresFor(cpus: i32): i32 {
  return (cpus + widestCore - 1) / widestCore;
}

/** Whether what the first `count` VMs of the list have on the node can be there together, as far as counting goes. */
export function nodeFits(node: i32, count: i32): bool {
  const base = node * MOST_LISTED;
  let cpus = 0;
  let cores = 0;
  let whole = 0;
  let demand: i64 = 0;
  let floating = -1;
  spend(count * 4);
  for (let at = 0; at < count; at++) {
    const vm = listed[at];
    cpus += seats[base + at] + threads[base + at];
    if (floats[base + at] != 0) {
      if (floating >= 0 && domainOf(listed[floating]) != domainOf(vm)) return false;
      floating = at;
      demand += <i64>floats[base + at] * vmSharedDemand[vm];
    }
    if (vmThreads[vm] == THREADS_ISOLATE) {
      cores += seats[base + at];
      whole += seats[base + at];
    } else if (vmThreads[vm] == THREADS_REQUIRE) {
      whole += coresFor(seats[base + at]);
    }
    // The first of a trust domain counts for all of it.
    let first = true;
    for (let before = 0; before < at && first; before++) first = vmTrust[listed[before]] != vmTrust[vm];
    if (first) cores += coresOfDomain(base, at, count);
  }
  if (cpus > nodeUsable[node] || cores > coresOf(node) || whole > nodeWholeCores[node]) return false;
  return demand == 0 || <f64>demand <= overcommit * <f64>MICRO * <f64>guestsBeyond[nodeCoreStart[node] + node + cores];
}

/** Cores that a trust domain takes besides those of isolated vCPUs: VMs that keep cores for themselves have theirs, the others share. */
function coresOfDomain(base: i32, first: i32, count: i32): i32 {
  let kept = 0;
  let pooled = 0;
  let all = 0;
  spend(count - first);
  for (let at = first; at < count; at++) {
    const vm = listed[at];
    if (vmTrust[vm] != vmTrust[listed[first]]) continue;
    all += threads[base + at];
    if (vmThreads[vm] == THREADS_ISOLATE) continue;
    all += seats[base + at];
    if (vmThreads[vm] == THREADS_REQUIRE) kept += coresFor(seats[base + at]);
    else pooled += seats[base + at];
  }
  return max(kept + coresFor(pooled), coresFor(all));
}
