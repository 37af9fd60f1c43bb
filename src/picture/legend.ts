/** What is below the host: the VMs with what they lose, what is refused, moves, distances, and what the marks mean. */

import { formatCpulist } from '../cpulist.js'
import type { Host } from '../types.js'
import { count, countLost } from '../units.js'
import { type Block, fill, grid, NOTHING, stack } from './block.js'
import { drawGround, drawThreadMark } from './cpu.js'
import { tagOf } from './occupancy.js'
import { drawLabel } from './occupant.js'
import type { Pen } from './pen.js'
import type { SceneVm } from './scene.js'
import { widthOf, wrapped } from './text.js'
import { colourOfVm, inkOn, type Theme } from './theme.js'
import { roundBytes, termsText } from './words.js'

const SIZE = 11
const LINE = 15
const ENTRY = 330
const SWATCH = { width: 30, height: 18 } as const
/** Of VMs, refusals and moves: more are counted. */
const MOST_ENTRIES = 400
const MOST_DISTANCES = 16
const MOST_MOVES = 60

export function legendBlock(width: number, pen: Pen): Block {
  const { scene, theme } = pen
  return stack(
    [
      section('VMs', vmEntries(width, pen), scene.vms.length, theme),
      section('Refused', refusedLines(width, pen), scene.refused.length, theme),
      section('Moves', moveLines(width, pen), scene.moves.length, theme),
      section('Distances', distanceBlock(scene.host, theme), scene.host.nodes.length - 1, theme),
      keyBlock(width, pen),
    ],
    14,
  )
}

function section(heading: string, content: Block, entries: number, theme: Theme): Block {
  return entries === 0 ? NOTHING : stack([line(heading, 13, theme.ink, true), content], 5)
}

function line(text: string, size: number, fill: string, bold = false): Block {
  return {
    width: Math.ceil(widthOf(text, size) * (bold ? 1.15 : 1)),
    height: Math.ceil(size * 1.35),
    draw: (canvas, x, y) => canvas.text(x, y + size, text, { size, fill, ...(bold ? { bold } : {}) }),
  }
}

export function paragraph(text: string, width: number, size: number, fill: string): Block {
  return stack(
    wrapped(text, width, size).map((part) => line(part, size, fill)),
    0,
  )
}

/** At most so many, and how many more there are. */
function capped<Value>(
  values: readonly Value[],
  most: number,
  show: (value: Value, at: number) => Block,
  theme: Theme,
): Block[] {
  const rest = values.length - most
  return [...values.slice(0, most).map(show), ...(rest > 0 ? [line(`and ${rest} more`, SIZE, theme.faint)] : [])]
}

function vmEntries(width: number, pen: Pen): Block {
  const columns = Math.max(1, Math.floor((width + 16) / (ENTRY + 16)))
  const entries = capped(pen.scene.vms, MOST_ENTRIES, (vm, at) => vmEntry(vm, at, pen), pen.theme)
  return grid(entries, columns, 16)
}

function vmEntry(vm: SceneVm, index: number, { theme }: Pen): Block {
  const room = ENTRY - SWATCH.width - 8
  const terms = termsText(vm.terms)
  const text = stack(
    [
      paragraph(vm.name, room, SIZE + 1, theme.ink),
      paragraph(sizeText(vm), room, SIZE - 0.5, theme.faint),
      paragraph(
        vm.lost === null ? 'no price is known' : `${countLost(vm.lost)}${terms === '' ? '' : `: ${terms}`}`,
        room,
        SIZE - 0.5,
        theme.ink,
      ),
    ],
    1,
  )
  return {
    width: ENTRY,
    height: Math.max(text.height, SWATCH.height),
    draw(canvas, x, y) {
      const colour = colourOfVm(index)
      const rect = { x, y, ...SWATCH }
      canvas.rect(rect, {
        fill: colour,
        stroke: theme.ink,
        strokeWidth: 0.8,
        radius: 2,
        title: vm.name,
        data: { legend: vm.name },
      })
      drawLabel(canvas, rect, tagOf(index), inkOn(colour))
      text.draw(canvas, x + SWATCH.width + 8, y)
    },
  }
}

function sizeText({ vcpus, memory, emulator, iothreads }: SceneVm): string {
  const bytes = memory.reduce((sum, part) => sum + part.bytes, 0)
  const nodes = formatCpulist(memory.map(({ node }) => node))
  const parts = [
    count(vcpus.length, 'vCPU'),
    `${roundBytes(bytes)}${nodes === '' ? '' : ` on node${/[,-]/.test(nodes) ? 's' : ''} ${nodes}`}`,
    ...(emulator.length === 0 ? [] : [`emulator on ${formatCpulist(emulator)}`]),
    ...(iothreads.length === 0 ? [] : [`I/O threads on ${formatCpulist(iothreads.flat())}`]),
  ]
  return parts.join(', ')
}

