/** All code of the documents and of the docstrings' examples does what it says. The marks are in fences.ts. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { skipUnless } from '../skip.js'
import { examplesOf, type Fence, fencesOf } from './fences.js'
import { missing, needsOf } from './needs.js'
import { root, Workplace } from './run.js'

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md') && !name.includes('.template.'))
const documents = ['README.md', 'CONTRIBUTING.md', ...pages.map((name) => `docs/${name}`)]
const sources = ['src', 'executor'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
)
const fences: Fence[][] = [
  ...documents.map((document) => fencesOf(document, read(document))),
  ...sources.map((source) => examplesOf(source, read(source))),
]

test('the documents have code, and each block says in which language', () => {
  assert.ok(fences.flat().length > 10)
  for (const { where, language } of fences.flat()) assert.is.not(language, '', where)
})

test('these are all that is not run, each with its reason', () => {
  const commands = fences.flat().filter(({ marks }) => marks.notRun !== null)
  for (const { where, marks } of commands) assert.ok(marks.notRun!.length > 10, where)
  assert.equal(
    commands.map(({ document, code }) => `${document}: ${/^.*?(?=\s*(?:#|$))/m.exec(code)?.[0]}`),
    [
      'README.md: $ npm start',
      'README.md: $ npm test',
      'docs/guide.md: npm run example -- --wait',
      'docs/lab.md: npm run lab -- --list',
    ],
  )
})

const workplaces: Workplace[] = []
test.after(() => {
  for (const workplace of workplaces) workplace.close()
})

for (const blocks of fences.filter(({ length }) => length > 0)) {
  const workplace = new Workplace(blocks)
  workplaces.push(workplace)
  for (const fence of blocks) {
    if (fence.marks.notRun !== null) continue
    const why = missing(needsOf(fence))
    skipUnless(why === null, why ?? '')(`${fence.where} (${fence.language})`, () => workplace.run(fence))
  }
}

test.run()
