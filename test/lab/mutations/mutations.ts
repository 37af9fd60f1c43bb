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
    file: 'executor/memory/memory.ts',
    text: 'bindMemory(mapped.mapping.address + offset - cell.offset, bytes, nodes, options.policy)',
    replacement: '',
    suite: 'run',
    caughtBy: 'memory is bound to the last node',
  },
  {
    name: 'memory is bound to node 0 always',
    file: 'executor/memory/memory.ts',
    text: 'bytes, nodes, options.policy)',
    replacement: 'bytes, [0], options.policy)',
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
    file: 'executor/worker/schedule.ts',
    text: 'attempt(() => setAffinity(0, cpus))',
    replacement: 'setAffinity(0, cpus.map((cpu) => cpu ^ 1))',
    suite: 'run',
    caughtBy: 'a VM on each node with CPUs',
  },
  {
    name: 'memory is not read back',
    file: 'executor/memory/placed-memory.ts',
    text: 'residentBytes: residents[i]!',
    replacement: 'residentBytes: { [node]: bytes }',
    suite: 'memory',
    caughtBy: 'memory that is moved to another node',
  },
  {
    name: 'affinity is not read back',
    file: 'executor/run/watch.ts',
    text: 'vcpu.affinities.add(formatCpulist(state.affinity))',
    replacement: 'vcpu.affinities.add(vcpu.planned.cpus)',
    suite: 'cpuset',
    caughtBy: 'a CPU that leaves the cpuset while its vCPU runs',
  },
  {
    name: 'pages are not moved',
    file: 'executor/worker/memory-work.ts',
    text: 'movePages(address, pageSize, node, status)',
    replacement: 'status.fill(node)',
    suite: 'vm',
    caughtBy: 'memory goes from node to node',
  },
  {
    name: 'a vCPU is not pinned anew',
    file: 'executor/vm/lifecycle.ts',
    text: 'setAffinity(tid, wanted)',
    replacement: '',
    suite: 'vm',
    caughtBy: 'a vCPU goes to every CPU',
  },
  {
    name: 'memory of a guest by hand is on node 0 always',
    file: 'executor/memory/guest-regions.ts',
    text: 'node, bytes, pageSize)',
    replacement: '0, bytes, pageSize)',
    suite: 'accel',
    caughtBy: 'each part of the memory is on its node',
  },
  {
    name: 'binding a vCPU to a node pins nobody',
    file: 'executor/accel/guest/accel-kvm.ts',
    text: 'isWithin(now, cpus) ? now : this.#pin(id, cpus)',
    replacement: 'now',
    suite: 'accel',
    caughtBy: 'a running vCPU is bound to one node after the other',
  },
  {
    name: 'the optimizer takes memory of node 0 always',
    file: 'executor/accel/optimizer/block.ts',
    text: 'MemoryBlock.allocate(bytes, node)',
    replacement: 'MemoryBlock.allocate(bytes, 0)',
    suite: 'numa-optimizer',
    caughtBy: 'LocalFirst fills the preferred node',
  },
  {
    name: 'the optimizer moves its books and no pages',
    file: 'executor/accel/optimizer/node-memory.ts',
    text: 'await block.moveTo(to)',
    replacement: '',
    suite: 'numa-optimizer',
    caughtBy: 'LocalFirst brings home',
  },
  {
    name: 'pages of the optimizer that are elsewhere stay there',
    file: 'executor/accel/optimizer/node-memory.ts',
    text: 'if (strays > 0) await attempt(',
    replacement: 'if (strays < 0) await attempt(',
    suite: 'numa-optimizer',
    caughtBy: 'pages that somebody has moved away',
  },
  {
    name: 'every page that is given out counts as local',
    file: 'executor/accel/stats/node-stats.ts',
    text: 'shareOf(numa.local_node, numa.other_node)',
    replacement: 'shareOf(numa.numa_hit, 0)',
    suite: 'numa-optimizer',
    caughtBy: 'pages that are given out are counted',
  },
]
