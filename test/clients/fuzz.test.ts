/** Hostile sequences of calls of the C library, with sanitizers: a short run. A longer one: `FUZZ_SECONDS=600 node test/run.mjs clients/fuzz`. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'
import { HAS_LIBRARY, isInstalled, make, NATIVE, NO_LIBRARY, run } from './native.js'

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 20)
const runs = skipUnless(HAS_LIBRARY && isInstalled('clang'), `${NO_LIBRARY}, or clang is not`)

runs('no sequence of calls traps, or does what C does not define', async () => {
  await make('../build/c/fuzz-calls')
  const corpus = mkdtempSync(join(tmpdir(), 'homenode-fuzz-'))
  try {
    const options = [
      `-max_total_time=${SECONDS}`,
      '-max_len=4096',
      '-len_control=0',
      '-timeout=120',
      '-rss_limit_mb=2048',
      '-print_final_stats=1',
    ]
    const said = await run(join(NATIVE, 'fuzz-calls'), [...options, `-artifact_prefix=${corpus}/`, corpus], corpus)
    const [, executed = 0] = /number_of_executed_units: (\d+)/.exec(said) ?? []
    assert.ok(Number(executed) > 20, said)
  } finally {
    rmSync(corpus, { recursive: true, force: true })
  }
})

test.run()
