import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BarChart, barChart } from '../../bench/plot.js'

const chart: BarChart = {
  title: 'Faster & <better>',
  subtitle: ['one "line"'],
  series: ['ours', 'theirs'],
  groups: ['small', 'large'],
  panels: [
    {
      title: 'ms',
      values: [
        [10, 40],
        [0, null],
      ],
    },
  ],
}

/** Fails where tags do not nest. */
function elements(svg: string): string[] {
  const open: string[] = []
  const seen: string[] = []
  for (const [, end, name, rest] of svg.matchAll(/<(\/?)([a-z]+)((?:\s[^<>]*)?)>/g)) {
    if (end === '/') assert.is(open.pop(), name)
    else {
      seen.push(name!)
      if (!rest!.endsWith('/')) open.push(name!)
    }
  }
  assert.equal(open, [])
  return seen
}

function widthsOfBars(svg: string): number[] {
  return [...svg.matchAll(/<rect [^>]*width="([\d.]+)" height="11"/g)].map(([, width]) => Number(width))
}

test('a chart is one SVG document whose tags nest', () => {
  const svg = barChart(chart)
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/)
  assert.is(elements(svg)[0], 'svg')
})

test('bars are as long as their values, nothing is drawn where there is none', () => {
  const [ours, theirs, none, ...more] = widthsOfBars(barChart(chart))
  assert.equal(more, [])
  assert.is(theirs! / ours!, 4)
  assert.ok(none! <= 1)
  assert.is(barChart(chart).match(/>none</g)?.length, 1)
})

test('an axis that is given stays, whatever the values', () => {
  const [first] = chart.panels
  const half = barChart({ ...chart, panels: [{ ...first!, most: 80 }] })
  assert.is(widthsOfBars(half)[1], 150)
  assert.ok(half.includes('>80<'))
})

test('text is escaped', () => {
  assert.ok(barChart(chart).includes('Faster &amp; &lt;better&gt;'))
})

test.run()
