/** A dashboard of Grafana that shows the metrics. Source: Grafana's dashboard JSON model, schema 39 */

/** A panel: what it shows, as PromQL and what its lines are called. */
interface Panel {
  readonly title: string
  readonly unit: string
  readonly lines: readonly (readonly [query: string, legend: string])[]
  readonly kind?: 'stat' | 'timeseries'
  /** On top of each other. */
  readonly isStacked?: true
}

/** Of the chosen hosts. */
const ON = 'instance=~"$instance"'

const rate = (metric: string, more = '') => `rate(${metric}{${ON}${more}}[$__rate_interval])`
const count = (metric: string, more = '') => `increase(${metric}{${ON}${more}}[$__rate_interval])`
const value = (metric: string) => `${metric}{${ON}}`

const BALANCER: readonly Panel[] = [
  {
    title: 'Lost vCPUs',
    unit: 'short',
    kind: 'stat',
    lines: [[`sum(${value('homenode_balance_lost_vcpus')})`, 'lost']],
  },
  { title: 'VMs', unit: 'short', kind: 'stat', lines: [[`sum(${value('homenode_vms')})`, 'VMs']] },
  {
    title: 'Since the last round',
    unit: 's',
    kind: 'stat',
    lines: [[`time() - ${value('homenode_balance_last_round_timestamp_seconds')}`, '{{instance}}']],
  },
  {
    title: 'VMs moved',
    unit: 'short',
    kind: 'stat',
    lines: [[`sum(increase(homenode_balance_moved_vms_total{${ON}}[$__range]))`, 'moved']],
  },
  {
    title: 'Lost vCPUs by cause',
    unit: 'short',
    isStacked: true,
    lines: [[`sum by (term) (${value('homenode_balance_lost_vcpus')})`, '{{term}}']],
  },
  {
    title: 'Decisions',
    unit: 'short',
    isStacked: true,
    lines: [[`sum by (decision, reason) (${count('homenode_balance_rounds_total')})`, '{{decision}}: {{reason}}']],
  },
  {
    title: 'Moves that are looked at: lost vCPUs',
    unit: 'short',
    lines: [
      [`sum(${value('homenode_balance_gain_vcpus')})`, 'saved'],
      [`sum(${value('homenode_balance_planned_lost_vcpus')})`, 'lost afterwards'],
    ],
  },
  {
    title: 'Moves that are looked at: price',
    unit: 's',
    lines: [[`sum(${value('homenode_balance_price_vcpu_seconds')})`, 'vCPU seconds']],
  },
  {
    title: 'Actions',
    unit: 'short',
    isStacked: true,
    lines: [[`sum by (action, result) (${count('homenode_balance_actions_total')})`, '{{action}}: {{result}}']],
  },
  {
    title: 'Copied memory',
    unit: 'Bps',
    lines: [[`sum by (instance) (${rate('homenode_balance_moved_bytes_total')})`, '{{instance}}']],
  },
  {
    title: 'Waiting',
    unit: 's',
    lines: [
      [value('homenode_balance_pause_seconds'), 'nothing is moved for'],
      [
        `${value('homenode_balance_held_rounds')} * on (instance) ${value('homenode_balance_interval_seconds')}`,
        'has paid for',
      ],
    ],
  },
  {
    title: 'vCPUs that wait for a CPU',
    unit: 'percentunit',
    lines: [[value('homenode_balance_vcpu_delay_ratio'), '{{instance}}']],
  },
  {
    title: 'Rounds: duration',
    unit: 's',
    lines: [
      [`histogram_quantile(0.95, sum by (le) (${rate('homenode_balance_round_duration_seconds_bucket')}))`, '95 %'],
      [`sum(${rate('homenode_balance_action_seconds_total')})`, 'moving, a second'],
    ],
  },
  {
    title: 'Rounds that failed or were late',
    unit: 'short',
    lines: [
      [`sum(${count('homenode_balance_failed_rounds_total')})`, 'failed'],
      [`sum(${count('homenode_balance_late_rounds_total')})`, 'late'],
    ],
  },
]

const VMS: readonly Panel[] = [
  { title: 'Lost vCPUs', unit: 'short', lines: [[`topk(20, ${value('homenode_vm_lost_vcpus')})`, '{{vm}}']] },
  {
    title: 'CPUs that vCPUs use',
    unit: 'short',
    lines: [[`topk(20, ${rate('homenode_vm_vcpu_seconds_total')})`, '{{vm}}']],
  },
  {
    title: 'CPUs that vCPUs wait for',
    unit: 'short',
    lines: [[`topk(20, ${rate('homenode_vm_vcpu_delay_seconds_total')})`, '{{vm}}']],
  },
  {
    title: 'CPUs that the rest of the process uses',
    unit: 'short',
    lines: [
      [`topk(20, ${rate('homenode_vm_process_seconds_total')} - ${rate('homenode_vm_vcpu_seconds_total')})`, '{{vm}}'],
    ],
  },
  {
    title: 'What vCPUs are taken to want',
    unit: 'percentunit',
    lines: [[`topk(20, ${value('homenode_vm_demand_ratio')})`, '{{vm}}']],
  },
  {
    title: 'Memory on other nodes',
    unit: 'percentunit',
    lines: [[`topk(20, ${value('homenode_vm_remote_memory_ratio')})`, '{{vm}}']],
  },
  {
    title: 'Sampled accesses to other nodes',
    unit: 'percentunit',
    lines: [[`topk(20, ${value('homenode_vm_remote_accesses_ratio')})`, '{{vm}}']],
  },
  {
    title: 'Memory by node',
    unit: 'bytes',
    isStacked: true,
    lines: [[`sum by (node) (${value('homenode_vm_memory_bytes')})`, 'node {{node}}']],
  },
  {
    title: 'vCPUs by node',
    unit: 'short',
    isStacked: true,
    lines: [[`sum by (node) (${value('homenode_vm_vcpus')})`, 'node {{node}}']],
  },
  {
    title: 'Migrations a second',
    unit: 'short',
    lines: [[`topk(20, ${rate('homenode_vm_vcpu_migrations_total')})`, '{{vm}}']],
  },
  { title: 'Exits a second', unit: 'short', lines: [[`topk(20, ${rate('homenode_vm_exits_total')})`, '{{vm}}']] },
  {
    title: 'VMs without series of their own',
    unit: 'short',
    lines: [[value('homenode_vms_without_series'), '{{instance}}']],
  },
]

