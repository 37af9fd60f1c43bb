// The most weight of VMs that can be placed, judged only by the sums of CPUs and memory.
import { Flat } from '../flat';
import { MAX_VMS, MEMORY_PREFERRED } from '../abi';
import { rounded } from './coefficients';
import { sortBy } from '../sort';
import { MICRO, vmDedicated, vmMemory, vmPages, vmWeight } from './request';

/** The VM's weight in millionths, at least one. */
export function weightOf(vm: i32): i64 {
  return max<i64>(1, rounded(vmWeight[vm] * <f64>MICRO));
}

export function greatestCommonDivisor(a: i64, b: i64): i64 {
  return b == 0 ? a : greatestCommonDivisor(b, a % b);
}

/** CPUs of its own, or base pages on nodes with CPUs, that the VM needs. */
function needOf(vm: i32, ofMemory: bool): i64 {
  if (!ofMemory) return vmDedicated[vm];
  return vmMemory[vm] == MEMORY_PREFERRED ? 0 : vmPages[vm];
}

/** The VM with more weight for what it takes comes first; else the lower handle. */
function weighsMoreForCpus(a: i32, b: i32): bool {
  return comesFirst(a, b, false);
}

function weighsMoreForMemory(a: i32, b: i32): bool {
  return comesFirst(a, b, true);
}

function comesFirst(a: i32, b: i32, ofMemory: bool): bool {
  const forA = <f64>needOf(a, ofMemory) * vmWeight[b];
  const forB = <f64>needOf(b, ofMemory) * vmWeight[a];
  return forA != forB ? forA < forB : a < b;
}

const ranked = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

/** The most weight that goes with so much of one thing, if the last VM may be placed in part. */
function weightWithin(list: Flat<i32>, from: i32, to: i32, free: i64, ofMemory: bool): i64 {
  const vms = to - from;
  for (let next = 0; next < vms; next++) ranked[next] = list[from + next];
  sortBy(ranked, vms, ofMemory ? weighsMoreForMemory : weighsMoreForCpus);
  let weight: i64 = 0;
  let left = free;
  for (let next = 0; next < vms; next++) {
    const need = needOf(ranked[next], ofMemory);
    if (need > left) return weight + rounded((<f64>weightOf(ranked[next]) * <f64>max<i64>(0, left)) / <f64>need) + 1;
    weight += weightOf(ranked[next]);
    left -= need;
  }
  return weight;
}

/** The most weight, a multiple of `unit`, of the VMs from `from` to `to` in the list that go with so many CPUs and base pages. */
export function mostWeight(list: Flat<i32>, from: i32, to: i32, cpus: i64, pages: i64, unit: i64): i64 {
  const weight = min(weightWithin(list, from, to, cpus, false), weightWithin(list, from, to, pages, true));
  return (weight / unit) * unit;
}
