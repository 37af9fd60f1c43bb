// An order of steps: all that can go goes; where none can, some wait elsewhere (src/planner/moves/order.ts).
import { CPU_GUESTS } from '../../abi';
import { arranged, orderBy } from '../order';
import { spendOnLooks } from './effort';
import { Change, bytesOf, bytesOn, cellAt, copiedBytes, isSameSeat } from './layout';
import { park } from './parking';
import { Blocker, OCCUPIED, OVERCOMMITTED, OVERFULL, Obstacle, blockersOf } from './rules';
import { Run, attempt, undoTo } from './run';
import { Site, SiteCpu } from './site';
import { Step, changesOf } from './steps';

/** More than these are not weighed against each other. */
const WEIGHED: i32 = 64;

/** CPUs, each on a core of its own, and bytes that the host does not have. */
export class Gifts {
  cpus: SiteCpu[] = [];
  nodes: i32[] = [];
  sizes: f64[] = [];
  bytes: f64[] = [];
}

/** Makes steps until none is left or none can be made. */
export function advance(run: Run): void {
  do makeAll(run);
  while (run.pending.size > 0 && !run.effort.isSpent && unblockCheapest(run));
}

/** Makes every step that can be made without parking. */
export function makeAll(run: Run): void {
  let before = -1;
  while (before != run.pending.size) {
    before = run.pending.size;
    const steps = run.pending.values();
    for (let at = 0; at < steps.length; at++) {
      if (run.effort.isSpent) return;
      if (!isBarred(run, steps[at]) && make(run, steps[at]) == null) run.pending.delete(steps[at]);
    }
  }
}

/** Whether one that is not of the step's guests is on the CPU. */
function isTaken(site: Site, step: Step, cpu: i32): bool {
  const holders = site.holdersOf(cpu);
  for (let at = 0; at < holders.length; at++) {
    let isOwn = false;
    for (let part = 0; part < step.parts.length; part++) if (step.parts[part].guest == holders[at].guest) isOwn = true;
    if (!isOwn) return true;
  }
  return false;
}

/** Whether a VM that does not move with the step is on a CPU that the step takes. This is quick to see, and the most frequent obstacle. */
function isBarred(run: Run, step: Step): bool {
  const site = run.site;
  if (run.keptBy.has(step) && isTaken(site, step, run.keptBy.get(step))) return true;
  for (let index = 0; index < step.parts.length; index++) {
    const part = step.parts[index];
    const now = site.layouts[part.guest].seats;
    const seats = site.guests[part.guest].final.seats;
    for (let at = 0; at < seats.length; at++) {
      if (!part.cells.includes(seats[at].cell) || isSameSeat(now[at], seats[at])) continue;
      for (let cpu = 0; cpu < seats[at].cpus.length; cpu++) {
        if (!isTaken(site, step, seats[at].cpus[cpu])) continue;
        run.keptBy.set(step, seats[at].cpus[cpu]);
        return true;
      }
    }
  }
  run.keptBy.delete(step);
  return false;
}

/** Makes the step, or says what is in its way. */
function make(run: Run, step: Step): Obstacle | null {
  return attempt(run, changesOf(run.site, step));
}

function costOf(made: Change[][], from: i32, until: i32): f64 {
  let bytes: f64 = 0;
  for (let at = from; at < until; at++) {
    for (let index = 0; index < made[at].length; index++) {
      const change = made[at][index];
      for (let cell = 0; cell < change.to.cells.length; cell++) bytes += copiedBytes(cellAt(change.from, cell), change.to.cells[cell]);
    }
  }
  return bytes;
}

/** The first steps of those that are still to be made. */
export function firstPending(run: Run): Step[] {
  return run.pending.values().slice(0, WEIGHED);
}

/** Parks what is in the way of the step for which that copies the least, and makes it. */
function unblockCheapest(run: Run): bool {
  const begin = run.made.length;
  let best: Step | null = null;
  let bestAway = false;
  let bestBytes: f64 = 0;
  let bestMoves = 0;
  const steps = firstPending(run);
  for (let at = 0; at < steps.length; at++) {
    for (let away = 0; away < 2; away++) {
      if (run.effort.isSpent) break;
      if (!unblock(run, steps[at], away == 1, null)) continue;
      const moves = run.made.length - 1 - begin;
      const bytes = costOf(run.made, begin, run.made.length - 1);
      undoTo(run, begin);
      if (best == null || bytes < bestBytes || (bytes == bestBytes && moves < bestMoves)) {
        best = steps[at];
        bestAway = away == 1;
        bestBytes = bytes;
        bestMoves = moves;
      }
      break;
    }
    // Nothing is cheaper than one move without a copy.
    if (best != null && bestBytes == 0 && bestMoves == 1) break;
  }
  if (best == null || !unblock(run, best, bestAway, null)) return false;
  run.pending.delete(best);
  run.detourBytes += bestBytes;
  run.detourMoves += bestMoves;
  return true;
}

