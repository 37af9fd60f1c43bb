// Runs the test files, each in a process of its own, and adds up what uvu reports. Last line: `N passed, N failed, N skipped`.
//   node test/run.mjs            every suite below test/ but those that CI runs on their own (APART)
//   node test/run.mjs package    only files whose path contains `package`
//   node test/run.mjs -package   those of the first line whose path does not contain `package`
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
/** Suites that need more than Node and npm, or much time. */
const APART = [
  'test/clients/',
  'test/fleet/ganeti/',
  'test/package/',
  'test/planner/long/',
  'test/planner/runtimes/',
  'test/service/system/',
]
/**
 * Suites that look at threads, CPUs and signals, or build into one folder: those of a line run one after the other, beside no
 * more than one of the other line.
 */
const IN_TURN = [
  ['test/clients/', 'test/executor/', 'test/fleet/ganeti/', 'test/package/', 'test/service/system/'],
  ['test/cli/', 'test/docs/'],
]
/** A file that hangs is a failure, not a hung run. */
const LIMIT_MS = 600_000

const filters = process.argv.slice(2).filter((text) => !text.startsWith('-'))
const leftOut = process.argv.slice(2).flatMap((text) => (text.startsWith('-') ? [text.slice(1)] : []))
const files = readdirSync(join(root, 'test'), { recursive: true })
  .map((name) => join('test', name))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => (filters.length > 0 ? filters.some((text) => file.includes(text)) : !startsWithAny(file, APART)))
  .filter((file) => !leftOut.some((text) => file.includes(text)))
  .sort()

function startsWithAny(file, folders) {
  return folders.some((folder) => file.startsWith(folder))
}

function count(output, word) {
  return [...output.matchAll(new RegExp(`^  ${word}: +(\\d+)$`, 'gm'))].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  )
}

/** One file's process; resolves to what it counted. */
function runFile(file) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', file], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const startedAt = performance.now()
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const plain = output.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '')
      const passed = count(plain, 'Passed')
      const skipped = count(plain, 'Skipped')
      let failed = count(plain, 'Total') - passed
      const broken =
        signal !== null ? `killed by ${signal}` : code !== 0 && failed === 0 ? `exit code ${code}` : undefined
      const idle = passed + skipped + failed === 0 ? 'ran no test (is test.run() missing?)' : undefined
      const reason = broken ?? idle
      if (reason !== undefined) failed += 1
      const notices = plain.split('\n').filter((line) => /^(SKIPPED: |[A-Z]+_SEED=)/.test(line))
      const seconds = (performance.now() - startedAt) / 1000
      resolve({ file, passed, failed, skipped, seconds, reason, output: plain, notices })
    })
  })
}

function report({ file, passed, failed, skipped, seconds, reason, output, notices }) {
  const mark = failed > 0 ? 'FAIL' : 'ok'
  console.log(
    `${mark.padEnd(5)}${file}  ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds.toFixed(0)} s`,
  )
  for (const notice of notices) console.log(`     ${notice}`)
  if (failed > 0) console.log(`${output}${reason === undefined ? '' : `${relative('.', file)}: ${reason}\n`}`)
}

const results = []
async function runAll(list, width) {
  const queue = [...list]
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file)
      report(result)
      results.push(result)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
}

await runAll(
  files.filter((file) => !startsWithAny(file, IN_TURN.flat())),
  availableParallelism(),
)
await Promise.all(
  IN_TURN.map((line) =>
    runAll(
      files.filter((file) => startsWithAny(file, line)),
      1,
    ),
  ),
)

const sum = (key) => results.reduce((total, result) => total + result[key], 0)
if (files.length === 0) console.log(`no test file matches ${process.argv.slice(2).join(' ')}`)
console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
process.exitCode = sum('failed') > 0 || files.length === 0 ? 1 : 0
