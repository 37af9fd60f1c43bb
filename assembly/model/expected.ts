// Room for VMs that are expected (docs/model.md, "Room for those to come"): how many more of each size the nodes take, as the plan stands.
import { Flat } from '../flat';
import { MAX_EXPECTED, MAX_PAGE_SIZES, MAX_VM_CELLS } from '../abi';
import { nodeCount, nodeExpects, pageSizes, widestCore } from '../problem/host';
import { pagesExpected } from '../problem/nodes';
import { MICRO } from '../problem/request';
import { spend } from '../work';
import { nodeDemand, nodeFresh, nodeFreshCores, overcommit } from './capacity';
import { freePages, inPages, isWhole } from './memory';

/** Sizes that are expected. */
export let expectedSizes: i32 = 0;
const vcpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_EXPECTED, 8));
/** Base pages. */
const pages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_EXPECTED, 8));
/** In millionths. */
const shares = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_EXPECTED, 8));
/** Cells of a VM of the size: as few as let some node of the empty host take one; 0: none does. */
const cells = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_EXPECTED, 8));

export function clearExpected(): void {
  expectedSizes = 0;
}

export function addExpected(vcpusOfOne: i32, pagesOfOne: i64, share: i64): i32 {
  vcpus[expectedSizes] = vcpusOfOne;
  pages[expectedSizes] = pagesOfOne;
  shares[expectedSizes] = share;
  return expectedSizes++;
}

/** The larger cells of a VM of the size that is divided into so many. */
function vcpusOfCell(at: i32, count: i32): i32 {
  return (vcpus[at] + count - 1) / count;
}

function pagesOfCell(at: i32, count: i32): i64 {
  return (pages[at] + <i64>(count - 1)) / <i64>count;
}

/** How many cells of so many vCPUs and base pages the node takes, each on cores of its own. */
function cellsOn(node: i32, vcpusOfOne: i32, pagesOfOne: i64): i64 {
  const kept = <i32>Math.ceil(<f64>nodeDemand[node] / (overcommit * <f64>MICRO));
  const byCpus = (nodeFresh[node] - kept) / vcpusOfOne;
  const byCores = (nodeFreshCores[node] - (kept + widestCore - 1) / widestCore) / ((vcpusOfOne + widestCore - 1) / widestCore);
  const most = <i64>min(byCpus, byCores);
  let byPages: i64 = 0;
  for (let size = 0; size < pageSizes && byPages < most; size++) {
    if (isWhole(pagesOfOne, size)) byPages += pagesExpected(node, freePages, MAX_PAGE_SIZES, size) / inPages(pagesOfOne, size);
  }
  return max<i64>(0, min(most, byPages));
}

/** The same on all nodes; of the size at `at`, divided into `count` cells. */
function cellsOfSize(at: i32, count: i32): i64 {
  spend(4 * nodeCount);
  let all: i64 = 0;
  for (let node = 0; node < nodeCount; node++) if (nodeExpects[node]) all += cellsOn(node, vcpusOfCell(at, count), pagesOfCell(at, count));
  return all;
}

/** Finds how VMs that are expected are divided: when the host is complete, and empty. */
export function prepareExpected(): void {
  for (let at = 0; at < expectedSizes; at++) {
    const most = min(vcpus[at], MAX_VM_CELLS);
    let count = 1;
    while (count <= most && cellsOfSize(at, count) == 0) count++;
    cells[at] = count <= most ? count : 0;
  }
}

/** Whole VMs of each size that the nodes take, by share, in millionths; 0 where none is expected. */
export function roomForExpected(): i64 {
  let room: i64 = 0;
  for (let at = 0; at < expectedSizes; at++) {
    if (cells[at] != 0) room += shares[at] * (cellsOfSize(at, cells[at]) / <i64>cells[at]);
  }
  return room;
}
