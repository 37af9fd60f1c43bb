// Sums over the plan as it stands. Only what has changed is summed anew.
import { Flat } from '../flat';
import { MAX_NODES, MAX_VMS } from '../abi';
import { vmCost } from './cost';
import { demandBeyond, nodeFloatSet } from './capacity';
import { bandwidthOn } from './waiting';
import { clearStale, nextFloatingNode, nextStaleNode, nextStaleVm, touchVm, vmsOnNode } from '../problem/stale';
import { speedsDiffer } from '../problem/host';
import { hasShared, vmAlive, vmBound, vmCells } from '../problem/request';
import { vmHasCurrent } from '../problem/current';
import { weightOf } from '../problem/weight';
import { exclude, include, nextMember, SET_WORDS } from '../vm-set';

// As of the last call of `refresh`.
export let placedVms: i32 = 0;
export let refusedVms: i32 = 0;
export let placedWeight: i64 = 0;
/** Sum of what each placed VM loses. */
let vmLosses: i64 = 0;
/** Sets of VMs: placed, refused, and placed at more than their bound. */
export const placedSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * SET_WORDS, 8));
export const refusedSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * SET_WORDS, 8));
export const losingSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * SET_WORDS, 8));

const ABSENT: i32 = 0;
const REFUSED: i32 = 1;
const PLACED: i32 = 2;
/** How the VM is counted, and with what. */
const countedAs = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_VMS, 8));
const countedLoss = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));
const countedWeight = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_VMS, 8));

/** By node, and in all. */
const overcommitLoss = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
const bandwidthLoss = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES, 8));
let overcommitLosses: i64 = 0;
let bandwidthLosses: i64 = 0;

export function clearTotals(): void {
  clearStale();
  placedVms = 0;
  refusedVms = 0;
  placedWeight = 0;
  vmLosses = 0;
  overcommitLosses = 0;
  bandwidthLosses = 0;
  for (let word = 0; word < SET_WORDS; word++) {
    placedSet[word] = 0;
    refusedSet[word] = 0;
    losingSet[word] = 0;
  }
  for (let vm = 0; vm < MAX_VMS; vm++) countedAs[vm] = ABSENT;
  for (let node = 0; node < MAX_NODES; node++) {
    overcommitLoss[node] = 0;
    bandwidthLoss[node] = 0;
  }
}

function recountVm(vm: i32): void {
  const before = countedAs[vm];
  const now = !vmAlive[vm] ? ABSENT : vmCells[vm] == 0 ? REFUSED : PLACED;
  if (before == PLACED) {
    placedVms--;
    placedWeight -= countedWeight[vm];
    vmLosses -= countedLoss[vm];
  } else if (before == REFUSED) {
    refusedVms--;
  }
  exclude(losingSet, 0, vm);
  if (now == PLACED) {
    const loss = vmCost(vm);
    countedLoss[vm] = loss;
    countedWeight[vm] = weightOf(vm);
    placedVms++;
    placedWeight += countedWeight[vm];
    vmLosses += loss;
    if (loss > vmBound[vm]) include(losingSet, 0, vm);
  } else if (now == REFUSED) {
    refusedVms++;
  }
  if (before == now) return;
  countedAs[vm] = now;
  if (before == PLACED) exclude(placedSet, 0, vm);
  if (before == REFUSED) exclude(refusedSet, 0, vm);
  if (now == PLACED) include(placedSet, 0, vm);
  if (now == REFUSED) include(refusedSet, 0, vm);
}

/** The CPUs that shared vCPUs of the node float over, as the VMs there were counted with. */
const countedSet = changetype<Flat<u64>>(memory.data(sizeof<u64>() * MAX_NODES, 8));

/** What shared vCPUs lose, and what moving them takes, depends on the CPUs that they float over. */
function touchFloating(node: i32): void {
  if (countedSet[node] == nodeFloatSet[node]) return;
  countedSet[node] = nodeFloatSet[node];
  for (let vm = nextMember(vmsOnNode, node * SET_WORDS, 0); vm >= 0; vm = nextMember(vmsOnNode, node * SET_WORDS, vm + 1)) {
    if (hasShared(vm) && (speedsDiffer || vmHasCurrent[vm])) touchVm(vm);
  }
}

function refreshNodes(): void {
  for (let node = nextStaleNode(); node >= 0; node = nextStaleNode()) {
    const beyond = demandBeyond(node);
    overcommitLosses += beyond - overcommitLoss[node];
    overcommitLoss[node] = beyond;
    const waiting = bandwidthOn(node);
    bandwidthLosses += waiting - bandwidthLoss[node];
    bandwidthLoss[node] = waiting;
  }
}

/** Brings all totals up to date. */
export function refresh(): void {
  refreshNodes();
  for (let node = nextFloatingNode(); node >= 0; node = nextFloatingNode()) touchFloating(node);
  for (let vm = nextStaleVm(); vm >= 0; vm = nextStaleVm()) recountVm(vm);
}

/** What all nodes lose by overcommitted shared CPUs. */
export function overcommitCost(): i64 {
  refreshNodes();
  return overcommitLosses;
}

/** What all nodes lose by memory bandwidth that is asked for and not there. */
export function bandwidthCost(): i64 {
  refreshNodes();
  return bandwidthLosses;
}

/** What nodes lose, rather than single VMs. */
export function lossOfNodes(): i64 {
  refreshNodes();
  return overcommitLosses + bandwidthLosses;
}

/** What the plan loses as it stands. */
export function totalCost(): i64 {
  refresh();
  return vmLosses + overcommitLosses + bandwidthLosses;
}

/** What a placed VM loses, as of the last call of `refresh`. */
export function lossOf(vm: i32): i64 {
  return countedLoss[vm];
}
