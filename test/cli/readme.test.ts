/** What the README shows is what there is: its example, its request, its plan, its commands. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from './command.js'

const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The first block of code that contains `text`. */
function blockWith(text: string): string {
  const blocks = [...readme.matchAll(/```\w*\n([\s\S]*?)```/g)].map(([, code = '']) => code)
  const block = blocks.find((code) => code.includes(text))
  if (block === undefined) throw new Error(`no block of the README has ${text}`)
  return block
}

test('the library example is examples/first-plan.mjs, ten lines that the example test runs', () => {
  const example = readFileSync(join(root, 'examples/first-plan.mjs'), 'utf8')
  assert.ok(example.endsWith(blockWith('verifyPlan(host')))
})

test('the plan is what homenode prints for the request', () => {
  const [prompt = '', ...expected] = blockWith('$ homenode plan').split('\n')
  const spec = /--synthetic "(.*)"/.exec(prompt)?.[1] ?? ''
  const { stdout } = spawnSync(process.execPath, ['dist/cli.js', 'plan', '-f', '-', '--synthetic', spec], {
    cwd: root,
    encoding: 'utf8',
    input: blockWith('"batch"'),
  })
  assert.is(stdout, expected.join('\n'))
})

test('every command that it names has a help', () => {
  const names = [...blockWith('homenode doctor  ').matchAll(/^homenode (\w+)/gm)].map(([, name = '']) => name)
  assert.equal(names, ['topo', 'plan', 'capacity', 'check', 'run', 'doctor'])
  for (const name of names) {
    const { status, stdout } = spawnSync(process.execPath, ['dist/cli.js', name, '--help'], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.is(status, 0)
    assert.match(stdout, 'Examples:')
  }
})

test('every file that the documents link to is there', () => {
  for (const document of ['README.md', 'CONTRIBUTING.md', 'docs/planner-abi.md']) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(root, document, '..', target)), `${document}: ${target}`)
    }
  }
})

test.run()
