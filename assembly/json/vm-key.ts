// What a VM asks for, as a text that is equal for VMs that ask for the same of the host and of the placed VMs.
import { formatCpulist } from './cpulist';
import { Problem, isPlaced } from './problem';
import { Placement, RequestVm } from './request';
import { quote } from './show';

function bits(value: f64): string {
  return reinterpret<u64>(value).toString(36) + ' ';
}

function placedOf(problem: Problem, names: Set<string>): string {
  const placed: string[] = [];
  const all = names.values();
  for (let at = 0; at < all.length; at++) if (isPlaced(problem.handleOf.get(all[at]))) placed.push(quote(all[at]));
  return '|' + placed.sort().join(',');
}

function addPlacement(parts: string[], current: Placement | null): void {
  if (current == null) return;
  for (let at = 0; at < current.cells.length; at++) {
    const cell = current.cells[at];
    parts.push('(' + bits(cell.pageSize));
    for (let part = 0; part < cell.memory.length; part++) parts.push(cell.memory[part].node.toString() + ':' + bits(cell.memory[part].bytes));
  }
  for (let at = 0; at < current.vcpus.length; at++) {
    const vcpu = current.vcpus[at];
    parts.push('[' + vcpu.cell.toString() + ' ' + vcpu.node.toString() + (vcpu.dedicated ? 'd' : 's'));
    parts.push(vcpu.cpus);
  }
}

export function keyOf(problem: Problem, vm: RequestVm): string {
  const parts = [vm.vcpus.toString() + ' ' + bits(vm.memory) + vm.cellsKind.toString() + ' ' + bits(vm.cellCount)];
  for (let at = 0; at < vm.cells.length; at++) parts.push('{' + formatCpulist(vm.cells[at].vcpus) + ' ' + bits(vm.cells[at].memory));
  const flags = (vm.span ? 1 : 0) | (vm.avoidDeviceNodes ? 2 : 0) | (vm.hasThreads ? 4 : 0);
  parts.push('}' + flags.toString() + ' ' + vm.cpuPolicy.toString() + vm.threadPolicy.toString() + vm.memoryPolicy.toString() + ' ');
  parts.push(formatCpulist(vm.dedicatedVcpus) + ' ' + bits(vm.pageSize) + bits(vm.demand) + bits(vm.weight) + bits(vm.memoryBound) + bits(vm.bandwidth));
  const nodes = vm.memoryNodes;
  parts.push(vm.iothreads.toString() + ' ' + (nodes == null ? '*' : formatCpulist(nodes)));
  for (let at = 0; at < vm.devices.length; at++) parts.push(' ' + vm.devices[at].node.toString() + (vm.devices[at].strict ? '!' : '?'));
  const trust = vm.trust;
  parts.push('|' + (trust == null ? '-' : quote(trust)) + '|');
  addPlacement(parts, vm.current);
  parts.push('|');
  const traffic = vm.traffic;
  if (traffic != null) {
    for (let from = 0; from < traffic.length; from++) for (let to = 0; to < traffic[from].length; to++) parts.push(bits(traffic[from][to]));
  }
  if (problem.peers.has(vm.name)) {
    const peers = problem.peers.get(vm.name);
    parts.push(placedOf(problem, peers.separate) + placedOf(problem, peers.near));
  } else parts.push('||');
  return parts.join('');
}
