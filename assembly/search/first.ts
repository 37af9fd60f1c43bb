// The first plan: every VM in turn where it is cheapest, or if some are refused then, where most get in.
import { Flat } from '../flat';
import { MAX_VMS } from '../abi';
import { unplace } from '../model/capacity';
import { placedVms, placedWeight, refresh, refusedVms } from '../model/totals';
import { PLACE_DENSE, PLACE_SOON, placeMany, placeVm, visitsToPlace } from '../place/construct';
import { weighLosses } from '../place/least';
import { clearKinds, enterKind, hasTies } from '../problem/alike';
import { isMostInAll } from '../proof/weights';
import { comesBefore } from '../problem/order';
import { vmAlive, vmCells, vmSlots } from '../problem/request';
import { coresFitMore } from '../problem/weight';
import { sortBy } from '../sort';
import { setWorkLimit, workDone } from '../work';
import { clearKept, drop, isKept, keep, putBack } from './kept';

/**
 * Work of placing all VMs for the first time, half of it where most get in; and, where that is done, of each of them: as much again for all, no
 * more than so much for one.
 */
const WORK_OF_PLACING: i64 = 30000000;
const WORK_OF_ONE: i64 = 20000;
/** VMs that may use up what there is for all. */
const VMS_TO_SHARE: i64 = 16;

/** VMs in the order in which they are placed. */
const list = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
let listed: i32 = 0;

/** Places a VM, unless one that asks for the same has been refused since `clearKinds`: since then there is only less room; the nodes that were tried. */
export function placeNext(vm: i32, how: i32): i32 {
  if (!hasTies(vm)) {
    const before = enterKind(vm);
    if (before >= 0 && vmCells[before] == 0) return 0;
  }
  placeVm(vm, how);
  return visitsToPlace;
}

function listUnplaced(): void {
  listed = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (vmAlive[vm] && vmCells[vm] == 0) list[listed++] = vm;
  }
  sortBy(list, listed, comesBefore);
}

/** Places the VMs of the list, in turn. There may be many: all share in `work`. */
function placeFirst(how: i32, work: i64): void {
  clearKinds();
  const end = workDone + work;
  placeMany(max(1, listed));
  const least = min(WORK_OF_ONE, work / <i64>max(1, listed));
  weighLosses(true);
  for (let at = 0; at < listed; at++) {
    const share = max<i64>(0, end - workDone) / min<i64>(<i64>(listed - at), VMS_TO_SHARE);
    const before = setWorkLimit(workDone + least + share);
    placeNext(list[at], how);
    setWorkLimit(before);
  }
  weighLosses(false);
  placeMany(1);
  refresh();
}

function placesAll(): bool {
  for (let at = 0; at < listed; at++) if (vmCells[list[at]] == 0) return false;
  return true;
}

/** Places every VM that is not placed and fits: where it is cheapest, or if some are refused then, where most get in. */
export function placeAll(): void {
  listUnplaced();
  placeFirst(PLACE_SOON, WORK_OF_PLACING);
  // Where no more weight can get in, there is no need to try.
  if (placesAll() || isMostInAll(placedWeight) || (placedVms + refusedVms == listed && !coresFitMore(list, listed))) return;
  const weight = placedWeight;
  clearKept();
  for (let at = 0; at < listed; at++) if (vmCells[list[at]] != 0) keep(list[at]);
  placeFirst(PLACE_DENSE, WORK_OF_PLACING / 2);
  const fits = placedWeight > weight;
  for (let at = 0; at < listed; at++) {
    const vm = list[at];
    if (!fits && vmCells[vm] != 0) unplace(vm);
    if (fits && isKept(vm)) drop(vm);
  }
  for (let at = 0; at < listed && !fits; at++) if (isKept(list[at])) putBack(list[at]);
}
