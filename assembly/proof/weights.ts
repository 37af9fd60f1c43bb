// The most weight that can be placed, by what is there in all, and whether a plan has it.
import { Flat } from '../flat';
import { MAX_VMS } from '../abi';
import { overcommit } from '../model/capacity';
import { findUseful, homePages } from '../model/memory';
import { limitPages, nodeCount, nodePages, nodeUsable } from '../problem/host';
import { vmAlive, vmSlots } from '../problem/request';
import { greatestCommonDivisor, mostWeight, mostWeightOnCores, weightOf } from '../problem/weight';
import { comesBefore } from '../problem/order';
import { sortBy } from '../sort';
import { fitsNowhere } from './bound';
import { isMost } from './heaviest';

const list = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
/** What the weights of all VMs in the list are multiples of. */
let unit: i64 = 0;

/** What `mostInAll` found; -1: VMs have come, gone or changed since. */
let inAll: i64 = -1;
/** What `isMostCounted` found for this weight; -1: for none. */
let isCountedMost: bool = false;
let countedFor: i64 = -1;

/** VMs have come, gone or changed. */
export function forgetWeights(): void {
  inAll = -1;
  countedFor = -1;
}

/** Lists all VMs, or those that may fit alone; how many. */
function listVms(fitting: bool): i32 {
  let vms = 0;
  unit = 1;
  for (let vm = 0; vm < vmSlots; vm++) {
    if (!vmAlive[vm] || (fitting && fitsNowhere[vm])) continue;
    unit = vms == 0 ? weightOf(vm) : greatestCommonDivisor(unit, weightOf(vm));
    list[vms++] = vm;
  }
  return vms;
}

function mostOf(vms: i32): i64 {
  let cpus: i64 = 0;
  for (let node = 0; node < nodeCount; node++) cpus += nodeUsable[node];
  findUseful();
  return mostWeight(list, 0, vms, cpus, homePages(nodePages, limitPages), unit);
}

/** The most weight that can be placed, as far as CPUs and memory in all can tell. */
export function mostInAll(): i64 {
  if (inAll < 0) inAll = mostOf(listVms(false));
  return inAll;
}

/** Whether CPUs, memory and cores in all tell that no plan places more than this weight: quick to see, before there are bounds. */
export function isMostInAll(weight: i64): bool {
  return weight >= mostInAll() || weight >= mostWeightOnCores(list, listVms(false), unit, overcommit);
}

/** Whether counting tells that no plan places more than this weight. */
export function isMostCounted(weight: i64): bool {
  if (countedFor == weight) return isCountedMost;
  const vms = listVms(true);
  countedFor = weight;
  isCountedMost = weight >= mostOf(vms) || weight >= mostWeightOnCores(list, vms, unit, overcommit);
  sortBy(list, vms, comesBefore);
  isCountedMost = isCountedMost || isMost(list, vms, weight);
  return isCountedMost;
}
