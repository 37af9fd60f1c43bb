/**
 * The executor as the build bundles it, with its insides within reach: a thread of the pool needs JavaScript in files,
 * and tests want to make the executor lie. The files are gone when the test's process ends. With HOMENODE_FENCE=1 nobody may touch
 * memory that has been unmapped, nor does anybody get its addresses again (faults/shim.c).
 */

import { rmSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'
import { bundle } from '../../bundle.mjs'
import { compileShim, throughShim } from './faults/shim.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

const entryPoints = {
  executor: 'executor/index.ts',
  run: 'executor/run/run.ts',
  'placed-memory': 'executor/memory/placed-memory.ts',
  prefault: 'executor/memory/prefault.ts',
  verified: 'src/verified.ts',
  accel: 'executor/accel/index.ts',
}

export interface ExecutorBundle {
  /** Where its files are: executor.js, run.js, verified.js. */
  readonly directory: string
  readonly executor: typeof import('../../executor/index.js')
  readonly run: typeof import('../../executor/run/run.js')
  readonly placedMemory: typeof import('../../executor/memory/placed-memory.js')
  readonly prefault: typeof import('../../executor/memory/prefault.js')
  readonly verified: typeof import('../../src/verified.js')
  readonly accel: typeof import('../../executor/accel/index.js')
}

/** @param plugins that change what is bundled, as with doubles */
export async function bundleExecutor(plugins: Plugin[] = []): Promise<ExecutorBundle> {
  const outdir = `${root}build/executor-test-${process.pid}`
  process.on('exit', () => rmSync(outdir, { recursive: true, force: true }))
  const hasShim = plugins.some(({ name }) => name === 'shim')
  const fence = process.env.HOMENODE_FENCE === '1' && !hasShim ? [throughShim(compileShim('FENCE'))] : []
  // The pool is in a chunk here, and finds its worker beside that.
  await bundle(entryPoints, outdir, { chunkNames: '[name]-[hash]', plugins: [...plugins, ...fence] })
  const load = (name: keyof typeof entryPoints) => import(pathToFileURL(`${outdir}/${name}.js`).href)
  return {
    directory: outdir,
    executor: await load('executor'),
    run: await load('run'),
    placedMemory: await load('placed-memory'),
    prefault: await load('prefault'),
    verified: await load('verified'),
    accel: await load('accel'),
  }
}
