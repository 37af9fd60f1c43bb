// The host with the VMs that are on it (src/planner/moves/site.ts): who holds which CPU, what memory is taken, and what is left to share.
import { CPU_GUESTS } from '../../abi';
import { distancesOf } from '../distances';
import { Host, freePages, hasMemory, isUsable, onlineCpus, pageSizesOf } from '../host';
import { arranged, orderBy } from '../order';
import { Request, RequestVm } from '../request';
import { Layout } from './layout';

const LOCAL: f64 = 10;
const REMOTE: f64 = 20;

export class SiteCpu {
  constructor(
    public id: i32,
    public node: i32,
    public core: i32,
    public use: i32,
  ) {}
}

/** A VM that is there and stays. */
export class Guest {
  constructor(
    public vm: RequestVm,
    public start: Layout,
    public final: Layout,
    /** Of a shared vCPU, in millionths of a CPU. */
    public demand: f64,
  ) {}
}

/** A dedicated vCPU on a CPU. */
export class Holder {
  constructor(
    public guest: i32,
    public vcpu: i32,
  ) {}
}

/** Numbers by node. */
export class Amounts {
  private of: Map<i32, f64> = new Map<i32, f64>();

  at(node: i32): f64 {
    return this.of.has(node) ? this.of.get(node) : 0;
  }

  add(node: i32, by: f64): void {
    this.of.set(node, this.at(node) + by);
  }

  get all(): f64 {
    const values = this.of.values();
    let sum: f64 = 0;
    for (let at = 0; at < values.length; at++) sum += values[at];
    return sum;
  }

  get nodes(): i32[] {
    return this.of.keys();
  }

  copy(): Amounts {
    const other = new Amounts();
    const nodes = this.of.keys();
    for (let at = 0; at < nodes.length; at++) other.add(nodes[at], this.of.get(nodes[at]));
    return other;
  }
}

/** Bytes by page size and node. */
export class Bytes {
  of: Map<f64, Amounts> = new Map<f64, Amounts>();

  at(size: f64, node: i32): f64 {
    return this.of.has(size) ? this.of.get(size).at(node) : 0;
  }

  add(size: f64, node: i32, bytes: f64): void {
    if (!this.of.has(size)) this.of.set(size, new Amounts());
    this.of.get(size).add(node, bytes);
  }

  inAll(size: f64): f64 {
    return this.of.has(size) ? this.of.get(size).all : 0;
  }

  copy(): Bytes {
    const other = new Bytes();
    const sizes = this.of.keys();
    for (let at = 0; at < sizes.length; at++) other.of.set(sizes[at], this.of.get(sizes[at]).copy());
    return other;
  }
}

/** A trust domain by its name; names are not empty, so this is the one without. */
export function domainOf(vm: RequestVm): string {
  const trust = vm.trust;
  return trust == null ? '' : trust;
}

export class Site {
  nodes: i32[];
  cpus: Map<i32, SiteCpu> = new Map<i32, SiteCpu>();
  /** The online CPUs of each core, and of each node. */
  cores: Map<i32, SiteCpu[]> = new Map<i32, SiteCpu[]>();
  onNode: Map<i32, SiteCpu[]> = new Map<i32, SiteCpu[]>();
  /** Bytes of the base page. */
  pageSize: f64;
  /** Bytes that may be taken. */
  room: Bytes = new Bytes();
  /** The same on all nodes together, of sizes that are limited. */
  limits: Map<f64, f64> = new Map<f64, f64>();

  layouts: Layout[] = [];
  /** Guests with vCPUs or memory on the node. */
  users: Map<i32, Set<i32>> = new Map<i32, Set<i32>>();
  /** Numbers of CPUs and cores below which none is used. */
  lowestCpu: i32 = 0;
  lowestCore: i32 = 0;
  holders: Map<i32, Holder[]> = new Map<i32, Holder[]>();
  /** Dedicated vCPUs on each core. */
  private busy: Map<i32, i32> = new Map<i32, i32>();
  taken: Bytes = new Bytes();
  /** Of shared vCPUs, in millionths of a CPU. */
  demand: Amounts = new Amounts();
  /** Shared vCPUs by guest, and how many of these guests there are by their trust domain. */
  floating: Map<i32, Map<i32, i32>> = new Map<i32, Map<i32, i32>>();
  private domains: Map<i32, Map<string, i32>> = new Map<i32, Map<string, i32>>();
  /** Number of CPUs that shared vCPUs float over. */
  shared: Amounts = new Amounts();

