/** `npm run test:lab [MACHINE|SUITE...]`: the suites inside of the machines. The last line is `N passed, N failed, N skipped`. */

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, MissingError, prepareBootFiles } from './boot-files.js'
import { type LabMachine, machines } from './machines.js'
import type { BootFiles } from './qemu.js'
import { bootsOf, bundleSuites, copyPackage, type SuiteResult, suitesOf, testMachine } from './suites.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const packageRoot = join(cache, 'package')
/** Each machine takes one CPU. */
const AT_ONCE = 2

const filters = process.argv.slice(2)

/** Suites that the arguments ask for; a filter is the name of a machine or of a suite. */
function wanted(machine: LabMachine): string[] {
  const names = machines.map(({ name }) => name)
  const machineFilters = filters.filter((text) => names.includes(text))
  const suiteFilters = filters.filter((text) => !names.includes(text))
  if (machineFilters.length > 0 && !machineFilters.includes(machine.name)) return []
  return suitesOf(machine).filter((suite) => suiteFilters.length === 0 || suiteFilters.includes(suite))
}

const counts = { passed: 0, failed: 0, skipped: 0 }

function add({ passed, failed, skipped }: Pick<SuiteResult, 'passed' | 'failed' | 'skipped'>): void {
  counts.passed += passed
  counts.failed += failed
  counts.skipped += skipped
}

async function runMachine(machine: LabMachine, suites: readonly string[], files: BootFiles): Promise<void> {
  try {
    const result = await testMachine(machine, suites, files, packageRoot)
    console.log(
      `${machine.name}: ${result.seconds.toFixed(0)} s, of which the boot took ${result.bootSeconds.toFixed(1)}`,
    )
    for (const suite of result.suites) {
      const { passed, failed, skipped, seconds, output } = suite
      const mark = failed > 0 ? 'FAIL' : 'ok'
      const name = `${machine.name}/${suite.suite}`
      console.log(
        `${mark.padEnd(5)}${name}  ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds.toFixed(0)} s`,
      )
      for (const line of output.split('\n')) if (failed > 0 || line.startsWith('SKIPPED: ')) console.log(`     ${line}`)
      add(suite)
    }
  } catch (error) {
    console.log(`FAIL ${machine.name}: ${error instanceof Error ? error.message : error}`)
    add({ passed: 0, failed: 1, skipped: 0 })
  }
}

async function main(): Promise<void> {
  const files = prepareBootFiles()
  copyPackage(root, packageRoot)
  await bundleSuites(packageRoot)
  const queue = machines.flatMap((machine) => bootsOf(wanted(machine)).map((suites) => ({ machine, suites })))
  if (queue.length === 0) throw new MissingError(`no machine or suite is named ${filters.join(', ')}`)
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await runMachine(next.machine, next.suites, files)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

const startedAt = performance.now()
try {
  await main()
} catch (error) {
  if (!(error instanceof MissingError)) throw error
  console.log(`FAIL ${error.message}`)
  add({ passed: 0, failed: 1, skipped: 0 })
}
console.log(`in ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed > 0 ? 1 : 0
