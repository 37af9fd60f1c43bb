// Whether the state after a step holds, and if not, what is in the way (src/planner/moves/rules.ts). Only what the step can have broken is looked
// at; what was wrong at the start may stay wrong, as long as it gets no worse.
import { THREADS_ISOLATE, THREADS_REQUIRE } from '../../abi';
import { isUsable } from '../host';
import { sorted } from '../order';
import { Change, Layout, Seat, isSameSeat } from './layout';
import { Amounts, Bytes, Holder, Site, domainOf } from './site';

const MICRO: f64 = 1_000_000;

/** vCPUs of a guest's cell that are in the way; none: all of the cell is. */
export class Blocker {
  vcpus: i32[] = [];

  constructor(
    public guest: i32,
    public cell: i32,
  ) {}
}

/** What an obstacle is made of. Nobody is in the way of an IMMOVABLE one. */
export const OCCUPIED: i32 = 0;
export const OVERFULL: i32 = 1;
export const OVERCOMMITTED: i32 = 2;
export const DISTRUSTED: i32 = 3;
export const SEPARATE: i32 = 4;
export const IMMOVABLE: i32 = 5;

export class Obstacle {
  /** CPUs and bytes that are missing on the node; of pages of this size. */
  cpus: i32 = 0;
  bytes: f64 = 0;
  pageSize: f64 = 0;
  /** Of OCCUPIED. */
  occupants: Blocker[] = [];
  /** The guest that may not be there (DISTRUSTED), or that the other one keeps apart from (SEPARATE). */
  guest: i32 = -1;

  constructor(
    public kind: i32,
    public node: i32,
  ) {}
}

/** What is wrong at the start. */
export class Drift {
  taken: Bytes = new Bytes();
  /** Shared demand beyond the limit, in millionths of a CPU. */
  excess: Amounts = new Amounts();
  /** Guests that float together on the node, though they are of different trust domains. */
  mixed: Map<i32, i32[]> = new Map<i32, i32[]>();
  /** Pairs that have to be apart and are both on the node; pairs that have to be near and are not; devices without a cell. */
  broken: Set<string> = new Set<string>();
  /** By guest and cell: the partly idle cores of a cell under `require` that has more than one. */
  idle: Map<string, i32[]> = new Map<string, i32[]>();
}

export class Relations {
  near: i32[][] = [];
  separate: i32[][] = [];
  /** Does any guest want whole cores. */
  requires: bool = false;
}

function addOnce(list: i32[], number: i32): void {
  if (!list.includes(number)) list.push(number);
}

/** Who each guest has to be near to and apart from, whichever of the two asked. */
export function relationsOf(site: Site): Relations {
  const relations = new Relations();
  const index = new Map<string, i32>();
  for (let at = 0; at < site.guests.length; at++) {
    index.set(site.guests[at].vm.name, at);
    relations.near.push([]);
    relations.separate.push([]);
    if (site.guests[at].vm.threadPolicy == THREADS_REQUIRE) relations.requires = true;
  }
  for (let at = 0; at < site.guests.length; at++) {
    relate(relations.near, at, site.guests[at].vm.near, index);
    relate(relations.separate, at, site.guests[at].vm.separateFrom, index);
  }
  return relations;
}

function relate(peers: i32[][], at: i32, names: string[], index: Map<string, i32>): void {
  for (let name = 0; name < names.length; name++) {
    if (!index.has(names[name])) continue;
    const other = index.get(names[name]);
    addOnce(peers[at], other);
    addOnce(peers[other], at);
  }
}

function apart(a: i32, b: i32, node: i32): string {
  return 'separate ' + min(a, b).toString() + ' ' + max(a, b).toString() + ' ' + node.toString();
}

function together(a: i32, b: i32): string {
  return 'near ' + min(a, b).toString() + ' ' + max(a, b).toString();
}

function device(guest: i32, node: i32): string {
  return 'device ' + guest.toString() + ' ' + node.toString();
}

function cellKey(guest: i32, cell: i32): string {
  return guest.toString() + ' ' + cell.toString();
}

/** `site`: with every guest where it is at the start. */
export function driftOf(site: Site, relations: Relations): Drift {
  const drift = new Drift();
  for (let guest = 0; guest < site.layouts.length; guest++) {
    const near = relations.near[guest];
    for (let at = 0; at < near.length; at++) if (!site.isNear(guest, near[at])) drift.broken.add(together(guest, near[at]));
    const separate = relations.separate[guest];
    for (let at = 0; at < separate.length; at++) {
      const nodes = common(site, guest, separate[at]);
      for (let node = 0; node < nodes.length; node++) drift.broken.add(apart(guest, separate[at], nodes[node]));
    }
    const devices = devicesWithout(site, guest);
    for (let at = 0; at < devices.length; at++) drift.broken.add(device(guest, devices[at]));
    if (site.guests[guest].vm.threadPolicy != THREADS_REQUIRE) continue;
    for (let cell = 0; cell < site.layouts[guest].cells.length; cell++) {
      const cores = idleCores(site, guest, cell);
      if (cores.length > 1) drift.idle.set(cellKey(guest, cell), cores);
    }
  }
  drift.taken = site.taken.copy();
  const demanding = site.demand.nodes;
  for (let at = 0; at < demanding.length; at++) drift.excess.add(demanding[at], max(0, excessOn(site, demanding[at])));
  for (let at = 0; at < site.nodes.length; at++) drift.mixed.set(site.nodes[at], mixedOn(site, site.nodes[at]));
  return drift;
}