  private usable: i32[] = [];
  private withMemory: i32[] = [];
  /** Memory nodes by node: of all VMs that may use every node, and of each of the others. */
  private homes: Map<i32, i32[]> = new Map<i32, i32[]>();
  private homesOf: Map<RequestVm, Map<i32, i32[]>> = new Map<RequestVm, Map<i32, i32[]>>();
  private around: Map<i32, i32[]> = new Map<i32, i32[]>();
  private none: Holder[] = [];

  /** Every guest is where it is at the start. */
  private distances: i32[][];

  constructor(
    public host: Host,
    public request: Request,
    public guests: Guest[],
  ) {
    const sizes = pageSizesOf(host);
    this.nodes = host.nodeIds();
    this.distances = distancesOf(host);
    this.pageSize = sizes[0];
    const cpus = onlineCpus(host, request);
    for (let at = 0; at < cpus.length; at++) {
      const cpu = cpus[at];
      this.addCpu(new SiteCpu(cpu.id, cpu.node, cpu.core, cpu.use));
      if (isUsable(cpu.use) && !this.usable.includes(cpu.node)) this.usable.push(cpu.node);
    }
    for (let at = 0; at < host.limits.length; at++) this.limits.set(host.limits[at].size, host.limits[at].size * host.limits[at].pages);
    for (let at = 0; at < host.nodes.length; at++) {
      const node = host.nodes[at];
      if (hasMemory(node, request)) this.withMemory.push(node.id);
      for (let size = 0; size < sizes.length; size++) this.room.add(sizes[size], node.id, freePages(node, request, sizes[size], this.pageSize) * sizes[size]);
    }
    for (let guest = 0; guest < guests.length; guest++) {
      this.layouts.push(guests[guest].start);
      this.count(guest, guests[guest].start, 1);
    }
  }

  addCpu(cpu: SiteCpu): void {
    this.cpus.set(cpu.id, cpu);
    if (!this.cores.has(cpu.core)) this.cores.set(cpu.core, []);
    this.cores.get(cpu.core).push(cpu);
    if (!this.onNode.has(cpu.node)) this.onNode.set(cpu.node, []);
    this.onNode.get(cpu.node).push(cpu);
    if (cpu.use == CPU_GUESTS) this.shared.add(cpu.node, 1);
  }

  /** `cpu`: one that nobody holds. */
  removeCpu(cpu: SiteCpu): void {
    this.cpus.delete(cpu.id);
    const core = this.cores.get(cpu.core);
    core.splice(core.indexOf(cpu), 1);
    const node = this.onNode.get(cpu.node);
    node.splice(node.indexOf(cpu), 1);
    if (cpu.use == CPU_GUESTS) this.shared.add(cpu.node, -1);
  }

  /** Moves a guest to where `layout` says. Whether that state holds is for rules.ts to say. */
  place(guest: i32, layout: Layout): void {
    this.count(guest, this.layouts[guest], -1);
    this.layouts[guest] = layout;
    this.count(guest, layout, 1);
  }

  private count(guest: i32, layout: Layout, sign: i32): void {
    const nodes = layout.nodes;
    for (let at = 0; at < nodes.length; at++) {
      if (!this.users.has(nodes[at])) this.users.set(nodes[at], new Set<i32>());
      const users = this.users.get(nodes[at]);
      if (sign > 0) users.add(guest);
      else users.delete(guest);
    }
    for (let at = 0; at < layout.cells.length; at++) {
      const cell = layout.cells[at];
      for (let part = 0; part < cell.memory.length; part++) this.taken.add(cell.pageSize, cell.memory[part].node, <f64>sign * cell.memory[part].bytes);
    }
    const demand = this.guests[guest].demand;
    for (let at = 0; at < layout.seats.length; at++) {
      const seat = layout.seats[at];
      if (!seat.dedicated) {
        this.demand.add(seat.node, <f64>sign * demand);
        this.float(seat.node, guest, sign);
      }
      for (let cpu = 0; cpu < seat.cpus.length; cpu++) this.hold(guest, seat.vcpu, seat.cpus[cpu], sign);
    }
  }

  private float(node: i32, guest: i32, sign: i32): void {
    if (!this.floating.has(node)) this.floating.set(node, new Map<i32, i32>());
    const counts = this.floating.get(node);
    const count = (counts.has(guest) ? counts.get(guest) : 0) + sign;
    if (count == 0) counts.delete(guest);
    else counts.set(guest, count);
    if (count != max(0, sign)) return;
    const trust = domainOf(this.guests[guest].vm);
    if (!this.domains.has(node)) this.domains.set(node, new Map<string, i32>());
    const members = this.domains.get(node);
    const left = (members.has(trust) ? members.get(trust) : 0) + sign;
    if (left == 0) members.delete(trust);
    else members.set(trust, left);
  }

