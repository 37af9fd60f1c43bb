/** The metrics: their names, types, labels, and what they are. docs/metrics.md shows this table. */

/** What a metric is. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

const BALANCE = {
  homenode_balance_rounds_total: {
    type: 'counter',
    labels: ['decision', 'reason'],
    help: 'Rounds, by what was decided and which rule decided.',
  },
  homenode_balance_failed_rounds_total: {
    type: 'counter',
    labels: [],
    help: 'Rounds in which something could not be looked at or decided.',
  },
  homenode_balance_late_rounds_total: {
    type: 'counter',
    labels: [],
    help: 'Rounds that ended too late: after three intervals, or half a minute more than one.',
  },
  homenode_balance_round_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'How long it took to look, plan and decide.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  },
  homenode_balance_last_round_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the last round ended, since 1970.',
  },
  homenode_balance_interval_seconds: {
    type: 'gauge',
    labels: [],
    help: 'From the beginning of a round to that of the next.',
  },
  homenode_balance_lost_vcpus: {
    type: 'gauge',
    labels: ['term'],
    help: 'vCPUs that are lost now, by cause; the sum over the terms is what is lost.',
  },
  homenode_balance_planned_lost_vcpus: {
    type: 'gauge',
    labels: [],
    help: 'vCPUs that would be lost after the moves that are looked at; nothing where there are none.',
  },
  homenode_balance_gain_vcpus: {
    type: 'gauge',
    labels: [],
    help: 'Lost vCPUs that the moves that are looked at save.',
  },
  homenode_balance_price_vcpu_seconds: {
    type: 'gauge',
    labels: [],
    help: 'What the moves that are looked at cost.',
  },
  homenode_balance_held_rounds: {
    type: 'gauge',
    labels: [],
    help: 'Rounds in a row in which the moves that are looked at have paid.',
  },
  homenode_balance_pause_seconds: {
    type: 'gauge',
    labels: [],
    help: 'For how long nothing is moved from the last round on.',
  },
  homenode_balance_vcpu_delay_ratio: {
    type: 'gauge',
    labels: [],
    help: 'Mean share of the time that vCPUs waited for a CPU.',
  },
  homenode_balance_actions_total: {
    type: 'counter',
    labels: ['action', 'result'],
    help: 'Times that VMs were moved, or moves undone, by what became of it.',
  },
  homenode_balance_action_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'Time that was spent on it.',
  },
  homenode_balance_moved_vms_total: {
    type: 'counter',
    labels: [],
    help: 'VMs that were moved, or back, as it was decided.',
  },
  homenode_balance_moved_bytes_total: {
    type: 'counter',
    labels: [],
    help: 'Memory that was copied to another node.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

const VMS = {
  homenode_vms: {
    type: 'gauge',
    labels: [],
    help: 'VMs that run here.',
  },
  homenode_vms_without_series: {
    type: 'gauge',
    labels: [],
    help: 'VMs that have no metrics of their own, since others took all places.',
  },
  homenode_vm_lost_vcpus: {
    type: 'gauge',
    labels: ['vm'],
    help: 'vCPUs that the VM loses now.',
  },
  homenode_vm_demand_ratio: {
    type: 'gauge',
    labels: ['vm'],
    help: 'What its vCPUs are taken to want on average, of a CPU each.',
  },
  homenode_vm_vcpus: {
    type: 'gauge',
    labels: ['vm', 'node'],
    help: 'vCPUs of the VM, by the node that they ran on last.',
  },
  homenode_vm_vcpu_seconds_total: {
    type: 'counter',
    labels: ['vm'],
    help: 'Time that its vCPUs ran.',
  },
  homenode_vm_vcpu_delay_seconds_total: {
    type: 'counter',
    labels: ['vm'],
    help: 'Time that its vCPUs were runnable and did not run.',
  },
  homenode_vm_vcpu_migrations_total: {
    type: 'counter',
    labels: ['vm'],
    help: 'Times that its vCPUs went to another CPU.',
  },
  homenode_vm_process_seconds_total: {
    type: 'counter',
    labels: ['vm'],
    help: 'CPU time of all threads of its process.',
  },
  homenode_vm_exits_total: {
    type: 'counter',
    labels: ['vm'],
    help: 'Exits from the guest.',
  },
  homenode_vm_memory_bytes: {
    type: 'gauge',
    labels: ['vm', 'node'],
    help: 'Memory of the VM that is on a node.',
  },
  homenode_vm_remote_memory_ratio: {
    type: 'gauge',
    labels: ['vm'],
    help: 'Share of its memory on other nodes than its vCPUs run on, each weighed with its use.',
  },
  homenode_vm_remote_accesses_ratio: {
    type: 'gauge',
    labels: ['vm'],
    help: 'Share of its sampled accesses that go to another node.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

const HOST = {
  homenode_node_cpus: {
    type: 'gauge',
    labels: ['node'],
    help: 'CPUs that are online.',
  },
  homenode_node_cpu_seconds_total: {
    type: 'counter',
    labels: ['node', 'mode'],
    help: "Time of the node's CPUs, busy or idle.",
  },
  homenode_node_memory_bytes: {
    type: 'gauge',
    labels: ['node'],
    help: 'Memory that the node has.',
  },
  homenode_node_memory_free_bytes: {
    type: 'gauge',
    labels: ['node'],
    help: 'Of it, free.',
  },
  homenode_node_memory_reclaimable_bytes: {
    type: 'gauge',
    labels: ['node'],
    help: 'What the kernel can give beyond that.',
  },
  homenode_node_allocated_pages_total: {
    type: 'counter',
    labels: ['node', 'kind'],
    help: 'Pages that were taken of the node, by the names of numastat.',
  },
  homenode_node_traffic_bytes_total: {
    type: 'counter',
    labels: ['node'],
    help: "What the node's CPUs read and wrote, where resctrl counts it.",
  },
  homenode_node_local_traffic_bytes_total: {
    type: 'counter',
    labels: ['node'],
    help: "Of it, in the node's own memory.",
  },
  homenode_pressure_seconds_total: {
    type: 'counter',
    labels: ['resource', 'share'],
    help: 'Time that some, or all, tasks waited for a resource.',
  },
  homenode_migrated_pages_total: {
    type: 'counter',
    labels: [],
    help: 'Pages that the kernel has moved to another place, for whatever reason.',
  },
  homenode_hint_faults_total: {
    type: 'counter',
    labels: [],
    help: 'Accesses that NUMA balancing has sampled.',
  },
  homenode_local_hint_faults_total: {
    type: 'counter',
    labels: [],
    help: 'Of them, to memory of the own node.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

const PROCESS = {
  homenode_build_info: {
    type: 'gauge',
    labels: ['version'],
    help: '1, with the version of homenode.',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'CPU time of homenode itself.',
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Memory of homenode itself.',
  },
  process_start_time_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When homenode started, since 1970.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

/** All of them, by name. */
export const METRICS = { ...BALANCE, ...VMS, ...HOST, ...PROCESS }

/** The name of a metric. */
export type MetricName = keyof typeof METRICS
