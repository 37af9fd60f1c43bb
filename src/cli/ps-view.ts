/** Running VMs for people: a line each, and one with all that is known of it. */

import type { FoundThread, FoundVm, Missing } from '../../executor/found/types.js'
import { formatCpulist, parseCpulist } from '../cpulist.js'
import { formatBytes } from '../units.js'
import { shortBytes } from './numbers.js'
import type { Style } from './output.js'
import type { Judgement, RunningVms } from './running.js'
import { type Column, count, paragraph, table } from './table.js'

const UNKNOWN = '?'

export function showVms({ vms, lost, missing }: RunningVms, style: Style): string {
  const notes = notesOf({ vms, missing }, style)
  if (vms.length === 0) return ['no VM runs here', ...notes].join('\n')
  const columns: Column[] = [
    { head: 'NAME' },
    { head: 'VMM' },
    { head: 'VCPU', align: 'right' },
    { head: 'CPUS', wraps: true },
    { head: 'LAST', wraps: true },
    { head: 'MEMORY', wraps: true },
    { head: 'FAR', align: 'right' },
    { head: 'LOST', align: 'right' },
    { head: 'BEST', align: 'right' },
    { head: 'TO DO' },
  ]
  const rows = vms.map(({ vm, judgement }) => [
    vm.name.value,
    vmmText(vm),
    vm.vcpuCount === null ? UNKNOWN : String(vm.vcpuCount.value),
    cpusOf(vm.vcpus) || UNKNOWN,
    formatCpulist(vm.vcpus.map(({ lastCpu }) => lastCpu)) || UNKNOWN,
    memoryText(vm),
    judgement === null ? UNKNOWN : `${Math.round(100 * judgement.remote)}%`,
    judgement === null ? UNKNOWN : lostText(judgement.now),
    judgement === null || judgement.placed === null ? UNKNOWN : lostText(judgement.placed),
    toDo(judgement),
  ])
  return [table(style, columns, rows), '', summary(vms.length, lost, style), ...notes].join('\n')
}

function vmmText({ vmm, accelerator }: FoundVm): string {
  return accelerator?.value === 'tcg' ? `${vmm.value}/tcg` : vmm.value
}

function cpusOf(threads: readonly FoundThread[]): string {
  return formatCpulist(threads.flatMap(({ cpus }) => parseCpulist(cpus, { allowEmpty: true })))
}

/** `0: 3.2G, 1: 812M`. */
function memoryText({ mappings }: FoundVm): string {
  const bytes = new Map<number, number>()
  for (const part of mappings.flatMap(({ resident }) => resident)) {
    bytes.set(part.node, (bytes.get(part.node) ?? 0) + part.bytes)
  }
  if (mappings.length === 0) return UNKNOWN
  return (
    [...bytes]
      .sort(([a], [b]) => a - b)
      .map(([node, sum]) => `${node}: ${shortBytes(sum)}`)
      .join(', ') || 'none yet'
  )
}

function lostText(vcpus: number): string {
  return String(Math.round(vcpus * 100) / 100)
}

function toDo(judgement: Judgement | null): string {
  if (judgement === null) return UNKNOWN
  const { placed, advice } = judgement
  if (placed === null) return 'no room'
  const parts = [...(advice.pin === null ? [] : ['pin']), ...(advice.bytes === 0 ? [] : ['move'])]
  return parts.join(', ') || 'nothing'
}

function summary(vms: number, { now, placed, overcommit }: RunningVms['lost'], style: Style): string {
  const best = placed === null ? '' : `, ${lostText(placed)} if placed well`
  const crowded = overcommit > 0 ? `; of these ${lostText(overcommit)} because CPUs are short` : ''
  return paragraph(style, `${count(vms, 'VM')}: ${lostText(now)} lost vCPUs${best}${crowded}`)
}

/** What is not known, each once, and as whom to run to know it. */
function notesOf({ vms, missing }: Pick<RunningVms, 'vms' | 'missing'>, style: Style): string[] {
  const unpriced = vms.flatMap(({ vm, why }) => (why === null ? [] : [`${vm.name.value}: ${why}, so it has no price`]))
  const helpers = [...missing, ...vms.filter(({ why }) => why !== null).flatMap(({ vm }) => vm.missing)]
  const users = [...new Set(helpers.flatMap(({ runAs }) => runAs ?? []))]
  const hint = users.length === 0 ? [] : [`more is known to ${users.join(', ')}`]
  return [...unpriced, ...missing.map(missingText), ...hint].map((note) => paragraph(style, note, '  ', ''))
}

function missingText({ what, why }: Missing): string {
  return `not seen: ${what} (${why})`
}