  private hold(guest: i32, vcpu: i32, id: i32, sign: i32): void {
    if (!this.holders.has(id)) this.holders.set(id, []);
    const holders = this.holders.get(id);
    if (sign > 0) holders.push(new Holder(guest, vcpu));
    else {
      let at = 0;
      while (holders[at].guest != guest || holders[at].vcpu != vcpu) at++;
      holders.splice(at, 1);
    }
    if (!this.cpus.has(id)) return;
    const core = this.cpus.get(id).core;
    const were = this.busy.has(core) ? this.busy.get(core) : 0;
    this.busy.set(core, were + sign);
    if ((were == 0) == (were + sign == 0)) return;
    const cpus = this.cores.get(core);
    for (let at = 0; at < cpus.length; at++) if (cpus[at].use == CPU_GUESTS) this.shared.add(cpus[at].node, -sign);
  }

  holdersOf(cpu: i32): Holder[] {
    return this.holders.has(cpu) ? this.holders.get(cpu) : this.none;
  }

  /** The CPUs of a CPU's core, itself among them, usable or not; none where the CPU is not known. */
  coreOf(id: i32): SiteCpu[] {
    return this.cpus.has(id) ? this.cores.get(this.cpus.get(id).core) : [];
  }

  /** Whether a dedicated vCPU is on the core. */
  isBusy(core: i32): bool {
    return this.busy.has(core) && this.busy.get(core) != 0;
  }

  isShared(cpu: SiteCpu): bool {
    return cpu.use == CPU_GUESTS && !this.isBusy(cpu.core);
  }

  /** Trust domains of those that float on the node. */
  domainsOn(node: i32): i32 {
    return this.domains.has(node) ? this.domains.get(node).size : 0;
  }

  /** Bytes that the site has room for on the node, in pages of this size; negative where there are too many. */
  roomOn(size: f64, node: i32): f64 {
    return this.room.at(size, node) - this.taken.at(size, node);
  }

  isNear(a: i32, b: i32): bool {
    return this.layouts[a].firstNode == this.layouts[b].firstNode;
  }

  private distance(from: i32, to: i32): f64 {
    const row = this.host.nodeAt(from);
    const column = this.host.nodeAt(to);
    if (row < 0 || column < 0) return from == to ? LOCAL : REMOTE;
    return this.distances[row][column];
  }

  /** Nodes that memory for the VM's vCPUs on `node` may be on. */
  memoryNodes(vm: RequestVm, node: i32): i32[] {
    const isPicky = vm.memoryNodes != null || (vm.avoidDeviceNodes && this.request.deviceNodes.length > 0);
    if (isPicky && !this.homesOf.has(vm)) this.homesOf.set(vm, new Map<i32, i32[]>());
    const known = isPicky ? this.homesOf.get(vm) : this.homes;
    if (known.has(node)) return known.get(node);
    const homes: i32[] = [];
    let least = Infinity;
    const nodes = vm.memoryNodes;
    for (let at = 0; at < this.withMemory.length; at++) {
      const id = this.withMemory[at];
      if ((nodes != null && !nodes.includes(id)) || keepsOff(this.request, vm, id)) continue;
      const far = this.distance(node, id);
      if (far < least) homes.length = 0;
      least = min(least, far);
      if (far == least) homes.push(id);
    }
    known.set(node, homes);
    return homes;
  }

  /** All other nodes, the nearest first. */
  nodesAround(home: i32): i32[] {
    if (this.around.has(home)) return this.around.get(home);
    const others: i32[] = [];
    const far: f64[] = [];
    for (let at = 0; at < this.nodes.length; at++) {
      if (this.nodes[at] == home) continue;
      others.push(this.nodes[at]);
      far.push(this.distance(home, this.nodes[at]));
    }
    const sorted = arranged<i32>(others, orderBy(far));
    this.around.set(home, sorted);
    return sorted;
  }

  /** Whether vCPUs on `from` are where a strict device of `node` has them. */
  serves(from: i32, node: i32): bool {
    if (this.usable.includes(node)) return from == node;
    if (!this.usable.includes(from)) return false;
    const own = this.distance(from, node);
    for (let at = 0; at < this.usable.length; at++) if (this.distance(this.usable[at], node) < own) return false;
    return true;
  }
}

export function keepsOff(request: Request, vm: RequestVm, node: i32): bool {
  return vm.avoidDeviceNodes && request.deviceNodes.includes(node);
}
