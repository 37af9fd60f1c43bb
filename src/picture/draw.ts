/** A scene as an SVG document: text that is the same for the same scene, wherever it is made. */

import { count } from '../units.js'
import { drawMoves } from './arrows.js'
import { stack } from './block.js'
import { Canvas, escaped } from './canvas.js'
import { hostBlock } from './host.js'
import { legendBlock, paragraph } from './legend.js'
import { occupancyOf } from './occupancy.js'
import type { Pen } from './pen.js'
import type { Scene } from './scene.js'
import { FONTS } from './text.js'
import { THEMES, type Theme, type ThemeName } from './theme.js'

export interface PictureOptions {
  /** `light` without it. */
  readonly theme?: ThemeName
  /** The beginning of all ids in the document: several in one page need different ones. */
  readonly id?: string
}

const MARGIN = 16
/** Below this, the legend is too narrow to read. */
const LEAST_WIDTH = 690
/** Beyond these there is no box for each. */
const MOST_CPUS = 512
const MOST_VCPUS = 1024

/** @returns an SVG document that needs nothing else: no style sheet, no script, no font */
export function drawPicture(scene: Scene, { theme: name = 'light', id = 'homenode-' }: PictureOptions = {}): string {
  const theme = THEMES[name]
  const vcpus = scene.vms.reduce((sum, vm) => sum + vm.vcpus.length, 0)
  const isFolded = scene.host.cpus.length > MOST_CPUS || vcpus > MOST_VCPUS
  const pen: Pen = { scene, theme, on: occupancyOf(scene), isFolded }
  const host = hostBlock(pen)
  const inner = Math.max(host.width, LEAST_WIDTH)
  const facts = scene.facts.map((fact) => paragraph(fact, inner, 12, theme.faint))
  const whole = stack(
    [stack([paragraph(scene.title, inner, 16, theme.ink), ...facts], 2), host, legendBlock(inner, pen)],
    8,
  )
  const canvas = new Canvas(id)
  whole.draw(canvas, MARGIN, MARGIN)
  drawMoves(canvas, pen)
  const [width, height] = [inner, whole.height].map((side) => Math.ceil(side + 2 * MARGIN)) as [number, number]
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}title ${id}description" font-family="${FONTS}">`,
    `<title id="${id}title">${escaped(scene.title)}</title>`,
    `<desc id="${id}description">${escaped(descriptionOf(scene))}</desc>`,
    hatch(id, theme),
    `<rect width="${width}" height="${height}" fill="${theme.page}"/>`,
    canvas.toString(),
    '</svg>',
  ].join('\n')}\n`
}

function hatch(id: string, { cpu, line }: Theme): string {
  return `<defs><pattern id="${id}hatch" width="6" height="6" patternUnits="userSpaceOnUse"><rect width="6" height="6" fill="${cpu}"/><path d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5" stroke="${line}" stroke-width="1"/></pattern></defs>`
}

/** What the picture says, for those who do not see it. */
function descriptionOf({ facts, vms, refused, moves }: Scene): string {
  return [
    ...facts,
    ...vms.map(({ name, vcpus, memory }) => {
      const nodes = [...new Set(memory.map(({ node }) => node))].join(', ')
      return `${name}: ${count(vcpus.length, 'vCPU')}${nodes === '' ? '' : `, memory on node ${nodes}`}`
    }),
    ...refused.map(({ name, reason }) => `${name} is refused: ${reason}`),
    ...moves.map(({ text }) => text),
  ].join('. ')
}
