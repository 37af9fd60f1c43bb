// A plan, or what is wrong with the input, as JSON text: the same text that JSON.stringify makes of the plan.
import { microText, numberText } from './decimal';
import { failedExpected, failedGot, failedWhere } from './failure';
import { VERSION } from './generated/version';
import { Move, Plan, PlanVm, Refusal, Spare, TERMS } from './plan';
import { Part, PlanCell, PlanVcpu } from './request';
import { quote } from './show';
import { beginText, endText, put } from './writer';

/** By SOLVED_ number. */
const STATUSES: StaticArray<string> = ['optimal', 'feasible', 'partial', 'infeasible'];
/** By TERM_ number. */
const TERM_NAMES: StaticArray<string> = [
  'remoteMemory', 'communication', 'smt', 'capacity', 'cells', 'device', 'overcommit', 'bandwidth', 'migration',
];

function separate(at: i32): void {
  if (at > 0) put(',');
}

function putFlag(value: bool): void {
  put(value ? 'true' : 'false');
}

function putMemory(parts: Part[]): void {
  put('[');
  for (let at = 0; at < parts.length; at++) {
    separate(at);
    put('{"node":' + parts[at].node.toString() + ',"bytes":' + numberText(parts[at].bytes) + '}');
  }
  put(']');
}

function putCell(cell: PlanCell): void {
  put('{"cell":' + cell.cell.toString() + ',"pageSize":' + numberText(cell.pageSize) + ',"memory":');
  putMemory(cell.memory);
  put('}');
}

function putVcpus(vcpus: PlanVcpu[], withCell: bool): void {
  put('[');
  for (let at = 0; at < vcpus.length; at++) {
    const vcpu = vcpus[at];
    separate(at);
    put('{"vcpu":' + vcpu.vcpu.toString());
    if (withCell) put(',"cell":' + vcpu.cell.toString());
    put(',"node":' + vcpu.node.toString() + ',"cpus":"');
    put(vcpu.cpus);
    put('","dedicated":');
    putFlag(vcpu.dedicated);
    put('}');
  }
  put(']');
}

function putTerms(terms: StaticArray<f64>, all: bool): void {
  put('{');
  let count = 0;
  for (let term = 0; term < TERMS; term++) {
    if (!all && terms[term] == 0) continue;
    separate(count++);
    put('"' + TERM_NAMES[term] + '":' + microText(terms[term]));
  }
  put('}');
}

function putVm(vm: PlanVm): void {
  put('{"name":' + quote(vm.name) + ',"cost":{"lostVcpus":' + microText(vm.lost) + ',"terms":');
  putTerms(vm.terms, false);
  put('},"cells":[');
  for (let at = 0; at < vm.cells.length; at++) {
    separate(at);
    putCell(vm.cells[at]);
  }
  put('],"vcpus":');
  putVcpus(vm.vcpus, true);
  put(',"emulator":"');
  put(vm.emulator);
  put('","iothreads":[');
  for (let at = 0; at < vm.iothreads.length; at++) {
    separate(at);
    put('"');
    put(vm.iothreads[at]);
    put('"');
  }
  put(']}');
}

function putRefusal(refusal: Refusal): void {
  put('{"name":' + quote(refusal.name) + ',"proven":');
  putFlag(refusal.proven);
  put(',"because":[');
  for (let at = 0; at < refusal.because.length; at++) {
    separate(at);
    put('{"constraint":"' + refusal.because[at].constraint + '","text":');
    put(quote(refusal.because[at].text));
    put('}');
  }
  put('],"nearest":[');
  for (let at = 0; at < refusal.nearest.length; at++) {
    separate(at);
    put('{"change":' + quote(refusal.nearest[at].change) + ',"lostVcpus":' + microText(refusal.nearest[at].lost) + '}');
  }
  put(']}');
}

function putMove(move: Move): void {
  put('{"step":' + move.step.toString() + ',"vm":' + quote(move.vm) + ',"cell":' + move.cell.toString());
  if (move.redivides) put(',"redivides":true');
  put(',"vcpus":');
  putVcpus(move.vcpus, false);
  put(',"pageSize":' + numberText(move.pageSize) + ',"memory":');
  putMemory(move.memory);
  put(',"bytes":' + numberText(move.bytes) + '}');
}

function putSpare(spare: Spare): void {
  put('{"node":' + (spare.node < 0 ? 'null' : spare.node.toString()) + ',"cpus":' + spare.cpus.toString());
  put(',"bytes":' + numberText(spare.bytes) + ',"text":');
  put(quote(spare.text));
  put('}');
}

function putMoves(plan: Plan): void {
  const moves = plan.moves;
  if (moves == null) return;
  put(',"moves":[');
  for (let at = 0; at < moves.length; at++) {
    separate(at);
    putMove(moves[at]);
  }
  put(']');
  const spare = plan.spare;
  if (spare == null) return;
  put(',"spare":[');
  for (let at = 0; at < spare.length; at++) {
    separate(at);
    putSpare(spare[at]);
  }
  put(']');
}

export function planText(plan: Plan, seed: i32): ArrayBuffer {
  beginText();
  put('{"schemaVersion":1,"kind":"Plan","status":"' + STATUSES[plan.status] + '","cost":{"lostVcpus":' + microText(plan.cost));
  put(',"lowerBound":' + microText(plan.bound) + ',"gap":' + microText(plan.cost - plan.bound) + ',"terms":');
  putTerms(plan.terms, true);
  put('},"vms":[');
  for (let at = 0; at < plan.vms.length; at++) {
    separate(at);
    putVm(plan.vms[at]);
  }
  put('],"refused":[');
  for (let at = 0; at < plan.refused.length; at++) {
    separate(at);
    putRefusal(plan.refused[at]);
  }
  put(']');
  putMoves(plan);
  put(',"solver":{"planner":"' + VERSION + '","seed":' + seed.toString() + ',"steps":' + plan.steps.toString() + '}}');
  return endText();
}

/** `part`: what of the input is wrong: `host`, `request` or `options`. */
export function failureText(part: string): ArrayBuffer {
  beginText();
  put('{"error":{"in":"' + part + '","where":' + quote(failedWhere) + ',"expected":');
  put(quote(failedExpected) + ',"got":' + quote(failedGot) + '}}');
  return endText();
}
