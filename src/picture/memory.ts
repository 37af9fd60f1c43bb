/** The memory of a node as bars: who has how much of it, one for each size of pages. */

import type { HostNode } from '../types.js'
import { formatBytes } from '../units.js'
import { type Block, stack } from './block.js'
import type { Canvas } from './canvas.js'
import { tagOf } from './occupancy.js'
import { drawLabel } from './occupant.js'
import type { Pen } from './pen.js'
import { shortened } from './text.js'
import { colourOfVm, inkOn } from './theme.js'
import { roundBytes } from './words.js'

const HEIGHT = 18
const CAPTION = 13
const SIZE = 10
/** Thinner parts cannot be seen. */
const LEAST = 1

interface Part {
  readonly bytes: number
  readonly fill: string
  readonly label: string
  readonly title: string
  readonly vm?: string
}

export function memoryBlock(node: HostNode, width: number, pen: Pen): Block {
  const bars = node.pages.map(({ size }, at) => {
    const parts = partsOf(node, at, pen)
    return parts.length === 0 ? [] : [bar(node, parts, captionOf(node, at), width, pen, at === 0, size)]
  })
  return stack(bars.flat(), 4)
}

function captionOf({ memory, pages, allowed }: HostNode, at: number): string {
  if (at === 0) {
    const reclaimable = memory.reclaimable ? `, ${roundBytes(memory.reclaimable)} reclaimable` : ''
    const outside = allowed === false ? ', outside of the cpuset' : ''
    return `${roundBytes(memory.total)}, ${roundBytes(memory.free)} free${reclaimable}${outside}; ${formatBytes(pages[0]!.size)} pages`
  }
  const { size, total, free } = pages[at]!
  return `${total ?? '?'} pages of ${formatBytes(size)}, ${free ?? '?'} free`
}

/** From left to right, as many bytes as the bar is long; none where there is nothing of this size. */
function partsOf({ id, memory, pages }: HostNode, at: number, { scene, theme }: Pen): Part[] {
  const { size, total: pageTotal, free: pagesFree } = pages[at]!
  const isBase = at === 0
  const total = isBase ? memory.total : pageTotal === null ? null : pageTotal * size
  const free = isBase ? (memory.free ?? 0) + (memory.reclaimable ?? 0) : (pagesFree ?? 0) * size
  const vms = scene.vms.flatMap(({ name, memory: all }, vm): Part[] => {
    const own = all.filter(
      (part) => part.node === id && (part.pageSize === size || (isBase && !hasPool(part.pageSize))),
    )
    const bytes = own.reduce((sum, part) => sum + part.bytes, 0)
    const title = `${name}: ${formatBytes(bytes)} on node ${id} in pages of ${formatBytes(size)}`
    return bytes === 0 ? [] : [{ bytes, fill: colourOfVm(vm), label: tagOf(vm), title, vm: name }]
  })
  function hasPool(pageSize: number): boolean {
    return pages.some((pool) => pool.size === pageSize)
  }
  const taken = vms.reduce((sum, { bytes }) => sum + bytes, 0)
  const wanted = !isBase ? 0 : scene.reserve.nodes.has(id) ? free : scene.reserve.memory
  const reserved = Math.max(0, Math.min(wanted, free - taken))
  const left = Math.max(0, free - taken - reserved)
  const isKnown = (isBase ? memory.free : pagesFree) !== null
  const others = Math.max(0, (total ?? free) - free - (isKnown ? 0 : taken))
  const rest = [
    { bytes: reserved, fill: theme.reserved, label: 'host', title: 'reserved for the host' },
    { bytes: left, fill: theme.cpu, label: `${roundBytes(left)} free`, title: 'free' },
    isKnown
      ? { bytes: others, fill: theme.used, label: 'used', title: `used by others${isBase ? ', and huge pages' : ''}` }
      : { bytes: others, fill: theme.away, label: 'not known', title: 'free or used: not known' },
  ].filter(({ bytes }) => bytes > 0)
  return [
    ...vms,
    ...rest.map((part) => ({ ...part, title: `${part.title}: ${formatBytes(part.bytes)} of node ${id}` })),
  ]
}

function bar(
  { id }: HostNode,
  parts: readonly Part[],
  caption: string,
  width: number,
  { theme }: Pen,
  isBase: boolean,
  size: number,
): Block {
  const widths = widthsOf(parts, width)
  return {
    width,
    height: CAPTION + HEIGHT,
    draw(canvas: Canvas, x, y) {
      canvas.text(x, y + 10, shortened(caption, width, SIZE), { size: SIZE, fill: theme.ink })
      const top = y + CAPTION
      if (isBase) canvas.memory.set(id, { x, y: top, width, height: HEIGHT })
      let left = x
      parts.forEach(({ fill, label, title, vm }, at) => {
        const rect = { x: left, y: top, width: widths[at]!, height: HEIGHT }
        const data = { ...(vm === undefined ? {} : { vm }), memory: id, page: size }
        canvas.rect(rect, { fill, stroke: theme.line, title, data })
        const short = label.endsWith(' free') ? [label, 'free'] : [label]
        const fitting = short.find((text) => shortened(text, rect.width - 6, SIZE) === text)
        if (fitting !== undefined) drawLabel(canvas, rect, fitting, inkOn(fill), SIZE)
        left += widths[at]!
      })
    },
  }
}

/** In proportion, but for those that would be too thin: they are taken from the longest. */
function widthsOf(parts: readonly Part[], width: number): number[] {
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const least = Math.min(LEAST, width / parts.length)
  const widths = parts.map(({ bytes }) => Math.max(least, (width * bytes) / total))
  for (let excess = widths.reduce((sum, own) => sum + own, -width); excess > 1e-9; ) {
    const longest = widths.indexOf(Math.max(...widths))
    const cut = Math.min(excess, widths[longest]! / 2)
    widths[longest]! -= cut
    excess -= cut
  }
  return widths
}