/** What is in the way of `changes`, which have been made already; null: the state holds. */
export function obstacleTo(site: Site, drift: Drift, relations: Relations, changes: Change[]): Obstacle | null {
  for (let at = 0; at < changes.length; at++) {
    const change = changes[at];
    let obstacle = occupied(site, change);
    if (obstacle == null && relations.requires) obstacle = partlyIdle(site, drift, change);
    if (obstacle == null) obstacle = overfull(site, drift, change);
    if (obstacle == null) obstacle = unlimited(site, drift, change);
    if (obstacle == null) obstacle = overcommitted(site, drift, change);
    if (obstacle == null) obstacle = distrusted(site, drift, change);
    if (obstacle == null) obstacle = unrelated(site, drift, relations, change);
    if (obstacle != null) return obstacle;
  }
  return null;
}

/** Who is in the way, as the site is now. */
export function blockersOf(site: Site, obstacle: Obstacle): Blocker[] {
  const blockers: Blocker[] = [];
  if (obstacle.kind == OCCUPIED) return obstacle.occupants;
  if (obstacle.kind == IMMOVABLE || !site.users.has(obstacle.node)) return blockers;
  const guests = sorted(site.users.get(obstacle.node).values());
  for (let at = 0; at < guests.length; at++) {
    const layout = site.layouts[guests[at]];
    for (let cell = 0; cell < layout.cells.length; cell++) {
      if (isInTheWay(site, obstacle, layout, cell, guests[at])) blockers.push(new Blocker(guests[at], cell));
    }
  }
  return blockers;
}

function isInTheWay(site: Site, obstacle: Obstacle, layout: Layout, cell: i32, guest: i32): bool {
  const node = obstacle.node;
  if (obstacle.kind == OVERFULL) return layout.cells[cell].pageSize == obstacle.pageSize && hasMemoryOn(layout, cell, node);
  if (obstacle.kind == OVERCOMMITTED) return hasSeatOn(layout, cell, node, false);
  if (obstacle.kind == DISTRUSTED) {
    return domainOf(site.guests[guest].vm) != domainOf(site.guests[obstacle.guest].vm) && hasSeatOn(layout, cell, node, true);
  }
  return guest == obstacle.guest && (hasMemoryOn(layout, cell, node) || hasSeatOn(layout, cell, node, false));
}

function hasMemoryOn(layout: Layout, cell: i32, node: i32): bool {
  const memory = layout.cells[cell].memory;
  for (let part = 0; part < memory.length; part++) if (memory[part].node == node) return true;
  return false;
}

function hasSeatOn(layout: Layout, cell: i32, node: i32, onlyShared: bool): bool {
  for (let at = 0; at < layout.seats.length; at++) {
    const seat = layout.seats[at];
    if (seat.cell == cell && seat.node == node && !(onlyShared && seat.dedicated)) return true;
  }
  return false;
}

/** CPUs that others hold, and cores that hold someone who must not be there with this guest. */
function occupied(site: Site, change: Change): Obstacle | null {
  const guest = change.guest;
  let obstacle: Obstacle | null = null;
  const found = new Map<string, Blocker>();
  for (let at = 0; at < change.to.seats.length; at++) {
    const seat = change.to.seats[at];
    if (isSameSeat(change.from.seats[at], seat)) continue;
    for (let cpu = 0; cpu < seat.cpus.length; cpu++) {
      const others: Holder[] = [];
      const holders = site.holdersOf(seat.cpus[cpu]);
      for (let holder = 0; holder < holders.length; holder++) {
        if (holders[holder].guest != guest || holders[holder].vcpu != seat.vcpu) others.push(holders[holder]);
      }
      addStrangersBeside(site, guest, seat.cpus[cpu], others);
      for (let other = 0; other < others.length; other++) {
        const one = others[other];
        if (obstacle == null) obstacle = new Obstacle(OCCUPIED, seat.node);
        const cell = site.layouts[one.guest].seats[one.vcpu].cell;
        const key = cellKey(one.guest, cell);
        if (!found.has(key)) found.set(key, new Blocker(one.guest, cell));
        addOnce(found.get(key).vcpus, one.vcpu);
      }
    }
  }
  if (obstacle != null) obstacle.occupants = found.values();
  return obstacle;
}

