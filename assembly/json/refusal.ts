// Why a VM was refused, in words with the numbers of each node (src/planner/refusal.ts).
import {
  BECAUSE_CELL_NODE, BECAUSE_CPU_EXCLUSIVE, BECAUSE_DEVICE, BECAUSE_DEVICE_NODES, BECAUSE_EMULATOR, BECAUSE_MEMORY_CAPACITY, BECAUSE_MEMORY_LIMIT,
  BECAUSE_MEMORY_NODES, BECAUSE_MEMORY_POLICY, BECAUSE_NEAR, BECAUSE_OVERCOMMIT, BECAUSE_PAGE_SIZE, BECAUSE_SEPARATE, BECAUSE_THREAD_POLICY,
  BECAUSE_TRUST, MEMORY_INTERLEAVE, THREADS_ISOLATE, THREADS_REQUIRE,
} from '../abi';
import * as planner from '../index';
import { formatCpulist } from './cpulist';
import { microText, numberText } from './decimal';
import { shiftOf } from './host';
import { Because } from './plan';
import { Problem } from './problem';
import { AUTO, COUNTED, DEDICATED, GIVEN, MEMORY_POLICIES, RequestVm, SHARED, THREAD_POLICIES } from './request';
import { formatBytes } from './units';

/** Constraint ids of the model by the planner's bits, from the lowest. */
const CONSTRAINTS: StaticArray<string> = [
  'cell-node', 'cpu-exclusive', 'thread-policy', 'trust', 'overcommit', 'emulator', 'memory-capacity', 'memory-limit', 'memory-policy',
  'memory-nodes', 'page-size', 'device', 'device-nodes', 'separate', 'near',
];
const MICRO: f64 = 1_000_000;

function plural(count: i32, noun: string): string {
  return count.toString() + ' ' + noun + (count == 1 ? '' : 's');
}

/** Of more nodes those that have the same are told together. */
const FEW_NODES: i32 = 8;

/** What is said of each node, in their order. TypeScript keeps what the words are made of apart; equal words come of equal things. */
function perNode(problem: Problem, texts: string[]): string {
  const ids = problem.host.nodeIds();
  let told = '';
  if (ids.length <= FEW_NODES) {
    for (let at = 0; at < ids.length; at++) told += (at > 0 ? ', ' : '') + 'node ' + ids[at].toString() + ' ' + texts[at];
    return told;
  }
  const alike = new Map<string, i32[]>();
  for (let at = 0; at < ids.length; at++) {
    if (!alike.has(texts[at])) alike.set(texts[at], []);
    alike.get(texts[at]).push(ids[at]);
  }
  const kinds = alike.keys();
  for (let kind = 0; kind < kinds.length; kind++) {
    const members = alike.get(kinds[kind]);
    const named = members.length == 1 ? 'node ' + members[0].toString() : 'each of the nodes ' + formatCpulist(members);
    told += (kind > 0 ? ', ' : '') + named + ' ' + kinds[kind];
  }
  return told;
}

function freeText(problem: Problem, handle: i32): string {
  const texts: string[] = [];
  for (let at = 0; at < problem.host.nodes.length; at++) {
    texts.push('has room for ' + planner.roomFor(handle, problem.host.nodes[at].id, 0).toString());
  }
  return perNode(problem, texts);
}

function withoutText(problem: Problem, handle: i32, constraint: i32, clash: i32): string {
  const texts: string[] = [];
  for (let at = 0; at < problem.host.nodes.length; at++) {
    const node = problem.host.nodes[at].id;
    texts.push(planner.roomFor(handle, node, 0).toString() + ', without that ' + planner.roomFor(handle, node, ~clash | constraint).toString());
  }
  return perNode(problem, texts);
}

function wantedCells(vm: RequestVm): string {
  if (vm.cellsKind == AUTO) return plural(vm.vcpus, 'vCPU') + ' in any number of cells';
  if (vm.cellsKind == COUNTED) return plural(vm.vcpus, 'vCPU') + ' in ' + plural(<i32>vm.cellCount, 'cell');
  let counts = '';
  for (let at = 0; at < vm.cells.length; at++) counts += (at > 0 ? ', ' : '') + vm.cells[at].vcpus.length.toString();
  return 'cells of ' + counts + ' vCPUs';
}

