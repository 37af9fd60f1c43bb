/** A plan as a map for a terminal: a line for each last-level cache, a character for each CPU. */

import { shortCpulist } from '../cpulist.js'
import { groupsBy } from '../picture/groups.js'
import { occupancyOf } from '../picture/occupancy.js'
import type { Scene } from '../picture/scene.js'
import { roundBytes } from '../picture/words.js'
import type { HostCpu, HostNode, Plan } from '../types.js'
import type { Style } from './output.js'
import { showCost, showRefusal } from './plan-view.js'
import { paragraph } from './table.js'

/** What stands for a CPU without a vCPU of its own. */
const MARKS = {
  free: ['.', 'free'],
  shared: ['~', 'shared'],
  thread: ['+', "VMM's thread"],
  reserved: ['=', 'reserved'],
  offline: ['x', 'offline'],
  outside: ['!', 'not allowed'],
} as const
type Mark = keyof typeof MARKS

/** Letters of VMs in the order of the plan; those beyond are all alike. */
const LETTERS = 'abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const BEYOND = '#'
const INDENT = '  '
/** CPUs of a line, at most, where nothing limits it. */
const MOST = 128

/** With what it costs, and what is refused. */
export function showPlanMap(scene: Scene, plan: Plan, style: Style): string {
  return [showCost(plan, style), showMap(scene, style), ...plan.refused.map((one) => showRefusal(one, style))].join(
    '\n\n',
  )
}

function showMap(scene: Scene, style: Style): string {
  const { host } = scene
  const at = charactersOf(scene)
  const nodes = new Map<number | null, HostCpu[]>()
  for (const cpu of host.cpus) nodes.set(cpu.node, [...(nodes.get(cpu.node) ?? []), cpu])
  const known = host.nodes.map((node) =>
    [style.colors.bold(nodeText(node, scene, style)), ...llcLines(nodes.get(node.id) ?? [], at, style)].join('\n'),
  )
  const rest = [...nodes].filter(([id]) => host.nodes.every((node) => node.id !== id)).flatMap(([, cpus]) => cpus)
  const others = rest.length === 0 ? [] : [['CPUs of no node', ...llcLines(rest, at, style)].join('\n')]
  return [...known, ...others, keyText(scene, at, style)].join('\n\n')
}

function letterOf(vm: number): string {
  return LETTERS[vm] ?? BEYOND
}

/** By CPU. */
function charactersOf(scene: Scene): Map<number, string> {
  const { boxes, floats } = occupancyOf(scene)
  const characterOf = ({ id, online, allowed }: HostCpu) => {
    const [first] = boxes.get(id) ?? []
    if (!online) return MARKS.offline[0]
    if (first !== undefined) return first.vcpu === null ? MARKS.thread[0] : letterOf(first.vm)
    if (floats.has(id)) return MARKS.shared[0]
    if (!allowed) return MARKS.outside[0]
    return scene.reserve.cpus.has(id) ? MARKS.reserved[0] : MARKS.free[0]
  }
  return new Map(scene.host.cpus.map((cpu) => [cpu.id, characterOf(cpu)]))
}

/** `node 0, 64 GiB: a 16 GiB, b 4 GiB`. */
function nodeText({ id, memory }: HostNode, { vms }: Scene, style: Style): string {
  const parts = vms.flatMap((vm, index) => {
    const bytes = vm.memory.reduce((sum, part) => sum + (part.node === id ? part.bytes : 0), 0)
    return bytes === 0 ? [] : [`${letterOf(index)} ${roundBytes(bytes)}`]
  })
  const all = `node ${id}, ${roundBytes(memory.total)}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`
  return paragraph(style, all, INDENT, '')
}

/** CPUs of a core are together, cores have a space between them where they have several. */
function llcLines(cpus: readonly HostCpu[], at: ReadonlyMap<number, string>, style: Style): string[] {
  const llcs = groupsBy(cpus, ({ llc }) => llc)
  const labels = llcs.map(([llc]) => (llc === null ? 'LLC ?' : `LLC ${llc}`))
  const width = Math.max(0, ...labels.map(({ length }) => length)) + INDENT.length + 2
  return llcs.flatMap(([, members], index) => {
    const cores = groupsBy(members, ({ core }) => core).flatMap(([core, threads]) =>
      core === null ? threads.map((cpu) => [cpu]) : [threads],
    )
    const gap = cores.some(({ length }) => length > 1) ? ' ' : ''
    const words = cores.map((threads) => threads.map(({ id }) => at.get(id)!).join(''))
    const rows = folded(words, gap, Math.min(MOST, style.width - width))
    const list = shortCpulist(members.map(({ id }) => id))
    const label = `${INDENT}${labels[index]!}`.padEnd(width)
    const lines = rows.map((row, line) => `${line === 0 ? label : ' '.repeat(width)}${row}`)
    const [last = ''] = lines.splice(-1)
    const isRoom = last.length + list.length + 2 <= style.width
    return [...lines, ...(isRoom ? [`${last}  ${list}`] : [last, paragraph(style, list, ' '.repeat(width))])]
  })
}

function folded(words: readonly string[], gap: string, width: number): string[] {
  const rows: string[] = []
  for (const word of words) {
    const last = rows.at(-1)
    if (last !== undefined && last.length + gap.length + word.length <= width) rows[rows.length - 1] = last + gap + word
    else rows.push(word)
  }
  return rows
}

/** What the characters mean, of those that the map has. */
function keyText({ vms }: Scene, at: ReadonlyMap<number, string>, style: Style): string {
  const used = new Set(at.values())
  const names = vms.slice(0, LETTERS.length).map(({ name }, index) => `${letterOf(index)} ${name}`)
  const rest = vms.length > LETTERS.length ? [`${BEYOND} any of ${vms.length - LETTERS.length} more`] : []
  const marks = (Object.keys(MARKS) as Mark[]).filter((mark) => used.has(MARKS[mark][0]))
  return [
    ...(names.length === 0 ? [] : [paragraph(style, [...names, ...rest].join(', '), INDENT, '')]),
    paragraph(style, marks.map((mark) => MARKS[mark].join(' ')).join(', '), INDENT, ''),
  ]
    .filter((line) => line !== '')
    .join('\n')
}
