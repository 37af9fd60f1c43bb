// planner.wasm with what the bench `planner` counts beside: how often ruin and recreate takes VMs out of a plan and puts them back. No package has it.
import { rearrange } from './search/search';
import { ruins } from './search/ruin';

export * from './index';

/** Ruin and recreate alone, from the plan as it is, for the work of so many steps; 0 where VMs are refused or ask for what it does not know, else 1. */
export function ruinFor(steps: i32): i32 {
  return rearrange(steps) ? 1 : 0;
}

/** Times that VMs were taken out and put back since the instance was made. */
export function ruinCount(): i32 {
  return ruins;
}
