// What the files of exports share: whether the host is in use, and checks of arguments.
import { ERROR_ARGUMENT, ERROR_ORDER, ERROR_UNKNOWN } from '../abi';
import { pageSizes, prepared, prepareHost } from '../problem/host';
import { prepareNodes } from '../problem/nodes';
import { clearOccupancy } from './capacity';
import { prepareExpected } from './expected';
import { cellPagesAsked, cellVcpusAsked, isVm, vmCells, vmCellsAsked, vmCellsGiven, vmPages, vmStart, vmVcpus } from '../problem/request';

/** 2^53: the largest whole number that a double counts to. */
export const MAX_WHOLE: f64 = 9007199254740992;

/** Page sizes are from 1 KiB to 4 PiB. */
export const MIN_SHIFT: i32 = 10;
export const MAX_SHIFT: i32 = 52;

/** Whether a number from outside is whole and within these limits. */
export function isWholeNumber(value: f64, least: f64, most: f64): bool {
  // NaN fails every comparison.
  return value >= least && value <= most && Math.floor(value) == value;
}

/** Whether VMs are there: host and options are fixed from then on. */
export let hostInUse: bool = false;

/** Fixes the host: called before the first VM is there. */
export function beginUse(): void {
  if (hostInUse) return;
  if (!prepared) prepareHost();
  prepareNodes();
  clearOccupancy();
  prepareExpected();
  hostInUse = true;
}

export function endUse(): void {
  hostInUse = false;
}

/** 0, or the status for a VM that is not known or already placed. */
export function unsettled(vm: i32): i32 {
  if (!isVm(vm)) return ERROR_UNKNOWN;
  return vmCells[vm] != 0 ? ERROR_ORDER : 0;
}

/** Whether the cells that were given one by one make up their VM. */
export function cellsAddUp(vm: i32): bool {
  if (!vmCellsGiven[vm]) return true;
  let vcpus = 0;
  let pages: i64 = 0;
  for (let cell = vmStart[vm]; cell < vmStart[vm] + vmCellsAsked[vm]; cell++) {
    vcpus += cellVcpusAsked[cell];
    pages += cellPagesAsked[cell];
  }
  return vcpus == vmVcpus[vm] && pages == vmPages[vm];
}

/** 0, or the status for a VM that cannot be placed: not known, placed already, without pages to take, its cells not adding up. */
export function unready(vm: i32): i32 {
  const status = unsettled(vm);
  if (status < 0) return status;
  if (pageSizes == 0) return ERROR_ORDER;
  return cellsAddUp(vm) ? 0 : ERROR_ARGUMENT;
}
