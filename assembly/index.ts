// The exports: they check their arguments, call, and return a value or a status. Their comments are the reference
// (docs/planner-abi.md is made of them). Nodes are named by the kernel's ids, VMs by the handle that addVm returns.
// Here: the host, the options, the search; VMs, results and refusals have files of their own.
import { ABI_MINOR, ABI_VERSION, CPU_HOST, ERROR_ARGUMENT, ERROR_LIMIT, ERROR_ORDER, ERROR_UNKNOWN, MAX_CPUS, MAX_EXPECTED, MAX_NODES, MAX_PAGE_SIZES, MAX_STEPS, MAX_VM_VCPUS, MODEL_COPY_BYTES_PER_SECOND, MODEL_HOME, MODEL_HORIZON_SECONDS, SOLVED_FEASIBLE, SOLVED_INFEASIBLE, SOLVED_OPTIMAL, SOLVED_PARTIAL, STRATEGY_SPREAD } from './abi';
import { addCpuEntry, addNodeEntry, cpuCount, cpuId, enterPageSize, limitPages, nodeBandwidth, nodeCount, nodeExpects, nodeId, nodeIndex, nodePages, pageSizeIndex, pageSizes, resetHost, setHops, setSlit } from './problem/host';
import { setOvercommitTo } from './model/capacity';
import { addExpected, clearExpected, expectedSizes } from './model/expected';
import { model, resetModel, rounded } from './problem/coefficients';
import { forgetExplanations } from './proof/explain';
import { renewProofs } from './proof/heaviest';
import { setStrategyTo } from './place/cpus';
import { clearTotals, placedVms, refresh, refusedVms } from './model/totals';
import { MICRO, resetRequest, vmAlive, vmSlots } from './problem/request';
import { resetWork } from './work';
import { placeAll } from './search/first';
import { improve, isOptimal, keepRoom, makeRoomWith, prepareBounds, refine, resetSearch, settle, stepsTaken } from './search/search';
import { MAX_SHIFT, MAX_WHOLE, MIN_SHIFT, beginUse, cellsAddUp, endUse, hostInUse, isWholeNumber } from './model/use';

export * from './vms';
export * from './refusals';
export * from './results';

const MAX_ID: i32 = 1 << 24;

/** Version of this interface; see ABI_VERSION. */
export function abiVersion(): i32 {
  return ABI_VERSION;
}

/** What this interface has beyond its version; see ABI_MINOR. Where there is no such function, it is 0. */
export function abiMinor(): i32 {
  return ABI_MINOR;
}

/** Forgets host, options and VMs. Returns 0. */
export function reset(): i32 {
  resetHost();
  clearExpected();
  resetRequest();
  resetModel();
  resetSearch();
  resetWork();
  clearTotals();
  setOvercommitTo(4);
  setStrategyTo(0);
  endUse();
  return 0;
}

/** Adds a NUMA node, ids ascending. `hasMemory`: 0 for a node without memory, or whose memory guests may not have. Returns its index. */
export function addNode(id: i32, hasMemory: i32): i32 {
  if (id < 0 || id > MAX_ID) return ERROR_ARGUMENT;
  if (hostInUse || (nodeCount > 0 && nodeId[nodeCount - 1] >= id)) return ERROR_ORDER;
  if (nodeCount == MAX_NODES) return ERROR_LIMIT;
  return addNodeEntry(id, hasMemory != 0);
}

/**
 * Says how many pages of 2^`shift` bytes a node has free for guests. The smallest size given is the base page, in which
 * memory is counted everywhere. Returns 0.
 */
