/** The lab's machines. Each is a description alone: QEMU's command line is made from it, and detection is held against it. */

import { parseCpulist } from '../../src/cpulist.js'

export interface LabNode {
  /** cpulist; none: the node has memory only. */
  readonly cpus?: string
  /** None: the node has CPUs only. */
  readonly memoryMiB?: number
  /** Pages of 2 MiB that are reserved on it after the boot. */
  readonly hugePages?: number
  /** Of the heterogeneous memory attribute table (HMAT), as seen from the node's initiator. */
  readonly hmat?: {
    /** The node with CPUs that is nearest to this memory. */
    readonly initiator: number
    readonly latencyNs: number
    readonly bandwidthGiBps: number
  }
}

export interface LabMachine {
  readonly name: string
  /** What it is for, in a line. */
  readonly about: string
  /**
   * `svm`: an AMD model, with /dev/kvm and without SMT, as QEMU's emulation has no topoext;
   * `skylake`: an Intel model, with SMT, shared caches and packages, and without /dev/kvm.
   */
  readonly model: 'svm' | 'skylake'
  readonly packages: number
  readonly coresPerPackage: number
  readonly threadsPerCore: number
  /** By their number: node 0, 1, ... */
  readonly nodes: readonly LabNode[]
  /** SLIT: a row for each node. */
  readonly distances: readonly (readonly number[])[]
  /** cpulist: taken offline after the boot. */
  readonly offline?: string
}

/** CPU packages of one core each, for nodes that no package of equal size divides into. */
const singles = (cpus: number) => ({ packages: cpus, coresPerPackage: 1, threadsPerCore: 1 })
const packagesOf = (packages: number, coresPerPackage: number) => ({ packages, coresPerPackage, threadsPerCore: 1 })

/** 10 on the diagonal, `remote` elsewhere. */
function flat(nodes: number, remote: number): number[][] {
  return Array.from({ length: nodes }, (_, a) => Array.from({ length: nodes }, (_, b) => (a === b ? 10 : remote)))
}

export const machines: readonly LabMachine[] = [
  {
    name: 'two-node',
    about: 'two nodes of four CPUs',
    model: 'svm',
    ...packagesOf(2, 4),
    nodes: [
      { cpus: '0-3', memoryMiB: 1024 },
      { cpus: '4-7', memoryMiB: 1024 },
    ],
    distances: flat(2, 21),
  },
  {
    name: 'four-node',
    about: 'a ring of four nodes of two CPUs: neighbours 16, opposite 22',
    model: 'svm',
    ...packagesOf(4, 2),
    nodes: ['0-1', '2-3', '4-5', '6-7'].map((cpus) => ({ cpus, memoryMiB: 768 })),
    distances: [
      [10, 16, 22, 16],
      [16, 10, 16, 22],
      [22, 16, 10, 16],
      [16, 22, 16, 10],
    ],
  },
  {
    name: 'eight-node',
    about: 'eight nodes of one CPU',
    model: 'svm',
    ...singles(8),
    nodes: Array.from({ length: 8 }, (_, node) => ({ cpus: `${node}`, memoryMiB: 512 })),
    distances: flat(8, 20),
  },
  {
    name: 'smt',
    about: 'two packages of two cores of two threads, Intel',
    model: 'skylake',
    packages: 2,
    coresPerPackage: 2,
    threadsPerCore: 2,
    nodes: [
      { cpus: '0-3', memoryMiB: 1024 },
      { cpus: '4-7', memoryMiB: 1024 },
    ],
    distances: flat(2, 21),
  },
  {
    name: 'uneven',
    about: 'nodes of one, two and five CPUs with different memory, CPU 6 offline',
    model: 'svm',
    ...singles(8),
    nodes: [
      { cpus: '0', memoryMiB: 1024 },
      { cpus: '1-2', memoryMiB: 512 },
      { cpus: '3-7', memoryMiB: 1536 },
    ],
    distances: [
      [10, 17, 28],
      [17, 10, 21],
      [28, 21, 10],
    ],
    offline: '6',
  },
  {
    name: 'cpuless',
    about: 'two nodes with CPUs, and a far one with memory only',
    model: 'svm',
    ...packagesOf(2, 2),
    nodes: [{ cpus: '0-1', memoryMiB: 1024 }, { cpus: '2-3', memoryMiB: 768 }, { memoryMiB: 1024 }],
    distances: [
      [10, 20, 38],
      [20, 10, 40],
      [38, 40, 10],
    ],
  },
  {
    name: 'memoryless',
    about: 'three nodes with CPUs, of which node 1 has no memory',
    model: 'svm',
    ...packagesOf(3, 2),
    nodes: [{ cpus: '0-1', memoryMiB: 1024 }, { cpus: '2-3' }, { cpus: '4-5', memoryMiB: 1024 }],
    distances: [
      [10, 21, 21],
      [21, 10, 14],
      [21, 14, 10],
    ],
  },
  {
    name: 'hugepages',
    about: 'two nodes of two CPUs with 32 and 96 reserved pages of 2 MiB',
    model: 'svm',
    ...packagesOf(2, 2),
    nodes: [
      { cpus: '0-1', memoryMiB: 1024, hugePages: 32 },
      { cpus: '2-3', memoryMiB: 1024, hugePages: 96 },
    ],
    distances: flat(2, 20),
  },
  {
    name: 'hmat',
    about: 'two nodes with CPUs and one of slow memory, with latencies and bandwidths',
    model: 'svm',
    ...packagesOf(2, 2),
    nodes: [
      { cpus: '0-1', memoryMiB: 1024, hmat: { initiator: 0, latencyNs: 80, bandwidthGiBps: 100 } },
      { cpus: '2-3', memoryMiB: 768, hmat: { initiator: 1, latencyNs: 80, bandwidthGiBps: 100 } },
      { memoryMiB: 768, hmat: { initiator: 1, latencyNs: 250, bandwidthGiBps: 20 } },
    ],
    distances: [
      [10, 20, 30],
      [20, 10, 17],
      [30, 17, 10],
    ],
  },
  {
    name: 'one-cpu',
    about: 'one node of one CPU',
    model: 'svm',
    ...singles(1),
    nodes: [{ cpus: '0', memoryMiB: 1024 }],
    distances: flat(1, 10),
  },
]

/** CPUs of a node, ascending. */
export function cpusOf(node: LabNode): number[] {
  return parseCpulist(node.cpus ?? '', { allowEmpty: true })
}

export function hasKvm(machine: LabMachine): boolean {
  return machine.model === 'svm'
}

export function machineNamed(name: string): LabMachine | undefined {
  return machines.find((machine) => machine.name === name)
}
