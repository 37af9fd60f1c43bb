// How a VM's vCPUs and memory are divided among a number of cells (docs/model.md, "Cells").
import { MAX_VM_CELLS } from '../abi';
import { pageShift } from './host';
import { cellDedicated, cellPages, cellPagesAsked, cellVcpus, cellVcpusAsked, vcpuShared, vmCellsAsked, vmCellsGiven, vmPages, vmPageShift, vmStart, vmVcpus } from './request';

/** The least number of cells that the VM can have. */
export function fewestCells(vm: i32): i32 {
  return vmCellsAsked[vm] == 0 ? 1 : vmCellsAsked[vm];
}

/** The most cells that the VM can have. */
export function mostCells(vm: i32): i32 {
  return vmCellsAsked[vm] == 0 ? min(vmVcpus[vm], MAX_VM_CELLS) : vmCellsAsked[vm];
}

/** vCPUs of cell `cell` when `cells` of them share the VM's vCPUs evenly, the larger first. */
function evenVcpus(vm: i32, cells: i32, cell: i32): i32 {
  const vcpus = vmVcpus[vm];
  return vcpus / cells + (cell < vcpus % cells ? 1 : 0);
}

/** Fills the VM's cell arrays for `cells` cells; false where some cell would get no page. */
export function layOutCells(vm: i32, cells: i32): bool {
  const start = vmStart[vm];
  const shift = vmPageShift[vm] == 0 ? 0 : <i64>max(0, vmPageShift[vm] - pageShift[0]);
  const pages = vmPages[vm] >> shift;
  let given: i64 = 0;
  let vcpu = start;
  for (let cell = start; cell < start + cells; cell++) {
    cellVcpus[cell] = vmCellsGiven[vm] ? cellVcpusAsked[cell] : evenVcpus(vm, cells, cell - start);
    cellDedicated[cell] = 0;
    for (let end = vcpu + cellVcpus[cell]; vcpu < end; vcpu++) if (!vcpuShared[vcpu]) cellDedicated[cell]++;
  }
  for (let cell = start; cell < start + cells; cell++) {
    const even = (pages * <i64>cellVcpus[cell]) / <i64>vmVcpus[vm];
    cellPages[cell] = vmCellsGiven[vm] ? cellPagesAsked[cell] : even;
    given += even;
  }
  if (vmCellsGiven[vm]) return true;
  const left = <i32>(pages - given);
  for (let cell = start; cell < start + cells; cell++) {
    const whole = cellPages[cell] + (cell - start < left ? 1 : 0);
    // What is less than a page goes to the first cell. There the page size refuses it.
    cellPages[cell] = (whole << shift) + (cell == start ? vmPages[vm] - (pages << shift) : 0);
    if (whole == 0) return false;
  }
  return true;
}
