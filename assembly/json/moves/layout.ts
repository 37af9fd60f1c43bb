// Where one VM is: its cells' memory and the seat of each vCPU (src/planner/moves/layout.ts). Layouts are values: a change makes a new one.
import { parseCpulist } from '../cpulist';
import { PlanCell, PlanVcpu } from '../request';

export class Seat {
  constructor(
    public vcpu: i32,
    public cell: i32,
    public node: i32,
    /** Empty where shared: those float over what their node has to share. */
    public cpus: i32[],
    public dedicated: bool,
  ) {}
}

export class Layout {
  private used: i32[] = [];

  constructor(
    public cells: PlanCell[],
    public seats: Seat[],
  ) {}

  /** The nodes of its vCPUs, then those of its memory, each once. */
  get nodes(): i32[] {
    if (this.used.length > 0) return this.used;
    const nodes: i32[] = [];
    for (let at = 0; at < this.seats.length; at++) if (!nodes.includes(this.seats[at].node)) nodes.push(this.seats[at].node);
    for (let cell = 0; cell < this.cells.length; cell++) {
      const memory = this.cells[cell].memory;
      for (let part = 0; part < memory.length; part++) if (!nodes.includes(memory[part].node)) nodes.push(memory[part].node);
    }
    this.used = nodes;
    return nodes;
  }

  /** The node of the lowest vCPU of the first cell. */
  get firstNode(): i32 {
    for (let at = 0; at < this.seats.length; at++) if (this.seats[at].cell == 0) return this.seats[at].node;
    return this.seats[0].node;
  }
}

/** What a step does to one guest. */
export class Change {
  constructor(
    public guest: i32,
    public from: Layout,
    public to: Layout,
    /** Is `to` divided into other cells than `from`. */
    public redivides: bool,
  ) {}
}

export function layoutOf(cells: PlanCell[], vcpus: PlanVcpu[]): Layout {
  const seats: Seat[] = [];
  for (let at = 0; at < vcpus.length; at++) {
    const vcpu = vcpus[at];
    const cpus: i32[] = vcpu.dedicated ? parseCpulist(vcpu.cpus, null, true, 0) : [];
    seats.push(new Seat(vcpu.vcpu, vcpu.cell, vcpu.node, cpus, vcpu.dedicated));
  }
  return new Layout(cells, seats);
}

export function isSameSeat(a: Seat, b: Seat): bool {
  if (a.node != b.node || a.dedicated != b.dedicated || a.cpus.length != b.cpus.length) return false;
  for (let at = 0; at < a.cpus.length; at++) if (a.cpus[at] != b.cpus[at]) return false;
  return true;
}

/** The cell of this number, if there is one. */
export function cellAt(layout: Layout, at: i32): PlanCell | null {
  return at < layout.cells.length ? layout.cells[at] : null;
}

export function isSameCell(a: PlanCell | null, b: PlanCell): bool {
  if (a == null || a.pageSize != b.pageSize || a.memory.length != b.memory.length) return false;
  for (let part = 0; part < b.memory.length; part++) if (bytesOn(a, b.memory[part].node) != b.memory[part].bytes) return false;
  return true;
}

/** Have both the same cells, with the same vCPUs in each. */
export function isDividedAlike(a: Layout, b: Layout): bool {
  if (a.cells.length != b.cells.length) return false;
  for (let vcpu = 0; vcpu < a.seats.length; vcpu++) if (a.seats[vcpu].cell != b.seats[vcpu].cell) return false;
  return true;
}

/** Does any of the cell's vCPUs or its memory differ. */
export function isCellMoved(from: Layout, to: Layout, cell: i32): bool {
  if (!isSameCell(cellAt(from, cell), to.cells[cell])) return true;
  for (let at = 0; at < to.seats.length; at++) if (to.seats[at].cell == cell && !isSameSeat(from.seats[at], to.seats[at])) return true;
  return false;
}

/** `from`, with these cells as they are in `to`; both are divided alike. */
export function withCells(from: Layout, to: Layout, cells: i32[]): Layout {
  const next = from.cells.slice();
  for (let at = 0; at < cells.length; at++) next[cells[at]] = to.cells[cells[at]];
  const seats = from.seats.slice();
  for (let at = 0; at < seats.length; at++) if (cells.includes(seats[at].cell)) seats[at] = to.seats[at];
  return new Layout(next, seats);
}

export function bytesOf(cell: PlanCell): f64 {
  let sum: f64 = 0;
  for (let part = 0; part < cell.memory.length; part++) sum += cell.memory[part].bytes;
  return sum;
}

/** Bytes to copy from one place of a cell to another. */
export function copiedBytes(from: PlanCell | null, to: PlanCell): f64 {
  if (from == null || from.pageSize != to.pageSize) return bytesOf(to);
  let sum: f64 = 0;
  for (let part = 0; part < to.memory.length; part++) sum += max(0, to.memory[part].bytes - bytesOn(from, to.memory[part].node));
  return sum;
}

/** What the first part on the node has. */
export function bytesOn(cell: PlanCell, node: i32): f64 {
  for (let part = 0; part < cell.memory.length; part++) if (cell.memory[part].node == node) return cell.memory[part].bytes;
  return 0;
}
