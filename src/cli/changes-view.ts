/** Changes to running VMs for people: what will be done, step by step, and what stands in the way. */

import type { BytesByNode, ChangeStep, Changes, Obstacle, ThreadChange } from '../../executor/apply/types.js'
import { formatCpulist, parseCpulist } from '../cpulist.js'
import { formatBytes } from '../units.js'
import type { Style } from './output.js'
import { pinsText } from './pins.js'
import { type Column, count, paragraph, table } from './table.js'

const COLUMNS: readonly Column[] = [
  { head: 'STEP', align: 'right' },
  { head: 'VM' },
  { head: 'THREADS -> CPUS', wraps: true },
  { head: 'MEMORY', wraps: true },
  { head: 'COPIED', align: 'right' },
]

export function showChanges({ steps, obstacles, bytes }: Changes, style: Style): string {
  const parts = [...obstacles.map((obstacle) => showObstacle(obstacle, style))]
  if (steps.length > 0) parts.unshift(summary(steps, bytes), table(style, COLUMNS, rowsOf(steps)))
  return parts.join('\n\n')
}

function summary(steps: readonly ChangeStep[], bytes: number): string {
  const vms = new Set(steps.map(({ pid }) => pid)).size
  const threads = new Set(steps.flatMap((step) => step.threads.map(({ tid }) => tid))).size
  const copied = bytes === 0 ? 'no memory to copy' : `${formatBytes(bytes)} to copy`
  return `${count(vms, 'VM')} to change: ${count(threads, 'thread')} to pin, ${copied}`
}

/** A step's number is on its first line. */
function rowsOf(steps: readonly ChangeStep[]): string[][] {
  return steps.map((step, at) => [
    step.step === steps[at - 1]?.step ? '' : String(step.step),
    step.through === 'libvirt' ? `${step.vm} (libvirt)` : step.vm,
    [...threadLines(step.threads), ...cpusetLines(step)].join('\n'),
    memoryText(step),
    step.bytes === 0 ? '' : formatBytes(step.bytes),
  ])
}

const ROLES: readonly (readonly [ThreadChange['role'], string])[] = [
  ['vcpu', 'vCPU'],
  ['iothread', 'I/O'],
  ['emulator', 'emulator'],
]

/** `vCPU 0-1 -> 4-5 (now 0-7)`: a line for those that come from one place, or float over the same CPUs. */
function threadLines(threads: readonly ThreadChange[]): string[] {
  return ROLES.flatMap(([role, label]) => {
    const own = threads.filter((thread) => thread.role === role)
    return [...new Set(own.map(groupOf))].map((group) => {
      const alike = own.filter((thread) => groupOf(thread) === group)
      const to = role === 'emulator' ? `-> ${alike[0]!.to}` : numbersText(alike)
      return `${label} ${to} (now ${formatCpulist(alike.flatMap(({ from }) => parseCpulist(from)))})`
    })
  })
}

function groupOf({ role, from, to }: ThreadChange): string {
  return role === 'emulator' || !isOne(to) ? `to ${to}` : `from ${from}`
}

function isOne(cpus: string): boolean {
  return parseCpulist(cpus).length === 1
}

function numbersText(threads: readonly ThreadChange[]): string {
  return pinsText(threads.map(({ number, to }) => ({ vcpu: number ?? 0, cpus: to, dedicated: isOne(to), node: 0 })))
}

function cpusetLines({ cpusets }: ChangeStep): string[] {
  return cpusets.map(({ path, to }) => `cpuset ${path} -> CPUs ${to.cpus || 'all'}, nodes ${to.mems || 'all'}`)
}

function memoryText({ memory }: ChangeStep): string {
  if (memory.length === 0) return ''
  return `${byNodeText(memory.map(({ from }) => from))} -> ${byNodeText(memory.map(({ to }) => to))}`
}

/** `0: 3 GiB, 1: 1 GiB`. */
export function byNodeText(parts: readonly BytesByNode[]): string {
  const sums = new Map<number, number>()
  for (const { node, bytes } of parts.flat()) sums.set(node, (sums.get(node) ?? 0) + bytes)
  const nodes = formatCpulist([...sums].flatMap(([node, bytes]) => (bytes > 0 ? [node] : [])))
  return (
    parseCpulist(nodes, { allowEmpty: true })
      .map((node) => `${node}: ${formatBytes(sums.get(node)!)}`)
      .join(', ') || 'none'
  )
}

function showObstacle({ vm, what, why, left }: Obstacle, style: Style): string {
  const { colors } = style
  const head = left ? colors.yellow('left as it is') : colors.yellow('not in full')
  return [`${head}: ${colors.bold(vm)}`, paragraph(style, `${what}: ${why}`, '    ', '  ')].join('\n')
}