/** Those on the other CPUs of the core that must not share it with a vCPU of the guest. */
export function addStrangersBeside(site: Site, guest: i32, cpu: i32, strangers: Holder[]): void {
  const one = site.guests[guest].vm;
  const core = site.coreOf(cpu);
  for (let at = 0; at < core.length; at++) {
    if (core[at].id == cpu) continue;
    const holders = site.holdersOf(core[at].id);
    for (let index = 0; index < holders.length; index++) {
      const holder = holders[index];
      const other = site.guests[holder.guest].vm;
      if (one.threadPolicy != THREADS_ISOLATE && other.threadPolicy != THREADS_ISOLATE) {
        if (holder.guest == guest) continue;
        const trusted = one.trust != null && domainOf(one) == domainOf(other);
        if (trusted && one.threadPolicy != THREADS_REQUIRE && other.threadPolicy != THREADS_REQUIRE) continue;
      }
      strangers.push(holder);
    }
  }
}

function touchedBy(site: Site, seats: Seat[], touched: i32[]): void {
  for (let at = 0; at < seats.length; at++) {
    for (let cpu = 0; cpu < seats[at].cpus.length; cpu++) {
      const id = seats[at].cpus[cpu];
      const core = site.coreOf(id);
      for (let sibling = 0; sibling < core.length; sibling++) if (core[sibling].id != id) touchHolders(site, core[sibling].id, touched);
      touchHolders(site, id, touched);
    }
  }
}

function touchHolders(site: Site, cpu: i32, touched: i32[]): void {
  const holders = site.holdersOf(cpu);
  for (let at = 0; at < holders.length; at++) addOnce(touched, holders[at].guest);
}

/** Under `require` a cell leaves at most one of its cores partly idle. */
function partlyIdle(site: Site, drift: Drift, change: Change): Obstacle | null {
  const touched = [change.guest];
  touchedBy(site, change.from.seats, touched);
  touchedBy(site, change.to.seats, touched);
  for (let at = 0; at < touched.length; at++) {
    const other = touched[at];
    if (site.guests[other].vm.threadPolicy != THREADS_REQUIRE) continue;
    const layout = site.layouts[other];
    for (let cell = 0; cell < layout.cells.length; cell++) {
      const cores = idleCores(site, other, cell);
      if (cores.length < 2 || wereIdle(drift, cellKey(other, cell), cores)) continue;
      for (let seat = 0; seat < layout.seats.length; seat++) {
        if (layout.seats[seat].cell == cell) return new Obstacle(IMMOVABLE, layout.seats[seat].node);
      }
    }
  }
  return null;
}

function wereIdle(drift: Drift, key: string, cores: i32[]): bool {
  if (!drift.idle.has(key)) return false;
  const were = drift.idle.get(key);
  for (let at = 0; at < cores.length; at++) if (!were.includes(cores[at])) return false;
  return true;
}

/** The cores of a cell that have a usable CPU which is not the guest's. */
function idleCores(site: Site, guest: i32, cell: i32): i32[] {
  const seats = site.layouts[guest].seats;
  const cores: i32[] = [];
  for (let at = 0; at < seats.length; at++) {
    if (seats[at].cell != cell) continue;
    for (let cpu = 0; cpu < seats[at].cpus.length; cpu++) {
      const id = seats[at].cpus[cpu];
      if (site.cpus.has(id)) addOnce(cores, site.cpus.get(id).core);
    }
  }
  const idle: i32[] = [];
  for (let at = 0; at < cores.length; at++) if (hasOther(site, guest, cores[at])) idle.push(cores[at]);
  return idle;
}

function hasOther(site: Site, guest: i32, core: i32): bool {
  const cpus = site.cores.get(core);
  for (let at = 0; at < cpus.length; at++) {
    if (!isUsable(cpus[at].use)) continue;
    const holders = site.holdersOf(cpus[at].id);
    let isOwn = false;
    for (let holder = 0; holder < holders.length; holder++) if (holders[holder].guest == guest) isOwn = true;
    if (!isOwn) return true;
  }
  return false;
}

function overfull(site: Site, drift: Drift, change: Change): Obstacle | null {
  for (let at = 0; at < change.to.cells.length; at++) {
    const cell = change.to.cells[at];
    for (let part = 0; part < cell.memory.length; part++) {
      const node = cell.memory[part].node;
      const most = max(site.room.at(cell.pageSize, node), drift.taken.at(cell.pageSize, node));
      const bytes = site.taken.at(cell.pageSize, node) - most;
      if (bytes <= 0) continue;
      const obstacle = new Obstacle(OVERFULL, node);
      obstacle.bytes = bytes;
      obstacle.pageSize = cell.pageSize;
      return obstacle;
    }
  }
  return null;
}

