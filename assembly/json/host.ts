// A host, and what a request makes of it (src/planner/host.ts): who runs on which CPU, and what memory there is for VMs.
import { CPU_ELSEWHERE, CPU_GUESTS, CPU_HOST, CPU_ISOLATED } from '../abi';
import { Request } from './request';

/** Where the file says null, or nothing. */
export const NONE: i32 = -1;
const BASE_PAGE: f64 = 4096;

export class Pool {
  size: f64 = 0;
  total: f64 = NONE;
  free: f64 = NONE;
}

export class HostNode {
  id: i32 = 0;
  total: f64 = NONE;
  free: f64 = NONE;
  reclaimable: f64 = 0;
  pages: Pool[] = [];
  allowed: bool = true;
  bandwidth: f64 = NONE;
}

export class HostCpu {
  id: i32 = 0;
  node: i32 = NONE;
  package: f64 = NONE;
  llc: f64 = NONE;
  core: f64 = NONE;
  thread: f64 = NONE;
  online: bool = false;
  allowed: bool = false;
  isolated: bool = false;
  capacity: i32 = NONE;
}

export class Limit {
  size: f64 = 0;
  pages: f64 = 0;
  cause: string = '';
}

/** A figure for each pair of nodes; NONE: null. */
export type Matrix = f64[][];

/** What was measured, or how far apart its quartiles are: src/types.ts, `Measures`. */
export class Measures {
  latencies: Matrix | null = null;
  bandwidths: Matrix | null = null;
  hops: Matrix | null = null;
  hopInLlc: f64 = NONE;
  hopOnNode: f64 = NONE;
  smt: f64 = NONE;
}

export class Host {
  nodes: HostNode[] = [];
  distances: i32[][] = [];
  cpus: HostCpu[] = [];
  limits: Limit[] = [];
  measures: Measures = new Measures();
  spread: Measures = new Measures();

  /** The place of a node; below 0 where there is none. */
  nodeAt(id: i32): i32 {
    let low = 0;
    let high = this.nodes.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.nodes[middle].id == id) return middle;
      if (this.nodes[middle].id < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  nodeIds(): i32[] {
    const ids = new Array<i32>(this.nodes.length);
    for (let at = 0; at < ids.length; at++) ids[at] = this.nodes[at].id;
    return ids;
  }

  hasCpu(id: i32): bool {
    let low = 0;
    let high = this.cpus.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.cpus[middle].id == id) return true;
      if (this.cpus[middle].id < id) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }
}

/** An online CPU, with every number known. */
export class OnlineCpu {
  constructor(
    public id: i32,
    public node: i32,
    public llc: i32,
    public core: i32,
    public capacity: i32,
    /** A CPU_ number. */
    public use: i32,
    /** Whether threads of VMMs can run there, where it is reserved. */
    public keepsHouse: bool,
  ) {}
}

function useOf(cpu: HostCpu, request: Request): i32 {
  if (request.reserveAllBut ? !request.reserveCpus.includes(cpu.id) : request.reserveCpus.includes(cpu.id)) return CPU_HOST;
  if (!cpu.allowed) return CPU_ELSEWHERE;
  return cpu.isolated ? CPU_ISOLATED : CPU_GUESTS;
}

/** The online CPUs, ascending. The format has every online CPU's core, LLC and capacity, numbered as they come. */
export function onlineCpus(host: Host, request: Request): OnlineCpu[] {
  const byPackage = new Map<f64, i32>();
  for (let at = 0; at < host.cpus.length; at++) {
    const cpu = host.cpus[at];
    if (cpu.online && cpu.node != NONE && cpu.package != NONE && !byPackage.has(cpu.package)) byPackage.set(cpu.package, cpu.node);
  }
  const fallback = fallbackNode(host, request);
  const online: OnlineCpu[] = [];
  for (let at = 0; at < host.cpus.length; at++) {
    const cpu = host.cpus[at];
    if (!cpu.online) continue;
    let node = cpu.node;
    if (node == NONE) node = cpu.package != NONE && byPackage.has(cpu.package) ? byPackage.get(cpu.package) : fallback;
    online.push(new OnlineCpu(cpu.id, node, <i32>cpu.llc, <i32>cpu.core, cpu.capacity, useOf(cpu, request), cpu.allowed && !cpu.isolated));
  }
  return online;
}

/** The lowest node with memory, else the lowest. */
function fallbackNode(host: Host, request: Request): i32 {
  for (let at = 0; at < host.nodes.length; at++) if (hasMemory(host.nodes[at], request)) return host.nodes[at].id;
  return host.nodes[0].id;
}

/** Whether dedicated threads of VMs may have a CPU of this use. */
export function isUsable(use: i32): bool {
  return use == CPU_GUESTS || use == CPU_ISOLATED;
}

/** Whether VMs may have memory on the node. */
export function hasMemory(node: HostNode, request: Request): bool {
  return node.total != 0 && node.allowed && !request.reserveNodes.includes(node.id);
}

/** All page sizes of the host in bytes, ascending: the first is the base page. */
export function pageSizesOf(host: Host): f64[] {
  const sizes: f64[] = [];
  for (let at = 0; at < host.nodes.length; at++) {
    const pages = host.nodes[at].pages;
    for (let pool = 0; pool < pages.length; pool++) if (!sizes.includes(pages[pool].size)) sizes.push(pages[pool].size);
  }
  if (sizes.length == 0) sizes.push(BASE_PAGE);
  for (let at = 1; at < sizes.length; at++) {
    const size = sizes[at];
    let to = at;
    for (; to > 0 && sizes[to - 1] > size; to--) sizes[to] = sizes[to - 1];
    sizes[to] = size;
  }
  return sizes;
}

/** Pages of the size that the node has for VMs. */
export function freePages(node: HostNode, request: Request, size: f64, basePage: f64): f64 {
  if (!hasMemory(node, request)) return 0;
  if (size != basePage) {
    for (let at = 0; at < node.pages.length; at++) if (node.pages[at].size == size) return max(node.pages[at].free, 0);
    return 0;
  }
  const reclaimable = request.freeMemoryOnly ? 0 : node.reclaimable;
  return max(0, Math.floor((max(node.free, 0) + reclaimable - request.reserveMemory) / basePage));
}

/** log2 of a power of two. */
export function shiftOf(size: f64): i32 {
  return <i32>ctz(<u64>size);
}
