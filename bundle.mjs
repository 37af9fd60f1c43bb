/**
 * How TypeScript becomes JavaScript that runs, with esbuild: for build.mjs, and for tests that want the executor with its
 * insides within reach, or broken.
 */

import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/**
 * ES modules that share chunks, and `vcpu-worker.cjs`, which the executor's pool loads in each of its threads. That one is
 * CommonJS: the loader of ES modules would cost a thread 0.4 MiB and a quarter of the time that it takes to start.
 * @param {Record<string, string>} entryPoints name of the file -> source, from the root
 * @param {string} outdir from the root
 * @param {import('esbuild').BuildOptions} more
 * @returns esbuild's metafile of the ES modules
 */
export async function bundle(entryPoints, outdir, more = {}) {
  const common = {
    absWorkingDir: fileURLToPath(new URL('.', import.meta.url)),
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    packages: 'external',
    chunkNames: 'chunks/[name]-[hash]',
    logLevel: 'warning',
    ...more,
  }
  const worker = { 'vcpu-worker': 'executor/worker/vcpu-worker.ts' }
  const [{ metafile }] = await Promise.all([
    build({
      ...common,
      entryPoints,
      format: 'esm',
      splitting: true,
      metafile: true,
    }),
    build({ ...common, entryPoints: worker, format: 'cjs', outExtension: { '.js': '.cjs' } }),
  ])
  return metafile
}
