/** `homenode plan --running`: where the VMs that run here should go. */

import { costAsIs } from '../verify.js'
import { countLost } from './numbers.js'
import type { Style } from './output.js'
import {
  type Asked,
  askFor,
  countRunning,
  lookHere,
  noteLeft,
  type RunningSource,
  readWishes,
} from './running-request.js'
import { paragraph } from './table.js'

/** What runs here with the wishes of the file, to be planned. What is left out of it is said on standard error. */
export async function askForRunning(source: RunningSource): Promise<Asked> {
  const wishes = await readWishes(source)
  const asked = await askFor(await lookHere(source), source, wishes)
  noteLeft(asked)
  return asked
}

/** What it loses where it is. */
export function showNow({ asked, request }: Asked, style: Style): string {
  if (asked.running.length === 0) return 'no VM runs here'
  const now = costAsIs(asked.host, request, asked.running)
  const where = asked.running.length === 1 ? 'it is' : 'they are'
  return paragraph(style, `${countRunning({ asked })}, with ${countLost(now.lostVcpus)} where ${where}`)
}
