import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { instantiatePlanner, plannerBytes } from '../../../src/planner/wasm.js'
import { skipUnless } from '../../skip.js'
import { signatures } from '../abi-table.js'
import { type Recorded, recordCalls, recordProblems } from './record.js'
import { isInstalled, run, runBrowser } from './runners.js'
import { wastOf } from './wast.js'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const built: typeof import('../../../src/planner/index.js') = await import(at('../../../dist/planner.js'))
if (!Buffer.from(built.plannerBytes()).equals(plannerBytes())) {
  throw new Error('dist/planner.js has another planner.wasm than src/planner/generated: run node build.mjs')
}
const problems = [...(await recordProblems(30)), ...recordCalls([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])]
/** An interpreter takes a hundred times as long: it gets the problems that are little work. */
const MOST_INTERPRETED = 1_000_000
const light = problems.filter(({ work }) => work <= MOST_INTERPRETED)
const { memory } = await instantiatePlanner()

/** JSON has no -0, NaN and infinities: they travel as strings. */
function portable(value: number): number | string {
  return Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : `${value}`
}

/** What replay.js has to print. */
const expected = [
  ...problems.flatMap(({ name, calls, planned }) => {
    return [
      name,
      calls.map(({ result }) => portable(result)).join(' '),
      ...(planned === undefined ? [] : [planned.plan]),
    ]
  }),
  `memory ${memory.buffer.byteLength}`,
].join('\n')

/** The common problems, the built planner and what drives it, alone in a folder: no package is beside them. */
const folder = mkdtempSync(join(tmpdir(), 'homenode-runtimes-'))
const given = problems.map(({ name, calls, planned }) => {
  return { name, calls: calls.map(({ call: [called, ...numbers] }) => [called, ...numbers.map(portable)]), planned }
})
cpSync(at('../../../dist/chunks'), join(folder, 'chunks'), { recursive: true })
copyFileSync(at('../../../dist/planner.js'), join(folder, 'planner.js'))
copyFileSync(at('replay.js'), join(folder, 'replay.js'))
const inputs =
  "import * as planner from './planner.js'\nimport { problems } from './problems.js'\nimport { replay } from './replay.js'\n"
const files = {
  'package.json': '{"type": "module"}',
  'problems.js': `export const problems = ${JSON.stringify(given)}\n`,
  'print.js': `${inputs}console.log(await replay(planner, problems))\n`,
  'page.js': `${inputs}const answer = await replay(planner, problems).catch((error) => error.stack)
await fetch('/answer', { method: 'POST', body: answer })\n`,
  'page.html': '<!doctype html><script type="module" src="page.js"></script>\n',
  'planner.wasm': plannerBytes(),
  'problems.wast': wastOf(plannerBytes(), signatures, light),
}
for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
test.after(() => rmSync(folder, { recursive: true, force: true }))

function functionsOf(some: readonly Recorded[]): string[] {
  return [...new Set(some.flatMap(({ calls }) => calls.map(({ call: [name] }) => name)))].sort()
}

function needs(program: string, how: string): ReturnType<typeof skipUnless> {
  return skipUnless(isInstalled(program), `${program} is not installed (${how})`)
}

const DEBIAN = 'apt-get install chromium wabt'
const NPM = 'npm install --no-package-lock --prefix test/planner/runtimes'

/** The first line that differs says more than a megabyte. */
function same(answer: string): void {
  const lines = expected.split('\n')
  for (const [index, line] of answer.trimEnd().split('\n').entries()) assert.is(line, lines[index])
  assert.is(answer.trimEnd().length, expected.length)
}

test('the common problems use every function of the module, and are planned, but for what is refused', () => {
  assert.equal(functionsOf(problems), signatures.map(({ name }) => name).sort())
  for (const { name, planned } of problems) {
    if (planned !== undefined) assert.match(planned.plan, /^\{"schemaVersion":1,"kind":"Plan"/, name)
  }
})

test('a Node of its own, with the built planner: every result and every plan, byte for byte', async () => {
  same(await run(process.execPath, [join(folder, 'print.js')]))
})

needs('deno', NPM)('Deno: every result and every plan, byte for byte', async () => {
  same(await run('deno', ['run', '--no-remote', join(folder, 'print.js')]))
})

needs('bun', NPM)('Bun: every result and every plan, byte for byte', async () => {
  same(await run('bun', ['run', join(folder, 'print.js')]))
})

needs('chromium', DEBIAN)('Chromium: every result and every plan, byte for byte', async () => {
  same(await runBrowser(folder, 'chromium'))
})

needs('spectest-interp', DEBIAN)('a WebAssembly interpreter: every result of every call', async () => {
  assert.equal(functionsOf(light), functionsOf(problems))
  const script = join(folder, 'problems.json')
  await run('wast2json', [join(folder, 'problems.wast'), '-o', script])
  const output = await run('spectest-interp', [script])
  const calls = light.reduce((sum, problem) => sum + problem.calls.length, 0)
  // The script's module counts as one.
  assert.is(output.trimEnd().split('\n').at(-1), `${calls + 1}/${calls + 1} tests passed.`)
})

/** Everything that wabt knows beyond WebAssembly 1.0 with mutable globals and sign extension, and does not leave out by itself. */
const ONLY_1_0 = ['saturating-float-to-int', 'simd', 'multi-value', 'bulk-memory', 'reference-types'].map(
  (feature) => `--disable-${feature}`,
)

needs('wasm-validate', DEBIAN)(
  'the module is valid without any extension but mutable globals and sign extension',
  async () => {
    await run('wasm-validate', [...ONLY_1_0, join(folder, 'planner.wasm')])
  },
)

needs('wast2json', DEBIAN)('an interpreter that is told a wrong result says so', async () => {
  const [first] = problems
  const calls = (first?.calls ?? []).map(({ call, result }) => ({ call, result: result + 1 }))
  const wast = join(folder, 'wrong.wast')
  writeFileSync(wast, wastOf(plannerBytes(), signatures, [{ name: 'wrong', calls, work: 0 }]))
  await run('wast2json', [wast, '-o', join(folder, 'wrong.json')])
  const failure = await run('spectest-interp', [join(folder, 'wrong.json')]).catch(({ stdout }) => stdout)
  assert.match(failure, new RegExp(`^1/${calls.length + 1} tests passed\\.$`, 'm'))
})

test.run()
