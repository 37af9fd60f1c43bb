/** The executor with a shim in front of the C library (shim.c): for calls that fail, and for memory that is used too late. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'esbuild'

const source = fileURLToPath(new URL('shim.c', import.meta.url))
const libc = fileURLToPath(new URL('../../../executor/ffi/libc.ts', import.meta.url))
const LOAD = 'koffi.load(null)'

export const hasCompiler = spawnSync('gcc', ['--version']).status === 0

/** @returns the shared object's path; it is gone when the process ends */
export function compileShim(...defines: readonly string[]): string {
  const folder = fileURLToPath(new URL(`../../../build/shim-${process.pid}/`, import.meta.url))
  mkdirSync(folder, { recursive: true })
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, `${['shim', ...defines].join('-')}.so`)
  const options = ['-O1', '-Wall', '-Werror', '-shared', '-fPIC', ...defines.map((define) => `-D${define}`)]
  const { status, stderr } = spawnSync('gcc', [...options, '-o', file, source, '-ldl'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return file
}

/** Has the executor, in all of its threads, call the shim. */
export function throughShim(shim: string): Plugin {
  return {
    name: 'shim',
    setup: ({ onLoad }) =>
      onLoad({ filter: /libc\.ts$/ }, ({ path }) => {
        if (path !== libc) return null
        const text = readFileSync(path, 'utf8')
        if (!text.includes(LOAD)) throw new Error(`${path} does not load its functions with ${LOAD} any more`)
        return { contents: text.replace(LOAD, `koffi.load(${JSON.stringify(shim)})`), loader: 'ts' }
      }),
  }
}
