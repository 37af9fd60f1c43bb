// A solved problem -> the parts of its plan (src/planner/read.ts).
import * as planner from '../index';
import { TERM_BANDWIDTH, TERM_OVERCOMMIT } from '../abi';
import { Household, Tenant } from './housekeeping';
import { Plan, PlanVm, TERMS } from './plan';
import { Problem, isPlaced, vcpuOrder } from './problem';
import { Part, PlanCell, PlanVcpu, RequestVm } from './request';
import { arranged, orderBy } from './order';

/** Where a VM's vCPUs are, before shared CPUs are known (they depend on every VM). */
class Placed {
  cells: PlanCell[] = [];
  /** The cell of each vCPU, by its number. */
  cellOf: i32[] = [];

  constructor(
    public handle: i32,
    public tenant: Tenant,
  ) {}
}

function readCell(problem: Problem, handle: i32, cell: i32): PlanCell {
  const parts: Part[] = [];
  const nodes: f64[] = [];
  for (let part = 0; part < planner.cellMemoryCount(handle, cell); part++) {
    const node = planner.cellMemoryNodeId(handle, cell, part);
    parts.push(new Part(node, planner.cellMemoryPages(handle, cell, part) * problem.basePage));
    nodes.push(node);
  }
  return new PlanCell(cell, <f64>(<u64>1 << planner.cellPageShift(handle, cell)), arranged<Part>(parts, orderBy(nodes)));
}

function readPlacement(problem: Problem, vm: RequestVm, handle: i32): Placed {
  const placed = new Placed(handle, new Tenant(vm));
  const tenant = placed.tenant;
  const order = vcpuOrder(vm);
  tenant.cpus = new Array<i32>(order.length);
  tenant.nodes = new Array<i32>(order.length);
  placed.cellOf = new Array<i32>(order.length);
  let index = 0;
  for (let cell = 0; cell < planner.cellCount(handle); cell++) {
    placed.cells.push(readCell(problem, handle, cell));
    for (let left = planner.cellVcpuCount(handle, cell); left > 0; left--) {
      const vcpu = order[index];
      const cpu = planner.vcpuCpuId(handle, index);
      tenant.cpus[vcpu] = cpu < 0 ? -1 : cpu;
      tenant.nodes[vcpu] = planner.vcpuNodeId(handle, index);
      placed.cellOf[vcpu] = cell;
      index++;
    }
  }
  for (let thread = 0; vm.hasThreads && thread < 1 + vm.iothreads; thread++) tenant.threads.push(planner.threadCpuId(handle, thread));
  return placed;
}

/** The placed VMs, in the order of the request. */
export function readVms(problem: Problem): PlanVm[] {
  const placed: Placed[] = [];
  const tenants: Tenant[] = [];
  for (let at = 0; at < problem.request.vms.length; at++) {
    if (!isPlaced(problem.handles[at])) continue;
    const one = readPlacement(problem, problem.request.vms[at], problem.handles[at]);
    placed.push(one);
    tenants.push(one.tenant);
  }
  const household = new Household(problem.cpus, tenants);
  const vms: PlanVm[] = [];
  for (let at = 0; at < placed.length; at++) vms.push(planned(placed[at], household));
  return vms;
}

function planned(placed: Placed, household: Household): PlanVm {
  const tenant = placed.tenant;
  const vm = tenant.vm;
  const plan = new PlanVm(vm.name);
  for (let term = 0; term < TERMS; term++) plan.terms[term] = planner.vmTerm(placed.handle, term);
  plan.lost = planner.vmLost(placed.handle);
  plan.cells = placed.cells;
  for (let vcpu = 0; vcpu < tenant.cpus.length; vcpu++) {
    const cpu = tenant.cpus[vcpu];
    const cpus = cpu < 0 ? household.shared(tenant.nodes[vcpu]) : cpu.toString();
    plan.vcpus.push(new PlanVcpu(vcpu, placed.cellOf[vcpu], tenant.nodes[vcpu], cpus, cpu >= 0));
  }
  const floating = vm.hasThreads ? '' : household.housekeeping(tenant);
  plan.emulator = vm.hasThreads ? tenant.threads[0].toString() : floating;
  for (let at = 0; at < vm.iothreads; at++) plan.iothreads.push(vm.hasThreads ? tenant.threads[1 + at].toString() : floating);
  return plan;
}

/** Lost vCPUs of the whole plan, by cause. */
export function readTotals(plan: Plan): void {
  for (let at = 0; at < plan.vms.length; at++) {
    for (let term = 0; term < TERMS; term++) plan.terms[term] += plan.vms[at].terms[term];
  }
  plan.terms[TERM_OVERCOMMIT] += planner.planOvercommit();
  plan.terms[TERM_BANDWIDTH] += planner.planBandwidth();
  plan.cost = planner.planCost();
  plan.bound = planner.planBound();
}
