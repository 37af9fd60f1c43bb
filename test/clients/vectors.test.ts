/** The vectors are what the planner answers now; the modules answer them in this engine. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { vectors } from '../../clients/vectors/make.js'
import { CLIENTS } from './built.js'

test('the vectors are up to date, and small', async () => {
  const made = await vectors()
  for (const [name, text] of made) {
    const kept = readFileSync(join(CLIENTS, 'vectors', name), 'utf8')
    const at = [...text].findIndex((char, index) => char !== kept[index])
    assert.ok(
      text === kept,
      `${name} is not what the planner answers (npm run vectors): ${text.slice(Math.max(0, at - 80), at + 80)}`,
    )
  }
  assert.ok(gzipSync([...made.values()].join('')).length < 100 * 1024)
})

test.run()
