// Host + Request -> the problem in the planner (src/planner/problem.ts). The calls are the same, in the same order.
import { ERROR_LIMIT, MAX_CPUS, MAX_CURRENT, MAX_LINKS, MAX_NODES, MAX_PAGE_SIZES, MAX_TRAFFIC, MAX_VCPUS, MAX_VM_CELLS, STRATEGY_PACK, STRATEGY_SPREAD } from '../abi';
import * as planner from '../index';
import { formatCpulist, parseCpulist } from './cpulist';
import { numberText } from './decimal';
import { bandwidthOf, distancesOf, hopsOf, smtOf } from './distances';
import { fail, failed } from './failure';
import { Host, NONE, OnlineCpu, freePages, hasMemory, onlineCpus, pageSizesOf, shiftOf } from './host';
import { Peers, peersOf } from './peers';
import { AUTO, COUNTED, DEDICATED, GIVEN, Placement, Request, RequestVm } from './request';
import { formatBytes } from './units';

/** A problem inside of the planner: what is needed to go on with it and to read it back. */
export class Problem {
  cpus: OnlineCpu[];
  /** Bytes; the first is the base page, in which the planner counts memory. */
  sizes: f64[];
  basePage: f64;
  /** The planner's handles, in the order of the request's VMs. */
  handles: i32[] = [];
  handleOf: Map<string, i32> = new Map<string, i32>();
  peers: Map<string, Peers>;
  distances: i32[][];
  trust: Map<string, i32> = new Map<string, i32>();

  constructor(
    public host: Host,
    public request: Request,
  ) {
    const sizes = pageSizesOf(host);
    this.cpus = onlineCpus(host, request);
    this.sizes = sizes;
    this.basePage = sizes[0];
    this.peers = peersOf(request);
    this.distances = distancesOf(host);
  }
}

/** The planner's own checks are the last line. */
function accepted(result: i32, what: string): i32 {
  if (result < 0) fail('', 'what the planner takes as ' + what, 'status ' + result.toString());
  return result;
}

/** The same, for calls that may reach a limit of the planner that the request's format does not know. */
function within(result: i32, where: string, limit: string): void {
  if (result == ERROR_LIMIT) fail(where, limit, 'more');
  else accepted(result, where);
}

function checkCount(where: string, what: string, found: f64, most: i32): void {
  if (found > most) fail(where, 'at most ' + most.toString() + ' ' + what, numberText(found));
}

function addNodes(problem: Problem): void {
  const host = problem.host;
  const request = problem.request;
  const sizes = problem.sizes;
  checkCount('nodes', 'nodes', host.nodes.length, MAX_NODES);
  checkCount('nodes', 'sizes of pages', sizes.length, MAX_PAGE_SIZES);
  if (failed) return;
  for (let at = 0; at < host.nodes.length; at++) {
    const node = host.nodes[at];
    accepted(planner.addNode(node.id, hasMemory(node, request) ? 1 : 0), 'node ' + node.id.toString());
  }
  for (let at = 0; at < host.nodes.length; at++) {
    const node = host.nodes[at];
    const bandwidth = bandwidthOf(host, at);
    if (bandwidth != NONE) accepted(planner.setBandwidth(node.id, bandwidth), 'the bandwidth of node ' + node.id.toString());
    for (let size = 0; size < sizes.length; size++) {
      const pages = freePages(node, request, sizes[size], problem.basePage);
      accepted(planner.setPages(node.id, shiftOf(sizes[size]), pages), 'the pages of node ' + node.id.toString());
    }
  }
  for (let at = 0; at < host.limits.length; at++) {
    const limit = host.limits[at];
    if (sizes.includes(limit.size)) accepted(planner.setLimit(shiftOf(limit.size), limit.pages), 'a limit');
  }
  const hops = hopsOf(host);
  for (let row = 0; row < host.nodes.length; row++) {
    const from = host.nodes[row].id;
    for (let column = 0; column < host.nodes.length; column++) {
      const to = host.nodes[column].id;
      accepted(planner.setDistance(from, to, problem.distances[row][column]), 'a distance of node ' + from.toString());
      if (hops[row][column] != NONE) accepted(planner.setHop(from, to, hops[row][column]), 'a hop of node ' + from.toString());
    }
  }
}

