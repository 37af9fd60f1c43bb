// A request, complete: sizes in bytes, sets as ascending lists, every default filled in.
import { MEMORY_STRICT, THREADS_PREFER } from '../abi';

export const AUTO: i32 = 0;
export const COUNTED: i32 = 1;
export const GIVEN: i32 = 2;

export const DEDICATED: i32 = 0;
export const SHARED: i32 = 1;
export const MIXED: i32 = 2;

export const CPU_POLICIES: StaticArray<string> = ['dedicated', 'shared', 'mixed'];
/** By THREADS_ number. */
export const THREAD_POLICIES: StaticArray<string> = ['prefer', 'require', 'isolate', 'spread'];
/** By MEMORY_ number. */
export const MEMORY_POLICIES: StaticArray<string> = ['strict', 'preferred', 'interleave'];

export class RequestCell {
  vcpusText: string = '';
  vcpus: i32[] = [];
  memory: f64 = 0;
}

export class Device {
  constructor(
    public node: i32,
    public strict: bool,
  ) {}
}

/** Memory of a cell on a node. */
export class Part {
  constructor(
    public node: i32,
    public bytes: f64,
  ) {}
}

export class PlanCell {
  constructor(
    public cell: i32,
    public pageSize: f64,
    public memory: Part[],
  ) {}
}

export class PlanVcpu {
  constructor(
    public vcpu: i32,
    public cell: i32,
    public node: i32,
    /** A cpulist in its canonical form. */
    public cpus: string,
    public dedicated: bool,
  ) {}
}

/** Where a VM is now. */
export class Placement {
  cells: PlanCell[] = [];
  vcpus: PlanVcpu[] = [];
}

export class RequestVm {
  name: string = '';
  vcpus: i32 = 1;
  memory: f64 = 0;
  /** AUTO, COUNTED or GIVEN. */
  cellsKind: i32 = AUTO;
  cellCount: f64 = 0;
  cells: RequestCell[] = [];
  span: bool = false;
  cpuPolicy: i32 = DEDICATED;
  dedicatedText: string | null = null;
  dedicatedVcpus: i32[] = [];
  /** A THREADS_ number. */
  threadPolicy: i32 = THREADS_PREFER;
  /** A MEMORY_ number. */
  memoryPolicy: i32 = MEMORY_STRICT;
  /** 0: any. */
  pageSize: f64 = 0;
  demand: f64 = 1;
  memoryNodes: i32[] | null = null;
  avoidGiven: bool = false;
  avoidDeviceNodes: bool = false;
  devices: Device[] = [];
  trust: string | null = null;
  separateFrom: string[] = [];
  near: string[] = [];
  hasThreads: bool = false;
  iothreads: i32 = 0;
  weight: f64 = 1;
  traffic: f64[][] | null = null;
  memoryBound: f64 = 0.3;
  bandwidth: f64 = 0;
  current: Placement | null = null;

  /** A copy that may be changed. What it is made of is not copied. */
  copy(): RequestVm {
    const other = new RequestVm();
    other.name = this.name;
    other.vcpus = this.vcpus;
    other.memory = this.memory;
    other.cellsKind = this.cellsKind;
    other.cellCount = this.cellCount;
    other.cells = this.cells;
    other.span = this.span;
    other.cpuPolicy = this.cpuPolicy;
    other.dedicatedVcpus = this.dedicatedVcpus;
    other.threadPolicy = this.threadPolicy;
    other.memoryPolicy = this.memoryPolicy;
    other.pageSize = this.pageSize;
    other.demand = this.demand;
    other.memoryNodes = this.memoryNodes;
    other.avoidDeviceNodes = this.avoidDeviceNodes;
    other.devices = this.devices;
    other.trust = this.trust;
    other.separateFrom = this.separateFrom;
    other.near = this.near;
    other.hasThreads = this.hasThreads;
    other.iothreads = this.iothreads;
    other.weight = this.weight;
    other.traffic = this.traffic;
    other.memoryBound = this.memoryBound;
    other.bandwidth = this.bandwidth;
    other.current = this.current;
    return other;
  }
}

/** VMs of a size that may come. */
export class ExpectedVm {
  vcpus: i32 = 1;
  memory: f64 = 0;
  share: f64 = 1;
}

export class Request {
  /** Whether `reserveCpus` are those that are not reserved. */
  reserveAllBut: bool = false;
  reserveCpus: i32[] = [];
  reserveMemory: f64 = 0;
  reserveNodes: i32[] = [];
  freeMemoryOnly: bool = false;
  deviceNodes: i32[] = [];
  overcommit: f64 = 4;
  spreads: bool = false;
  /** By MODEL_ number; `smt` is NaN where the host says it. */
  model: f64[] = [0.9, 0.1, NaN, 0.01, 0.05, 4_294_967_296, 600];
  expect: ExpectedVm[] = [];
  vms: RequestVm[] = [];
}