/**
 * Parks what is in the way, each cell once, and makes the step; if that fails nothing has changed. `gifts`: where nothing can be parked the
 * host gets what helps, and it goes on.
 */
export function unblock(run: Run, step: Step, away: bool, gifts: Gifts | null): bool {
  const begin = run.made.length;
  const parked = new Set<i64>();
  while (true) {
    const obstacle = make(run, step);
    if (obstacle == null) return true;
    const blockers = blockersOf(run.site, obstacle);
    spendOnLooks(run.effort, blockers.length);
    let one: Blocker | null = null;
    if (!run.effort.isSpent) {
      const candidates: Blocker[] = [];
      for (let at = 0; at < blockers.length; at++) {
        const owner = ownerOf(run, blockers[at]);
        if (owner != null && owner != step && !parked.has(keyOf(blockers[at]))) candidates.push(blockers[at]);
      }
      const chosen = choose(run.site, obstacle, candidates);
      // A change to other CPUs of the same node frees CPUs only.
      const leaves = away || obstacle.kind != OCCUPIED;
      for (let at = 0; at < chosen.length && one == null; at++) if (park(run, chosen[at], step, leaves)) one = chosen[at];
    }
    if (one != null) parked.add(keyOf(one));
    else if (run.effort.isSpent || gifts == null || !give(run.site, gifts, obstacle)) {
      undoTo(run, begin);
      return false;
    }
  }
}

function keyOf(blocker: Blocker): i64 {
  return (<i64>blocker.guest << 32) | blocker.cell;
}

/** In the order in which to try them: the smallest that makes enough room, then the others, the largest first. */
function choose(site: Site, obstacle: Obstacle, blockers: Blocker[]): Blocker[] {
  const sizes: f64[] = [];
  const ranks: f64[] = [];
  for (let at = 0; at < blockers.length; at++) {
    const cell = site.layouts[blockers[at].guest].cells[blockers[at].cell];
    const size = bytesOf(cell);
    const enough = obstacle.bytes == 0 || (cell.pageSize == obstacle.pageSize && bytesOn(cell, obstacle.node) >= obstacle.bytes);
    sizes.push(enough ? size : -size);
    ranks.push(enough ? 0 : 1);
  }
  const bySize = orderBy(sizes);
  return arranged<Blocker>(blockers, arranged<i32>(bySize, orderBy(arranged<f64>(ranks, bySize))));
}

/** The step that a cell is waiting for: the first of its guest's that has to do with the cell, if it is still to be made. */
function ownerOf(run: Run, blocker: Blocker): Step | null {
  if (!run.ofGuest.has(blocker.guest)) return null;
  const steps = run.ofGuest.get(blocker.guest);
  for (let at = 0; at < steps.length; at++) {
    if (!run.pending.has(steps[at])) continue;
    for (let index = 0; index < steps[at].parts.length; index++) {
      const part = steps[at].parts[index];
      if (part.guest == blocker.guest && (part.redivides || part.cells.includes(blocker.cell))) return steps[at];
    }
  }
  return null;
}

function give(site: Site, gifts: Gifts, obstacle: Obstacle): bool {
  const node = obstacle.node;
  if (obstacle.kind == OVERFULL) {
    gifts.nodes.push(node);
    gifts.sizes.push(obstacle.pageSize);
    gifts.bytes.push(obstacle.bytes);
    site.room.add(obstacle.pageSize, node, obstacle.bytes);
    return true;
  }
  // One after the other, up to a CPU for each vCPU of the cells in the way.
  let most = 0;
  const blockers = blockersOf(site, obstacle);
  for (let at = 0; at < blockers.length; at++) {
    const seats = site.layouts[blockers[at].guest].seats;
    for (let seat = 0; seat < seats.length; seat++) if (seats[seat].cell == blockers[at].cell) most++;
  }
  const more = obstacle.kind == OVERCOMMITTED ? obstacle.cpus : obstacle.kind == OCCUPIED && gifts.cpus.length < most ? 1 : 0;
  for (let number = 0; number < more; number++) {
    const cpu = new SiteCpu(--site.lowestCpu, node, --site.lowestCore, CPU_GUESTS);
    gifts.cpus.push(cpu);
    site.addCpu(cpu);
  }
  return more > 0;
}
