/**
 * `node --import tsx test/lab/mutations/run.ts [TEXT...]`: breaks the binding code on purpose, in a copy of what is built,
 * and checks that the lab's suites turn red. The last line is `N passed, N failed, N skipped`.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'esbuild'
import { bundle } from '../../../bundle.mjs'
import { cache, prepareBootFiles } from '../boot-files.js'
import { machineNamed } from '../machines.js'
import { bundleSuites, copyPackage, testMachine } from '../suites.js'
import { MACHINE, type Mutation, mutations } from './mutations.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const packageRoot = join(cache, 'mutant')

/** As in build.mjs: what has a mutated module in it. */
const ENTRIES = {
  accel: 'executor/accel/index.ts',
  executor: 'executor/index.ts',
  index: 'src/index.ts',
  cli: 'src/cli/main.ts',
}

/** Changes one file while it is read. @throws {Error} where the text is not in it, or more than once */
function mutating({ file, text, replacement }: Mutation): Plugin {
  const path = join(root, file)
  const source = readFileSync(path, 'utf8')
  if (source.split(text).length !== 2) throw new Error(`${file} has to contain once: ${text}`)
  const contents = source.replace(text, () => replacement)
  return {
    name: 'mutating',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, (args) => (args.path === path ? { contents, loader: 'ts' } : null)),
  }
}

async function buildMutant(mutation: Mutation): Promise<void> {
  copyPackage(root, packageRoot)
  await bundle(ENTRIES, join(packageRoot, 'dist'), { plugins: [mutating(mutation)] })
  await bundleSuites(packageRoot)
}

/** Why a mutation was not found; `undefined`: it was. */
async function survives(mutation: Mutation): Promise<string | undefined> {
  await buildMutant(mutation)
  const { suites } = await testMachine(machineNamed(MACHINE)!, [mutation.suite], prepareBootFiles(), packageRoot)
  const { failed, output } = suites[0]!
  if (failed > 0 && output.includes(`FAIL  "${mutation.caughtBy}`)) return undefined
  return `"${mutation.caughtBy}" in ${mutation.suite} passed:\n${output}`
}

const filters = process.argv.slice(2)
const chosen = mutations.filter(({ name }) => filters.length === 0 || filters.some((text) => name.includes(text)))
let failed = 0
for (const mutation of chosen) {
  const why = await survives(mutation).catch((error: Error) => error.message)
  if (why !== undefined) failed += 1
  console.log(why === undefined ? `ok   ${mutation.name}: found` : `FAIL ${mutation.name}: not found: ${why}`)
}
console.log(`${chosen.length - failed} passed, ${failed} failed, 0 skipped`)
process.exitCode = failed > 0 || chosen.length === 0 ? 1 : 0
