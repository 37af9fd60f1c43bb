/** Defects of the binding code, each as a change of its source, and the test in the lab that has to find it. */

export interface Mutation {
  readonly name: string
  readonly file: string
  /** Occurs once in the file. */
  readonly text: string
  readonly replacement: string
  readonly suite: string
  /** The beginning of the name of a test that has to fail. */
  readonly caughtBy: string
}

/** Where all of them run. */
export const MACHINE = 'two-node'

export const mutations: readonly Mutation[] = [
  {
    name: 'mbind is left out',
    file: 'executor/memory.ts',
    text: 'bindMemory(mapping.address + range.offset - cell.offset, range.bytes, [range.node])',
    replacement: '',
    suite: 'run',
    caughtBy: 'memory is bound to the last node',
  },
  {
    name: 'memory is bound to node 0 always',
    file: 'executor/memory.ts',
    text: 'range.bytes, [range.node])',
    replacement: 'range.bytes, [0])',
    suite: 'run',
    caughtBy: 'a VM on each node with CPUs',
  },
  {
    name: "the last node's bit is cut off",
    file: 'executor/ffi/numa.ts',
    text: 'const maxnode = mask.length * 8 + 1',
    replacement: 'const maxnode = Math.max(...nodes) + 1',
    suite: 'run',
    caughtBy: 'memory is bound to the last node',
  },
  {
    name: 'vCPUs are pinned to the wrong CPU',
    file: 'executor/vcpu-worker.ts',
    text: 'setAffinity(0, task.cpus)\n    for (const span',
    replacement: 'setAffinity(0, task.cpus.map((cpu) => cpu ^ 1))\n    for (const span',
    suite: 'run',
    caughtBy: 'a VM on each node with CPUs',
  },
  {
    name: 'memory is not read back',
    file: 'executor/apply.ts',
    text: 'residentBytes: result.resident[i]!',
    replacement: 'residentBytes: { [row.node]: row.bytes }',
    suite: 'memory',
    caughtBy: 'memory that is moved to another node',
  },
  {
    name: 'affinity is not read back',
    file: 'executor/watch.ts',
    text: 'vcpu.affinities.add(formatCpulist(state.affinity))',
    replacement: 'vcpu.affinities.add(vcpu.planned.cpus)',
    suite: 'cpuset',
    caughtBy: 'a CPU that leaves the cpuset while its vCPU runs',
  },
]
