/** Many comparisons, one seed after another; each fault is printed with the smallest instance that shows it. */

import { Planner } from '../../../src/planner/planner.js'
import { type Comparison, compare } from './compare.js'
import { type Feature, randomInstance } from './random.js'
import { shrink } from './shrink.js'

export interface Campaign {
  /** Instances. */
  readonly count: number
  /** Of the first; any, without it. */
  readonly seed?: number
  /** Of the planner's search; its own default, without it. */
  readonly steps?: number
  /** No more instances after so many of CPU time, or five times as many on a busy machine. */
  readonly seconds?: number
  readonly without?: ReadonlySet<Feature>
  /** Shows instances where fewer VMs are placed than could be, too, though that is not said to be proven. */
  readonly showsUnproven?: boolean
}

/** Faults that are shown in full. */
const MOST_SHOWN = 20

export async function compareMany(campaign: Campaign): Promise<{ summary: string; faults: number; compared: number }> {
  const { count, steps, seconds = Number.POSITIVE_INFINITY, without } = campaign
  const seed = campaign.seed ?? Math.floor(Math.random() * 2 ** 31)
  console.log(`EXACT_SEED=${seed}`)
  const planner = await Planner.load()
  const started = process.cpuUsage()
  const elapsed = () => process.cpuUsage(started).user / 1e6
  const end = Date.now() + 5000 * seconds
  const kinds = new Map<string, number>()
  const tally = (kind: string) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  let faults = 0
  let done = 0
  for (; done < count && elapsed() < seconds && Date.now() < end; done++) {
    const instance = randomInstance(seed + done, without)
    const result = compare(planner, instance, steps)
    for (const kind of kindsOf(result)) tally(kind)
    faults += result.faults.length
    const shown = result.faults[0]?.fault ?? (campaign.showsUnproven && result.unproven ? 'unproven' : undefined)
    if (shown === undefined || (kinds.get(shown) ?? 0) > MOST_SHOWN) continue
    const fails = (smaller: typeof instance) => kindsOf(compare(planner, smaller, steps)).includes(shown)
    const least = shrink(instance, fails)
    const { faults: found } = compare(planner, least, steps)
    console.log(`seed ${seed + done}: ${shown}: ${result.faults.map(({ text }) => text).join('; ')}`)
    console.log(`  least: ${found.map(({ text }) => text).join('; ')}\n  ${JSON.stringify(least)}`)
  }
  const rate = Math.round(done / elapsed())
  const counts = [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, times]) => `${kind} ${times}`)
  const summary = `${done} instances, ${rate} a second of CPU time: ${counts.join(', ')}`
  return { summary, faults, compared: done - (kinds.get('too large') ?? 0) }
}

function kindsOf({
  faults,
  tooLarge,
  unproven,
  isOptimal,
  isPartial,
  isUnsure,
  isTight,
  isCheapest,
}: Comparison): string[] {
  return [
    ...faults.map(({ fault }) => fault),
    ...(tooLarge ? ['too large'] : []),
    ...(unproven ? ['unproven'] : []),
    ...(isOptimal ? ['optimal'] : []),
    ...(isPartial ? ['partial'] : []),
    ...(isUnsure ? ['unsure'] : []),
    ...(isTight ? ['tight'] : []),
    ...(isCheapest ? ['cheapest'] : []),
  ]
}
