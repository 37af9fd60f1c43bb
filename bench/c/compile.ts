/** The C peers of benches, compiled on the spot. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Compiles `NAME.c` of this folder with `cc -O2 -pthread`.
 * @param program where the executable goes
 * @returns `null`, or why there is none
 */
export function compilePeer(name: string, program: string): string | null {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url))
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-pthread', '-o', program, source], { encoding: 'utf8' })
  if (error !== undefined) return 'there is no C compiler (Debian: gcc libc6-dev linux-libc-dev)'
  return status === 0 ? null : `cc refused bench/c/${name}.c: ${stderr.trim().split('\n')[0]}`
}
