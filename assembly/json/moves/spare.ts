// What would have to be free for moves that have no order (src/planner/moves/spare.ts). It is found by giving it to the host and going on.
import { THREADS_ISOLATE, THREADS_REQUIRE } from '../../abi';
import { arranged, orderBy } from '../order';
import { Spare } from '../plan';
import { formatBytes } from '../units';
import { EFFORT_TO_SPARE } from './effort';
import { Gifts, advance, firstPending, unblock } from './order';
import { Run, undoTo } from './run';
import { Site } from './site';
import { Step } from './steps';

const ANY_NODE: i32 = -1;

class Need {
  cpus: i32 = 0;
  bytes: f64 = 0;
  cells: Set<string> = new Set<string>();
}

/** `run`: one that is stuck; it goes on, on a host that has what was missing. */
export function spareFor(run: Run): Spare[] {
  const needs = new Map<i32, Need>();
  run.effort.left = EFFORT_TO_SPARE;
  while (run.pending.size > 0) {
    const best = cheapest(run);
    if (best == null) break;
    const gifts = grant(run, best);
    if (gifts == null) break;
    run.pending.delete(best);
    for (let at = 0; at < gifts.cpus.length; at++) needOn(needs, gifts.cpus[at].node, run.site, best).cpus++;
    for (let at = 0; at < gifts.nodes.length; at++) needOn(needs, gifts.nodes[at], run.site, best).bytes += gifts.bytes[at];
    advance(run);
  }
  const steps = run.pending.values();
  for (let at = 0; at < steps.length; at++) addAll(needOn(needs, ANY_NODE, run.site, steps[at]), run.site, steps[at]);
  return sparesOf(needs, run.site);
}

function addAll(need: Need, site: Site, step: Step): void {
  need.bytes += step.bytes;
  for (let index = 0; index < step.parts.length; index++) {
    const part = step.parts[index];
    const seats = site.guests[part.guest].final.seats;
    for (let seat = 0; seat < seats.length; seat++) if (seats[seat].dedicated && part.cells.includes(seats[seat].cell)) need.cpus++;
  }
}

function sparesOf(needs: Map<i32, Need>, site: Site): Spare[] {
  let wantsCores = false;
  for (let at = 0; at < site.guests.length; at++) {
    const policy = site.guests[at].vm.threadPolicy;
    if (policy == THREADS_ISOLATE || policy == THREADS_REQUIRE) wantsCores = true;
  }
  const spares: Spare[] = [];
  const keys: f64[] = [];
  const nodes = needs.keys();
  for (let at = 0; at < nodes.length; at++) {
    const need = needs.get(nodes[at]);
    spares.push(new Spare(nodes[at], need.cpus, need.bytes, textOf(nodes[at], need, wantsCores)));
    keys.push(nodes[at] == ANY_NODE ? Infinity : nodes[at]);
  }
  return arranged<Spare>(spares, orderBy(keys));
}

/** The step that can be made with the least: the fewest bytes, then the fewest CPUs. */
function cheapest(run: Run): Step | null {
  const begin = run.made.length;
  let best: Step | null = null;
  let bestBytes: f64 = 0;
  let bestCpus = 0;
  const steps = firstPending(run);
  for (let at = 0; at < steps.length; at++) {
    if (run.effort.isSpent) break;
    const gifts = grant(run, steps[at]);
    if (gifts == null) continue;
    let bytes: f64 = 0;
    for (let gift = 0; gift < gifts.bytes.length; gift++) bytes += gifts.bytes[gift];
    const cpus = gifts.cpus.length;
    undoTo(run, begin);
    takeBack(run.site, gifts);
    if (best == null || bytes < bestBytes || (bytes == bestBytes && cpus < bestCpus)) {
      best = steps[at];
      bestBytes = bytes;
      bestCpus = cpus;
    }
    if (bytes == 0 && cpus <= 1) break;
  }
  return best;
}

/** Makes the step with what it takes; null, with nothing changed, where no CPUs and bytes help. */
function grant(run: Run, step: Step): Gifts | null {
  const gifts = new Gifts();
  if (unblock(run, step, false, gifts)) return gifts;
  takeBack(run.site, gifts);
  return null;
}

function takeBack(site: Site, gifts: Gifts): void {
  for (let at = 0; at < gifts.cpus.length; at++) site.removeCpu(gifts.cpus[at]);
  for (let at = 0; at < gifts.nodes.length; at++) site.room.add(gifts.sizes[at], gifts.nodes[at], -gifts.bytes[at]);
}

function needOn(needs: Map<i32, Need>, node: i32, site: Site, step: Step): Need {
  if (!needs.has(node)) needs.set(node, new Need());
  const need = needs.get(node);
  for (let index = 0; index < step.parts.length; index++) {
    const part = step.parts[index];
    for (let cell = 0; cell < part.cells.length; cell++) {
      need.cells.add('cell ' + part.cells[cell].toString() + ' of ' + site.guests[part.guest].vm.name);
    }
  }
  return need;
}

function textOf(node: i32, need: Need, wantsCores: bool): string {
  let what = '';
  if (need.cpus != 0) what = need.cpus.toString() + ' more free CPU' + (need.cpus == 1 ? '' : 's') + (wantsCores ? ' on idle cores' : '');
  if (need.bytes != 0) what += (what == '' ? '' : ' and ') + formatBytes(need.bytes) + ' more free memory';
  if (what == '') what = 'more room';
  const where = node == ANY_NODE ? 'on a node that is free of the other VMs' : 'on node ' + node.toString();
  return need.cells.values().join(', ') + ' cannot go on: ' + what + ' ' + where + ' would help';
}
