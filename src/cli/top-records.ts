/** What `homenode top` measures, for programs: lines of CSV, or an object a line. `null` and empty: nothing measures it. */

import type { NodeRates } from '../../executor/meter/host-rates.js'
import type { Rates, Use, VcpuRates, VmRates } from '../../executor/meter/rates.js'

/** One line of JSON. */
export function jsonLine({ seconds, host, vms, missing }: Rates, time: Date): string {
  const named = vms.map(({ vm, ...rates }) => ({
    name: vm.name.value,
    pid: vm.pid,
    vmm: vm.vmm.value,
    vcpuCount: vm.vcpuCount?.value ?? null,
    ...rates,
  }))
  return JSON.stringify({ schemaVersion: 1, kind: 'Top', time: time.toISOString(), seconds, host, vms: named, missing })
}

type Cell = string | number | null

/** In this order; a line has those of its kind: `node`, `vm` or `vcpu`. */
const FIELDS = [
  ...['time', 'kind', 'name', 'pid', 'vcpu', 'tid', 'cpu', 'node'],
  ...['use', 'delay', 'others', 'migrations', 'remoteMemory', 'remoteFaults', 'exits', 'haltPolling'],
  ...['free', 'reclaimable', 'hit', 'miss', 'foreign', 'local', 'other', 'bandwidth', 'bandwidthLocal'],
] as const

type Fields = Readonly<Partial<Record<(typeof FIELDS)[number], Cell>>>

export const CSV_HEAD = FIELDS.join()

/** A line for each node, VM and vCPU. */
export function csvLines({ host, vms }: Rates, time: Date): string[] {
  const records: Fields[] = [...host.nodes.map(nodeFields), ...vms.flatMap(vmFields)]
  const at = time.toISOString()
  return records.map((record) => FIELDS.map((field) => cell(field === 'time' ? at : (record[field] ?? null))).join())
}

function nodeFields({ cpus: _cpus, total: _total, ...figures }: NodeRates): Fields {
  return { kind: 'node', ...figures }
}

function vmFields({ vm, vcpus, others, remoteMemory, ...use }: VmRates): Fields[] {
  const owner = { name: vm.name.value, pid: vm.pid }
  return [
    { kind: 'vm', ...owner, others, remoteMemory, ...useFields(use) },
    ...vcpus.map((vcpu): Fields => ({ kind: 'vcpu', ...owner, ...vcpuFields(vcpu) })),
  ]
}

function vcpuFields({ vcpu, tid, lastCpu, node, ...use }: VcpuRates): Fields {
  return { vcpu, tid, cpu: lastCpu, node, ...useFields(use) }
}

function useFields({ use, delay, migrations, remoteFaults, exits, haltPolling }: Use): Fields {
  return { use, delay, migrations, remoteFaults, exits: exits?.all ?? null, haltPolling }
}

/** Source: RFC 4180. Shares have six decimals. */
function cell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(Math.round(value * 1e6) / 1e6)
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}
