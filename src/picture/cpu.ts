/** CPUs: one as a box with who is on it, many as bands. */

import { formatCpulist } from '../cpulist.js'
import type { HostCpu } from '../types.js'
import type { Block } from './block.js'
import type { Canvas, Rect } from './canvas.js'
import type { Occupant } from './occupancy.js'
import { drawLabel, drawOccupant, OCCUPANT } from './occupant.js'
import type { Pen } from './pen.js'
import { shortened, sizeFor } from './text.js'
import { colourOfVm, inkOn } from './theme.js'

const CPU = { width: 40, height: 36 } as const
const NUMBER_SIZE = 9.5
const NUMBER_HEIGHT = 14
const BAND = { width: 150, height: 20 } as const
const FULL_SPEED = 1024
/** In a title. */
const MOST_NAMES = 6

export function cpuBlock(cpu: HostCpu, pen: Pen): Block {
  return { ...CPU, draw: (canvas, x, y) => drawCpu(canvas, { x, y, ...CPU }, cpu, pen) }
}

function drawCpu(canvas: Canvas, rect: Rect, cpu: HostCpu, pen: Pen): void {
  const { x, y, width } = rect
  canvas.cpus.set(cpu.id, rect)
  drawGround(canvas, rect, cpu, pen, `CPU ${cpu.id}: ${statesOf(cpu, pen).join('; ')}`, { cpu: cpu.id })
  const ground = groundOf(cpu, pen)
  const size = sizeFor(String(cpu.id), width - 15, NUMBER_SIZE)
  canvas.text(x + 3, y + 11, String(cpu.id), { size, fill: inkOn(ground) })
  if (pen.on.threads.has(cpu.id)) drawThreadMark(canvas, x + width - 7, y + 7.5, pen)
  const boxes = pen.on.boxes.get(cpu.id) ?? []
  boxes.forEach((occupant, at) => {
    const share = OCCUPANT.width / boxes.length
    drawOccupant(canvas, { x: x + 3 + at * share, y: y + 14, width: share, height: OCCUPANT.height }, occupant, pen)
  })
}

/** Threads of VMMs run here, among others. */
export function drawThreadMark(canvas: Canvas, x: number, y: number, { theme }: Pen): void {
  canvas.shape(`M${x - 4} ${y}l4 -4l4 4l-4 4z`, theme.ink, theme.page)
}

/** The box of a CPU, or of several that are alike. */
export function drawGround(
  canvas: Canvas,
  rect: Rect,
  cpu: Pick<HostCpu, 'id' | 'online' | 'allowed' | 'isolated'>,
  pen: Pen,
  title: string,
  data: Record<string, string | number> = {},
): void {
  const { theme, on } = pen
  const hatched = on.floats.has(cpu.id) && cpu.online
  canvas.rect(rect, {
    fill: groundOf(cpu, pen),
    stroke: cpu.isolated ? theme.ink : theme.line,
    ...(cpu.isolated ? { dashes: '4 2', strokeWidth: 1.5 } : {}),
    title,
    data,
  })
  const { x, y, width, height } = rect
  // Below the number, or behind the band's.
  const top = height > NUMBER_HEIGHT * 2 ? y + NUMBER_HEIGHT : y + 1
  if (hatched) canvas.hatch({ x: x + 1, y: top, width: width - 2, height: y + height - top - 1 })
  const [right, bottom] = [x + width - 1, y + height - 1]
  const strokes = [
    `M${x + 1} ${bottom}L${right} ${top}`,
    ...(cpu.online ? [] : [`M${x + 1} ${top}L${right} ${bottom}`]),
  ]
  if (!cpu.online || !cpu.allowed) canvas.path(strokes.join(''), theme.faint, 1)
}

function groundOf({ id, online, allowed }: Pick<HostCpu, 'id' | 'online' | 'allowed'>, { theme, scene }: Pen): string {
  if (!online || !allowed) return theme.away
  return scene.reserve.cpus.has(id) ? theme.reserved : theme.cpu
}