function refusedLines(width: number, { scene, theme }: Pen): Block {
  return stack(
    capped(
      scene.refused,
      MOST_ENTRIES,
      ({ name, reason }) =>
        stack([paragraph(name, width, SIZE + 1, theme.refused), paragraph(reason, width, SIZE, theme.ink)], 1),
      theme,
    ),
    6,
  )
}

function moveLines(width: number, { scene, theme }: Pen): Block {
  return stack(
    capped(scene.moves, MOST_MOVES, ({ text }) => paragraph(text, width, SIZE, theme.ink), theme),
    2,
  )
}

/** A small table; of many nodes only what distances there are. */
function distanceBlock({ nodes, distances }: Host, theme: Theme): Block {
  if (nodes.length > MOST_DISTANCES) {
    const all = [...new Set(distances.flat())].sort((a, b) => a - b)
    return line(`from ${all[0]} to ${all.at(-1)}; "homenode topo" shows all`, SIZE, theme.ink)
  }
  const cells = [
    ['', ...nodes.map(({ id }) => String(id))],
    ...nodes.map(({ id }, at) => [String(id), ...distances[at]!.map(String)]),
  ]
  const width = Math.max(...cells.flat().map((cell) => widthOf(cell, SIZE))) + 10
  return {
    width: Math.ceil(width * (nodes.length + 1)),
    height: LINE * cells.length,
    draw(canvas, x, y) {
      cells.forEach((row, at) => {
        row.forEach((cell, column) => {
          const fill = at === 0 || column === 0 ? theme.faint : theme.ink
          if (cell !== '')
            canvas.text(x + (column + 1) * width - 6, y + at * LINE + 11, cell, { size: SIZE, fill, anchor: 'end' })
        })
      })
    },
  }
}

/** What marks mean, of those that the picture has. */
function keyBlock(width: number, pen: Pen): Block {
  const { scene, theme, on } = pen
  const usable = { id: -1, online: true, allowed: true, isolated: false }
  const [reserved] = scene.reserve.cpus
  const [hatched] = on.floats.keys()
  const has = (test: (cpu: Host['cpus'][number]) => boolean) => scene.host.cpus.some(test)
  const cpu = (state: typeof usable, text: string) =>
    keyEntry((canvas, x, y) => drawGround(canvas, { x, y, ...SWATCH }, state, pen, text), text, theme)
  const entries = [
    cpu(usable, 'CPU that VMs may have'),
    ...(reserved === undefined ? [] : [cpu({ ...usable, id: reserved }, 'reserved for the host')]),
    ...(has(({ isolated }) => isolated) ? [cpu({ ...usable, isolated: true }, 'isolated')] : []),
    ...(has(({ allowed, online }) => online && !allowed)
      ? [cpu({ ...usable, allowed: false }, 'not allowed by the cpuset')]
      : []),
    ...(has(({ online }) => !online) ? [cpu({ ...usable, online: false }, 'offline')] : []),
    ...(hatched === undefined ? [] : [cpu({ ...usable, id: hatched }, 'vCPUs float over these')]),
    ...(has(({ capacity }) => capacity !== null && capacity < 1024)
      ? [
          keyEntry(
            (canvas, x, y) => canvas.rect({ x, y, ...SWATCH }, { fill: theme.core, stroke: theme.line, dashes: '2 3' }),
            'slower core',
            theme,
          ),
        ]
      : []),
    ...(on.threads.size === 0
      ? []
      : [
          keyEntry(
            (canvas, x, y) => drawThreadMark(canvas, x + SWATCH.width / 2, y + SWATCH.height / 2, pen),
            "VMMs' own threads (emulator, I/O)",
            theme,
          ),
        ]),
  ]
  return stack([line('CPUs', 13, theme.ink, true), fill(entries, width, 14)], 5)
}

function keyEntry(draw: Block['draw'], text: string, theme: Theme): Block {
  return {
    width: SWATCH.width + 8 + Math.ceil(widthOf(text, SIZE)),
    height: SWATCH.height,
    draw(canvas, x, y) {
      draw(canvas, x, y)
      canvas.text(x + SWATCH.width + 8, y + 13, text, { size: SIZE, fill: theme.ink })
    },
  }
}
