// Places where a cell can wait until the one that it is to have is free (src/planner/moves/parking.ts).
import { CPU_HOST, MEMORY_INTERLEAVE, MEMORY_PREFERRED, THREADS_ISOLATE, THREADS_REQUIRE } from '../../abi';
import { isUsable } from '../host';
import { arranged, orderBy } from '../order';
import { Part, PlanCell } from '../request';
import { spendOnLooks } from './effort';
import { Change, Layout, Seat, bytesOf, bytesOn } from './layout';
import { Blocker, addStrangersBeside } from './rules';
import { Run, attempt } from './run';
import { Holder, Site, SiteCpu, keepsOff } from './site';
import { Step } from './steps';

/** What came of a place. */
const GOES_ON: i32 = 0;
const PARKED: i32 = 1;
const GIVES_UP: i32 = 2;

/**
 * Takes a blocker out of the way of a step, with the least change that does. First other CPUs of the node for the vCPUs in the way, then for the
 * whole cell, then another node for the cell and its memory. `away`: it has to leave its node.
 */
export function park(run: Run, blocker: Blocker, step: Step, away: bool): bool {
  const site = run.site;
  const guest = blocker.guest;
  const from = site.layouts[guest];
  const all: Seat[] = [];
  const inTheWay: Seat[] = [];
  for (let at = 0; at < from.seats.length; at++) {
    const seat = from.seats[at];
    if (seat.cell != blocker.cell) continue;
    all.push(seat);
    if (blocker.vcpus.includes(seat.vcpu)) inTheWay.push(seat);
  }
  if (!away) {
    for (let turn = inTheWay.length < all.length ? 0 : 1; turn < 2; turn++) {
      const seats = seatsInPlace(run, guest, turn == 0 ? inTheWay : all, step);
      if (seats == null) continue;
      const came = tryPlace(run, new Change(guest, from, withSeats(from, from.cells, seats), false));
      if (came != GOES_ON) return came == PARKED;
    }
  }
  const vm = site.guests[guest].vm;
  // Interleaved memory depends on where all cells of the VM are.
  if (all.length == 0 || (vm.memoryPolicy == MEMORY_INTERLEAVE && from.cells.length > 1)) return false;
  const nodes = site.nodesAround(all[0].node);
  for (let at = 0; at < nodes.length; at++) {
    if (run.effort.isSpent) return false;
    if (keepsOff(site.request, vm, nodes[at])) continue;
    const memory = from.cells[blocker.cell];
    // Preferred memory may be anywhere while VMs move.
    const places = vm.memoryPolicy == MEMORY_PREFERRED ? [memory] : memoryOn(site, guest, memory, nodes[at]);
    if (places.length == 0) continue;
    const seats = seatsOn(run, guest, all, nodes[at], step);
    if (seats == null) continue;
    for (let place = 0; place < places.length; place++) {
      const cells = from.cells.slice();
      cells[blocker.cell] = places[place];
      const came = tryPlace(run, new Change(guest, from, withSeats(from, cells, seats), false));
      if (came != GOES_ON) return came == PARKED;
    }
  }
  return false;
}

/** Whether the rest of the state holds with a place is for rules.ts to say. */
function tryPlace(run: Run, change: Change): i32 {
  if (run.effort.isSpent) return GIVES_UP;
  return attempt(run, [change]) == null ? PARKED : GOES_ON;
}

function seatsInPlace(run: Run, guest: i32, moved: Seat[], step: Step): Seat[] | null {
  const seats: Seat[] = [];
  const nodes: i32[] = [];
  for (let at = 0; at < moved.length; at++) if (!nodes.includes(moved[at].node)) nodes.push(moved[at].node);
  for (let node = 0; node < nodes.length; node++) {
    const dedicated: Seat[] = [];
    for (let at = 0; at < moved.length; at++) if (moved[at].node == nodes[node] && moved[at].dedicated) dedicated.push(moved[at]);
    const found = seatsOn(run, guest, dedicated, nodes[node], step);
    if (found == null) return null;
    for (let at = 0; at < found.length; at++) seats.push(found[at]);
  }
  return seats.length == 0 ? null : seats;
}

