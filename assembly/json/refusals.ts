// The refused VMs, with the reasons (src/planner/refusals.ts). VMs that ask for the same are refused for the same reasons, so these are found once.
import * as planner from '../index';
import { failed } from './failure';
import { allowWork, nearestOf, smallestPlaced } from './nearest';
import { Because, Nearest, Refusal } from './plan';
import { Problem, isPlaced } from './problem';
import { becauseOf } from './refusal';
import { RequestVm } from './request';
import { keyOf } from './vm-key';

/** Work, as the planner counts it, for the changes that would let VMs in. When it is used up, none are tried for VMs later in the request. */
const MOST_WORK: f64 = 9_000_000;

class Reason {
  constructor(
    public proven: bool,
    public because: Because[],
  ) {}
}

/** The refusals. Takes the refused VMs out of the problem, so it comes after everything else is read. */
export function readRefusals(problem: Problem): Refusal[] {
  const reasons = new Map<string, Reason>();
  const refused: RequestVm[] = [];
  const kinds: string[] = [];
  const handles: i32[] = [];
  const refusals: Refusal[] = [];
  for (let at = 0; at < problem.request.vms.length; at++) {
    const vm = problem.request.vms[at];
    const handle = problem.handles[at];
    if (isPlaced(handle)) continue;
    const kind = keyOf(problem, vm);
    if (!reasons.has(kind)) {
      const proven = planner.refusalProven(handle) == 1;
      reasons.set(kind, new Reason(proven, becauseOf(problem, vm, handle)));
    }
    const reason = reasons.get(kind);
    refused.push(vm);
    kinds.push(kind);
    handles.push(handle);
    refusals.push(new Refusal(vm.name, reason.proven, reason.because));
  }
  // The last first: then what the planner keeps of the others is not moved each time.
  for (let at = handles.length - 1; at >= 0; at--) planner.removeVm(handles[at]);
  const others = smallestPlaced(problem);
  allowWork(MOST_WORK);
  const nearest = new Map<string, Nearest[]>();
  for (let at = 0; at < refused.length && !failed; at++) {
    if (!nearest.has(kinds[at])) nearest.set(kinds[at], nearestOf(problem, refused[at], others));
    refusals[at].nearest = nearest.get(kinds[at]);
  }
  return refusals;
}
