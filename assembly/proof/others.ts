// The least that a plan with refused VMs can lose, whichever VMs are placed: others of as much weight may cost less.
import { Flat } from '../flat';
import { MAX_VMS } from '../abi';
import { areSame } from '../problem/alike';
import { sortBy } from '../sort';
import { weightOf } from '../problem/weight';
import { vmAlive, vmBound, vmCells, vmSlots } from '../problem/request';
import { fitsNowhere } from './bound';
import { countEverybody, DIVIDED_BY_LLCS, divided, lowerBound, savingOf } from './competition';

const byRatio = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const value = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
/** Value for its weight. */
const ratio = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_VMS, 8));

function isRefused(vm: i32): bool {
  return vmAlive[vm] && vmCells[vm] == 0 && !fitsNowhere[vm];
}

/** Weight of the VMs that are refused though each would fit alone. */
function refusedWeight(): i64 {
  let weight: i64 = 0;
  for (let vm = 0; vm < vmSlots; vm++) if (isRefused(vm)) weight += weightOf(vm);
  return weight;
}

/**
 * Whether placing other VMs instead, of as much weight in all, would be placing the same: refused and placed VMs of no more than this weight
 * are the same.
 */
function areOthersSame(weight: i64): bool {
  let one = -1;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || fitsNowhere[vm] || (vmCells[vm] != 0 && weightOf(vm) > weight)) continue;
    if (one >= 0 && !areSame(one, vm)) return false;
    one = vm;
  }
  return true;
}

/** The VM with the more value for its weight comes first; else the lower handle. */
function hasMoreValue(a: i32, b: i32): bool {
  return ratio[a] != ratio[b] ? ratio[a] > ratio[b] : a < b;
}

/** The most value of VMs, by `value`, that go with so much weight, if one may be taken in part. */
function mostValue(weight: i64): i64 {
  let vms = 0;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || fitsNowhere[vm]) continue;
    ratio[vm] = <f64>value[vm] / <f64>weightOf(vm);
    byRatio[vms++] = vm;
  }
  sortBy(byRatio, vms, hasMoreValue);
  let most: i64 = 0;
  let left = weight;
  for (let at = 0; at < vms; at++) {
    const own = weightOf(byRatio[at]);
    // Far more exact than a millionth of it.
    if (own > left) return most + <i64>Math.ceil((<f64>value[byRatio[at]] * <f64>left) / <f64>own + 1);
    most += value[byRatio[at]];
    left -= own;
  }
  return most;
}

/**
 * What all VMs together would lose at the least, less the most that refusing so much weight saves. A refused VM saves its own loss, and what
 * it costs others by competing for the groups of a kind (-1: none of that).
 */
function lossWithout(weight: i64, kind: i32): i64 {
  countEverybody(true);
  let all: i64 = kind < 0 ? 0 : divided(kind);
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || fitsNowhere[vm]) continue;
    value[vm] = vmBound[vm] + (kind < 0 ? 0 : savingOf(kind, vm));
    all += vmBound[vm];
  }
  countEverybody(false);
  return all - mostValue(weight);
}

/** The bound of the plan as it stands, and of any other that places as much weight. */
export function boundForWeight(): i64 {
  const weight = refusedWeight();
  let lightest: i64 = i64.MAX_VALUE;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && vmCells[vm] != 0) lightest = min(lightest, weightOf(vm));
  if (weight == 0 || weight < lightest || areOthersSame(weight)) return lowerBound();
  let bound: i64 = 0;
  for (let kind = -1; kind <= DIVIDED_BY_LLCS; kind++) bound = max(bound, lossWithout(weight, kind));
  return bound;
}
