// The single changes that would let a refused VM in, each tried by planning it (src/planner/nearest.ts).
import { MEMORY_PREFERRED, THREADS_PREFER } from '../abi';
import * as planner from '../index';
import { failed } from './failure';
import { arranged, orderBy } from './order';
import { Nearest } from './plan';
import { Problem, addVm, isPlaced, relateVm } from './problem';
import { AUTO, COUNTED, DEDICATED, Device, RequestVm, SHARED } from './request';

/** Up to so many numbers of cells are tried one by one. If there are more: those near the one asked for, and the planner's own choice. */
const MANY_COUNTS: i32 = 8;
/** How many other VMs are tried, the smallest first, and how many are named that would have to leave the host. */
const MOST_OTHERS: i32 = 32;
const MOST_AWAY: i32 = 3;
const MICRO: f64 = 1_000_000;

class Change {
  constructor(
    /** How it is told; empty: by the cells of the VM as it was placed. */
    public told: string,
    public vm: RequestVm,
  ) {}
}

/** When the work of the planner reaches this, no more changes are tried. */
let end: f64 = 0;

export function allowWork(most: f64): void {
  end = planner.work() + most;
}

function goesOn(): bool {
  return planner.work() < end && !failed;
}

/** Numbers of cells to try if `asked` do not fit: all if there are few, else those near it, its half and its double. */
function otherCounts(asked: i32, most: i32): i32[] {
  const counts: i32[] = [];
  for (let cells = 1; cells <= most; cells++) {
    if (cells == asked) continue;
    const isNear = abs(cells - asked) <= 2 || cells == (asked + 1) / 2 || cells == 2 * asked;
    if (most <= MANY_COUNTS || cells == 1 || isNear) counts.push(cells);
  }
  return counts;
}

/** Single changes of the VM itself worth trying; those to what it already asks for are left out. */
function changesOf(vm: RequestVm, nodes: i32): Change[] {
  const changes: Change[] = [];
  if (vm.cellsKind != AUTO) {
    const asked = vm.cellsKind == COUNTED ? <i32>vm.cellCount : vm.cells.length;
    const any = vm.copy();
    any.cellsKind = AUTO;
    changes.push(new Change('', any));
    const counts = otherCounts(asked, min(vm.vcpus, 2 * nodes));
    for (let at = 0; at < counts.length; at++) {
      const other = add(changes, vm, 'cells: ' + counts[at].toString());
      other.cellsKind = COUNTED;
      other.cellCount = counts[at];
    }
  }
  if (!vm.span) add(changes, vm, 'span: true').span = true;
  if (vm.memoryPolicy != MEMORY_PREFERRED) add(changes, vm, 'memoryPolicy: "preferred"').memoryPolicy = MEMORY_PREFERRED;
  if (vm.memoryNodes != null) add(changes, vm, 'memoryNodes: any').memoryNodes = null;
  if (vm.avoidDeviceNodes) add(changes, vm, 'avoidDeviceNodes: false').avoidDeviceNodes = false;
  if (vm.pageSize != 0) add(changes, vm, 'pageSize: "any"').pageSize = 0;
  if (vm.hasThreads) add(changes, vm, 'emulator: "housekeeping"').hasThreads = false;
  if (vm.cpuPolicy != SHARED) {
    if (vm.threadPolicy != THREADS_PREFER) add(changes, vm, 'threadPolicy: "prefer"').threadPolicy = THREADS_PREFER;
    const shared = add(changes, vm, 'cpuPolicy: "shared"');
    shared.cpuPolicy = SHARED;
    shared.dedicatedVcpus = [];
  }
  for (let at = 0; at < vm.devices.length; at++) {
    if (!vm.devices[at].strict) continue;
    const devices = vm.devices.slice();
    devices[at] = new Device(devices[at].node, false);
    add(changes, vm, 'devices[' + at.toString() + '].strict: false').devices = devices;
  }
  return changes;
}

function add(changes: Change[], vm: RequestVm, told: string): RequestVm {
  const other = vm.copy();
  changes.push(new Change(told, other));
  return other;
}

