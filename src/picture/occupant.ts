/** The box of a vCPU, or of a thread of a VMM. */

import type { Canvas, Rect } from './canvas.js'
import type { Occupant } from './occupancy.js'
import type { Pen } from './pen.js'
import { sizeFor, widthOf } from './text.js'
import { colourOfVm, inkOn } from './theme.js'

export const OCCUPANT = { width: 34, height: 19 } as const
const SIZE = 11.5
/** Smaller text cannot be read; the box has a title. */
const LEAST = 6

export function drawOccupant(canvas: Canvas, rect: Rect, { vm, label, title, vcpu }: Occupant, pen: Pen): void {
  const colour = colourOfVm(vm)
  const data = { vm: pen.scene.vms[vm]!.name, ...(vcpu === null ? {} : { vcpu }) }
  const isThread = vcpu === null
  canvas.rect(rect, {
    fill: isThread ? pen.theme.cpu : colour,
    stroke: isThread ? colour : pen.theme.ink,
    strokeWidth: isThread ? 2.5 : 0.8,
    radius: 2,
    title,
    data,
  })
  drawLabel(canvas, rect, label, isThread ? pen.theme.ink : inkOn(colour))
}

/** In the middle of a box, as large as there is room. */
export function drawLabel(canvas: Canvas, rect: Rect, label: string, fill: string, most = SIZE): void {
  const size = Math.min(sizeFor(label, rect.width - 3, most), rect.height - 3)
  if (size < LEAST || widthOf(label, size) > rect.width - 2) return
  canvas.text(rect.x + rect.width / 2, rect.y + rect.height / 2 + size * 0.36, label, { size, fill, anchor: 'middle' })
}
