/**
 * `homenode balance` on simulated hosts (bench/balance/): a day of 100 VMs on 2, 4 and 8 nodes, against doing nothing, balancing like the kernel's, and
 * numad's rule. Lost vCPU hours are the model's (docs/model.md), moves included.
 */

import { fleetOf } from './balance/fleet.js'
import { kernelLike } from './balance/kernel.js'
import { numadLike } from './balance/numad.js'
import { homenodeBalance } from './balance/ours.js'
import { nothing, simulate } from './balance/simulate.js'
import { MINUTES } from './balance/traces.js'
import type { Balancing } from './balance/world.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'

const NODES = [2, 4, 8]
const SEEDS = [1, 2]
const VMS = 100

const WHO: readonly (readonly [string, () => Balancing | Promise<Balancing>])[] = [
  ['nothing', () => nothing],
  ['kernel-like', kernelLike],
  ["numad's rule", numadLike],
  ['homenode balance', () => homenodeBalance()],
]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const minutes = quick ? 60 : MINUTES
  const rows: Row[] = []
  for (const nodes of quick ? NODES.slice(0, 1) : NODES) {
    for (const seed of quick ? SEEDS.slice(0, 1) : SEEDS) {
      const fleet = fleetOf({ nodes, vms: quick ? 20 : VMS, seed, minutes })
      for (const [who, make] of WHO) {
        const before = process.cpuUsage()
        const result = await simulate(fleet, await make(), minutes)
        const { user, system } = process.cpuUsage(before)
        rows.push({
          nodes,
          seed,
          who,
          lostHours: rounded(result.lostHours),
          movingHours: rounded(result.movingHours),
          copiedGiB: rounded(result.copiedGiB),
          moves: result.moves,
          flaps: result.flaps,
          wantedHours: rounded(result.wantedHours),
          cpuSeconds: rounded((user + system) / 1e6),
        })
      }
    }
  }
  return { kind: 'Bench', name: 'balance', host: hostFacts(), rows }
}

const bench: BenchModule = { name: 'balance', run }
export default bench
