/** `homenode/accel` as the build bundles it, with the executor that it loads: a thread of the pool needs JavaScript in files. */

import { rmSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { bundle } from '../../bundle.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))
const entryPoints = { accel: 'src/accel/index.ts', executor: 'executor/index.ts' }

/** The files are gone when the test's process ends. */
export async function bundleAccel(): Promise<{
  readonly accel: typeof import('../../src/accel/index.js')
  readonly executor: typeof import('../../executor/index.js')
}> {
  const outdir = `${root}build/accel-test-${process.pid}`
  process.on('exit', () => rmSync(outdir, { recursive: true, force: true }))
  // The pool is in a chunk here, and finds its worker beside that.
  await bundle(entryPoints, outdir, { chunkNames: '[name]-[hash]' })
  const load = (name: keyof typeof entryPoints) => import(pathToFileURL(`${outdir}/${name}.js`).href)
  return { accel: await load('accel'), executor: await load('executor') }
}
