/**
 * The table of docs/planner-abi.md, from a run of the vectors in every engine and client that is here: `node --import tsx clients/vectors/table.ts`
 * prints it, and with --write puts it between the marks in docs/planner-abi.template.md. What is not installed is not in it.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, CLIENTS, ROOT } from '../../test/clients/built.js'
import { ENGINES, runEngine, type Said, timed } from '../../test/clients/engines.js'
import { ENVIRONMENT, isInstalled as isNative, NATIVE, VECTORS } from '../../test/clients/native.js'
import { isInstalled } from '../../test/planner/runtimes/runners.js'

const MARKS = /(<!-- vectors: made by clients\/vectors\/table.ts -->\n)[\s\S]*?(<!-- end of vectors -->)/

interface Row extends Said {
  readonly name: string
}

/** Replays of the clients' own tests: what they say, if they end well. */
const PYTHON =
  'tests.test_homenode.Vectors.test_calls_are_equal tests.test_homenode.Vectors.test_plans_are_equal_in_threads_with_a_planner_each'

async function rows(): Promise<Row[]> {
  const built = build()
  const found: Row[] = []
  for (const engine of ENGINES) {
    if (isInstalled(engine.program)) found.push({ name: engine.name, ...(await runEngine(engine, built)) })
  }
  const vectors = ['calls.txt', 'plans.txt'].map((name) => join(VECTORS, name))
  const replay = await timed([join(NATIVE, 'replay'), ...vectors], NATIVE, ENVIRONMENT)
  found.push({ name: 'C, gcc -O2', ...replay, said: replay.said.replace(' in 1 threads', '') })
  if (isNative('python3')) {
    const { seconds } = await timed(
      ['python3', '-m', 'unittest', '-q', ...PYTHON.split(' ')],
      join(CLIENTS, 'python'),
      ENVIRONMENT,
    )
    // Its test of plans replays them in two threads.
    found.push({ name: 'Python, ctypes (plans twice)', said: found[0]!.said, seconds })
  }
  return found
}

function tableOf(found: readonly Row[]): string {
  const [node] = found
  const lines = found.map(({ name, said, seconds }) => {
    const relative = seconds === null ? '-' : (seconds / node!.seconds!).toFixed(2)
    return `| ${name} | ${said} | ${relative} |`
  })
  return `| runtime | vectors | CPU time, Node = 1 |\n|---|---|---|\n${lines.join('\n')}\n`
}

const table = tableOf(await rows())
process.stdout.write(table)
if (process.argv.includes('--write')) {
  const file = join(ROOT, 'docs/planner-abi.template.md')
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(MARKS, (_, begin: string, end: string) => `${begin}${table}${end}`),
  )
}
