/** What happened in a run, for people: the plan beside what the kernel says. */

import type { RunMemory, RunReport } from '../types.js'
import { formatBytes } from '../units.js'
import { showFindings } from './findings-view.js'
import { formatCount } from './numbers.js'
import type { Style } from './output.js'
import { count, paragraph, table } from './table.js'

export function showRun(report: RunReport, style: Style): string {
  return [ranText(report, style), vcpuTable(report, style), memoryTable(report, style), verdict(report, style)].join(
    '\n\n',
  )
}

function ranText({ backend, noGuest, seconds, vcpus }: RunReport, style: Style): string {
  const time = `${seconds.toFixed(1)} s`
  if (backend === 'kvm') return `ran ${count(vcpus.length, 'vCPU')} under KVM for ${time}`
  const head = style.colors.yellow(`ran ${count(vcpus.length, 'thread')} for ${time}, no guest`)
  return noGuest === undefined ? head : `${head}\n${paragraph(style, noGuest, '  ')}`
}

export function vcpuTable({ backend, vcpus }: Pick<RunReport, 'backend' | 'vcpus'>, style: Style): string {
  return table(
    style,
    [
      { head: 'VM' },
      { head: 'VCPU', align: 'right' },
      { head: 'PLANNED', wraps: true },
      { head: 'ALLOWED', wraps: true },
      { head: 'LAST SEEN', align: 'right' },
      { head: backend === 'kvm' ? 'EXITS/S' : 'WALKS/S', align: 'right' },
      { head: 'RUN DELAY', align: 'right' },
    ],
    vcpus.map(({ vm, vcpu, planned, affinity, lastCpu, exitsPerSecond, runDelayNs }) => [
      vm,
      String(vcpu),
      `CPU ${planned}`,
      `CPU ${affinity}`,
      `CPU ${lastCpu}`,
      formatCount(exitsPerSecond),
      `${(runDelayNs / 1e6).toFixed(1)} ms`,
    ]),
  )
}

export function memoryTable({ memory }: Pick<RunReport, 'memory'>, style: Style): string {
  return table(
    style,
    [
      { head: 'VM' },
      { head: 'CELL', align: 'right' },
      { head: 'MEMORY', align: 'right' },
      { head: 'PLANNED', align: 'right' },
      { head: 'FOUND', wraps: true },
    ],
    memory.map((row) => [row.vm, String(row.cell), formatBytes(row.bytes), `node ${row.node}`, foundText(row)]),
  )
}

function foundText({ bytes, residentBytes }: RunMemory): string {
  const found = Object.entries(residentBytes)
  const nowhere = bytes - found.reduce((sum, [, part]) => sum + part, 0)
  const parts = found.map(([node, part]) => `${formatBytes(part)} on node ${node}`)
  return [...parts, ...(nowhere > 0 ? [`${formatBytes(nowhere)} nowhere`] : [])].join(', ')
}

/** What the verdict rests on. */
export function watchText({
  vcpus,
  watched: { threadLooks, memoryLooks, pagesMigrated },
}: Pick<RunReport, 'vcpus' | 'watched'>): string {
  const migrations = vcpus.map((vcpu) => vcpu.migrations)
  const counted = migrations.includes(null)
    ? 'migrations of threads are not counted here'
    : `${count(
        migrations.reduce<number>((sum, n) => sum + (n ?? 0), 0),
        'migration',
      )} of them`
  const pages =
    pagesMigrated === null
      ? 'migrated pages are not counted here'
      : `${count(pagesMigrated, 'page')} of this host migrated`
  return `looked ${count(threadLooks, 'time')} at the threads, ${count(memoryLooks, 'time')} at the memory; ${counted}, ${pages}`
}

function verdict(report: RunReport, style: Style): string {
  const { backend, verified, findings, partition } = report
  const { colors } = style
  if (!verified) {
    const head = `${colors.red('not verified')}: ${count(findings.length, 'difference')} from the plan`
    return `${head}\n\n${showFindings(findings, style)}\n\n${paragraph(style, watchText(report))}`
  }
  const who = backend === 'kvm' ? 'vCPU' : 'thread'
  const alone = partition === undefined ? '' : `; nobody else could run on CPU ${partition.cpus}`
  const text = `${colors.green('verified')}: the kernel has every ${who} on its CPUs and every page on its node, as planned${alone}`
  return `${paragraph(style, text)}\n${paragraph(style, watchText(report))}`
}
