// What the nodes offer to a VM that is being assigned.
import { Flat } from '../flat';
import { MAX_NODES, MAX_PAGE_SIZES } from '../abi';
import { emptyDedicatedRoom, emptySharedRoom, meetsDemand, UNLIMITED } from '../model/rooms';
import { limitPages, nodeCount, nodePages, pageShift, pageSizes } from '../problem/host';
import { MOST_PAGES } from '../model/memory';
import { vmDedicated, vmThreadCpus, vmVcpus } from '../problem/request';

/** What the nodes offer to the VM: how many of its dedicated and of its shared vCPUs they take, and free pages. */
export const offerRoom = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const offerShared = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
/** How many CPUs of the node its dedicated vCPUs and threads of its VMM find, where such have CPUs of their own. */
export const offerCpus = changetype<Flat<i32>>(memory.data(sizeof<i32>() * MAX_NODES, 8));
export const offerPages = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_NODES * MAX_PAGE_SIZES, 8));
/** Pages that are left of the limit, by page size. */
export const offerLimit = changetype<Flat<i64>>(memory.data(sizeof<i64>() * MAX_PAGE_SIZES, 8));
/** Nodes that nobody uses: twins among them are interchangeable. */
export const offerUntouched = changetype<Flat<bool>>(memory.data(sizeof<bool>() * MAX_NODES, 8));

/** Whether what is offered is what VMs leave, with no constraint left aside. */
export let offersRest: bool = false;
export function setOffersRest(rest: bool): void {
  offersRest = rest;
}

/** Whether all nodes together take the VM's vCPUs. */
export function isRoomOffered(vm: i32): bool {
  let room = 0;
  let shared = 0;
  for (let node = 0; node < nodeCount; node++) {
    room += offerRoom[node];
    shared += offerShared[node];
  }
  return room >= vmDedicated[vm] && shared >= vmVcpus[vm] - vmDedicated[vm];
}

/** Whether the threads of the VM find CPUs on the node beside so many of its vCPUs, which leave the shared demand met, as far as counting goes. */
export function takesThreads(vm: i32, node: i32, dedicated: i32, shared: i32): bool {
  const left = offerCpus[node] - dedicated - vmThreadCpus[vm];
  return vmThreadCpus[vm] == 0 || (left >= 0 && (offerCpus[node] >= UNLIMITED || meetsDemand(vm, node, shared, left)));
}

/** Offers the VM the empty host. */
export function offerEmptyHost(vm: i32): void {
  offersRest = false;
  for (let node = 0; node < nodeCount; node++) {
    offerRoom[node] = emptyDedicatedRoom(vm, node);
    offerShared[node] = emptySharedRoom(vm, node);
    offerCpus[node] = UNLIMITED;
    offerUntouched[node] = true;
  }
  offerPagesFrom(nodePages, limitPages);
}

/** Fills the pages of the offer. */
export function offerPagesFrom(free: Flat<i64>, limit: Flat<i64>): void {
  for (let size = 0; size < pageSizes; size++) offerLimit[size] = limit[size];
  for (let node = 0; node < nodeCount; node++) {
    for (let size = 0; size < pageSizes; size++) {
      offerPages[node * MAX_PAGE_SIZES + size] = free[node * MAX_PAGE_SIZES + size];
    }
  }
}

/** Makes base pages of all pages of the offer. */
export function poolPages(): void {
  for (let size = 1; size < pageSizes; size++) {
    const shift = <i64>(pageShift[size] - pageShift[0]);
    const most = MOST_PAGES >> shift;
    offerLimit[0] = min(offerLimit[0], MOST_PAGES) + (min(offerLimit[size], most) << shift);
    for (let at = 0; at < nodeCount * MAX_PAGE_SIZES; at += MAX_PAGE_SIZES) {
      offerPages[at] += min(offerPages[at + size], most) << shift;
      offerPages[at + size] = 0;
    }
  }
}
