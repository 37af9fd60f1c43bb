// How much work is left to find an order of moves (src/planner/moves/effort.ts). It is counted, not timed.
import { Change } from './layout';

export class Effort {
  constructor(public left: f64) {}

  get isSpent(): bool {
    return this.left <= 0;
  }
}

/** For each order that is tried without detours, for all with them, and for what would have to be free where none is found. */
export const EFFORT_TO_ORDER: f64 = 100_000;
export const EFFORT_TO_PARK: f64 = 40_000;
export const EFFORT_TO_SPARE: f64 = 20_000;
/** What trying a change costs. Each seat of the change costs one more. */
const EACH: f64 = 16;
/** CPUs, or cells that are in the way, that are looked at for one. */
const LOOKS_IN_ONE: f64 = 8;

/** Counts an attempt to make the changes. */
export function spend(effort: Effort, changes: Change[]): void {
  for (let at = 0; at < changes.length; at++) effort.left -= EACH + <f64>changes[at].to.seats.length;
}

/** Counts a look at so many CPUs or cells. */
export function spendOnLooks(effort: Effort, looks: i32): void {
  effort.left -= <f64>looks / LOOKS_IN_ONE;
}
