// Rules between the fields of a request (src/request/rules.ts). Each fails at the field that does not fit.
import { formatCpulist } from './cpulist';
import { numberText } from './decimal';
import { fail, failed } from './failure';
import { AUTO, COUNTED, ExpectedVm, MIXED, Request, RequestVm } from './request';
import { showText } from './show';
import { formatBytes } from './units';

export function checkTogether(request: Request): void {
  checkNames(request);
  for (let at = 0; at < request.vms.length && !failed; at++) {
    const vm = request.vms[at];
    const where = 'vms[' + at.toString() + ']';
    checkCells(vm, where);
    checkDedicated(vm, where);
    checkTraffic(vm, where);
    checkCurrent(vm, where);
    checkMemoryNodes(vm, where, request);
  }
}

/** Shares of one size would add up: that is more likely a slip. */
export function checkExpected(expected: ExpectedVm[]): void {
  for (let at = 0; at < expected.length && !failed; at++) {
    const vcpus = expected[at].vcpus;
    const memory = expected[at].memory;
    for (let earlier = 0; earlier < at && !failed; earlier++) {
      if (expected[earlier].vcpus != vcpus || expected[earlier].memory != memory) continue;
      const got = vcpus.toString() + ' vCPUs with ' + formatBytes(memory) + ', the size of expect[' + earlier.toString() + '] too';
      fail('expect[' + at.toString() + ']', 'a size of its own', got);
    }
  }
}

function checkNames(request: Request): void {
  const vms = request.vms;
  const places = new Map<string, i32>();
  for (let at = 0; at < vms.length && !failed; at++) {
    if (places.has(vms[at].name)) {
      const earlier = places.get(vms[at].name).toString();
      fail('vms[' + at.toString() + '].name', 'a name of its own', showText(vms[at].name) + ', the name of vms[' + earlier + '] too');
    }
    places.set(vms[at].name, at);
  }
  for (let at = 0; at < vms.length && !failed; at++) {
    const where = 'vms[' + at.toString() + '].';
    checkPeers(places, vms[at].name, vms[at].separateFrom, where + 'separateFrom');
    checkPeers(places, vms[at].name, vms[at].near, where + 'near');
  }
}

function checkPeers(places: Map<string, i32>, name: string, others: string[], where: string): void {
  for (let index = 0; index < others.length; index++) {
    const other = others[index];
    if (other != name && places.has(other)) continue;
    const got = other == name ? showText(other) + ', the VM itself' : showText(other);
    fail(where + '[' + index.toString() + ']', 'the name of another VM of the request', got);
    return;
  }
}

function checkCells(vm: RequestVm, where: string): void {
  if (vm.cellsKind == AUTO) return;
  const count = vm.cellsKind == COUNTED ? vm.cellCount : <f64>vm.cells.length;
  const place = where + '.cells';
  if (count < 1 || count > vm.vcpus) {
    fail(place, '"auto", or 1 to ' + vm.vcpus.toString() + ' cells, as many as it has vCPUs', numberText(count));
    return;
  }
  if (vm.cellsKind == COUNTED) return;
  const owner = new StaticArray<i32>(vm.vcpus);
  for (let at = 0; at < vm.cells.length; at++) {
    for (let index = 0; index < vm.cells[at].vcpus.length; index++) {
      const vcpu = vm.cells[at].vcpus[index];
      if (owner[vcpu] > 0) {
        const got = vcpu.toString() + ', which is in cells[' + (owner[vcpu] - 1).toString() + '] too';
        fail(place + '[' + at.toString() + '].vcpus', 'vCPUs that no other cell has', got);
        return;
      }
      owner[vcpu] = at + 1;
    }
  }
  const missing: i32[] = [];
  for (let vcpu = 0; vcpu < vm.vcpus; vcpu++) if (owner[vcpu] == 0) missing.push(vcpu);
  if (missing.length > 0) {
    fail(place, 'cells that hold all vCPUs 0-' + (vm.vcpus - 1).toString(), 'none with vCPU ' + formatCpulist(missing));
  }
  let memory: f64 = 0;
  for (let at = 0; at < vm.cells.length; at++) memory += vm.cells[at].memory;
  if (memory != vm.memory) {
    fail(place, "cells whose memory adds up to the VM's " + numberText(vm.memory) + ' bytes', numberText(memory) + ' bytes');
  }
}

