/** Colours: who sees fewer of them tells VMs apart, and text can be read. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { colourOfVm, contrast, inkOn, THEMES } from '../../src/picture/theme.js'

type Triple = readonly [number, number, number]

/** Machado, Oliveira and Fernandes 2009, severity 1: what is left of linear RGB. */
const SIGHT: Readonly<Record<string, readonly Triple[]>> = {
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
}

const dot = (a: Triple, b: Triple) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const clamp = (value: number) => Math.min(1, Math.max(0, value))

function linear(colour: string): Triple {
  return [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as unknown as Triple
}

/** CIE L*a*b* (D65) of linear RGB. */
function lab(rgb: Triple): Triple {
  const [x, y, z] = [
    dot(rgb, [0.4124, 0.3576, 0.1805]) / 0.9505,
    dot(rgb, [0.2126, 0.7152, 0.0722]),
    dot(rgb, [0.0193, 0.1192, 0.9505]) / 1.089,
  ].map((value) =>
    value > 216 / 24389 ? Math.cbrt(value) : ((24389 / 27) * value) / 116 + 16 / 116,
  ) as unknown as Triple
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
}

function difference(one: string, other: string, sight: readonly Triple[]): number {
  const [a, b] = [one, other].map((colour) => {
    const rgb = linear(colour)
    return lab(sight.map((line) => clamp(dot(line, rgb))) as unknown as Triple)
  }) as [Triple, Triple]
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}

test('the first seven VMs have colours that the colour-blind tell apart', () => {
  const colours = Array.from({ length: 7 }, (_, at) => colourOfVm(at))
  for (const [name, sight] of Object.entries(SIGHT)) {
    for (const [at, one] of colours.entries()) {
      for (const other of colours.slice(at + 1)) {
        // 2.3 is what can be seen at all.
        const seen = difference(one, other, sight)
        assert.ok(seen > 12, `${name}: ${one} and ${other} differ by ${seen.toFixed(1)}`)
      }
    }
  }
})

test('35 VMs have 35 colours', () => {
  assert.is(new Set(Array.from({ length: 35 }, (_, at) => colourOfVm(at))).size, 35)
})

test('text has a contrast of at least 4.5 on whatever it is', () => {
  for (const [name, theme] of Object.entries(THEMES)) {
    const grounds = [theme.page, theme.package, theme.node, theme.llc, theme.cpu]
    for (const ground of grounds) assert.ok(contrast(theme.ink, ground) >= 4.5, `${name}: ink on ${ground}`)
    for (const fill of [theme.faint, theme.refused]) assert.ok(contrast(fill, theme.page) >= 4.5, `${name}: ${fill}`)
    const filled = [theme.reserved, theme.used, theme.away, theme.cpu]
    for (const ground of filled) assert.ok(contrast(inkOn(ground), ground) >= 4.5, `${name}: ${ground}`)
  }
  for (let at = 0; at < 35; at++) assert.ok(contrast(inkOn(colourOfVm(at)), colourOfVm(at)) >= 4.5, colourOfVm(at))
})

test('contrast is that of WCAG', () => {
  assert.is(contrast('#000000', '#ffffff'), 21)
  assert.is(Math.round(100 * contrast('#777777', '#ffffff')), 448)
})

test.run()
