// What bounds ask of the host as a whole, found out once: its nearest nodes, its LLCs by size, its CPUs by speed.
import { Flat } from '../flat';
import { MAX_CPUS } from '../abi';
import { coreCapacity, coreCpuStart, coreList, coreLlc, distance, hopBetween, hostVersion, nodeCoreStart, nodeCount } from '../problem/host';
import { sortBy } from '../sort';

let version: i32 = -1;
let nearest: i32 = 0;
let shortest: i32 = 0;
/** CPUs (cores) of each LLC, those with the most first. */
const llcCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const llcCores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
let llcs: i32 = 0;
/** Capacities that occur, the highest first, and how many CPUs have each. */
const levels = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 1025, 8));
const levelCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * 1025, 8));
let levelCount: i32 = 0;

function isLarger(a: i32, b: i32): bool {
  return a > b;
}

function prepare(): void {
  if (version == hostVersion) return;
  version = hostVersion;
  nearest = i32.MAX_VALUE;
  shortest = i32.MAX_VALUE;
  for (let a = 0; a < nodeCount; a++) {
    for (let b = 0; b < nodeCount; b++) {
      if (a == b) continue;
      nearest = min(nearest, distance(a, b));
      shortest = min(shortest, hopBetween(a, b));
    }
  }
  for (let llc = 0; llc < MAX_CPUS; llc++) {
    llcCpus[llc] = 0;
    llcCores[llc] = 0;
  }
  for (let capacity = 0; capacity <= 1024; capacity++) levelCpus[capacity] = 0;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    const cpus = coreCpuStart[core + 1] - coreCpuStart[core];
    llcCpus[coreLlc[core]] += cpus;
    llcCores[coreLlc[core]]++;
    levelCpus[coreCapacity[core]] += cpus;
  }
  llcs = 0;
  for (let llc = 0; llc < MAX_CPUS; llc++) {
    if (llcCpus[llc] == 0) continue;
    llcCpus[llcs] = llcCpus[llc];
    llcCores[llcs++] = llcCores[llc];
  }
  sortBy(llcCpus, llcs, isLarger);
  sortBy(llcCores, llcs, isLarger);
  levelCount = 0;
  for (let capacity = 1024; capacity > 0; capacity--) if (levelCpus[capacity] > 0) levels[levelCount++] = capacity;
}

/** Distance between the nearest two nodes. */
export function nearestNodes(): i32 {
  prepare();
  return nearest;
}

/** Ten times the shortest hop between two nodes. */
export function shortestHop(): i32 {
  prepare();
  return shortest;
}

/** The most ordered pairs (each vCPU with itself included) of `vcpus` that can share an LLC, with one vCPU a core if told so. */
export function mostPairsInLlcs(vcpus: i32, isolated: bool): i64 {
  prepare();
  const rooms = isolated ? llcCores : llcCpus;
  let pairs: i64 = 0;
  let left = vcpus;
  for (let llc = 0; llc < llcs && left > 0; llc++) {
    const here = min(rooms[llc], left);
    pairs += <i64>here * <i64>here;
    left -= here;
  }
  return pairs + <i64>left * <i64>left;
}

/** The least sum of 1024 - capacity of so many CPUs: the fastest, one each. */
export function leastSlownessOfHost(cpus: i32): i64 {
  prepare();
  let left = cpus;
  let slowness: i64 = 0;
  for (let level = 0; level < levelCount && left > 0; level++) {
    const here = min(left, levelCpus[levels[level]]);
    slowness += <i64>here * <i64>(1024 - levels[level]);
    left -= here;
  }
  return slowness;
}
