// Traffic between the vCPUs of a VM, where it is given: a square matrix for each such VM, one after another in one pool.
import { Flat } from '../flat';
import { MAX_TRAFFIC, MAX_VMS } from '../abi';

const pool = changetype<Flat<f64>>(memory.data(sizeof<f64>() * MAX_TRAFFIC, 8));
let used: i32 = 0;
/** Where the VM's matrix starts; -1: every pair is alike. */
export const vmTraffic = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const trafficSize = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));

export function resetTraffic(): void {
  used = 0;
  for (let vm = 0; vm < MAX_VMS; vm++) vmTraffic[vm] = -1;
}

/** Traffic from one vCPU of the VM to another. */
export function traffic(vm: i32, from: i32, to: i32): f64 {
  return pool[vmTraffic[vm] + from * trafficSize[vm] + to];
}

/** All that one vCPU of the VM sends to others. */
export function trafficRow(vm: i32, from: i32): f64 {
  const row = vmTraffic[vm] + from * trafficSize[vm];
  let sum: f64 = 0;
  for (let to = 0; to < trafficSize[vm]; to++) if (to != from) sum += pool[row + to];
  return sum;
}

/** Sets a value of the VM's matrix, all 0 before; false where there is no room for it. */
export function setTraffic(vm: i32, vcpus: i32, from: i32, to: i32, value: f64): bool {
  if (vmTraffic[vm] < 0) {
    const size = <i64>vcpus * <i64>vcpus;
    if (<i64>used + size > <i64>MAX_TRAFFIC) return false;
    vmTraffic[vm] = used;
    trafficSize[vm] = vcpus;
    for (let at = 0; at < <i32>size; at++) pool[used++] = 0;
  }
  pool[vmTraffic[vm] + from * vcpus + to] = value;
  return true;
}

/** Gives the VM's matrix back. */
export function forgetTraffic(vm: i32): void {
  const start = vmTraffic[vm];
  if (start < 0) return;
  const size = trafficSize[vm] * trafficSize[vm];
  for (let at = start; at + size < used; at++) pool[at] = pool[at + size];
  used -= size;
  vmTraffic[vm] = -1;
  for (let other = 0; other < MAX_VMS; other++) if (vmTraffic[other] > start) vmTraffic[other] -= size;
}
