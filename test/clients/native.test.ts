/** The C library and its clients: each replays the vectors, and runs the code of its README. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'
import { CLIENTS } from './built.js'
import { codeOf, HAS_LIBRARY, isInstalled, make, NATIVE, NO_LIBRARY, run, VECTORS } from './native.js'

const vectors = ['calls.txt', 'plans.txt'].map((name) => join(VECTORS, name))

const folder = mkdtempSync(join(tmpdir(), 'homenode-clients-'))

test.before(async () => {
  if (HAS_LIBRARY) await make('all', '../build/c/replay')
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

const withLibrary = skipUnless(HAS_LIBRARY, NO_LIBRARY)

/** A test that needs a program beside the library. */
function withProgram(program: string) {
  if (!HAS_LIBRARY) return withLibrary
  return skipUnless(isInstalled(program), `${program} is not installed`)
}

withLibrary('C: calls and plans are equal to the byte, in four threads at once with planners each', async () => {
  const said = await run(join(NATIVE, 'replay'), [...vectors, '4'], NATIVE)
  const [, calls = 0, plans = 0] = /^(\d+) calls and (\d+) plans in 4 threads are equal$/m.exec(said) ?? []
  assert.ok(Number(calls) > 1000 && Number(plans) > 50, said)
})

withLibrary('C: a result that is not the recorded one is found', async () => {
  const wrong = join(folder, 'calls.txt')
  writeFileSync(wrong, 'reset = 0\naddNode 0 1 = 1\n')
  const failed = await run(join(NATIVE, 'replay'), [wrong, vectors[1]!], NATIVE).then(
    () => '',
    (error: Error) => error.message,
  )
  assert.match(failed, /differs: addNode 0 1 = 1/)
})

withLibrary(
  'C: the library exports its own functions alone, and has no writable state that threads share but start-up',
  async () => {
    const names =
      (await run('nm', ['-D', '--defined-only', join(NATIVE, 'libhomenode.so')], NATIVE)).match(/ T (\w+)/g) ?? []
    assert.ok(names.length > 60)
    assert.equal(
      names.filter((name) => !name.startsWith(' T homenode_')),
      [],
    )
    const wanted = await run('nm', ['-D', '--undefined-only', join(NATIVE, 'libhomenode.so')], NATIVE)
    assert.not.match(wanted, /sigaction|signal\b|printf|fopen|open\b/)
  },
)

withLibrary('C: the README compiles as C and as it stands, and plans; the header is C++, too', async () => {
  const source = join(folder, 'readme.c')
  writeFileSync(source, codeOf(readFileSync(join(CLIENTS, 'c/README.md'), 'utf8'), 'c'))
  const program = join(folder, 'readme')
  const library = [join(NATIVE, 'libhomenode.a'), '-lm', '-pthread']
  await run(
    'cc',
    ['-std=c99', '-Wall', '-Wextra', '-Werror', '-pedantic', `-I${NATIVE}`, source, ...library, '-o', program],
    folder,
  )
  assert.match(await run(program, [], folder), /^1 \{"schemaVersion":1,"kind":"Plan","status":"optimal"/)
  if (!isInstalled('c++')) return
  const header = join(folder, 'header.cc')
  writeFileSync(header, '#include <homenode.h>\nint main() { return homenode_add_node(nullptr, 0, 1); }\n')
  await run('c++', ['-Wall', '-Wextra', '-Werror', '-fsyntax-only', `-I${NATIVE}`, header], folder)
})

withLibrary('C: it is installed as a package, in a place with a space, too', async () => {
  const root = join(folder, 'a root')
  await run('make', ['-C', join(CLIENTS, 'c'), 'install', `DESTDIR=${root}`, 'PREFIX=/opt/a b'], CLIENTS)
  const there = readFileSync(join(root, 'opt/a b/lib/pkgconfig/homenode.pc'), 'utf8')
  assert.match(there, /^prefix=\/opt\/a b$/m)
  await run('make', ['-C', join(CLIENTS, 'c'), 'install', `DESTDIR=${root}`, 'PREFIX=/usr'], CLIENTS)
  assert.match(readFileSync(join(root, 'usr/lib/pkgconfig/homenode.pc'), 'utf8'), /^prefix=\/usr$/m)
  const { version } = JSON.parse(readFileSync(join(CLIENTS, '../package.json'), 'utf8'))
  assert.match(
    readFileSync(join(root, 'usr/lib/pkgconfig/homenode.pc'), 'utf8'),
    new RegExp(`^Version: ${version}$`, 'm'),
  )
  assert.ok(readFileSync(join(root, 'usr/lib', `libhomenode.so.${version}`)).length > 0)
})

withLibrary('C: without its sources make says how to get them', async () => {
  const copy = join(folder, 'copy')
  cpSync(join(CLIENTS, 'c'), join(copy, 'c'), { recursive: true })
  const said = await run('make', ['-C', join(copy, 'c')], copy).catch((error: Error) => error.message)
  assert.match(said, /there is no .*: `npm run clients` makes it, with wasm2c/)
})

withProgram('python3')('Python: its own tests pass: vectors, dataclasses, README', async () => {
  const said = await run('python3', ['-m', 'unittest', 'discover', '-s', 'tests', '-t', '.'], join(CLIENTS, 'python'))
  assert.match(said, /^OK$/m)
})

withProgram('cargo')('Rust: its own tests pass: vectors, no_std core, README', async () => {
  const crate = join(CLIENTS, 'rust')
  const target = ['--offline', '--target-dir', join(folder, 'target')]
  assert.match(await run('cargo', ['test', ...target], crate), /test result: ok. 7 passed/)
  const code = codeOf(readFileSync(join(crate, 'README.md'), 'utf8'), 'rust')
  assert.is(readFileSync(join(crate, 'examples/plan.rs'), 'utf8'), code)
  assert.match(
    await run('cargo', ['run', '--quiet', '--example', 'plan', ...target], crate),
    /^web: CPUs .*\noptimal, 0 lost vCPUs$/m,
  )
})

withProgram('go')('Go: its own tests pass: vectors, structures, the example', async () => {
  const said = await run('go', ['test', '-count=1', '-v', './...'], join(CLIENTS, 'go'))
  assert.match(said, /^PASS$/m)
  assert.is(said.match(/^--- PASS: /gm)?.length, 7)
  const example = readFileSync(join(CLIENTS, 'go/example_test.go'), 'utf8')
  const code = codeOf(readFileSync(join(CLIENTS, 'go/README.md'), 'utf8'), 'go')
  for (const line of code.trim().split('\n')) assert.ok(example.includes(line.trim()), `the example has: ${line}`)
})

test('the packages have the version of homenode', () => {
  const { version } = JSON.parse(readFileSync(join(CLIENTS, '../package.json'), 'utf8'))
  for (const file of ['python/pyproject.toml', 'rust/Cargo.toml']) {
    assert.match(readFileSync(join(CLIENTS, file), 'utf8'), new RegExp(`^version = "${version}"$`, 'm'))
  }
})

test.run()