function wantedMemory(vm: RequestVm): string {
  if (vm.cellsKind == GIVEN) {
    let sizes = '';
    for (let at = 0; at < vm.cells.length; at++) sizes += (at > 0 ? ', ' : '') + formatBytes(vm.cells[at].memory);
    return 'cells of ' + sizes;
  }
  return formatBytes(vm.memory) + (vm.cellsKind == AUTO ? '' : ' in ' + plural(<i32>vm.cellCount, 'cell'));
}

function memoryText(problem: Problem, vm: RequestVm): string {
  const size = vm.pageSize == 0 ? problem.basePage : vm.pageSize;
  const texts: string[] = [];
  for (let at = 0; at < problem.host.nodes.length; at++) {
    const node = problem.host.nodes[at];
    const pages = planner.pagesLeft(node.id, shiftOf(size));
    const nodes = vm.memoryNodes;
    if (!node.allowed) texts.push('is outside of the cpuset');
    else if (problem.request.reserveNodes.includes(node.id)) texts.push('is left out');
    else if (nodes != null && !nodes.includes(node.id)) texts.push('is none of its memoryNodes');
    else if (node.free < 0) texts.push('does not say how much it has free');
    else texts.push('has ' + formatBytes(max(0, pages) * size) + ' free');
  }
  return perNode(problem, texts);
}

/** What limits pages of the VM's size, or of each size where it takes any. */
function limitsText(problem: Problem, vm: RequestVm): string {
  let text = '';
  for (let at = 0; at < problem.host.limits.length; at++) {
    const limit = problem.host.limits[at];
    if (vm.pageSize != 0 && limit.size != vm.pageSize) continue;
    const pages = planner.pagesLeftOfLimit(shiftOf(limit.size));
    if (pages < 0) continue;
    if (text != '') text += ', ';
    text += formatBytes(pages * limit.size) + ' in pages of ' + formatBytes(limit.size) + ' (' + limit.cause + ')';
  }
  return text;
}

function overcommitText(problem: Problem, vm: RequestVm): string {
  const texts: string[] = [];
  for (let at = 0; at < problem.host.nodes.length; at++) {
    const node = problem.host.nodes[at].id;
    texts.push('has ' + plural(planner.sharedCpus(node), 'shared CPU') + ' with a demand of ' + microText(planner.sharedDemand(node)));
  }
  const demand = microText(Math.round(<f64>vm.vcpus * vm.demand * MICRO));
  const wants = vm.cpuPolicy == SHARED ? 'it adds a demand of ' + demand : 'it takes CPUs that shared vCPUs need';
  return wants + ', and each shared CPU takes a demand of ' + numberText(problem.request.overcommit) + ' at the most: ' + perNode(problem, texts);
}

function pageSizeText(problem: Problem, vm: RequestVm): string {
  if (vm.pageSize == 0) return 'it wants ' + wantedMemory(vm) + ' in whole pages';
  const size = formatBytes(vm.pageSize);
  if (vm.memory % vm.pageSize != 0) return 'its ' + formatBytes(vm.memory) + ' are no whole number of pages of ' + size;
  return 'it wants ' + wantedMemory(vm) + ' in pages of ' + size + ': ' + memoryText(problem, vm);
}

function deviceText(problem: Problem, vm: RequestVm, handle: i32): string {
  const nodes: i32[] = [];
  for (let at = 0; at < vm.devices.length; at++) if (vm.devices[at].strict) nodes.push(vm.devices[at].node);
  return "a cell has to be on each of the devices' nodes " + formatCpulist(nodes) + ': ' + freeText(problem, handle);
}

