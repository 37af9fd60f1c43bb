// A plan, as it is written.
import { TERM_MIGRATION } from '../abi';
import { PlanCell, PlanVcpu, Part } from './request';

export const TERMS: i32 = TERM_MIGRATION + 1;

/** Costs are millionths of a vCPU. */
export class PlanVm {
  lost: f64 = 0;
  terms: StaticArray<f64> = new StaticArray<f64>(TERMS);
  cells: PlanCell[] = [];
  vcpus: PlanVcpu[] = [];
  emulator: string = '';
  iothreads: string[] = [];

  constructor(public name: string) {}
}

export class Because {
  constructor(
    public constraint: string,
    public text: string,
  ) {}
}

export class Nearest {
  constructor(
    public change: string,
    /** Millionths. */
    public lost: f64,
  ) {}
}

export class Refusal {
  nearest: Nearest[] = [];

  constructor(
    public name: string,
    public proven: bool,
    public because: Because[],
  ) {}
}

export class Move {
  vcpus: PlanVcpu[] = [];
  memory: Part[] = [];

  constructor(
    public step: i32,
    public vm: string,
    public cell: i32,
    public redivides: bool,
    public pageSize: f64,
    public bytes: f64,
  ) {}
}

export class Spare {
  constructor(
    /** Below 0: any. */
    public node: i32,
    public cpus: i32,
    public bytes: f64,
    public text: string,
  ) {}
}

export class Plan {
  status: i32 = 0;
  cost: f64 = 0;
  bound: f64 = 0;
  terms: StaticArray<f64> = new StaticArray<f64>(TERMS);
  vms: PlanVm[] = [];
  refused: Refusal[] = [];
  /** Of a re-plan. */
  moves: Move[] | null = null;
  spare: Spare[] | null = null;
  steps: i32 = 0;
}
