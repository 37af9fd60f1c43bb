/** Boxes with a heading around others. */

import type { Block } from './block.js'
import type { RectLook } from './canvas.js'
import { widthOf } from './text.js'
import type { Theme } from './theme.js'

export interface FrameLook extends Pick<RectLook, 'title' | 'data' | 'dashes'> {
  readonly fill: string
  /** Empty: none. */
  readonly heading: string
  readonly size?: number
  readonly padding?: number
  /** At least. */
  readonly width?: number
}

/** What a frame takes beside its content. */
export function frameWidth(padding: number): number {
  return 2 * padding
}

export function frame(content: Block, look: FrameLook, { line, ink }: Theme): Block {
  const { heading, fill, title, data, dashes, size = 11, padding = 6, width: least = 0 } = look
  const top = heading === '' ? padding : padding + size + 4
  const width = Math.max(least, Math.max(content.width, Math.ceil(widthOf(heading, size))) + frameWidth(padding))
  const height = content.height + top + padding
  return {
    width,
    height,
    draw(canvas, x, y) {
      const own: RectLook = {
        fill,
        stroke: line,
        radius: 3,
        ...(title === undefined ? {} : { title }),
        ...(data === undefined ? {} : { data }),
        ...(dashes === undefined ? {} : { dashes }),
      }
      canvas.rect({ x, y, width, height }, own)
      if (heading !== '') canvas.text(x + padding, y + padding + size * 0.85, heading, { size, fill: ink })
      content.draw(canvas, x + padding, y + top)
    },
  }
}
