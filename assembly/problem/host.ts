// The host as flat arrays. Nodes and CPUs have an index (ascending by the kernel's number); so have page sizes.
// Everything that search needs of the host's shape is derived once, by prepareHost.
import { Flat } from '../flat';
import { CPU_GUESTS, CPU_HOST, CPU_ISOLATED, MAX_CPUS, MAX_NODES, MAX_PAGE_SIZES } from '../abi';

/** Distances where none are given, in SLIT units. */
const LOCAL: i32 = 10;
const REMOTE: i32 = 20;

export let nodeCount: i32 = 0;
export const nodeId = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeHasMemory = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
/** Whether VMs that are expected may be on the node. */
export const nodeExpects = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));
/** SLIT units, row = from. */
const slit = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES * MAX_NODES, 8));
/** Ten times the hop between vCPUs on two nodes, as given; 0: as far as the distance says. */
const hops = changetype<Flat<u16>>(memory.data(sizeof<u16>() * MAX_NODES * MAX_NODES, 8));
/** The same with what the distance says, once the host is prepared. */
const hopOf = changetype<Flat<u16>>(memory.data(sizeof<u16>() * MAX_NODES * MAX_NODES, 8));

/** Bytes a second that the node's memory gives; 0: not known. */
export const nodeBandwidth = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_NODES, 8));

export let pageSizes: i32 = 0;
/** Ascending; index 0 is the base page. */
export const pageShift = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_PAGE_SIZES, 8));
/** Pages free for guests before any VM is placed, by node and page size. */
export const nodePages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES * MAX_PAGE_SIZES, 8));
/** The most pages of the size that all nodes give together. NO_LIMIT: as many as they have. */
export const limitPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_PAGE_SIZES, 8));
export const NO_LIMIT: i64 = 1 << 60;

export let cpuCount: i32 = 0;
export const cpuId = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const cpuNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const cpuLlc = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const cpuCore = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const cpuCapacity = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** CPU_ number. */
export const cpuUse = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

// Derived. Cores and LLCs keep the numbers that the caller gave (below MAX_CPUS).
export let prepared: bool = false;
/** Another one each time that the host is prepared. */
export let hostVersion: i32 = 0;
/** The most online CPUs that a core of the host has. */
export let widestCore: i32 = 1;
/** The least distance beyond 10 from the node to memory. */
export const nodeReach = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Whether some LLC has CPUs on more than one node. */
export let llcSpansNodes: bool = false;
/** Whether some usable CPUs are slower than others. */
export let speedsDiffer: bool = false;
/** CPUs that only dedicated threads may have. */
export let isolatedCpus: i32 = 0;
/** LLCs with an online CPU on the node. */
export const nodeLlcs = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** The nearest lower node that is alike in everything: exchanging the two changes nothing. -1: none. */
export const nodeTwin = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** CPUs of the node that dedicated threads may have, and those of them that shared vCPUs may float over. */
export const nodeUsable = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeGuests = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** The fewest CPUs of a core of the node that shared vCPUs may float over, of cores that have such. */
export const nodeFewestGuests = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Cores of the node that the host's own threads are not on, and usable CPUs on these. */
export const nodeWholeCores = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const nodeWholeCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** The least distance to the node from a node with usable CPUs. */
export const nodeApproach = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** Cores with usable CPUs, by node; within a node by LLC, then fastest, widest, most isolated, lowest first. */
export const nodeCoreStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * (MAX_NODES + 1), 8));
export const coreList = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Where a core is in coreList. */
export const corePlace = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** A core's usable CPUs: isolated ones first, ascending. */
export const coreCpuStart = changetype<Flat<i32>>(memory.data(sizeof<i32>() * (MAX_CPUS + 1), 8));
export const coreCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const coreNode = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const coreLlc = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
export const coreCapacity = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Those of the core's usable CPUs that shared vCPUs may float over. */
export const coreGuests = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
/** Whether the host's own threads are on the core. */
export const coreHasHost = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_CPUS, 8));
const coreOnline = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));
const llcSeenBy = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_CPUS, 8));

export function resetHost(): void {
  nodeCount = 0;
  cpuCount = 0;
  pageSizes = 0;
  prepared = false;
}