function addCpus(problem: Problem): void {
  checkCount('cpus', 'online CPUs', problem.cpus.length, MAX_CPUS);
  for (let at = 0; at < problem.cpus.length && !failed; at++) {
    const cpu = problem.cpus[at];
    accepted(planner.addCpu(cpu.id, cpu.node, cpu.llc, cpu.core, cpu.capacity, cpu.use), 'CPU ' + cpu.id.toString());
  }
}

/** The VM's vCPUs as the planner counts them: through the cells in turn. */
export function vcpuOrder(vm: RequestVm): i32[] {
  const order: i32[] = [];
  if (vm.cellsKind == GIVEN) {
    for (let at = 0; at < vm.cells.length; at++) {
      for (let index = 0; index < vm.cells[at].vcpus.length; index++) order.push(vm.cells[at].vcpus[index]);
    }
  } else for (let vcpu = 0; vcpu < vm.vcpus; vcpu++) order.push(vcpu);
  return order;
}

function addVcpus(vm: RequestVm, handle: i32, order: i32[]): void {
  if (vm.cpuPolicy == DEDICATED) return;
  accepted(planner.setVmShared(handle, vm.demand), 'a demand');
  for (let index = 0; index < order.length; index++) {
    if (vm.dedicatedVcpus.includes(order[index])) accepted(planner.dedicateVcpu(handle, index), 'a dedicated vCPU');
  }
}

function addTraffic(vm: RequestVm, handle: i32, order: i32[], where: string): void {
  const traffic = vm.traffic;
  if (traffic == null) return;
  for (let from = 0; from < order.length; from++) {
    for (let to = 0; to < order.length; to++) {
      const status = planner.setVmTraffic(handle, from, to, traffic[order[from]][order[to]]);
      within(status, where + '.traffic', 'matrices of at most ' + MAX_TRAFFIC.toString() + ' numbers in all VMs together');
      if (failed) return;
    }
  }
}

function addCurrent(host: Host, current: Placement | null, handle: i32, order: i32[], where: string): void {
  if (current == null) return;
  for (let index = 0; index < order.length; index++) {
    const cpus = parseCpulist(current.vcpus[order[index]].cpus, null, true, 0);
    for (let at = 0; at < cpus.length; at++) accepted(planner.addVmCurrentCpu(handle, index, cpus[at]), 'a current CPU');
  }
  for (let at = 0; at < min(current.cells.length, MAX_VM_CELLS); at++) {
    const cell = current.cells[at];
    for (let part = 0; part < cell.memory.length; part++) {
      // Memory on a node that is gone counts as nowhere. All that the cell gets is then moved.
      const there = cell.memory[part];
      if (host.nodeAt(there.node) < 0) continue;
      const status = planner.addVmCurrentMemory(handle, cell.cell, there.node, there.bytes);
      within(status, where + '.current', 'at most ' + MAX_CURRENT.toString() + " parts of cells' memory in all VMs");
    }
  }
}

/** Fails if the host has not all of these nodes. */
function checkNodes(host: Host, nodes: i32[], where: string): void {
  const unknown: i32[] = [];
  for (let at = 0; at < nodes.length; at++) if (host.nodeAt(nodes[at]) < 0) unknown.push(nodes[at]);
  if (unknown.length > 0) fail(where, 'nodes of the host (' + formatCpulist(host.nodeIds()) + ')', formatCpulist(unknown));
}

function checkWhole(bytes: f64, basePage: f64, where: string): void {
  if (bytes % basePage == 0) return;
  fail(where, "a multiple of the host's page of " + numberText(basePage) + ' bytes', numberText(bytes) + ' bytes');
}

