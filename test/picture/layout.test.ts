/** Where things are: read from the text of pictures of hosts and VMs at random. */

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { drawPicture } from '../../src/picture/draw.js'
import { THEME_NAMES } from '../../src/picture/theme.js'
import { scenes } from './scenes.js'
import { areApart, isInside, readSvg } from './svg.js'

const RUNS = { numRuns: 60 }

test('boxes are beside each other or inside of each other, and all are on the page', () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const { rects, texts, width, height } = readSvg(drawPicture(scene))
      const page = { x: 0, y: 0, width, height }
      assert.ok(rects.length > scene.host.cpus.length)
      for (const text of texts) {
        if (!isInside(text, page)) assert.unreachable(`off the page: ${JSON.stringify(text)}`)
      }
      rects.forEach((rect, at) => {
        if (!isInside(rect, page)) assert.unreachable(`off the page: ${JSON.stringify(rect)}`)
        for (const other of rects.slice(at + 1)) {
          if (areApart(rect, other) || isInside(other, rect)) continue
          assert.unreachable(`${JSON.stringify(rect)} and ${JSON.stringify(other)}`)
        }
      })
    }),
    RUNS,
  )
})

test('text is inside of its box and on no other text', () => {
  fc.assert(
    fc.property(scenes, (scene) => {
      const { rects, texts } = readSvg(drawPicture(scene))
      texts.forEach((text, at) => {
        for (const rect of rects) {
          if (areApart(text, rect) || isInside(text, rect)) continue
          assert.unreachable(`${JSON.stringify(text)} leaves ${JSON.stringify(rect)}`)
        }
        for (const other of texts.slice(at + 1)) {
          if (!areApart(text, other)) assert.unreachable(`${JSON.stringify(text)} on ${JSON.stringify(other)}`)
        }
      })
    }),
    RUNS,
  )
})

test('the same scene is the same text, in each theme', () => {
  fc.assert(
    fc.property(scenes, fc.constantFrom(...THEME_NAMES), (scene, theme) => {
      assert.is(drawPicture(scene, { theme }), drawPicture(structuredClone(scene), { theme }))
    }),
    { numRuns: 20 },
  )
})

test.run()