export function setPages(node: i32, shift: i32, free: f64): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (shift < MIN_SHIFT || shift > MAX_SHIFT || !isWholeNumber(free, 0, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  const size = enterPageSize(shift);
  if (size < 0) return ERROR_LIMIT;
  nodePages[index * MAX_PAGE_SIZES + size] = <i64>free;
  return 0;
}

/**
 * Says that all nodes together give no more than so many pages of 2^`shift` bytes, whatever they have free, after setPages of that size.
 * Returns 0.
 */
export function setLimit(shift: i32, pages: f64): i32 {
  const size = pageSizeIndex(shift);
  if (size < 0) return ERROR_UNKNOWN;
  if (!isWholeNumber(pages, 0, MAX_WHOLE)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  limitPages[size] = <i64>pages;
  return 0;
}

/** Sets the bytes a second that a node's memory gives, above 0; not known without it. Returns 0. */
export function setBandwidth(node: i32, bytes: f64): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (!(bytes > 0 && bytes <= MAX_WHOLE)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  nodeBandwidth[index] = bytes;
  return 0;
}

/** Distance in SLIT units (local = 10, at most 65,535) as seen from node `from`. Not given: 10 and 20. Returns 0. */
export function setDistance(from: i32, to: i32, distance: i32): i32 {
  const a = nodeIndex(from);
  const b = nodeIndex(to);
  if (a < 0 || b < 0) return ERROR_UNKNOWN;
  if (distance < 10 || distance > 65535) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setSlit(a, b, distance);
  return 0;
}

/**
 * Says how far a vCPU on node `from` is from one on node `to`, where that is known apart from the distance of memory. `tenHops`: ten times the
 * hops, 10 (as between two LLCs of a node) to 65,535. Not given: the distance. Returns 0.
 */
export function setHop(from: i32, to: i32, tenHops: i32): i32 {
  const a = nodeIndex(from);
  const b = nodeIndex(to);
  if (a < 0 || b < 0) return ERROR_UNKNOWN;
  if (tenHops < 10 || tenHops > 65535) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setHops(a, b, tenHops);
  return 0;
}

/**
 * Adds an online CPU of a node, ids ascending. `llc` and `core`: host-wide numbers from 0, below MAX_CPUS. `capacity`: 1 to 1024.
 * `use`: a CPU_ number, what it is there for. Returns its index.
 */
export function addCpu(id: i32, node: i32, llc: i32, core: i32, capacity: i32, use: i32): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (id < 0 || id > MAX_ID || llc < 0 || llc >= MAX_CPUS || core < 0 || core >= MAX_CPUS) return ERROR_ARGUMENT;
  if (capacity < 1 || capacity > 1024 || use < 0 || use > CPU_HOST) return ERROR_ARGUMENT;
  if (hostInUse || (cpuCount > 0 && cpuId[cpuCount - 1] >= id)) return ERROR_ORDER;
  if (cpuCount == MAX_CPUS) return ERROR_LIMIT;
  return addCpuEntry(id, index, llc, core, capacity, use);
}

/** The values that a coefficient of the cost may have. */
function isCoefficient(which: i32, value: f64): bool {
  if (which == MODEL_COPY_BYTES_PER_SECOND || which == MODEL_HORIZON_SECONDS) return value >= 1 && value <= MAX_WHOLE;
  return value >= 0 && value <= (which == MODEL_HOME ? 1 : 1000);
}

/**
 * Sets a coefficient of the cost: `which` is a MODEL_ number, `value` from 0 to 1000 (MODEL_HOME: to 1;
 * MODEL_COPY_BYTES_PER_SECOND and MODEL_HORIZON_SECONDS: from 1). Returns 0.
 */
export function setModel(which: i32, value: f64): i32 {
  if (which < 0 || which > MODEL_HORIZON_SECONDS || !isCoefficient(which, value)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  model[which] = value;
  return 0;
}

/** Sets the shared demand that a shared CPU may have: above 0, at most 1000. Returns 0. */
export function setOvercommit(value: f64): i32 {
  if (!(value > 0 && value <= 1000)) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setOvercommitTo(value);
  return 0;
}

/** Sets the STRATEGY_ between plans of equal cost. Returns 0. */
export function setStrategy(value: i32): i32 {
  if (value < 0 || value > STRATEGY_SPREAD) return ERROR_ARGUMENT;
  if (hostInUse) return ERROR_ORDER;
  setStrategyTo(value);
  return 0;
}

/**
 * Says that VMs of so many vCPUs and base pages are expected, in a `share` (above 0, at most 1000) to other sizes: of plans of equal cost the one
 * that keeps most room for them is taken. After setPages. Returns its number.
 */
export function expectVm(vcpus: i32, pages: f64, share: f64): i32 {
  if (vcpus < 1 || vcpus > MAX_VM_VCPUS || !isWholeNumber(pages, 1, MAX_WHOLE) || !(share > 0 && share <= 1000)) return ERROR_ARGUMENT;
  if (hostInUse || pageSizes == 0) return ERROR_ORDER;
  if (expectedSizes == MAX_EXPECTED) return ERROR_LIMIT;
  return addExpected(vcpus, <i64>pages, max<i64>(1, rounded(share * <f64>MICRO)));
}

/** Keeps the VMs that are expected off the node: nothing of it is room for them. Returns 0. */
export function keepExpectedOff(node: i32): i32 {
  const index = nodeIndex(node);
  if (index < 0) return ERROR_UNKNOWN;
  if (hostInUse) return ERROR_ORDER;
  nodeExpects[index] = false;
  return 0;
}

/**
 * Places the VMs that are not placed, then improves the plan in up to `maxSteps` steps (0 to MAX_STEPS); called again it goes on,
 * and never makes the plan worse. 0 steps: only what is needed to have a plan, which is said to be optimal only where it costs nothing. The same calls with the same seed give the same plan. Returns a SOLVED_ number, or
 * ERROR_ARGUMENT where given cells do not add up to their VM.
 */
export function solve(maxSteps: i32, seed: i32): i32 {
  if (maxSteps < 0 || maxSteps > MAX_STEPS) return ERROR_ARGUMENT;
  if (pageSizes == 0) return ERROR_ORDER;
  for (let vm = 0; vm < vmSlots; vm++) if (vmAlive[vm] && !cellsAddUp(vm)) return ERROR_ARGUMENT;
  beginUse();
  forgetExplanations();
  renewProofs();
  // What is known to be the best place for a VM ends the search for its place.
  prepareBounds();
  placeAll();
  if (maxSteps > 0) {
    improve(maxSteps, seed);
    makeRoomWith(maxSteps);
    refine(maxSteps);
    keepRoom(maxSteps);
  }
  settle();
  if (isOptimal(maxSteps == 0)) return SOLVED_OPTIMAL;
  refresh();
  if (refusedVms == 0) return SOLVED_FEASIBLE;
  return placedVms == 0 ? SOLVED_INFEASIBLE : SOLVED_PARTIAL;
}

/** Steps of search since reset. */
export function steps(): i32 {
  return stepsTaken;
}

reset();
