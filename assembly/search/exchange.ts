// Room for a VM that is refused, by moving one that is placed.
import { unplace } from '../model/capacity';
import { PLACE_DENSE, PLACE_SOON, placeVm, visitsToPlace } from '../place/construct';
import { isSpent } from '../work';
import { clearKept, drop, keep, putBack } from './kept';
import { vmAlive, vmCells, vmSlots } from '../problem/request';

/** Nodes that were tried. */
let visits: i64 = 0;

function place(vm: i32, how: i32): bool {
  const placed = placeVm(vm, how);
  visits += <i64>visitsToPlace;
  return placed;
}

/** Places a VM where `other`, which is out of the plan, leaves room, and that elsewhere; where not both fit, neither is placed. */
export function moveAside(vm: i32, other: i32): bool {
  for (let how = PLACE_SOON; how >= PLACE_DENSE; how--) {
    if (!place(vm, how)) return false;
    if (place(other, PLACE_SOON)) return true;
    unplace(vm);
  }
  return false;
}

/** Lets refused VMs in where one other that moves makes room, until about `most` nodes are tried. */
export function makeRoom(most: i64): void {
  visits = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    for (let other = 0; other < vmSlots && vmAlive[vm] && vmCells[vm] == 0; other++) {
      if (visits >= most || isSpent()) return;
      if (!vmAlive[other] || vmCells[other] == 0) continue;
      clearKept();
      keep(other);
      if (moveAside(vm, other)) drop(other);
      else putBack(other);
    }
  }
}