/** Puts a VM in the place of the refused one; its handle. It is taken out again by the caller. */
function instead(problem: Problem, refused: RequestVm, vm: RequestVm): i32 {
  const handle = addVm(problem, vm, problem.request.vms.indexOf(refused));
  if (!failed) relateVm(problem, handle, refused, true);
  return handle;
}

function changed(problem: Problem, refused: RequestVm, nearest: Nearest[]): void {
  const before = planner.planCost();
  // The cheapest of the changes that are told alike.
  const found = new Map<string, f64>();
  const changes = changesOf(refused, problem.host.nodes.length);
  for (let at = 0; at < changes.length && goesOn(); at++) {
    const handle = instead(problem, refused, changes[at].vm);
    if (failed) return;
    if (planner.placeAlone(handle) == 1) {
      const told = changes[at].told == '' ? 'cells: ' + planner.cellCount(handle).toString() : changes[at].told;
      const lost = planner.planCost() - before;
      found.set(told, found.has(told) ? min(lost, found.get(told)) : lost);
    }
    planner.removeVm(handle);
  }
  const told = found.keys();
  for (let at = 0; at < told.length; at++) nearest.push(new Nearest(told[at], found.get(told[at])));
}

/** All that a VM's vCPUs do, in millionths of a vCPU: what is lost to a host that it leaves. */
function workOf(vm: RequestVm): f64 {
  const dedicated = vm.cpuPolicy == DEDICATED ? vm.vcpus : vm.dedicatedVcpus.length;
  return Math.round(vm.weight * (<f64>dedicated + <f64>(vm.vcpus - dedicated) * vm.demand) * MICRO);
}

export class Other {
  constructor(
    public name: string,
    public handle: i32,
    public work: f64,
  ) {}
}

/** The placed VMs that are moved to let another in: the smallest. */
export function smallestPlaced(problem: Problem): Other[] {
  const others: Other[] = [];
  const works: f64[] = [];
  for (let at = 0; at < problem.request.vms.length; at++) {
    if (!isPlaced(problem.handles[at])) continue;
    const vm = problem.request.vms[at];
    const work = workOf(vm);
    others.push(new Other(vm.name, problem.handles[at], work));
    works.push(work);
  }
  return arranged<Other>(others, orderBy(works)).slice(0, MOST_OTHERS);
}

/** One other VM moved: elsewhere on the host, or where that does not do, away from it. */
function moved(problem: Problem, refused: RequestVm, others: Other[], nearest: Nearest[]): void {
  const before = planner.planCost();
  const away: Nearest[] = [];
  const handle = instead(problem, refused, refused);
  for (let at = 0; at < others.length && goesOn(); at++) {
    const other = others[at];
    const told = 'move: "' + other.name + '"';
    const cost = planner.costIfMoved(handle, other.handle, 0);
    if (cost >= 0) nearest.push(new Nearest(told, cost - before));
    if (cost >= 0 || away.length == MOST_AWAY) continue;
    const without = planner.costIfMoved(handle, other.handle, 1);
    if (without >= 0) away.push(new Nearest(told + ' to another host', without + other.work - before));
  }
  planner.removeVm(handle);
  for (let at = 0; at < away.length; at++) nearest.push(away[at]);
}

/**
 * What would let the VM in beside the placed VMs, cheapest first, each with what the plan then loses more, if anything. The refused VMs must have been
 * taken out of the problem.
 */
export function nearestOf(problem: Problem, refused: RequestVm, others: Other[]): Nearest[] {
  const nearest: Nearest[] = [];
  if (!goesOn()) return nearest;
  changed(problem, refused, nearest);
  moved(problem, refused, others, nearest);
  const lost: f64[] = [];
  for (let at = 0; at < nearest.length; at++) {
    // A VM that moves may make others lose less than this one loses.
    nearest[at].lost = max(0, nearest[at].lost);
    lost.push(nearest[at].lost);
  }
  return arranged<Nearest>(nearest, orderBy(lost));
}