const NODES: readonly Panel[] = [
  {
    title: 'Busy CPUs',
    unit: 'short',
    lines: [[rate('homenode_node_cpu_seconds_total', ',mode="busy"'), '{{instance}} node {{node}}']],
  },
  {
    title: 'Free memory',
    unit: 'bytes',
    lines: [
      [value('homenode_node_memory_free_bytes'), '{{instance}} node {{node}}: free'],
      [value('homenode_node_memory_reclaimable_bytes'), '{{instance}} node {{node}}: reclaimable'],
    ],
  },
  {
    title: 'Pages taken of another node than was wanted, a second',
    unit: 'short',
    lines: [[rate('homenode_node_allocated_pages_total', ',kind="miss"'), '{{instance}} node {{node}}']],
  },
  {
    title: 'Memory traffic',
    unit: 'Bps',
    lines: [
      [rate('homenode_node_traffic_bytes_total'), '{{instance}} node {{node}}: all'],
      [rate('homenode_node_local_traffic_bytes_total'), '{{instance}} node {{node}}: local'],
    ],
  },
  {
    title: 'Pressure',
    unit: 'percentunit',
    lines: [[rate('homenode_pressure_seconds_total', ',share="some"'), '{{instance}} {{resource}}']],
  },
  {
    title: 'Pages moved by the kernel, a second',
    unit: 'short',
    lines: [[rate('homenode_migrated_pages_total'), '{{instance}}']],
  },
  {
    title: 'Sampled accesses that were local',
    unit: 'percentunit',
    lines: [[`${rate('homenode_local_hint_faults_total')} / ${rate('homenode_hint_faults_total')}`, '{{instance}}']],
  },
]

const ITSELF: readonly Panel[] = [
  { title: 'CPUs', unit: 'short', lines: [[rate('process_cpu_seconds_total'), '{{instance}}']] },
  { title: 'Memory', unit: 'bytes', lines: [[value('process_resident_memory_bytes'), '{{instance}}']] },
]

const ROWS: readonly (readonly [title: string, panels: readonly Panel[]])[] = [
  ['Balancer', BALANCER],
  ['VMs', VMS],
  ['Nodes', NODES],
  ['homenode itself', ITSELF],
]

/** Of Grafana's grid: panels beside each other, and the height of each. */
const [WIDTH, STATS, CHARTS] = [24, { width: 6, height: 4 }, { width: 8, height: 8 }]

/** The dashboard, for Grafana to import. */
export function dashboard(): object {
  const panels: object[] = []
  let y = 0
  for (const [title, list] of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
      panels: [],
    })
    y++
    let x = 0
    let height = 0
    for (const panel of list) {
      const size = panel.kind === 'stat' ? STATS : CHARTS
      if (x + size.width > WIDTH || (x > 0 && size.height !== height)) {
        y += height
        x = 0
      }
      height = size.height
      panels.push(panelOf(panel, panels.length + 1, { x, y, w: size.width, h: size.height }))
      x += size.width
    }
    y += height
  }
  return {
    uid: 'homenode-balance',
    title: 'homenode balance',
    description: 'Made by "homenode service dashboard": changes are lost when it is imported again.',
    tags: ['homenode', 'numa', 'kvm'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    templating: { list: [SOURCE_VARIABLE, INSTANCE_VARIABLE] },
    panels,
  }
}

const SOURCE = { type: 'prometheus', uid: '$source' }

const SOURCE_VARIABLE = { name: 'source', label: 'Prometheus', type: 'datasource', query: 'prometheus', refresh: 1 }

const INSTANCE_VARIABLE = {
  name: 'instance',
  label: 'Host',
  type: 'query',
  datasource: SOURCE,
  query: { query: 'label_values(homenode_build_info, instance)', refId: 'instances' },
  refresh: 2,
  includeAll: true,
  multi: true,
  current: { text: 'All', value: '$__all' },
}

function panelOf({ title, unit, lines, kind = 'timeseries', isStacked }: Panel, id: number, gridPos: object): object {
  const custom = {
    fillOpacity: isStacked ? 30 : 0,
    showPoints: 'never',
    stacking: { mode: isStacked ? 'normal' : 'none' },
  }
  return {
    id,
    type: kind,
    title,
    datasource: SOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0, ...(kind === 'stat' ? {} : { custom }) }, overrides: [] },
    options:
      kind === 'stat'
        ? { colorMode: 'none' }
        : { tooltip: { mode: 'multi', sort: 'desc' }, legend: { calcs: ['mean', 'max'] } },
    targets: lines.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + i),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  }
}
