/**
 * The table of docs/planner-abi.md, from a run of the vectors in every engine and client that is here: `node --import tsx clients/vectors/table.ts`
 * prints it, and with --write puts it between the marks in docs/planner-abi.template.md. What is not installed is not in it.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUILD, build, CLIENTS, ROOT } from '../../test/clients/built.js'
import {
  ENGINES,
  HAS_QUICKJS,
  INTERPRETER,
  runEngine,
  runInterpreter,
  runQuickJs,
  runWorkerd,
  type Said,
  timed,
} from '../../test/clients/engines.js'
import { ENVIRONMENT, isInstalled as isNative, make, NATIVE, run, VECTORS } from '../../test/clients/native.js'
import { isInstalled } from '../../test/planner/runtimes/runners.js'

const MARKS = /(<!-- vectors: made by clients\/vectors\/table.ts -->\n)[\s\S]*?(<!-- end of vectors -->)/

interface Row extends Said {
  readonly name: string
}

/** Replays of the clients' own tests: what they say, if they end well. */
const PYTHON =
  'tests.test_homenode.Vectors.test_calls_are_equal tests.test_homenode.Vectors.test_plans_are_equal_in_threads_with_a_planner_each'

/** The clients' tests replay the plans in two threads. */
const TWICE = ' (plans twice)'

/** Tests of Rust and Go as programs, so that compiling them is not counted. A program that finds a difference ends badly. */
async function clientPrograms(): Promise<readonly (readonly [name: string, program: readonly string[]])[]> {
  const programs: [string, string[]][] = []
  if (isNative('cargo')) {
    const target = ['--offline', '--release', '--test', 'vectors', '--target-dir', join(BUILD, 'rust')]
    const said = await run('cargo', ['test', '--no-run', '--message-format=json', ...target], join(CLIENTS, 'rust'))
    const [, program = ''] = /"executable":"([^"]*vectors-[^"]*)"/.exec(said) ?? []
    programs.push([`Rust${TWICE}`, [program, 'equal']])
  }
  if (isNative('go')) {
    const program = join(BUILD, 'go-test')
    await run('go', ['test', '-c', '-o', program], join(CLIENTS, 'go'))
    programs.push([`Go, cgo${TWICE}`, [program, '-test.run', 'Equal']])
  }
  return programs
}

async function rows(): Promise<Row[]> {
  const built = build()
  await make('all', '../build/c/replay')
  const found: Row[] = []
  for (const engine of ENGINES) {
    if (isInstalled(engine.program)) found.push({ name: engine.name, ...(await runEngine(engine, built)) })
  }
  if (isInstalled('workerd')) found.push({ name: 'workerd', ...(await runWorkerd(built)) })
  if (INTERPRETER.every(isInstalled)) found.push({ name: "wabt's interpreter", ...(await runInterpreter(built)) })
  // Of fewer calls no time is compared.
  if (HAS_QUICKJS) found.push({ name: 'QuickJS, wasm2js', said: (await runQuickJs()).said, seconds: null })
  const vectors = ['calls.txt', 'plans.txt'].map((name) => join(VECTORS, name))
  const replay = await timed([join(NATIVE, 'replay'), ...vectors], NATIVE, ENVIRONMENT)
  found.push({ name: 'C, gcc -O2', ...replay, said: replay.said.replace(' in 1 threads', '') })
  const said = found[0]!.said
  for (const [name, program] of await clientPrograms()) {
    found.push({ name, said, seconds: (await timed(program, join(CLIENTS, 'go'), ENVIRONMENT)).seconds })
  }
  if (isNative('python3')) {
    const { seconds } = await timed(
      ['python3', '-m', 'unittest', '-q', ...PYTHON.split(' ')],
      join(CLIENTS, 'python'),
      ENVIRONMENT,
    )
    found.push({ name: `Python, ctypes${TWICE}`, said, seconds })
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
