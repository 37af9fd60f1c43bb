/** vCPUs that float over several CPUs, as a hatched strip. */

import type { Block } from './block.js'
import { drawTogether } from './cpu.js'
import type { Occupant, Pool } from './occupancy.js'
import { drawOccupant, OCCUPANT } from './occupant.js'
import type { Pen } from './pen.js'
import { wrapped } from './text.js'

const SIZE = 10
const LINE = 13
const PADDING = 4
const GAP = 3
const FOLDED_WIDTH = 90

export function poolBlock({ cpus, list, vcpus }: Pool, width: number, pen: Pen): Block {
  const lines = wrapped(`${cpus.length === 1 ? 'on CPU' : 'any of CPUs'} ${list}`, width - 2 * PADDING, SIZE)
  const shown = pen.isFolded ? togetherOf(vcpus) : vcpus.map((one) => [one])
  const each = pen.isFolded ? FOLDED_WIDTH : OCCUPANT.width
  const columns = Math.max(1, Math.floor((width - 2 * PADDING + GAP) / (each + GAP)))
  const rows = Math.ceil(shown.length / columns)
  const top = PADDING + lines.length * LINE + 2
  const height = top + rows * (OCCUPANT.height + GAP) - GAP + PADDING
  return {
    width,
    height,
    draw(canvas, x, y) {
      const title = `vCPUs that float over CPUs ${list}`
      canvas.rect({ x, y, width, height }, { fill: pen.theme.cpu, stroke: pen.theme.line, title })
      canvas.hatch({ x: x + 1, y: y + top - 2, width: width - 2, height: height - top + 1 })
      lines.forEach((line, at) => {
        canvas.text(x + PADDING, y + PADDING + at * LINE + 10, line, { size: SIZE, fill: pen.theme.ink })
      })
      shown.forEach((occupants, at) => {
        const rect = {
          x: x + PADDING + (at % columns) * (each + GAP),
          y: y + top + Math.floor(at / columns) * (OCCUPANT.height + GAP),
          width: each,
          height: OCCUPANT.height,
        }
        if (pen.isFolded) drawTogether(canvas, rect, occupants, pen)
        else drawOccupant(canvas, rect, occupants[0]!, pen)
      })
    },
  }
}

/** Those of a VM together. */
function togetherOf(vcpus: readonly Occupant[]): Occupant[][] {
  const byVm = new Map<number, Occupant[]>()
  for (const one of vcpus) byVm.set(one.vm, [...(byVm.get(one.vm) ?? []), one])
  return [...byVm.values()]
}
