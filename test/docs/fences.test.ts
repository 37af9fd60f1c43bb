/** The mechanism that runs the documents' code notices what is wrong. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { examplesOf, fencesOf } from './fences.js'
import { missing } from './needs.js'
import { Workplace } from './run.js'

function block(language: string, code: string, marks = ''): string {
  return `${marks}\`\`\`${language}\n${code}\n\`\`\`\n`
}

/** Runs the last block of a document. */
async function run(text: string): Promise<void> {
  const fences = fencesOf('a.md', text)
  const workplace = new Workplace(fences)
  try {
    await workplace.run(fences.at(-1)!)
  } finally {
    workplace.close()
  }
}

async function fails(text: string, says: RegExp): Promise<void> {
  let message = ''
  try {
    await run(text)
  } catch (error) {
    message = error instanceof Error ? `${error.message}\n${'details' in error ? error.details : ''}` : String(error)
  }
  assert.match(message, says)
}

test('a program runs against the package that was built, in its own language', async () => {
  await run(
    block('js', "import { syntheticHost } from 'homenode'\nsyntheticHost('numa:2 core:2 pu:1').cpus.length // => 4"),
  )
  await run(block('ts', 'const n: number = 1\nn + 1 // => 2'))
})

test('a program that throws, or gives something else, fails', async () => {
  await fails(block('js', "throw new Error('as a test does')"), /as a test does/)
  await fails(block('js', '1 + 1 // => 3'), /3/)
  await fails(block('js', "import 'homenode/nowhere'"), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
  await fails(block('js', 'await new Promise(() => {})'), /ended with 13/)
})

test('an error that is announced has to come, with this text', async () => {
  const bad = "import { syntheticHost } from 'homenode'\nsyntheticHost('nonsense')"
  await run(block('js', `${bad} // throws InputError: ...nonsense...`))
  await fails(block('js', `${bad} // throws InputError: something else`), /something else/)
  await fails(block('js', '1 + 1 // throws Error: never'), /did not throw/)
  await run(block('js', 'const one = 1 // throws nothing'))
})

test('code before and after a block is part of the program', async () => {
  const before = '<!-- before\nconst two = 2\n-->\n'
  const after = '\n<!-- after\nif (three !== 3) process.exit(7)\n-->\n'
  await run(block('js', 'const three = two + 1', before) + after)
  await fails(block('js', 'const three = two', before) + after, /ended with 7/)
})

test("a session's output is compared, with ... for any lines", async () => {
  await run(block('console', '$ echo a; echo b >&2\na\nb\n$ seq 5\n1\n...\n5'))
  await fails(block('console', '$ echo a\nb'), /b/)
  await fails(block('console', '$ seq 5\n1\n...\n6'), /6/)
  await run(block('console', '$ echo a\nb', '<!-- output varies -->\n'))
  await fails(block('console', 'no command'), /commands/)
})

test('exit codes are compared', async () => {
  await run(block('sh', 'exit 3', '<!-- exit: 3 -->\n'))
  await fails(block('sh', 'false\ntrue'), /ended with 1/)
  await fails(block('console', '$ true', '<!-- exit: 3 -->\n'), /ended with 0/)
})

test('files of a document are there for its commands', async () => {
  const request = '{"vms": [{"name": "a", "vcpus": 1, "memory": "1GiB"}]}'
  const file = block('json', request, '<!-- file: request.json -->\n')
  const plan = 'homenode plan -f request.json --synthetic "core:1 pu:1" --json > plan.json'
  await run(`${file}\n${block('sh', plan)}`)
  await fails(block('sh', 'cat request.json'), /No such file/)
})

test('JSON is parsed, and requests and hosts are validated', async () => {
  await run(block('json', '{"any": "thing"}'))
  await fails(block('json', '{"any": '), /JSON/)
  await fails(block('json', '{"vms": [{"name": "a", "vcpus": 1, "memory": 5}]}'), /memory/)
  await fails(block('json', '{"schemaVersion": 1, "kind": "Host"}'), /nodes/)
})

test("planner.wasm's calls give what is said", async () => {
  await run(block('calls', 'reset() = 0\naddNode(0, 1) = 0   node 0'))
  await fails(block('calls', 'reset() = 1'), /1/)
  await fails(block('calls', 'reset()'), /reset/)
})

test('a block that is the end of a file has to be that', async () => {
  await fails(block('js', '1 // => 1', '<!-- end of: examples/first-plan.mjs -->\n'), /first-plan\.mjs ends otherwise/)
})

test('a block without a language, in an unknown one, or with an unknown mark fails', async () => {
  await fails(block('', 'x'), /nothing runs/)
  await fails(block('cobol', 'x'), /nothing runs/)
  assert.throws(() => fencesOf('a.md', block('js', '1', '<!-- needless: kvm -->\n')), /a\.md:2: unknown mark/)
  assert.throws(() => missing(['a miracle']), /unknown need/)
})

test('what a block needs and is not there is named', () => {
  assert.is(missing(['1 CPUs', '1 nodes']), null)
  assert.is(missing(['1 CPUs', '4096 nodes', '70000 CPUs']), 'this system lacks: 4096 nodes, 70000 CPUs')
})

test('examples of docstrings are found where they are', () => {
  const source =
    "import x from 'y'\n\n/**\n * Adds.\n * @example\n * ```js\n * 1 + 1 // => 2\n * ```\n * @throws never\n */\n"
  const [fence] = examplesOf('a.ts', source)
  assert.is(fence?.code, '1 + 1 // => 2\n')
  assert.is(fence?.where, 'a.ts:6')
  assert.throws(() => examplesOf('a.ts', '/**\n * @example none\n */'), /a\.ts:2: an @example without/)
})

test.run()
