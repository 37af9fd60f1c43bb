import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PICTURE, readmePicture } from './readme-picture.js'
import { root } from './run.js'

test('README.md opens with the picture of its plan, as it is now', async () => {
  assert.match(readFileSync(join(root, 'README.md'), 'utf8').slice(0, 600), new RegExp(`!\\[.+\\]\\(${PICTURE}\\)`))
  const found = readFileSync(join(root, PICTURE), 'utf8')
  assert.ok(found === (await readmePicture()), 'node --import tsx test/docs/write-picture.ts')
})

test.run()