function textFor(problem: Problem, vm: RequestVm, handle: i32, constraint: i32, clash: i32): string {
  const policy = THREAD_POLICIES[vm.threadPolicy];
  const pages = vm.pageSize == 0 ? 'memory' : 'memory in pages of ' + formatBytes(vm.pageSize);
  switch (constraint) {
    case BECAUSE_CPU_EXCLUSIVE:
      return 'it wants ' + wantedCells(vm) + ', each on a CPU of its own (' + policy + '): ' + freeText(problem, handle);
    case BECAUSE_CELL_NODE:
      return 'the vCPUs of a cell are on one node; it wants ' + wantedCells(vm) + ': ' + freeText(problem, handle);
    case BECAUSE_THREAD_POLICY: {
      const keepsCores = vm.threadPolicy == THREADS_ISOLATE || vm.threadPolicy == THREADS_REQUIRE;
      const whose = keepsCores ? 'its threadPolicy "' + policy + '" keeps' : 'VMs of threadPolicy "isolate" or "require" keep';
      return whose + ' cores from being shared; room for its ' + plural(vm.vcpus, 'vCPU') + ': ' + withoutText(problem, handle, constraint, clash);
    }
    case BECAUSE_TRUST: {
      const trust = vm.trust;
      const own = trust == null ? 'its own' : '"' + trust + '"';
      const room = withoutText(problem, handle, constraint, clash);
      return 'VMs of other trust domains than ' + own + ' have the cores; room for its ' + plural(vm.vcpus, 'vCPU') + ': ' + room;
    }
    case BECAUSE_OVERCOMMIT:
      return overcommitText(problem, vm);
    case BECAUSE_EMULATOR:
      return plural(1 + vm.iothreads, 'more CPU') + ' for its emulator and I/O threads on the node of its first cell: ' + freeText(problem, handle);
    case BECAUSE_MEMORY_CAPACITY:
      return 'it wants ' + wantedMemory(vm) + ' of ' + pages + ': ' + memoryText(problem, vm);
    case BECAUSE_MEMORY_LIMIT:
      return 'it wants ' + wantedMemory(vm) + ' of ' + pages + ', and all nodes together give no more than ' + limitsText(problem, vm);
    case BECAUSE_MEMORY_NODES: {
      const nodes = vm.memoryNodes;
      return 'its memory is kept to the nodes ' + (nodes == null ? '' : formatCpulist(nodes)) + ': ' + memoryText(problem, vm);
    }
    case BECAUSE_DEVICE_NODES:
      return 'it keeps off the nodes of devices, ' + formatCpulist(problem.request.deviceNodes) + ': ' + freeText(problem, handle);
    case BECAUSE_MEMORY_POLICY: {
      const divides = vm.memoryPolicy == MEMORY_INTERLEAVE;
      const place = divides ? "divides a cell's memory evenly among the nodes of the VM's vCPUs" : "keeps a cell's memory on the nodes of its vCPUs";
      return 'memoryPolicy "' + MEMORY_POLICIES[vm.memoryPolicy] + '" ' + place + ': ' + memoryText(problem, vm);
    }
    case BECAUSE_PAGE_SIZE:
      return pageSizeText(problem, vm);
    case BECAUSE_DEVICE:
      return deviceText(problem, vm, handle);
    case BECAUSE_SEPARATE:
      return 'it shares no node with the VMs that it is kept apart from: ' + freeText(problem, handle);
    case BECAUSE_NEAR:
      return 'its first cell is on the first node of the VMs that it is near to: ' + freeText(problem, handle);
    default:
      return freeText(problem, handle);
  }
}

/** Why the VM with this handle is not in the plan. */
export function becauseOf(problem: Problem, vm: RequestVm, handle: i32): Because[] {
  const clash = planner.refusal(handle);
  const because: Because[] = [];
  for (let bit = 0; bit < CONSTRAINTS.length; bit++) {
    const constraint = 1 << bit;
    if ((clash & constraint) != 0) because.push(new Because(CONSTRAINTS[bit], textFor(problem, vm, handle, constraint, clash)));
  }
  if (because.length > 0) return because;
  const texts: string[] = [];
  for (let at = 0; at < problem.host.nodes.length; at++) {
    const takes = planner.roomFor(handle, problem.host.nodes[at].id, BECAUSE_CPU_EXCLUSIVE) > 0;
    texts.push('has room for ' + (takes ? 'vCPUs' : 'none'));
  }
  const rooms = perNode(problem, texts);
  if (planner.refusalProven(handle) != 1) return [new Because('unknown', 'the search found no place for it, and not what keeps it out: ' + rooms)];
  const cpu = vm.cpuPolicy == DEDICATED ? 'a usable CPU' : 'a usable CPU that is not isolated';
  return [new Because('cpu-usable', 'no node has both ' + cpu + ' and memory for it: ' + rooms)];
}
