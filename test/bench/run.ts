/** A bench as `npm run bench` starts it. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export function runBench(options: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const values = ['--import', 'tsx', 'bench/run.ts', ...options]
  return spawnSync(process.execPath, values, { cwd: root, env, encoding: 'utf8' })
}