/** The vCPUs on free CPUs of the node, as the thread policy wants them; null where there are too few. */
function seatsOn(run: Run, guest: i32, moved: Seat[], node: i32, step: Step): Seat[] | null {
  let wanted = false;
  for (let at = 0; at < moved.length; at++) if (moved[at].dedicated) wanted = true;
  const free: SiteCpu[] = wanted ? freeCpus(run, guest, node, step) : [];
  const seats: Seat[] = [];
  let next = 0;
  for (let at = 0; at < moved.length; at++) {
    const seat = moved[at];
    if (seat.dedicated && next == free.length) return null;
    const cpus: i32[] = seat.dedicated ? [free[next++].id] : [];
    seats.push(new Seat(seat.vcpu, seat.cell, node, cpus, seat.dedicated));
  }
  return seats;
}

function freeCpus(run: Run, guest: i32, node: i32, step: Step): SiteCpu[] {
  const site = run.site;
  const policy = site.guests[guest].vm.threadPolicy;
  const wantsCore = policy == THREADS_REQUIRE || policy == THREADS_ISOLATE;
  const cores = new Set<i32>();
  const cpus: SiteCpu[] = site.onNode.has(node) ? site.onNode.get(node) : [];
  spendOnLooks(run.effort, cpus.length);
  const free: SiteCpu[] = [];
  const ranks: f64[] = [];
  for (let at = 0; at < cpus.length; at++) {
    const cpu = cpus[at];
    if (!isUsable(cpu.use) || site.holdersOf(cpu.id).length > 0 || run.endsOn(cpu.id, step)) continue;
    const core = site.cores.get(cpu.core);
    let isHosts = false;
    let isBeside = false;
    for (let other = 0; other < core.length; other++) {
      if (core[other] == cpu) continue;
      if (core[other].use == CPU_HOST) isHosts = true;
      if (run.endsOn(core[other].id, step) || run.isWanted(core[other].id)) isBeside = true;
    }
    if (wantsCore && isHosts) continue;
    if (site.isBusy(cpu.core)) {
      const strangers: Holder[] = [];
      addStrangersBeside(site, guest, cpu.id, strangers);
      if (policy == THREADS_REQUIRE || strangers.length > 0) continue;
    }
    if (policy == THREADS_ISOLATE && cores.has(cpu.core)) continue;
    cores.add(cpu.core);
    free.push(cpu);
    ranks.push(run.isWanted(cpu.id) ? 2 : isBeside ? 1 : 0);
  }
  // Siblings stay together: `require` fills core after core.
  const ids: f64[] = [];
  for (let at = 0; at < free.length; at++) ids.push(free[at].id);
  let places = orderBy(ids);
  const coreKeys: f64[] = [];
  for (let at = 0; at < places.length; at++) coreKeys.push(free[places[at]].core);
  places = arranged<i32>(places, orderBy(coreKeys));
  places = arranged<i32>(places, orderBy(arranged<f64>(ranks, places)));
  return arranged<SiteCpu>(free, places);
}

/** The cell's memory on one of the memory nodes of `node` that has room. The one with least of it now comes first, to make room. */
function memoryOn(site: Site, guest: i32, cell: PlanCell, node: i32): PlanCell[] {
  const vm = site.guests[guest].vm;
  const homes = site.memoryNodes(vm, node);
  const places: PlanCell[] = [];
  // Interleaved memory would be on all of them.
  if (vm.memoryPolicy == MEMORY_INTERLEAVE && homes.length > 1) return places;
  const bytes = bytesOf(cell);
  const turns = vm.pageSize == 0 && site.pageSize != cell.pageSize ? 2 : 1;
  for (let turn = 0; turn < turns; turn++) {
    const size = turn == 0 ? cell.pageSize : site.pageSize;
    const open: PlanCell[] = [];
    const there: f64[] = [];
    for (let at = 0; at < homes.length; at++) {
      const own = bytesOn(cell, homes[at]);
      if (bytes - (size == cell.pageSize ? own : 0) > max(0, site.roomOn(size, homes[at]))) continue;
      open.push(new PlanCell(cell.cell, size, [new Part(homes[at], bytes)]));
      there.push(own);
    }
    const sorted = arranged<PlanCell>(open, orderBy(there));
    for (let at = 0; at < sorted.length; at++) places.push(sorted[at]);
  }
  return places;
}

function withSeats(from: Layout, cells: PlanCell[], seats: Seat[]): Layout {
  const next = from.seats.slice();
  for (let at = 0; at < next.length; at++) {
    for (let seat = 0; seat < seats.length; seat++) if (seats[seat].vcpu == next[at].vcpu) next[at] = seats[seat];
  }
  return new Layout(cells, next);
}
