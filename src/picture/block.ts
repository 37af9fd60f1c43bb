/** Layout: blocks that know their size before they are drawn, beside and below each other. */

import type { Canvas } from './canvas.js'

export interface Block {
  readonly width: number
  readonly height: number
  draw(canvas: Canvas, x: number, y: number): void
}

export const NOTHING: Block = { width: 0, height: 0, draw: () => {} }

/** Below each other. */
export function stack(blocks: readonly Block[], gap: number): Block {
  const shown = blocks.filter(({ height }) => height > 0)
  return {
    width: Math.max(0, ...shown.map(({ width }) => width)),
    height: sum(shown, 'height') + gap * Math.max(0, shown.length - 1),
    draw(canvas, x, y) {
      let top = y
      for (const block of shown) {
        block.draw(canvas, x, top)
        top += block.height + gap
      }
    },
  }
}

/** Beside each other, aligned at the top. */
function row(blocks: readonly Block[], gap: number): Block {
  return {
    width: sum(blocks, 'width') + gap * Math.max(0, blocks.length - 1),
    height: Math.max(0, ...blocks.map(({ height }) => height)),
    draw(canvas, x, y) {
      let left = x
      for (const block of blocks) {
        block.draw(canvas, left, y)
        left += block.width + gap
      }
    },
  }
}

/** In rows of so many. */
export function grid(blocks: readonly Block[], columns: number, gap: number): Block {
  const rows = Array.from({ length: Math.ceil(blocks.length / columns) }, (_, at) =>
    row(blocks.slice(at * columns, (at + 1) * columns), gap),
  )
  return stack(rows, gap)
}

/** In rows of as many as fit into so many pixels. */
export function fill(blocks: readonly Block[], width: number, gap: number): Block {
  const rows: Block[][] = []
  let room = 0
  for (const block of blocks) {
    if (rows.length === 0 || room < block.width + gap) {
      rows.push([])
      room = width + gap
    }
    rows.at(-1)!.push(block)
    room -= block.width + gap
  }
  return stack(
    rows.map((blocks) => row(blocks, gap)),
    gap,
  )
}

/** In rows of as many as make the whole most like `aspect` (width by height), with few places empty in the last row. */
export function flow(blocks: readonly Block[], aspect: number, gap: number): Block {
  let best = grid(blocks, 1, gap)
  let least = deviation(best, aspect)
  for (let columns = 2; columns <= blocks.length; columns++) {
    const candidate = grid(blocks, columns, gap)
    const places = Math.ceil(blocks.length / columns) * columns
    const own = deviation(candidate, aspect) + EMPTINESS * (1 - blocks.length / places)
    if (own < least) {
      best = candidate
      least = own
    }
    if (candidate.width > 3 * aspect * candidate.height) break
  }
  return best
}

/** What empty places weigh: eight are in two rows of four rather than in three of three. */
const EMPTINESS = 4

function deviation({ width, height }: Block, aspect: number): number {
  return Math.abs(Math.log(width / Math.max(1, height) / aspect))
}

function sum(blocks: readonly Block[], side: 'width' | 'height'): number {
  return blocks.reduce((total, block) => total + block[side], 0)
}
