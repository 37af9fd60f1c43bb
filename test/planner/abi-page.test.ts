import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { page, signatures } from './abi-table.js'

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
