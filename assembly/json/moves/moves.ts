// The way from where VMs are to where a plan puts them (src/planner/moves.ts). Every state between two moves holds.
import { formatCpulist } from '../cpulist';
import { Host } from '../host';
import { arranged, orderBy } from '../order';
import { Move, Plan, PlanVm } from '../plan';
import { PlanVcpu, Request } from '../request';
import { EFFORT_TO_ORDER, EFFORT_TO_PARK, Effort } from './effort';
import { Change, Layout, Seat, cellAt, copiedBytes, isCellMoved, isDividedAlike, isSameCell, isSameSeat, layoutOf } from './layout';
import { advance, makeAll } from './order';
import { Relations, relationsOf } from './rules';
import { Run } from './run';
import { Guest, Site } from './site';
import { spareFor } from './spare';
import { Step, stepsOf } from './steps';

const MICRO: f64 = 1_000_000;
/** Orders with detours that are tried: they take far longer. */
const MOST_DETOURS: i32 = 2;

/** Enters the moves of a re-plan, and what would have to be free where there is no order of them. */
export function orderMoves(host: Host, request: Request, plan: Plan): void {
  const guests = guestsOf(request, plan);
  let stay = true;
  for (let at = 0; at < guests.length; at++) if (!stays(guests[at])) stay = false;
  if (stay) {
    plan.moves = [];
    return;
  }
  const site = new Site(host, request, guests);
  const relations = relationsOf(site);
  const run = bestRun(site, relations, stepsOf(guests, relations));
  plan.moves = movesOf(site, run.made);
  if (run.pending.size > 0) plan.spare = spareFor(run);
}

function guestsOf(request: Request, plan: Plan): Guest[] {
  const planned = new Map<string, PlanVm>();
  for (let at = 0; at < plan.vms.length; at++) planned.set(plan.vms[at].name, plan.vms[at]);
  const guests: Guest[] = [];
  for (let at = 0; at < request.vms.length; at++) {
    const vm = request.vms[at];
    const current = vm.current;
    if (current == null || !planned.has(vm.name)) continue;
    const there = planned.get(vm.name);
    const demand = Math.floor(vm.demand * MICRO + 0.5);
    guests.push(new Guest(vm, layoutOf(current.cells, current.vcpus), layoutOf(there.cells, there.vcpus), demand));
  }
  return guests;
}

function reversed(steps: Step[]): Step[] {
  return steps.slice().reverse();
}

/**
 * Steps are made as soon as they can be, so the order in which they are tried matters: a few are. Only where none gets through
 * without, VMs are parked.
 */
function bestRun(site: Site, relations: Relations, steps: Step[]): Run {
  const bytes: f64[] = [];
  for (let at = 0; at < steps.length; at++) bytes.push(steps[at].bytes);
  const ascending = arranged<Step>(steps, orderBy(bytes));
  const orders = [ascending, steps, reversed(ascending), reversed(steps)];
  const left: f64[] = [];
  for (let at = 0; at < orders.length; at++) {
    const run = beginAgain(site, relations, orders[at], new Effort(EFFORT_TO_ORDER));
    makeAll(run);
    if (run.pending.size == 0) return run;
    left.push(run.pending.size);
  }
  const places = orderBy(left);
  // The second one has what the first has left of it.
  const effort = new Effort(EFFORT_TO_PARK);
  let best = detour(site, relations, orders[places[0]], effort);
  let layouts = site.layouts.slice();
  for (let at = 1; at < MOST_DETOURS; at++) {
    const run = detour(site, relations, orders[places[at]], effort);
    if (!isBetter(run, best)) continue;
    best = run;
    layouts = site.layouts.slice();
  }
  placeAll(site, layouts);
  return best;
}

function detour(site: Site, relations: Relations, order: Step[], effort: Effort): Run {
  const run = beginAgain(site, relations, order, effort);
  advance(run);
  return run;
}

function placeAll(site: Site, layouts: Layout[]): void {
  for (let guest = 0; guest < layouts.length; guest++) site.place(guest, layouts[guest]);
}

function placeAtStart(site: Site): void {
  for (let guest = 0; guest < site.guests.length; guest++) site.place(guest, site.guests[guest].start);
}

function beginAgain(site: Site, relations: Relations, order: Step[], effort: Effort): Run {
  placeAtStart(site);
  return new Run(site, relations, order, effort);
}

function isBetter(run: Run, than: Run): bool {
  if (run.pending.size != than.pending.size) return run.pending.size < than.pending.size;
  if (run.detourBytes != than.detourBytes) return run.detourBytes < than.detourBytes;
  return run.detourMoves < than.detourMoves;
}

/** Each cell and each seat is where it was. */
function stays(guest: Guest): bool {
  if (!isDividedAlike(guest.start, guest.final)) return false;
  for (let cell = 0; cell < guest.final.cells.length; cell++) if (isCellMoved(guest.start, guest.final, cell)) return false;
  return true;
}

/** Goes through the steps once more, from the start, for what shared vCPUs float over at each. */
function movesOf(site: Site, made: Change[][]): Move[] {
  const ends = site.layouts.slice();
  placeAtStart(site);
  const moves: Move[] = [];
  let step = 1;
  for (let at = 0; at < made.length; at++) {
    const before = moves.length;
    for (let index = 0; index < made[at].length; index++) site.place(made[at][index].guest, made[at][index].to);
    for (let index = 0; index < made[at].length; index++) addChangedCells(moves, site, made[at][index], step);
    if (moves.length > before) step++;
  }
  placeAll(site, ends);
  return moves;
}

function addChangedCells(moves: Move[], site: Site, change: Change, step: i32): void {
  const from = change.from;
  const to = change.to;
  for (let at = 0; at < to.cells.length; at++) {
    const cell = to.cells[at];
    const moved: Seat[] = [];
    for (let vcpu = 0; vcpu < to.seats.length; vcpu++) {
      if (to.seats[vcpu].cell == at && !isSameSeat(from.seats[vcpu], to.seats[vcpu])) moved.push(to.seats[vcpu]);
    }
    const before = cellAt(from, at);
    const stays = isSameCell(before, cell);
    if (moved.length == 0 && stays && !change.redivides) continue;
    const name = site.guests[change.guest].vm.name;
    const move = new Move(step, name, at, change.redivides, cell.pageSize, copiedBytes(before, cell));
    for (let index = 0; index < moved.length; index++) {
      const seat = moved[index];
      const cpus = formatCpulist(seat.dedicated ? seat.cpus : sharedCpus(site, seat.node));
      move.vcpus.push(new PlanVcpu(seat.vcpu, at, seat.node, cpus, seat.dedicated));
    }
    if (!stays) move.memory = cell.memory;
    moves.push(move);
  }
}

function sharedCpus(site: Site, on: i32): i32[] {
  const ids: i32[] = [];
  const cpus = site.cpus.values();
  for (let at = 0; at < cpus.length; at++) if (cpus[at].node == on && site.isShared(cpus[at])) ids.push(cpus[at].id);
  return ids;
}