export function showVm({ vm, judgement, why }: RunningVms['vms'][number], style: Style): string {
  const { colors } = style
  const facts = factsOf(vm, judgement, why).map(([label, value]) =>
    paragraph(style, value, ' '.repeat(10), label.padEnd(10)),
  )
  const notes = vm.missing.map(({ what, why: reason, runAs }) => {
    const as = runAs === null ? '' : ` Known to: ${runAs}.`
    return paragraph(style, `not known: ${what}: ${reason}.${as}`, '  ', '')
  })
  return [
    [colors.bold(vm.name.value), ...facts].join('\n'),
    threadTable(vm, style),
    ...(vm.mappings.length === 0 ? [] : [mappingTable(vm, style)]),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
  ].join('\n\n')
}

function factsOf(vm: FoundVm, judgement: Judgement | null, why: string | null): [string, string][] {
  const { vmm, accelerator, pid, uid, vcpuCount, memory, cells, cgroups, manager } = vm
  const from = ({ source }: { readonly source: string }) => `(${source})`
  const cellTexts = cells?.value.map(({ cell, vcpus, memory: bytes }) => {
    return `${cell}: vCPUs ${formatCpulist(vcpus) || 'none'}, ${formatBytes(bytes)}`
  })
  return [
    ['vmm', `${vmm.value} ${from(vmm)}${accelerator === null ? '' : `, ${accelerator.value} ${from(accelerator)}`}`],
    ['process', `${pid}, user ${uid}`],
    ['vcpus', vcpuCount === null ? UNKNOWN : `${vcpuCount.value} ${from(vcpuCount)}`],
    ['memory', memory === null ? UNKNOWN : `${formatBytes(memory.value)} ${from(memory)}`],
    ['nodes', cells === null ? UNKNOWN : `${cellTexts!.join('; ') || 'none'} ${from(cells)}`],
    ['manager', manager === null ? 'nobody known' : `${manager.value.name}: ${manager.value.id} ${from(manager)}`],
    ...cgroups.map(({ path, version, cpus, mems, threads }): [string, string] => {
      const cpuset = cpus === null ? 'no cpuset' : `CPUs ${cpus}, nodes ${mems ?? UNKNOWN}`
      return ['cgroup', `${path} (v${version}): ${count(threads, 'thread')}, ${cpuset}`]
    }),
    ['lost', judgement === null ? `${UNKNOWN}: ${why}` : lostNow(judgement)],
    ['to do', judgement === null ? UNKNOWN : judgement.advice.text],
  ]
}

function lostNow({ now, placed, terms, remote }: Judgement): string {
  const causes = Object.entries(terms).map(([term, vcpus]) => `${term} ${lostText(vcpus)}`)
  const best = placed === null ? '' : `, ${lostText(placed)} if placed well`
  const far = `${Math.round(100 * remote)} % of accesses leave the node`
  return `${lostText(now)} vCPUs now${best}; ${[...causes, far].join(', ')}`
}

function threadTable(vm: FoundVm, style: Style): string {
  const columns: Column[] = [
    { head: 'TID', align: 'right' },
    { head: 'THREAD', wraps: true },
    { head: 'RUNS' },
    { head: 'CPUS', wraps: true },
    { head: 'LAST', align: 'right' },
    { head: 'LOAD', align: 'right' },
    { head: 'SAYS' },
  ]
  const row = (thread: FoundThread, runs: string, source: string) => {
    return [
      String(thread.tid),
      thread.name,
      runs,
      thread.cpus,
      String(thread.lastCpu),
      `${Math.round(100 * thread.load)}%`,
      source,
    ]
  }
  return table(style, columns, [
    ...vm.vcpus.map((thread) => row(thread, `vCPU ${thread.vcpu}`, thread.source)),
    ...vm.iothreads.map((thread) => row(thread, `I/O ${thread.id}`, thread.source)),
    ...vm.emulator.map((thread) => row(thread, 'emulator', '')),
    ...vm.unknownThreads.map((thread) => row(thread, UNKNOWN, '')),
  ])
}

function mappingTable({ mappings }: FoundVm, style: Style): string {
  const hasCells = mappings.some(({ cell }) => cell !== null)
  const columns: Column[] = [
    { head: 'ADDRESS' },
    { head: 'SIZE', align: 'right' },
    ...(hasCells ? [{ head: 'GUEST NODE', align: 'right' as const }] : []),
    { head: 'PAGES', align: 'right' },
    { head: 'POLICY' },
    { head: 'ON NODES', wraps: true },
    { head: 'FILE', wraps: true },
    { head: 'SAYS' },
  ]
  const rows = mappings.map((mapping) => [
    mapping.start.toString(16),
    formatBytes(mapping.bytes),
    ...(hasCells ? [mapping.cell === null ? UNKNOWN : String(mapping.cell)] : []),
    formatBytes(mapping.pageSize),
    mapping.policy,
    mapping.resident.map(({ node, bytes }) => `${node}: ${shortBytes(bytes)}`).join(', ') || 'none yet',
    `${mapping.file ?? ''}${mapping.shared ? ' (shared)' : ''}`.trim(),
    mapping.source,
  ])
  return table(style, columns, rows)
}
