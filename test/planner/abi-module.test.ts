import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { instantiatePlanner, plannerBytes } from '../../src/planner/wasm.js'
import { signatures } from './abi-table.js'
import { FUEL, meter, readModule } from './wasm-module.js'

/** The most that the module may have, in bytes and in pages of 64 KiB. */
const MOST_BYTES = 98304
const MOST_PAGES = 1024

const bytes = plannerBytes()
const module = readModule(bytes)

test('the module is at most 96 KiB and its memory at most 64 MiB', () => {
  assert.ok(bytes.length <= MOST_BYTES, `${bytes.length} bytes`)
  assert.ok((module.memory.maximum ?? Infinity) <= MOST_PAGES, `${module.memory.maximum} pages`)
})

test('the module imports nothing and has no instruction beyond WebAssembly 1.0 and sign extension', () => {
  assert.equal(WebAssembly.Module.imports(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)), [])
  assert.is(module.beyond, 0)
})

test('an instance is ready without a call: start-up code is in the start section', async () => {
  const names = WebAssembly.Module.exports(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)).map(
    ({ name }) => name,
  )
  assert.not.ok(names.some((name) => name.startsWith('_')))
})

test('docs/planner-abi.md shows every exported function with the types that it has', () => {
  const shown = signatures.map(({ name, parameters, returns }) => [
    name,
    { parameters: parameters.map(({ type }) => type), results: [returns] },
  ])
  assert.equal(Object.fromEntries(module.exports), Object.fromEntries(shown))
})

test('the last row of the table of versions is that of the module, and every call in it is there', async () => {
  const text = readFileSync(new URL('../../docs/planner-abi.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| (\d+)\.(\d+) \| (.*) \|$/gm)]
  const planner = await instantiatePlanner()
  const [, major, minor] = rows.at(-1)!
  assert.equal([planner.abiVersion(), planner.abiMinor()], [Number(major), Number(minor)])
  const calls = rows.flatMap(([, , , added]) => [...added!.matchAll(/`(\w+)`/g)].map(([, name]) => name!))
  assert.ok(calls.length > 0)
  for (const name of calls) assert.type((planner as unknown as Record<string, unknown>)[name], 'function', name)
})

test('the copy that counts its work works out the same, and stops where it has none left', () => {
  const { [FUEL]: fuel, ...functions } = new WebAssembly.Instance(new WebAssembly.Module(meter(bytes)), {}).exports
  const counter = fuel as WebAssembly.Global
  const reset = functions.reset as () => number
  counter.value = 1_000_000
  assert.is(reset(), 0)
  const work = 1_000_000 - counter.value
  assert.ok(work > 0)
  counter.value = work
  assert.is(reset(), 0)
  counter.value = work - 1
  assert.throws(reset, /unreachable/)
})

test.run()
