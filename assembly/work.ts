// How much the planner has done: turns of its inner loops, each a few nanoseconds. The planner has no clock. This count bounds a step of
// search and says how much of a budget is left. The same calls do the same work.

/** Turns since the last reset. */
export let workDone: i64 = 0;
/** Work that a walk or a search may not go beyond. */
let most: i64 = i64.MAX_VALUE;

export function resetWork(): void {
  workDone = 0;
  most = i64.MAX_VALUE;
}

export function spend(turns: i32): void {
  workDone += <i64>turns;
}

/** Sets the limit, as a value of `workDone`; the one before it, to be set again. */
export function setWorkLimit(limit: i64): i64 {
  const before = most;
  most = limit;
  return before;
}

/** Whether the limit is reached. */
export function isSpent(): bool {
  return workDone >= most;
}
