/** Moves as arrows from where a cell is to where it goes, each with the number of its step. */

import type { Canvas, Rect } from './canvas.js'
import { number } from './canvas.js'
import type { Pen } from './pen.js'
import { sizeFor } from './text.js'
import { colourOfVm, inkOn } from './theme.js'

const HEAD = 8
const RADIUS = 8

export function drawMoves(canvas: Canvas, pen: Pen): void {
  const index = new Map(pen.scene.vms.map(({ name }, at) => [name, at]))
  for (const { step, vm, text, cpus, memory } of pen.scene.moves) {
    const colour = colourOfVm(index.get(vm) ?? 0)
    const [from, to] = cpus === null ? [] : [canvas.cpus.get(cpus.from[0]!), canvas.cpus.get(cpus.to[0]!)]
    const nodes = memory === null ? [] : [canvas.memory.get(memory.from), canvas.memory.get(memory.to)]
    if (from !== undefined && to !== undefined) drawArrow(canvas, from, to, step, colour, text, pen)
    else if (nodes[0] !== undefined && nodes[1] !== undefined) {
      drawArrow(canvas, nodes[0], nodes[1], step, colour, text, pen)
    }
  }
}

/** Bent to its left, so that two in opposite directions are beside each other. */
function drawArrow(
  canvas: Canvas,
  from: Rect,
  to: Rect,
  step: number,
  colour: string,
  text: string,
  { theme }: Pen,
): void {
  const [x1, y1] = endOf(from)
  const [x2, y2] = endOf(to)
  const length = Math.hypot(x2 - x1, y2 - y1)
  // A band can hold both ends.
  if (length < 1) return
  const bend = Math.min(40, length / 5)
  const [cx, cy] = [(x1 + x2) / 2 + ((y2 - y1) / length) * bend, (y1 + y2) / 2 - ((x2 - x1) / length) * bend]
  const d = `M${number(x1)} ${number(y1)}Q${number(cx)} ${number(cy)} ${number(x2)} ${number(y2)}`
  canvas.over(() => {
    canvas.path(d, theme.page, 5.5)
    canvas.path(d, theme.ink, 4, text)
    canvas.path(d, colour, 2)
    const [ux, uy] = unit(x2 - cx, y2 - cy)
    const [bx, by] = [x2 - ux * HEAD, y2 - uy * HEAD]
    const wing = (side: number) => `${number(bx - uy * side)} ${number(by + ux * side)}`
    canvas.shape(`M${number(x2)} ${number(y2)}L${wing(HEAD / 1.7)}L${wing(-HEAD / 1.7)}z`, colour, theme.ink)
    const [mx, my] = [(x1 + 2 * cx + x2) / 4, (y1 + 2 * cy + y2) / 4]
    const box = { x: mx - RADIUS, y: my - RADIUS, width: 2 * RADIUS, height: 2 * RADIUS }
    canvas.rect(box, { fill: colour, stroke: theme.ink, radius: RADIUS, title: text })
    const label = String(step)
    const size = sizeFor(label, 13, 10)
    canvas.text(mx, my + size * 0.36, label, { size, fill: inkOn(colour), anchor: 'middle' })
  })
}

/** Beside the label of whoever is in the box: there, a CPU has its number. */
function endOf({ x, y, width, height }: Rect): [number, number] {
  return [x + width / 2, y + Math.min(8, height / 2)]
}

function unit(x: number, y: number): [number, number] {
  const length = Math.hypot(x, y) || 1
  return [x / length, y / length]
}
