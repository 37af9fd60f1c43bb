/** A picture taken apart: its boxes and texts with their places, from the text of the SVG. */

import { SaxesParser } from 'saxes'
import { widthOf } from '../../src/picture/text.js'

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface DrawnRect extends Box {
  readonly attributes: Readonly<Record<string, string>>
  readonly title: string
}

export interface DrawnText extends Box {
  readonly text: string
  readonly fill: string
}

export interface Drawn {
  readonly width: number
  readonly height: number
  /** Without patterns, what is hatched, and arrows. */
  readonly rects: readonly DrawnRect[]
  readonly texts: readonly DrawnText[]
  /** Of arrows: the numbers in their circles. */
  readonly steps: readonly string[]
  readonly elements: ReadonlyMap<string, number>
}

/** @throws where it is not well-formed */
export function readSvg(svg: string): Drawn {
  const rects: { box: Box; attributes: Record<string, string>; title: string }[] = []
  const texts: DrawnText[] = []
  const steps: string[] = []
  const elements = new Map<string, number>()
  let size = { width: 0, height: 0 }
  const open: { name: string; attributes: Record<string, string>; text: string }[] = []
  const parser = new SaxesParser()
  let groups = 0
  parser.on('opentag', ({ name, attributes }) => {
    const own = attributes as Record<string, string>
    elements.set(name, (elements.get(name) ?? 0) + 1)
    open.push({ name, attributes: own, text: '' })
    if (name === 'svg') size = { width: Number(own.width), height: Number(own.height) }
    const isShown = !open.some((one) => one.name === 'defs') && !own.fill?.startsWith('url(')
    if (name === 'rect' && isShown && groups === 0) rects.push({ box: boxOf(own), attributes: own, title: '' })
  })
  parser.on('text', (text) => {
    const last = open.at(-1)
    if (last !== undefined) last.text += text
  })
  parser.on('closetag', () => {
    const { name, attributes, text } = open.pop()!
    if (name === 'g') groups++
    if (name === 'title' && open.at(-1)?.name === 'rect') rects.at(-1)!.title = text
    if (name !== 'text') return
    if (groups > 0) steps.push(text)
    else texts.push(textOf(attributes, text))
  })
  parser.write(svg).close()
  return {
    ...size,
    rects: rects.map(({ box, attributes, title }) => ({ ...box, attributes, title })),
    texts,
    steps,
    elements,
  }
}

function boxOf({ x = '0', y = '0', width = '', height = '' }: Record<string, string>): Box {
  return { x: Number(x), y: Number(y), width: Number(width), height: Number(height) }
}

/** From the top of its letters to the bottom of its base line, nearly. */
function textOf(attributes: Record<string, string>, text: string): DrawnText {
  const size = Number(attributes['font-size'])
  const width = widthOf(text, size) * (attributes['font-weight'] === 'bold' ? 1.15 : 1)
  const shift = attributes['text-anchor'] === 'middle' ? width / 2 : attributes['text-anchor'] === 'end' ? width : 0
  const [x, y] = [Number(attributes.x) - shift, Number(attributes.y) - 0.73 * size]
  return { x, y, width, height: 0.75 * size, text, fill: attributes.fill! }
}

/** Coordinates are rounded to tenths. */
const ROUNDING = 0.21

export function isInside(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x - ROUNDING &&
    inner.y >= outer.y - ROUNDING &&
    inner.x + inner.width <= outer.x + outer.width + ROUNDING &&
    inner.y + inner.height <= outer.y + outer.height + ROUNDING
  )
}

export function areApart(one: Box, other: Box): boolean {
  return (
    one.x + one.width <= other.x + ROUNDING ||
    other.x + other.width <= one.x + ROUNDING ||
    one.y + one.height <= other.y + ROUNDING ||
    other.y + other.height <= one.y + ROUNDING
  )
}