export function nodeIndex(id: i32): i32 {
  let low = 0;
  let high = nodeCount - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = nodeId[middle];
    if (found == id) return middle;
    if (found < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Index of a CPU; -1: the host has none such online. */
export function cpuIndex(id: i32): i32 {
  let low = 0;
  let high = cpuCount - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = cpuId[middle];
    if (found == id) return middle;
    if (found < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

export function addNodeEntry(id: i32, hasMemory: bool): i32 {
  const node = nodeCount++;
  nodeId[node] = id;
  nodeHasMemory[node] = hasMemory;
  nodeBandwidth[node] = 0;
  nodeExpects[node] = true;
  for (let other = 0; other < MAX_NODES; other++) {
    slit[node * MAX_NODES + other] = REMOTE;
    slit[other * MAX_NODES + node] = REMOTE;
    hops[node * MAX_NODES + other] = 0;
    hops[other * MAX_NODES + node] = 0;
  }
  slit[node * MAX_NODES + node] = LOCAL;
  for (let size = 0; size < MAX_PAGE_SIZES; size++) nodePages[node * MAX_PAGE_SIZES + size] = 0;
  prepared = false;
  return node;
}

export function setSlit(from: i32, to: i32, distance: i32): void {
  slit[from * MAX_NODES + to] = distance;
  prepared = false;
}

/** SLIT distance between two nodes by index: 10 and 20 where the caller gave none. */
export function distance(from: i32, to: i32): i32 {
  return slit[from * MAX_NODES + to];
}

export function setHops(from: i32, to: i32, tenHops: i32): void {
  hops[from * MAX_NODES + to] = <u16>tenHops;
  prepared = false;
}

/** Ten times the hop between vCPUs on two nodes by index: their distance where the caller gave none. */
export function hopBetween(from: i32, to: i32): i32 {
  return <i32>hopOf[from * MAX_NODES + to];
}

function deriveHops(): void {
  for (let at = 0; at < nodeCount * MAX_NODES; at++) hopOf[at] = hops[at] != 0 ? hops[at] : <u16>slit[at];
}

/** Index of a page size, which is entered where it is new; -1 when there are too many. */
export function enterPageSize(shift: i32): i32 {
  let at = 0;
  while (at < pageSizes && pageShift[at] < shift) at++;
  if (at < pageSizes && pageShift[at] == shift) return at;
  if (pageSizes == MAX_PAGE_SIZES) return -1;
  for (let size = pageSizes; size > at; size--) {
    pageShift[size] = pageShift[size - 1];
    limitPages[size] = limitPages[size - 1];
    for (let node = 0; node < nodeCount; node++) {
      nodePages[node * MAX_PAGE_SIZES + size] = nodePages[node * MAX_PAGE_SIZES + size - 1];
    }
  }
  pageSizes++;
  pageShift[at] = shift;
  limitPages[at] = NO_LIMIT;
  for (let node = 0; node < nodeCount; node++) nodePages[node * MAX_PAGE_SIZES + at] = 0;
  return at;
}

/** Index of a page size; -1 where the host has none such. */
export function pageSizeIndex(shift: i32): i32 {
  for (let size = 0; size < pageSizes; size++) if (pageShift[size] == shift) return size;
  return -1;
}

export function addCpuEntry(id: i32, node: i32, llc: i32, core: i32, capacity: i32, use: i32): i32 {
  const cpu = cpuCount++;
  cpuId[cpu] = id;
  cpuNode[cpu] = node;
  cpuLlc[cpu] = llc;
  cpuCore[cpu] = core;
  cpuCapacity[cpu] = capacity;
  cpuUse[cpu] = use;
  prepared = false;
  return cpu;
}

/** Whether guests' dedicated threads may have the CPU. */
export function isUsable(cpu: i32): bool {
  return cpuUse[cpu] == CPU_GUESTS || cpuUse[cpu] == CPU_ISOLATED;
}

function coreComesBefore(a: i32, b: i32): bool {
  if (coreNode[a] != coreNode[b]) return coreNode[a] < coreNode[b];
  if (coreLlc[a] != coreLlc[b]) return coreLlc[a] < coreLlc[b];
  if (coreCapacity[a] != coreCapacity[b]) return coreCapacity[a] > coreCapacity[b];
  const widthA = coreCpuStart[a + 1] - coreCpuStart[a];
  const widthB = coreCpuStart[b + 1] - coreCpuStart[b];
  if (widthA != widthB) return widthA > widthB;
  return coreGuests[a] != coreGuests[b] ? coreGuests[a] < coreGuests[b] : a < b;
}

/** Enters the CPUs of one use into their cores' lists, `coreOnline` counting what is there. */
function enterCpus(use: i32): void {
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    if (cpuUse[cpu] != use) continue;
    const core = cpuCore[cpu];
    if (coreOnline[core] == 0) {
      coreNode[core] = cpuNode[cpu];
      coreLlc[core] = cpuLlc[cpu];
      coreCapacity[core] = cpuCapacity[cpu];
    }
    coreCpus[coreCpuStart[core] + coreOnline[core]++] = cpu;
  }
}

function deriveCores(): void {
  for (let core = 0; core <= MAX_CPUS; core++) coreCpuStart[core] = 0;
  for (let core = 0; core < MAX_CPUS; core++) {
    coreOnline[core] = 0;
    coreGuests[core] = 0;
    coreHasHost[core] = false;
  }
  widestCore = 1;
  speedsDiffer = false;
  isolatedCpus = 0;
  let capacity = 0;
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    const core = cpuCore[cpu];
    coreOnline[core]++;
    widestCore = max(widestCore, coreOnline[core]);
    if (cpuUse[cpu] == CPU_HOST) coreHasHost[core] = true;
    if (!isUsable(cpu)) continue;
    if (cpuUse[cpu] == CPU_ISOLATED) isolatedCpus++;
    else coreGuests[core]++;
    coreCpuStart[core + 1]++;
    speedsDiffer = speedsDiffer || (capacity != 0 && capacity != cpuCapacity[cpu]);
    capacity = cpuCapacity[cpu];
  }
  for (let core = 0; core < MAX_CPUS; core++) coreCpuStart[core + 1] += coreCpuStart[core];
  for (let core = 0; core < MAX_CPUS; core++) coreOnline[core] = 0;
  enterCpus(CPU_ISOLATED);
  enterCpus(CPU_GUESTS);
}

function sortCores(): void {
  let cores = 0;
  for (let core = 0; core < MAX_CPUS; core++) {
    if (coreCpuStart[core + 1] == coreCpuStart[core]) continue;
    // Insertion: hosts list their cores almost in this order.
    let at = cores++;
    while (at > 0 && coreComesBefore(core, coreList[at - 1])) {
      coreList[at] = coreList[at - 1];
      at--;
    }
    coreList[at] = core;
  }
  for (let place = 0; place < cores; place++) corePlace[coreList[place]] = place;
  let at = 0;
  for (let node = 0; node < nodeCount; node++) {
    nodeCoreStart[node] = at;
    while (at < cores && coreNode[coreList[at]] == node) at++;
  }
  nodeCoreStart[nodeCount] = at;
}

function deriveNodes(): void {
  for (let llc = 0; llc < MAX_CPUS; llc++) llcSeenBy[llc] = -1;
  llcSpansNodes = false;
  for (let node = 0; node < nodeCount; node++) {
    let nearest = i32.MAX_VALUE;
    for (let other = 0; other < nodeCount; other++) {
      if (nodeHasMemory[other]) nearest = min(nearest, distance(node, other) - 10);
    }
    nodeReach[node] = nearest == i32.MAX_VALUE ? 0 : nearest;
    nodeUsable[node] = 0;
    nodeGuests[node] = 0;
    nodeLlcs[node] = 0;
    for (let cpu = 0; cpu < cpuCount; cpu++) {
      if (cpuNode[cpu] != node) continue;
      if (isUsable(cpu)) nodeUsable[node]++;
      if (cpuUse[cpu] == CPU_GUESTS) nodeGuests[node]++;
      if (llcSeenBy[cpuLlc[cpu]] == node) continue;
      llcSpansNodes = llcSpansNodes || llcSeenBy[cpuLlc[cpu]] >= 0;
      llcSeenBy[cpuLlc[cpu]] = node;
      nodeLlcs[node]++;
    }
    nodeWholeCores[node] = 0;
    nodeWholeCpus[node] = 0;
    nodeFewestGuests[node] = widestCore;
    for (let at = nodeCoreStart[node]; at < nodeCoreStart[node + 1]; at++) {
      const core = coreList[at];
      if (coreGuests[core] != 0) nodeFewestGuests[node] = min(nodeFewestGuests[node], coreGuests[core]);
      if (coreHasHost[core]) continue;
      nodeWholeCores[node]++;
      nodeWholeCpus[node] += coreCpuStart[core + 1] - coreCpuStart[core];
    }
  }
  for (let node = 0; node < nodeCount; node++) {
    nodeApproach[node] = i32.MAX_VALUE;
    for (let other = 0; other < nodeCount; other++) {
      if (nodeUsable[other] > 0) nodeApproach[node] = min(nodeApproach[node], distance(other, node));
    }
  }
}

/** Whether vCPUs on `from` are where a strict device of `node` has them: there, or nearest to it where it has no usable CPU. */
export function servesDevice(from: i32, node: i32): bool {
  if (nodeUsable[node] > 0) return from == node;
  return nodeUsable[from] > 0 && distance(from, node) == nodeApproach[node];
}

/** Whether the nodes have alike cores, in the same LLCs, and alike memory. */
function haveAlikeParts(a: i32, b: i32): bool {
  if (nodeUsable[a] != nodeUsable[b] || nodeLlcs[a] != nodeLlcs[b]) return false;
  if (nodeHasMemory[a] != nodeHasMemory[b] || nodeBandwidth[a] != nodeBandwidth[b] || nodeExpects[a] != nodeExpects[b]) return false;
  for (let size = 0; size < pageSizes; size++) {
    if (nodePages[a * MAX_PAGE_SIZES + size] != nodePages[b * MAX_PAGE_SIZES + size]) return false;
  }
  const cores = nodeCoreStart[a + 1] - nodeCoreStart[a];
  if (nodeCoreStart[b + 1] - nodeCoreStart[b] != cores) return false;
  for (let at = 0; at < cores; at++) {
    const coreA = coreList[nodeCoreStart[a] + at];
    const coreB = coreList[nodeCoreStart[b] + at];
    if (coreCapacity[coreA] != coreCapacity[coreB]) return false;
    if (coreCpuStart[coreA + 1] - coreCpuStart[coreA] != coreCpuStart[coreB + 1] - coreCpuStart[coreB]) return false;
    if (coreGuests[coreA] != coreGuests[coreB] || coreHasHost[coreA] != coreHasHost[coreB]) return false;
    if (at == 0) continue;
    const sameA = coreLlc[coreA] == coreLlc[coreList[nodeCoreStart[a] + at - 1]];
    const sameB = coreLlc[coreB] == coreLlc[coreList[nodeCoreStart[b] + at - 1]];
    if (sameA != sameB) return false;
  }
  return true;
}

/** Whether exchanging two nodes changes no distance and no hop. Then for each other node, either both are its memory nodes or neither is. */
function standAlike(a: i32, b: i32): bool {
  if (distance(a, b) != distance(b, a) || distance(a, a) != distance(b, b) || hopBetween(a, b) != hopBetween(b, a)) return false;
  for (let other = 0; other < nodeCount; other++) {
    if (other == a || other == b) continue;
    if (distance(a, other) != distance(b, other) || distance(other, a) != distance(other, b)) return false;
    if (hopBetween(a, other) != hopBetween(b, other) || hopBetween(other, a) != hopBetween(other, b)) return false;
  }
  return true;
}

function deriveTwins(): void {
  for (let node = 0; node < nodeCount; node++) {
    nodeTwin[node] = -1;
    if (llcSpansNodes) continue;
    // The last node of a class stands for the class: exchanges that change nothing can be combined.
    for (let other = node - 1; other >= 0 && nodeTwin[node] < 0; other--) {
      if (haveAlikeParts(node, other) && standAlike(node, other)) nodeTwin[node] = other;
    }
  }
}

export function prepareHost(): void {
  deriveCores();
  sortCores();
  deriveNodes();
  deriveHops();
  deriveTwins();
  prepared = true;
  hostVersion++;
}
