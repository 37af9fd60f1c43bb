/** TypeScript in the documents and in the docstrings' examples has no type errors, for a project that is strict. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { allFences } from './documents.js'
import { root } from './run.js'

const fences = allFences().filter(({ language }) => language === 'ts')

test('tsc --strict has nothing against them', () => {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(root, '.cache/docs-types-'))
  try {
    const files = fences.map((fence, i) => {
      const name = `${i}.mts`
      writeFileSync(join(folder, name), `${fence.marks.before}\n${fence.code}\n${fence.marks.after}\nexport {}\n`)
      return name
    })
    const lib = ['ES2022', 'ESNext.Disposable', 'DOM']
    const compilerOptions = { target: 'ES2022', module: 'NodeNext', lib, types: ['node'], strict: true, noEmit: true }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: folder, encoding: 'utf8' })
    const named = stdout.replace(/^.*?(\d+)\.mts/gm, (_, i) => fences[Number(i)]!.where)
    assert.is(named, '')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