function checkDedicated(vm: RequestVm, where: string): void {
  const place = where + '.dedicatedVcpus';
  if (vm.cpuPolicy == MIXED) {
    if (vm.dedicatedText == null) fail(place, 'a cpulist of the dedicated vCPUs, for cpuPolicy "mixed"', 'nothing');
  } else if (vm.dedicatedText != null) {
    fail(place, 'nothing, unless cpuPolicy is "mixed"', showText(formatCpulist(vm.dedicatedVcpus)));
  }
}

function checkTraffic(vm: RequestVm, where: string): void {
  const traffic = vm.traffic;
  if (traffic == null) return;
  const size = vm.vcpus.toString();
  if (traffic.length != vm.vcpus) {
    fail(where + '.traffic', size + ' rows, one for each vCPU', traffic.length.toString());
    return;
  }
  for (let at = 0; at < traffic.length; at++) {
    if (traffic[at].length == vm.vcpus) continue;
    fail(where + '.traffic[' + at.toString() + ']', size + ' numbers, one for each vCPU', traffic[at].length.toString());
    return;
  }
}

/** `current` names the vCPUs and the cells in order, as a plan does, and every vCPU is in one of its cells. */
function checkCurrent(vm: RequestVm, where: string): void {
  const current = vm.current;
  if (current == null) return;
  const place = where + '.current';
  const vcpus = current.vcpus;
  if (vcpus.length != vm.vcpus) {
    fail(place + '.vcpus', 'all ' + vm.vcpus.toString() + ' vCPUs of the VM', vcpus.length.toString());
    return;
  }
  for (let at = 0; at < current.cells.length && !failed; at++) {
    const cell = current.cells[at].cell;
    if (cell != at) fail(place + '.cells[' + at.toString() + '].cell', at.toString() + ': cells in their order', cell.toString());
  }
  for (let at = 0; at < vcpus.length && !failed; at++) {
    const one = place + '.vcpus[' + at.toString() + ']';
    if (vcpus[at].vcpu != at) fail(one + '.vcpu', at.toString() + ': vCPUs in their order', vcpus[at].vcpu.toString());
    if (vcpus[at].cell < current.cells.length) continue;
    fail(one + '.cell', 'a cell from 0 to ' + (current.cells.length - 1).toString(), vcpus[at].cell.toString());
  }
}

/** Some of its nodes are for it: neither reserved nor, where it keeps off them, nodes of devices. */
function checkMemoryNodes(vm: RequestVm, where: string, request: Request): void {
  const nodes = vm.memoryNodes;
  if (nodes == null) return;
  let free = 0;
  let open = 0;
  for (let at = 0; at < nodes.length; at++) {
    if (request.reserveNodes.includes(nodes[at])) continue;
    free++;
    if (!request.deviceNodes.includes(nodes[at])) open++;
  }
  const place = where + '.memoryNodes';
  const got = showText(formatCpulist(nodes));
  if (free == 0) fail(place, 'a node that is not in reserve.nodes', got);
  else if (vm.avoidDeviceNodes && open == 0) fail(place, 'a node that is not in deviceNodes, or avoidDeviceNodes false', got);
}

export function checkRange(vcpus: i32[], count: i32, where: string): void {
  const beyond: i32[] = [];
  for (let at = 0; at < vcpus.length; at++) if (vcpus[at] >= count) beyond.push(vcpus[at]);
  if (beyond.length > 0) fail(where, 'vCPUs from 0 to ' + (count - 1).toString(), formatCpulist(beyond));
}
