// The host as levels of groups: LLCs, nodes, groups of near nodes. What two vCPUs that are in different groups of a level lose by that at the
// least adds up over the levels: of all pairs of nodes in different groups of a level the nearest counts.
import { Flat } from '../flat';
import { MAX_CPUS, MAX_NODES } from '../abi';
import { coreCpus, coreCpuStart, coreList, coreLlc, coreNode, cpuLlc, cpuNode, distance, hopBetween, hostVersion, nodeCoreStart, nodeCount, nodeUsable, widestCore } from '../problem/host';
import { homeOf, homesOf, useAllNodes } from '../problem/nodes';
import { spend } from '../work';

/** LLCs, nodes, and up to so many levels above. */
export const MOST_LEVELS: i32 = 4;
export let levels: i32 = 0;
/** The level of nodes: 1, or 0 where every node has one LLC. */
export let nodeLevel: i32 = 0;
/** By level: twenty times the hops that pairs in different groups have beyond those in different groups of the level below, and their distance to each other's memory. */
export const levelHops = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_LEVELS, 8));
export const levelReach = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MOST_LEVELS, 8));

/** The group of each node, by level. */
const groupOf = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS * MAX_NODES, 8));
/** By level and group: cores. */
export const groupCores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MOST_LEVELS * MAX_CPUS, 8));
/** Whether every core is in one group of each level. */
export let coresAreInGroups: bool = true;
let version: i32 = -1;

/** There and back. */
function roundTrip(a: i32, b: i32): i32 {
  return hopBetween(a, b) + hopBetween(b, a);
}

/** From a node to the nearest memory of vCPUs on another, beyond 10. */
function reachOf(from: i32, to: i32): i32 {
  let least = i32.MAX_VALUE;
  for (let at = 0; at < homesOf(to); at++) least = min(least, distance(from, homeOf(to, at)) - 10);
  return least == i32.MAX_VALUE ? 0 : least;
}

/** The least of a level: of all usable nodes in different groups. */
let leastTrip: i32 = 0;
let leastReach: i32 = 0;

function findLeast(level: i32): void {
  leastTrip = i32.MAX_VALUE;
  leastReach = i32.MAX_VALUE;
  const first = level * MAX_NODES;
  for (let a = 0; a < nodeCount; a++) {
    for (let b = 0; b < nodeCount; b++) {
      if (nodeUsable[a] == 0 || nodeUsable[b] == 0 || groupOf[first + a] == groupOf[first + b]) continue;
      leastTrip = min(leastTrip, roundTrip(a, b));
      leastReach = min(leastReach, reachOf(a, b));
    }
  }
}

/** Joins the groups of a level that are as near as `leastTrip`; false where that leaves one group. */
function joinNearest(level: i32): bool {
  const first = level * MAX_NODES;
  const below = first - MAX_NODES;
  for (let node = 0; node < nodeCount; node++) groupOf[first + node] = groupOf[below + node];
  for (let a = 0; a < nodeCount; a++) {
    for (let b = 0; b < a; b++) {
      const from = groupOf[first + a];
      const to = groupOf[first + b];
      if (from == to || nodeUsable[a] == 0 || nodeUsable[b] == 0 || roundTrip(a, b) > leastTrip) continue;
      for (let node = 0; node < nodeCount; node++) if (groupOf[first + node] == from) groupOf[first + node] = to;
    }
  }
  let one = -1;
  for (let node = 0; node < nodeCount; node++) {
    if (nodeUsable[node] == 0) continue;
    if (one >= 0 && groupOf[first + node] != one) return true;
    one = groupOf[first + node];
  }
  return false;
}

/** The group of the core, as a place among those of all levels. */
export function groupAt(level: i32, core: i32): i32 {
  return level * MAX_CPUS + (level < nodeLevel ? coreLlc[core] : groupOf[level * MAX_NODES + coreNode[core]]);
}

function countCores(): void {
  coresAreInGroups = true;
  for (let at = 0; at < levels * MAX_CPUS; at++) groupCores[at] = 0;
  for (let at = 0; at < nodeCoreStart[nodeCount]; at++) {
    const core = coreList[at];
    for (let cpu = coreCpuStart[core]; cpu < coreCpuStart[core + 1]; cpu++) {
      if (cpuNode[coreCpus[cpu]] != coreNode[core] || cpuLlc[coreCpus[cpu]] != coreLlc[core]) coresAreInGroups = false;
    }
    for (let level = 0; level < levels; level++) groupCores[groupAt(level, core)]++;
  }
}

/** Finds the levels of the host. */
export function prepareLevels(): void {
  if (version == hostVersion) return;
  version = hostVersion;
  useAllNodes();
  spend(4 * nodeCount * nodeCount + 4 * MAX_CPUS);
  nodeLevel = 0;
  for (let at = 1; at < nodeCoreStart[nodeCount]; at++) {
    if (coreNode[coreList[at]] == coreNode[coreList[at - 1]] && coreLlc[coreList[at]] != coreLlc[coreList[at - 1]]) nodeLevel = 1;
  }
  levelHops[0] = 20;
  levelReach[0] = 0;
  let hops: i64 = nodeLevel == 1 ? 20 : 0;
  let reach: i64 = 0;
  levels = nodeLevel;
  for (let node = 0; node < nodeCount; node++) groupOf[levels * MAX_NODES + node] = node;
  for (let more = true; more; ) {
    findLeast(levels);
    // A single group: nothing is apart.
    const apart = leastTrip < i32.MAX_VALUE;
    levelHops[levels] = apart ? <i64>leastTrip - hops : 0;
    levelReach[levels] = apart ? <i64>leastReach - reach : 0;
    hops += levelHops[levels];
    reach += levelReach[levels];
    levels++;
    more = apart && levels < MOST_LEVELS && joinNearest(levels);
  }
  countCores();
}

/** CPUs of a group in units of so many. */
export function groupUnits(level: i32, group: i32, grain: i32): i32 {
  return (groupCores[level * MAX_CPUS + group] * widestCore) / grain;
}
