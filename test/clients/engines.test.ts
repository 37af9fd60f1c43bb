/** The vectors are equal in every engine that is here. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isInstalled } from '../planner/runtimes/runners.js'
import { skipUnless } from '../skip.js'
import { build } from './built.js'
import { ENGINES, HAS_QUICKJS, INTERPRETER, runEngine, runInterpreter, runQuickJs, runWorkerd } from './engines.js'

const built = build()

function requireEqual(said: string): void {
  const [, calls = 0, plans = 0] = /^(\d+) calls and (\d+) plans are equal$/.exec(said) ?? []
  assert.ok(Number(calls) > 1000 && Number(plans) > 50, said)
}

for (const engine of ENGINES) {
  const runs = skipUnless(isInstalled(engine.program), `${engine.program} is not installed`)
  runs(`${engine.name}: calls and plans are equal to the byte`, async () => {
    requireEqual((await runEngine(engine, built)).said)
  })
}

const works = skipUnless(isInstalled('workerd'), 'workerd is not installed')

works('workerd: calls and plans are equal to the byte', async () => {
  requireEqual((await runWorkerd(built)).said)
})

const interprets = skipUnless(INTERPRETER.every(isInstalled), `${INTERPRETER.join(' or ')} is not installed`)

interprets('an interpreter: calls are equal', async () => {
  const { said } = await runInterpreter(built)
  assert.match(said, /^\d{4,} calls are equal$/)
})

const quickly = skipUnless(HAS_QUICKJS, 'wasm2js (Debian: binaryen) or quickjs-emscripten is not installed')

quickly('QuickJS, which has no WebAssembly: calls are equal on what wasm2js makes of the module', async () => {
  const { said } = await runQuickJs()
  assert.match(said, /^\d{4,} calls are equal$/)
})

test.run()
