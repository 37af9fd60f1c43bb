// What has to move, and what of it has to move together (src/planner/moves/steps.ts).
import { MEMORY_INTERLEAVE } from '../../abi';
import { Change, isCellMoved, isDividedAlike, withCells } from './layout';
import { Relations } from './rules';
import { Guest, Site } from './site';

export class Part {
  constructor(
    public guest: i32,
    public cells: i32[],
    /** Does the plan divide the VM into other cells. */
    public redivides: bool,
  ) {}
}

/** Cells that go to where the plan has them in one step. */
export class Step {
  constructor(
    public parts: Part[],
    /** Bytes of the cells, the first guide to an order. */
    public bytes: f64,
  ) {}
}

/** Each cell is a step. Exceptions: VMs that are divided anew or interleaved over their nodes, and first nodes of VMs that have to stay near. */
export function stepsOf(guests: Guest[], relations: Relations): Step[] {
  const parts: Part[] = [];
  for (let guest = 0; guest < guests.length; guest++) addParts(parts, guests[guest], guest);
  const followers = new Map<i32, Part>();
  for (let at = 0; at < parts.length; at++) if (movesFirstNode(guests[parts[at].guest], parts[at])) followers.set(parts[at].guest, parts[at]);
  const steps: Step[] = [];
  const done = new Set<Part>();
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (done.has(part)) continue;
    const group = [part];
    done.add(part);
    const leads = followers.has(part.guest) && followers.get(part.guest) == part;
    // The group grows while it is gone through.
    for (let member = 0; leads && member < group.length; member++) {
      const guest = group[member].guest;
      const near = relations.near[guest];
      for (let peer = 0; peer < near.length; peer++) {
        const other = near[peer];
        if (!followers.has(other) || done.has(followers.get(other))) continue;
        if (guests[guest].start.firstNode != guests[other].start.firstNode) continue;
        group.push(followers.get(other));
        done.add(followers.get(other));
      }
    }
    steps.push(new Step(group, bytesOf(guests, group)));
  }
  return steps;
}

function addParts(parts: Part[], one: Guest, guest: i32): void {
  const redivides = !isDividedAlike(one.start, one.final);
  const moved: i32[] = [];
  for (let cell = 0; cell < one.final.cells.length; cell++) if (redivides || isCellMoved(one.start, one.final, cell)) moved.push(cell);
  if (moved.length == 0) return;
  if (redivides || (one.vm.memoryPolicy == MEMORY_INTERLEAVE && one.final.cells.length > 1)) parts.push(new Part(guest, moved, redivides));
  else for (let at = 0; at < moved.length; at++) parts.push(new Part(guest, [moved[at]], false));
}

function movesFirstNode(guest: Guest, part: Part): bool {
  return (part.redivides || part.cells.includes(0)) && guest.start.firstNode != guest.final.firstNode;
}

function bytesOf(guests: Guest[], group: Part[]): f64 {
  let sum: f64 = 0;
  for (let at = 0; at < group.length; at++) {
    const part = group[at];
    for (let cell = 0; cell < part.cells.length; cell++) {
      const memory = guests[part.guest].final.cells[part.cells[cell]].memory;
      for (let index = 0; index < memory.length; index++) sum += memory[index].bytes;
    }
  }
  return sum;
}

/** The changes that take a step's cells from where they are now to where the plan has them. */
export function changesOf(site: Site, step: Step): Change[] {
  const changes: Change[] = [];
  for (let at = 0; at < step.parts.length; at++) {
    const part = step.parts[at];
    const from = site.layouts[part.guest];
    const final = site.guests[part.guest].final;
    changes.push(new Change(part.guest, from, part.redivides ? final : withCells(from, final, part.cells), part.redivides));
  }
  return changes;
}
