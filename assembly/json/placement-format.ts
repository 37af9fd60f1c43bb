// The cells and vCPUs of one VM as a plan has them: a request's `current` (src/request/placement.ts).
import { MAX_VM_VCPUS } from '../abi';
import { enter, enterAt, flag, isObject, issue, leave, listOf, onlyFields, wholeFrom } from './check';
import { MAX_ID, formatCpulist, listExpected, listFailed, listGot, parseCpulist } from './cpulist';
import { CPULIST, MAX_MEMORY } from './fields';
import { Part, Placement, PlanCell, PlanVcpu } from './request';
import { show } from './show';
import { TEXT, Value } from './value';

const CURRENT_FIELDS: StaticArray<string> = ['cells', 'vcpus'];
const PLAN_CELL_FIELDS: StaticArray<string> = ['cell', 'pageSize', 'memory'];
const PART_FIELDS: StaticArray<string> = ['node', 'bytes'];
const PLAN_VCPU_FIELDS: StaticArray<string> = ['vcpu', 'cell', 'node', 'cpus', 'dedicated'];

function idAt(value: Value, field: string): i32 {
  enter(field);
  const id = <i32>wholeFrom(value.at(field), 0, MAX_ID);
  leave();
  return id;
}

function bytesAt(value: Value, field: string): f64 {
  enter(field);
  const bytes = wholeFrom(value.at(field), 1, MAX_MEMORY);
  leave();
  return bytes;
}

export function readCurrent(value: Value): Placement {
  const placement = new Placement();
  if (!isObject(value)) return placement;
  enter('cells');
  const cells = listOf(value.at('cells'), 1, MAX_VM_VCPUS);
  for (let at = 0; at < cells.length; at++) {
    enterAt(at);
    if (isObject(cells[at])) placement.cells.push(readPlanCell(cells[at]));
    leave();
  }
  leave();
  enter('vcpus');
  const vcpus = listOf(value.at('vcpus'), 0, MAX_VM_VCPUS);
  for (let at = 0; at < vcpus.length; at++) {
    enterAt(at);
    if (isObject(vcpus[at])) placement.vcpus.push(readPlanVcpu(vcpus[at]));
    leave();
  }
  leave();
  onlyFields(value, CURRENT_FIELDS);
  return placement;
}

function readPlanCell(value: Value): PlanCell {
  const cell = new PlanCell(idAt(value, 'cell'), bytesAt(value, 'pageSize'), []);
  enter('memory');
  const parts = listOf(value.at('memory'), 1, i32.MAX_VALUE);
  for (let at = 0; at < parts.length; at++) {
    enterAt(at);
    if (isObject(parts[at])) {
      const node = idAt(parts[at], 'node');
      cell.memory.push(new Part(node, bytesAt(parts[at], 'bytes')));
      onlyFields(parts[at], PART_FIELDS);
    }
    leave();
  }
  leave();
  onlyFields(value, PLAN_CELL_FIELDS);
  return cell;
}

function readPlanVcpu(value: Value): PlanVcpu {
  const vcpu = idAt(value, 'vcpu');
  const cell = idAt(value, 'cell');
  const node = idAt(value, 'node');
  enter('cpus');
  const cpus = value.at('cpus');
  let canonical = '';
  if (cpus == null || cpus.kind != TEXT) issue(CPULIST, show(cpus));
  else {
    const ids = parseCpulist(cpus.text, null, true, 0);
    if (listFailed) issue(listExpected, listGot);
    else canonical = formatCpulist(ids);
  }
  leave();
  enter('dedicated');
  const dedicated = flag(value.at('dedicated'));
  leave();
  onlyFields(value, PLAN_VCPU_FIELDS);
  return new PlanVcpu(vcpu, cell, node, canonical, dedicated);
}
