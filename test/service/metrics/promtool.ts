/** Prometheus' own judgement of metrics: promtool of Debian's package prometheus, on the path or where PROMTOOL says. */

import { spawnSync } from 'node:child_process'
import { hasProgram } from '../../executor/programs.js'
import { skipUnless } from '../../skip.js'

export const PROMTOOL = process.env.PROMTOOL ?? 'promtool'

export const testWithPromtool = skipUnless(
  hasProgram(PROMTOOL),
  'promtool is not installed (Debian: the package prometheus has it)',
)

/** What it has against them; empty: nothing. */
export function objections(text: string): string {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return status === 0 ? '' : `${status}: ${stdout}${stderr}`
}
