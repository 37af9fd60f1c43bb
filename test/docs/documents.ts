/** Where code is: the documents, and the docstrings of what the package is made of. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { examplesOf, type Fence, fencesOf } from './fences.js'
import { root } from './run.js'

const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Templates are in the pages that are made of them; docs/api repeats the docstrings. */
function documents(): string[] {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md') && !name.includes('.template.'))
  return ['README.md', 'CONTRIBUTING.md', ...pages.map((name) => join('docs', name))]
}

function sources(): string[] {
  return ['src', 'executor'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  )
}

/** The blocks of each file that has some. */
export function fencesByFile(): Fence[][] {
  return [
    ...documents().map((document) => fencesOf(document, read(document))),
    ...sources().map((source) => examplesOf(source, read(source))),
  ].filter(({ length }) => length > 0)
}

export function allFences(): Fence[] {
  return fencesByFile().flat()
}
