// Exports: why a VM is refused, and what would let it in.
import { ERROR_ARGUMENT, ERROR_ORDER, ERROR_UNKNOWN, NONE } from './abi';
import { unplace } from './model/capacity';
import { dedicatedRoom, sharedRoom } from './model/rooms';
import { PLACE_WELL, placeVm } from './place/construct';
import { totalCost } from './model/totals';
import { moveAside } from './search/exchange';
import { clashOf } from './proof/explain';
import { fitsNowhere, prepareBound } from './proof/bound';
import { fitsNotAlone } from './proof/heaviest';
import { isHeaviest } from './search/search';
import { setAsItIs } from './problem/current';
import { nodeIndex } from './problem/host';
import { clearKept, drop, keep, putBack } from './search/kept';
import { isVm, vmCells, vmDedicated } from './problem/request';
import { setWorkLimit, workDone } from './work';
import { unsettled, unready } from './model/use';

/** Work of placing one VM. */
const WORK_OF_ONE: i64 = 4000000;

/** The constraints that keep a refused VM out of the plan as it stands, as BECAUSE_ bits; 0: the host has nothing for it, or nothing keeps it out that was found. */
export function refusal(vm: i32): i32 {
  const status = unsettled(vm);
  return status < 0 ? status : clashOf(vm);
}

/**
 * Whether (1) or not (0) the refusal of a VM is proven: the plan as it stands is known to place the most weight that there is, or the
 * VM to fit nowhere, not even alone. 0: the search ended before everything was tried.
 */
export function refusalProven(vm: i32): i32 {
  const status = unready(vm);
  if (status < 0) return status;
  prepareBound(vm);
  return <i32>(fitsNowhere[vm] || isHeaviest() || fitsNotAlone(vm));
}

/** How many vCPUs of a VM that is not placed a node can take (dedicated ones where it has such), `relaxed` being BECAUSE_ bits to leave aside. */
export function roomFor(vm: i32, node: i32, relaxed: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  return vmDedicated[vm] == 0 ? sharedRoom(vm, index, relaxed) : dedicatedRoom(vm, index, relaxed);
}

/**
 * Places one VM that is not placed where it is cheapest, with any number of cells that it may have; all others stay where they are.
 * Returns 1, or 0 where it does not fit.
 */
export function placeAlone(vm: i32): i32 {
  const status = unready(vm);
  if (status < 0) return status;
  const before = setWorkLimit(workDone + WORK_OF_ONE);
  const placed = placeVm(vm, PLACE_WELL);
  setWorkLimit(before);
  return <i32>placed;
}

/**
 * Places one VM that is not placed where it is now, as addVmCurrentCpu, addVmCurrentMemory and setVmCurrentPageSize have it: its memory, too, whatever its policy.
 * Threads of its VMM get CPUs anew. All others stay where they are. Returns 1, or 0 where it cannot be there.
 */
export function placeCurrent(vm: i32): i32 {
  setAsItIs(true);
  const placed = placeAlone(vm);
  setAsItIs(false);
  return placed;
}

/**
 * Cost of the plan in micro-vCPUs if a VM that is not placed came in because a placed one, `other`, went elsewhere on the host, or
 * (`away` 1) away from it; NONE where that does not let it in. The plan stays as it is.
 */
export function costIfMoved(vm: i32, other: i32, away: i32): f64 {
  const status = unready(vm);
  if (status < 0) return status;
  if (!isVm(other)) return ERROR_UNKNOWN;
  if (vmCells[other] == 0) return ERROR_ORDER;
  if (away != 0 && away != 1) return ERROR_ARGUMENT;
  const before = setWorkLimit(workDone + WORK_OF_ONE);
  clearKept();
  keep(other);
  let cost: f64 = NONE;
  if (away == 1 ? placeVm(vm, PLACE_WELL) : moveAside(vm, other)) {
    cost = <f64>totalCost();
    unplace(vm);
    if (away == 0) unplace(other);
  }
  putBack(other);
  setWorkLimit(before);
  return cost;
}

/**
 * Places a VM that is not placed where a placed one, `other`, makes room by going elsewhere on the host; all others stay where they are.
 * Returns 1, or 0 where that does not let it in: then the plan stays as it is.
 */
export function placeByMoving(vm: i32, other: i32): i32 {
  const status = unready(vm);
  if (status < 0) return status;
  if (!isVm(other)) return ERROR_UNKNOWN;
  if (vmCells[other] == 0) return ERROR_ORDER;
  const before = setWorkLimit(workDone + WORK_OF_ONE);
  clearKept();
  keep(other);
  const placed = moveAside(vm, other);
  if (placed) drop(other);
  else putBack(other);
  setWorkLimit(before);
  return <i32>placed;
}