/** All that is to be said of a CPU and of who is on it. */
function statesOf(cpu: HostCpu, { on, scene }: Pen): string[] {
  const numbers = [
    ['package', cpu.package],
    ['node', cpu.node],
    ['LLC', cpu.llc],
    ['core', cpu.core],
    ['thread', cpu.thread],
  ] as const
  const floats = on.floats.get(cpu.id)
  const threads = on.threads.get(cpu.id)
  return [
    numbers.flatMap(([what, id]) => (id === null ? [] : [`${what} ${id}`])).join(', ') || 'nothing known of its place',
    ...(cpu.online ? [] : ['offline']),
    ...(cpu.allowed ? [] : ['not allowed by the cpuset']),
    ...(scene.reserve.cpus.has(cpu.id) ? ['reserved for the host'] : []),
    ...(cpu.isolated ? ['isolated'] : []),
    ...(cpu.capacity === null || cpu.capacity >= FULL_SPEED ? [] : [`capacity ${cpu.capacity} of ${FULL_SPEED}`]),
    ...(on.boxes.get(cpu.id) ?? []).map(({ title }) => title),
    ...(floats === undefined ? [] : [`vCPUs of ${some([...floats])} float here`]),
    ...(threads === undefined ? [] : [some(threads)]),
  ]
}

/** Of many the first: hundreds of VMs may be on each of hundreds of CPUs. */
function some(texts: readonly string[]): string {
  const rest = texts.length - MOST_NAMES
  return `${texts.slice(0, MOST_NAMES).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** CPUs with neighbouring numbers that are alike and have the same VM, in one band each. */
export function bandBlocks(cpus: readonly HostCpu[], pen: Pen): Block[] {
  const runs: HostCpu[][] = []
  for (const cpu of [...cpus].sort((a, b) => a.id - b.id)) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (last !== undefined && last.id === cpu.id - 1 && kindOf(last, pen) === kindOf(cpu, pen)) run!.push(cpu)
    else runs.push([cpu])
  }
  return runs.map((run) => ({ ...BAND, draw: (canvas, x, y) => drawBand(canvas, { x, y, ...BAND }, run, pen) }))
}

function kindOf(cpu: HostCpu, { on, scene }: Pen): string {
  const vms = (on.boxes.get(cpu.id) ?? []).map(({ vm, vcpu }) => `${vm}${vcpu === null ? 't' : ''}`)
  const floats = [...(on.floats.get(cpu.id) ?? [])]
  const threads = on.threads.get(cpu.id) ?? []
  return JSON.stringify([cpu.online, cpu.allowed, cpu.isolated, scene.reserve.cpus.has(cpu.id), vms, floats, threads])
}

function drawBand(canvas: Canvas, rect: Rect, run: readonly HostCpu[], pen: Pen): void {
  const [first] = run as [HostCpu]
  const list = formatCpulist(run.map(({ id }) => id))
  const occupants = run.flatMap(({ id }) => pen.on.boxes.get(id) ?? [])
  for (const { id } of run) canvas.cpus.set(id, rect)
  const title = [`CPUs ${list}`, ...new Set(run.flatMap((cpu) => statesOf(cpu, pen).slice(1)))].join('; ')
  drawGround(canvas, rect, first, pen, title, { cpus: list })
  const vms = [...new Set(occupants.map(({ vm }) => vm))]
  vms.forEach((vm, at) => {
    const share = (rect.width - 60) / vms.length
    const box = { x: rect.x + 57 + at * share, y: rect.y + 2, width: share, height: rect.height - 4 }
    drawTogether(
      canvas,
      box,
      occupants.filter((one) => one.vm === vm),
      pen,
    )
  })
  const fill = inkOn(groundOf(first, pen))
  canvas.text(rect.x + 3, rect.y + 14, shortened(list, 52, NUMBER_SIZE), { size: NUMBER_SIZE, fill })
  if (pen.on.threads.has(first.id)) drawThreadMark(canvas, rect.x + rect.width - 8, rect.y + rect.height / 2, pen)
}

/** Several of one VM in one box. */
export function drawTogether(canvas: Canvas, rect: Rect, occupants: readonly Occupant[], pen: Pen): void {
  const [{ vm, label }] = occupants as [Occupant]
  const numbers = formatCpulist(occupants.flatMap(({ vcpu }) => vcpu ?? []))
  const colour = colourOfVm(vm)
  const { name } = pen.scene.vms[vm]!
  const title = numbers === '' ? occupants.map((one) => one.title).join('; ') : `${name}: vCPUs ${numbers}`
  canvas.rect(rect, {
    fill: colour,
    stroke: pen.theme.ink,
    strokeWidth: 0.8,
    title,
    data: { vm: name, vcpus: numbers },
  })
  const text = numbers === '' ? label : `${label.replace(/[ \d].*/, '')}${numbers}`
  drawLabel(canvas, rect, shortened(text, rect.width - 4, 9), inkOn(colour), 9)
}
