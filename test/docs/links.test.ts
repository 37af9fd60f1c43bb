/** What the documents name is there. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from './run.js'

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => join('docs', name)),
)

/** Anchors that GitHub gives the headings of a page, and those that are written out. */
function anchorsOf(page: string): Set<string> {
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  const anchors = new Set([...page.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id))
  const times = new Map<string, number>()
  for (const [, heading = ''] of page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)) {
    const base = slug(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
    const before = times.get(base) ?? 0
    times.set(base, before + 1)
    anchors.add(before === 0 ? base : `${base}-${before}`)
  }
  return anchors
}

for (const document of documents) {
  test(`${document}: every link leads somewhere`, () => {
    const text = read(document).replace(/^```[\s\S]*?^```$/gm, '')
    for (const [link, file = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      const target = file === '' ? document : join(document, '..', file)
      assert.ok(existsSync(join(root, target)), `${link}: there is no ${target}`)
      if (anchor !== undefined) assert.ok(anchorsOf(read(target)).has(anchor), `${link}: ${target} has no such heading`)
    }
  })
}

test('every command that README lists has a help, and none is left out', () => {
  const listed = [...read('README.md').matchAll(/^homenode ([\w-]+) /gm)].map(([, name = '']) => name)
  const help = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'dist/cli.js'), ...args, '--help'], { encoding: 'utf8' })
  const all = [...help().stdout.matchAll(/^ {2}(\w[\w-]*)(?:\|\w+)? .*$/gm)]
    .map(([, name = '']) => name)
    .filter((name) => !['help', 'homenode'].includes(name))
  assert.equal([...listed].sort(), all.sort())
  for (const name of listed) {
    const { status, stdout } = help(name)
    assert.is(status, 0)
    assert.match(stdout, 'Examples:')
  }
})

test.run()