/** Pages of a size beyond what all nodes together may give: only cells that change their pages change that. */
function unlimited(site: Site, drift: Drift, change: Change): Obstacle | null {
  for (let at = 0; at < change.to.cells.length; at++) {
    const size = change.to.cells[at].pageSize;
    if (!site.limits.has(size) || site.taken.inAll(size) <= max(site.limits.get(size), drift.taken.inAll(size))) continue;
    return new Obstacle(IMMOVABLE, change.to.seats[0].node);
  }
  return null;
}

function nodesOfSeats(change: Change): i32[] {
  const nodes: i32[] = [];
  const were = change.from.seats;
  for (let at = 0; at < were.length; at++) addOnce(nodes, were[at].node);
  const are = change.to.seats;
  for (let at = 0; at < are.length; at++) addOnce(nodes, are[at].node);
  return nodes;
}

/** Shared vCPUs float beside those of their own trust domain, or where none of them names one. */
function distrusted(site: Site, drift: Drift, change: Change): Obstacle | null {
  const nodes = nodesOfSeats(change);
  for (let at = 0; at < nodes.length; at++) {
    const guests = mixedOn(site, nodes[at]);
    if (guests.length == 0 || wereMixed(drift, nodes[at], guests)) continue;
    const obstacle = new Obstacle(DISTRUSTED, nodes[at]);
    obstacle.guest = change.guest;
    return obstacle;
  }
  return null;
}

function wereMixed(drift: Drift, node: i32, guests: i32[]): bool {
  if (!drift.mixed.has(node)) return false;
  const were = drift.mixed.get(node);
  for (let at = 0; at < guests.length; at++) if (!were.includes(guests[at])) return false;
  return true;
}

/** Who floats over the CPUs of a node, if not all of them may together. */
function mixedOn(site: Site, node: i32): i32[] {
  return site.domainsOn(node) > 1 && site.shared.at(node) > 0 ? site.floating.get(node).keys() : [];
}

function overcommitted(site: Site, drift: Drift, change: Change): Obstacle | null {
  const nodes = nodesOfSeats(change);
  for (let at = 0; at < nodes.length; at++) {
    const excess = excessOn(site, nodes[at]) - drift.excess.at(nodes[at]);
    if (site.demand.at(nodes[at]) == 0 || excess <= 0) continue;
    const obstacle = new Obstacle(OVERCOMMITTED, nodes[at]);
    obstacle.cpus = <i32>Math.ceil(excess / (site.request.overcommit * MICRO));
    return obstacle;
  }
  return null;
}

function excessOn(site: Site, node: i32): f64 {
  return site.demand.at(node) - site.request.overcommit * MICRO * site.shared.at(node);
}

/** Devices, and VMs that have to be near or apart. */
function unrelated(site: Site, drift: Drift, relations: Relations, change: Change): Obstacle | null {
  const guest = change.guest;
  const devices = devicesWithout(site, guest);
  for (let at = 0; at < devices.length; at++) if (!drift.broken.has(device(guest, devices[at]))) return new Obstacle(IMMOVABLE, devices[at]);
  const separate = relations.separate[guest];
  for (let at = 0; at < separate.length; at++) {
    const nodes = common(site, guest, separate[at]);
    for (let node = 0; node < nodes.length; node++) {
      if (drift.broken.has(apart(guest, separate[at], nodes[node]))) continue;
      const obstacle = new Obstacle(SEPARATE, nodes[node]);
      obstacle.guest = separate[at];
      return obstacle;
    }
  }
  const near = relations.near[guest];
  for (let at = 0; at < near.length; at++) {
    if (!site.isNear(guest, near[at]) && !drift.broken.has(together(guest, near[at]))) return new Obstacle(IMMOVABLE, change.to.firstNode);
  }
  return null;
}

function common(site: Site, a: i32, b: i32): i32[] {
  const theirs = site.layouts[b].nodes;
  const own = site.layouts[a].nodes;
  const both: i32[] = [];
  for (let at = 0; at < own.length; at++) if (theirs.includes(own[at])) both.push(own[at]);
  return both;
}

/** The nodes of strict devices that no vCPU of the guest is near enough to. */
function devicesWithout(site: Site, guest: i32): i32[] {
  const seats = site.layouts[guest].seats;
  const devices = site.guests[guest].vm.devices;
  const without: i32[] = [];
  for (let at = 0; at < devices.length; at++) {
    if (!devices[at].strict) continue;
    let isServed = false;
    for (let seat = 0; seat < seats.length && !isServed; seat++) isServed = site.serves(seats[seat].node, devices[at].node);
    if (!isServed) without.push(devices[at].node);
  }
  return without;
}