function addCells(problem: Problem, vm: RequestVm, handle: i32, where: string): void {
  if (vm.cellsKind == AUTO) return;
  const count = vm.cellsKind == COUNTED ? vm.cellCount : <f64>vm.cells.length;
  checkCount(where + '.cells', 'cells', count, MAX_VM_CELLS);
  if (failed) return;
  if (vm.cellsKind == COUNTED) {
    accepted(planner.setVmCells(handle, <i32>vm.cellCount), 'a number of cells');
    return;
  }
  for (let index = 0; index < vm.cells.length; index++) {
    const cell = vm.cells[index];
    checkWhole(cell.memory, problem.basePage, where + '.cells[' + index.toString() + '].memory');
    if (failed) return;
    accepted(planner.addVmCell(handle, cell.vcpus.length, cell.memory / problem.basePage), 'a cell');
  }
}

function addPageSize(problem: Problem, vm: RequestVm, handle: i32, where: string): void {
  if (vm.pageSize == 0) return;
  const sizes = problem.sizes;
  if (!sizes.includes(vm.pageSize)) {
    let list = '';
    for (let at = 0; at < sizes.length; at++) list += (at > 0 ? ', ' : '') + formatBytes(sizes[at]);
    fail(where + '.pageSize', '"any" or a page size of the host (' + list + ')', formatBytes(vm.pageSize));
    return;
  }
  accepted(planner.setVmPageSize(handle, shiftOf(vm.pageSize)), 'a page size');
}

/** Nodes that the VM's memory is kept to, nodes that it keeps off, and those of its devices. */
function addTies(problem: Problem, vm: RequestVm, handle: i32, where: string): void {
  const host = problem.host;
  const nodes = vm.memoryNodes;
  if (nodes != null) {
    checkNodes(host, nodes, where + '.memoryNodes');
    for (let at = 0; at < nodes.length && !failed; at++) accepted(planner.allowVmMemory(handle, nodes[at]), 'a memory node');
  }
  const devices = problem.request.deviceNodes;
  for (let at = 0; vm.avoidDeviceNodes && at < devices.length; at++) accepted(planner.avoidVmNode(handle, devices[at]), 'a node of devices');
  for (let at = 0; at < vm.devices.length && !failed; at++) {
    const device = vm.devices[at];
    checkNodes(host, [device.node], where + '.devices[' + at.toString() + '].node');
    if (failed) return;
    const limit = 'at most ' + MAX_LINKS.toString() + ' devices in all VMs together';
    within(planner.addVmDevice(handle, device.node, device.strict ? 1 : 0), where + '.devices', limit);
  }
}

/** They have the default wishes: they keep off nodes of devices. */
function addExpected(problem: Problem): void {
  const expected = problem.request.expect;
  for (let at = 0; at < expected.length && !failed; at++) {
    checkWhole(expected[at].memory, problem.basePage, 'expect[' + at.toString() + '].memory');
    if (failed) return;
    accepted(planner.expectVm(expected[at].vcpus, expected[at].memory / problem.basePage, expected[at].share), 'a size that is expected');
  }
  const devices = problem.request.deviceNodes;
  for (let at = 0; at < devices.length && expected.length > 0; at++) accepted(planner.keepExpectedOff(devices[at]), 'a node of devices');
}

