/** Bar charts as SVG documents: panels side by side, groups of bars below each other, one colour a series. */

export interface BarChart {
  readonly title: string
  /** What a reader has to know, one line each. */
  readonly subtitle: readonly string[]
  /** At most as many as there are colours. */
  readonly series: readonly string[]
  readonly groups: readonly string[]
  readonly panels: readonly BarPanel[]
}

export interface BarPanel {
  readonly title: string
  /** The end of the axis; without it the largest value. */
  readonly most?: number
  /** By group and series; null: there is none, and that is said. */
  readonly values: readonly (readonly (number | null)[])[]
}

/** Okabe and Ito's palette, which most kinds of colour blindness leave distinct. */
const COLOURS = ['#0072b2', '#e69f00', '#56b4e9', '#cc79a7', '#009e73', '#d55e00']
const FONT = 'font-family="system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif"'
const INK = '#222222'
const FAINT = '#6b6b6b'
const GRID = '#e3e3e3'

const MARGIN = 24
const LABELS = 120
const PANEL = 300
const BETWEEN = 56
const BAR = 13
const GROUP_GAP = 16

export function barChart(chart: BarChart): string {
  const { title, subtitle, series, groups, panels } = chart
  const top = MARGIN + 30 + 18 * subtitle.length + 58
  const groupHeight = series.length * BAR + GROUP_GAP
  const bottom = top + groups.length * groupHeight
  const width = 2 * MARGIN + LABELS + panels.length * PANEL + (panels.length - 1) * BETWEEN + 30
  const height = bottom + 40
  const lines = subtitle.map((line, at) => text(MARGIN, MARGIN + 34 + 18 * at, line, { size: 13, fill: FAINT }))
  const labels = groups.map((group, at) =>
    text(MARGIN + LABELS - 12, top + at * groupHeight + (series.length * BAR) / 2 + 5, group, {
      size: 14,
      anchor: 'end',
    }),
  )
  const drawn = panels.map((panel, at) =>
    drawPanel(panel, MARGIN + LABELS + at * (PANEL + BETWEEN), top, bottom, groupHeight),
  )
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ${FONT}>`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(MARGIN, MARGIN + 12, title, { size: 18, weight: 600 }),
    ...lines,
    ...legend(series, MARGIN + LABELS, MARGIN + 34 + 18 * subtitle.length + 8),
    ...labels,
    ...drawn.flat(),
    '</svg>',
  ].join('\n')}\n`
}

function legend(series: readonly string[], left: number, top: number): string[] {
  let x = left
  return series.flatMap((name, at) => {
    const own = x
    x += 48 + 7 * name.length
    return [
      `<rect x="${own}" y="${top - 10}" width="12" height="12" fill="${COLOURS[at]}"/>`,
      text(own + 18, top, name, { size: 13 }),
    ]
  })
}

function drawPanel(panel: BarPanel, left: number, top: number, bottom: number, groupHeight: number): string[] {
  const largest = Math.max(0, ...panel.values.flat().map((value) => value ?? 0))
  const step = roundStep((panel.most ?? largest) / 4)
  const most = panel.most ?? Math.max(step, Math.ceil(largest / step) * step)
  const x = (value: number) => left + (PANEL * Math.min(Math.max(0, value), most)) / most
  const ticks = Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, at) => at * step)
  return [
    text(left, top - 14, panel.title, { size: 13, weight: 600 }),
    ...ticks.flatMap((tick) => [
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top - 6}" y2="${bottom - GROUP_GAP + 6}" stroke="${GRID}"/>`,
      text(x(tick), bottom + 6, shown(tick), { size: 11, fill: FAINT, anchor: 'middle' }),
    ]),
    ...panel.values.flatMap((values, group) =>
      values.flatMap((value, at) => {
        const y = top + group * groupHeight + at * BAR
        if (value === null) return [text(left + 4, y + 10, 'none', { size: 10, fill: '#b0b0b0' })]
        const bar = `<rect x="${left}" y="${y + 1}" width="${Math.max(1, x(value) - left)}" height="${BAR - 2}" fill="${COLOURS[at]}"/>`
        return [bar, text(x(value) + 5, y + 10, shown(value), { size: 10, fill: INK })]
      }),
    ),
  ]
}

/** 1, 2, 2.5 or 5 times a power of ten, at least `value`. */
function roundStep(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= value - 1e-12) ?? 10) * power
}

function shown(value: number): string {
  return `${Math.round(value * 100) / 100}`
}

interface TextStyle {
  readonly size: number
  readonly fill?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly weight?: number
}

function text(
  x: number,
  y: number,
  content: string,
  { size, fill = INK, anchor = 'start', weight = 400 }: TextStyle,
): string {
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
