import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { instantiatePlanner, plannerBytes } from '../../src/planner/wasm.js'
import { type Exports, page, signatures } from './abi-table.js'

/** The code blocks of a language. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)
}

test("the page's example of calls gives what the page says", async () => {
  const [example = ''] = blocks('calls')
  const planner = (await instantiatePlanner()) as unknown as Exports
  const lines = example.trimEnd().split('\n')
  assert.ok(lines.length > 20)
  for (const line of lines) {
    const [, name = '', numbers = '', result] = /^(\w+)\(([^)]*)\) = (-?\d+)( {2,}\S.*)?$/.exec(line) ?? []
    assert.is.not(result, undefined, line)
    assert.is(planner[name]?.(...numbers.split(', ').filter(Boolean).map(Number)), Number(result), line)
  }
})

test("the page's example in JavaScript gives what the page says", async () => {
  const [example = ''] = blocks('js')
  let said = 0
  const checked = example.replace(/^(planner\..+) \/\/ (-?\d+)$/gm, (_, expression, result) => {
    said++
    return `check(${expression}, ${result})`
  })
  assert.ok(said >= 2)
  const run = new Function('bytes', 'check', `return (async () => {${checked}})()`)
  await run(plannerBytes(), (actual: number, expected: number) => assert.is(actual, expected))
})

test('every parameter is explained, by its function or in the table, with its type', () => {
  const table = /^## Parameters\n([\s\S]*?)^## /m.exec(page)?.[1] ?? ''
  const explained = new Set(
    [...table.matchAll(/^\| (`.*`) \| (.*?) \|/gm)].flatMap(([, names = '', types = '']) =>
      names.split(', ').flatMap((name) => types.split(', ').map((type) => `${name}: ${type}`)),
    ),
  )
  for (const { name: called, parameters, doc } of signatures) {
    for (const { name, type } of parameters) {
      assert.ok(
        explained.has(`\`${name}\`: ${type}`) || doc.includes(`\`${name}\``),
        `${called}: say in its comment what \`${name}\` is, or in docs/planner-abi.template.md`,
      )
    }
  }
})

test('every explained parameter is one of a function', () => {
  const table = /^## Parameters\n([\s\S]*?)^## /m.exec(page)?.[1] ?? ''
  const known = new Set(signatures.flatMap(({ parameters }) => parameters.map(({ name }) => name)))
  const explained = [...table.matchAll(/^\| (`.*`) \|/gm)].flatMap(([, names = '']) => names.split(', '))
  for (const name of explained) assert.ok(known.has(name.replaceAll('`', '')), name)
})

test.run()