/** Adds one VM to the problem; its handle. `at` is its place in the request, for failures. */
export function addVm(problem: Problem, vm: RequestVm, at: i32): i32 {
  const where = 'vms[' + at.toString() + ']';
  checkWhole(vm.memory, problem.basePage, where + '.memory');
  if (failed) return -1;
  const handle = accepted(planner.addVm(vm.vcpus, vm.memory / problem.basePage), vm.name);
  if (failed) return -1;
  const order = vcpuOrder(vm);
  addCells(problem, vm, handle, where);
  accepted(planner.setVmSpan(handle, vm.span ? 1 : 0), 'span');
  accepted(planner.setVmMemory(handle, vm.memoryPolicy), 'a memory policy');
  accepted(planner.setVmThreads(handle, vm.threadPolicy), 'a thread policy');
  addVcpus(vm, handle, order);
  addTraffic(vm, handle, order, where);
  addCurrent(problem.host, vm.current, handle, order, where);
  if (vm.hasThreads) {
    const limit = 'at most ' + MAX_VCPUS.toString() + ' threads with CPUs of their own in all VMs together';
    within(planner.setVmThreadCpus(handle, 1 + vm.iothreads), where + '.iothreads', limit);
  }
  const trust = vm.trust;
  if (trust != null) accepted(planner.setVmTrust(handle, problem.trust.get(trust)), 'a trust domain');
  addPageSize(problem, vm, handle, where);
  addTies(problem, vm, handle, where);
  accepted(planner.setVmWeight(handle, vm.weight), 'a weight');
  accepted(planner.setVmMemoryBound(handle, vm.memoryBound), 'memoryBound');
  accepted(planner.setVmBandwidth(handle, vm.bandwidth), 'bandwidth');
  return handle;
}

/** Enters what a VM that is not placed and those of the others that have a handle ask of each other. `onlyPlaced`: those that are placed. */
export function relateVm(problem: Problem, handle: i32, vm: RequestVm, onlyPlaced: bool): void {
  if (!problem.peers.has(vm.name)) return;
  const peers = problem.peers.get(vm.name);
  for (let kind = 0; kind < 2; kind++) {
    const names = (kind == 0 ? peers.separate : peers.near).values();
    for (let at = 0; at < names.length && !failed; at++) {
      if (!problem.handleOf.has(names[at])) continue;
      const peer = problem.handleOf.get(names[at]);
      if (onlyPlaced && !isPlaced(peer)) continue;
      const status = kind == 0 ? planner.separateVms(handle, peer) : planner.nearVms(handle, peer);
      within(status, 'vms', 'at most ' + MAX_LINKS.toString() + ' relations (separateFrom, near) between VMs');
    }
  }
}

export function isPlaced(handle: i32): bool {
  return planner.cellCount(handle) > 0;
}

/** Puts host and request into the planner; whatever it held before is gone. Look at `failed` before it is solved. */
export function buildProblem(host: Host, request: Request): Problem {
  const unknown: i32[] = [];
  if (!request.reserveAllBut) {
    for (let at = 0; at < request.reserveCpus.length; at++) if (!host.hasCpu(request.reserveCpus[at])) unknown.push(request.reserveCpus[at]);
  }
  if (unknown.length > 0) fail('reserve.cpus', 'CPUs of the host', formatCpulist(unknown));
  checkNodes(host, request.reserveNodes, 'reserve.nodes');
  checkNodes(host, request.deviceNodes, 'deviceNodes');
  const problem = new Problem(host, request);
  planner.reset();
  for (let at = 0; at < request.vms.length; at++) {
    const trust = request.vms[at].trust;
    if (trust != null && !problem.trust.has(trust)) problem.trust.set(trust, problem.trust.size);
  }
  if (!failed) addNodes(problem);
  if (!failed) addCpus(problem);
  if (failed) return problem;
  for (let which = 0; which < request.model.length; which++) {
    const given = request.model[which];
    accepted(planner.setModel(which, isNaN(given) ? smtOf(host) : given), 'model');
  }
  accepted(planner.setOvercommit(request.overcommit), 'overcommit');
  accepted(planner.setStrategy(request.spreads ? STRATEGY_SPREAD : STRATEGY_PACK), 'strategy');
  addExpected(problem);
  for (let at = 0; at < request.vms.length && !failed; at++) {
    const vm = request.vms[at];
    const handle = addVm(problem, vm, at);
    if (failed) return problem;
    relateVm(problem, handle, vm, false);
    problem.handleOf.set(vm.name, handle);
    problem.handles.push(handle);
  }
  return problem;
}
