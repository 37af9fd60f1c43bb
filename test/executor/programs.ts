/** Programs that tests use where they are installed. */

import { spawnSync } from 'node:child_process'

export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
}
