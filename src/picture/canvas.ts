/** SVG as text: elements with literal attributes, and where boxes are. */

export interface Rect {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface RectLook {
  readonly fill: string
  readonly stroke?: string
  readonly strokeWidth?: number
  readonly dashes?: string
  readonly radius?: number
  /** What a reader gets to see who points at it, or has it read out. */
  readonly title?: string
  /** `data-` attributes, for programs. */
  readonly data?: Readonly<Record<string, string | number>>
}

export interface TextLook {
  readonly size: number
  readonly fill: string
  readonly anchor?: 'middle' | 'end'
  readonly bold?: boolean
}

/** Collects the elements of a picture. */
export class Canvas {
  /** From the bottom up: boxes, text on them (which does not keep the pointer from the boxes), what goes over both. */
  readonly #boxes: string[] = []
  readonly #texts: string[] = []
  readonly #above: string[] = []
  #isAbove = false
  /** Where each CPU is; several CPUs of a band are at the same place. */
  readonly cpus = new Map<number, Rect>()
  /** Where each node's memory is. */
  readonly memory = new Map<number, Rect>()

  /** @param id the beginning of all ids: pictures in one page need different ones */
  constructor(readonly id: string) {}

  rect({ x, y, width, height }: Rect, look: RectLook): void {
    const { fill, stroke, strokeWidth, dashes, radius, title, data = {} } = look
    const attributes = [
      `x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"`,
      ...(radius === undefined ? [] : [`rx="${radius}"`]),
      `fill="${fill}"`,
      ...(stroke === undefined ? [] : [`stroke="${stroke}"`]),
      ...(strokeWidth === undefined ? [] : [`stroke-width="${strokeWidth}"`]),
      ...(dashes === undefined ? [] : [`stroke-dasharray="${dashes}"`]),
      ...Object.entries(data).map(([name, value]) => `data-${name}="${escaped(String(value))}"`),
    ].join(' ')
    this.#shapes.push(
      title === undefined ? `<rect ${attributes}/>` : `<rect ${attributes}><title>${escaped(title)}</title></rect>`,
    )
  }

  /** @param y of the base line */
  text(x: number, y: number, text: string, { size, fill, anchor, bold }: TextLook): void {
    const more = `${anchor === undefined ? '' : ` text-anchor="${anchor}"`}${bold ? ' font-weight="bold"' : ''}`
    const texts = this.#isAbove ? this.#above : this.#texts
    texts.push(
      `<text x="${number(x)}" y="${number(y)}" font-size="${number(size)}" fill="${fill}"${more}>${escaped(text)}</text>`,
    )
  }

  /** A line or a curve. */
  path(d: string, stroke: string, width: number, title?: string): void {
    const attributes = `d="${d}" fill="none" stroke="${stroke}" stroke-width="${width}"`
    this.#shapes.push(
      title === undefined ? `<path ${attributes}/>` : `<path ${attributes}><title>${escaped(title)}</title></path>`,
    )
  }

  /** A filled shape. */
  shape(d: string, fill: string, stroke: string): void {
    this.#shapes.push(`<path d="${d}" fill="${fill}" stroke="${stroke}"/>`)
  }

  /** Over a box, which the pointer still reaches. */
  hatch({ x, y, width, height }: Rect): void {
    const place = `x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"`
    this.#shapes.push(`<rect ${place} fill="url(#${this.id}hatch)" pointer-events="none"/>`)
  }

  get #shapes(): string[] {
    return this.#isAbove ? this.#above : this.#boxes
  }

  /** What is drawn meanwhile goes over boxes and text. */
  over(draw: () => void): void {
    this.#isAbove = true
    draw()
    this.#isAbove = false
  }

  toString(): string {
    return [...this.#boxes, '<g pointer-events="none">', ...this.#texts, '</g>', ...this.#above].join('\n')
  }
}

/** To tenths of a pixel: the same text on every machine. */
export function number(value: number): string {
  return String(Math.round(value * 10) / 10)
}

const SPECIAL = /[&<>"\p{Cc}\p{Cs}\ufffe\uffff]/u

/** Text in SVG. What XML cannot carry is replaced. */
export function escaped(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text
    .replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
