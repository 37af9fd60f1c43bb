/**
 * Hosts picked by `rank`, by the first that has room, by Nova's weighers and by Ganeti's hail, for the same VMs that come and go (bench/fleet/): who is
 * accepted, and what those that run lose. On the host that is picked homenode places for all of them, so only the picking differs.
 */

import { syntheticHost } from '../src/topology/synthetic.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { firstFit, hailRule, novaRule, type Rule, rankRule } from './fleet/rules.js'
import { simulate } from './fleet/simulate.js'
import { arrivalsFor } from './fleet/workload.js'

/** Two nodes with four caches each, and a host with larger caches: a fleet of two ages. */
const KINDS = ['pack:2 [numa(memory=96GiB)] l3:4 core:4 pu:1', 'pack:2 [numa(memory=96GiB)] l3:1 core:16 pu:1']
const HOSTS = 8
/** More is asked for than there is: then it tells who wastes room. */
const LOADS = [0.8, 1.2]
const SEEDS = [1, 2]

async function run({ quick }: BenchOptions): Promise<Bench> {
  const count = quick ? 2 : HOSTS
  const hosts = Array.from({ length: count }, (_, at) => {
    return { name: `host${at}`, host: syntheticHost(KINDS[at % KINDS.length]!) }
  })
  const cpus = hosts.reduce((sum, { host }) => sum + host.cpus.length, 0)
  const hail = hailRule()
  const rules: (readonly [string, Rule])[] = [
    ['first fit', firstFit],
    ["Nova's rule", novaRule],
    ...(hail === undefined ? [] : [['hail', hail.rule] as const]),
    ['rank', rankRule],
  ]
  const rows: Row[] = []
  for (const load of quick ? LOADS.slice(1) : LOADS) {
    for (const seed of quick ? SEEDS.slice(0, 1) : SEEDS) {
      const arrivals = arrivalsFor(cpus, load, quick ? 40 : 500, seed)
      const asked = arrivals.reduce((sum, { vm }) => sum + vm.vcpus, 0)
      for (const [rule, pick] of rules) {
        const found = await simulate(hosts, arrivals, pick)
        rows.push({
          load,
          seed,
          rule,
          vms: arrivals.length,
          accepted: found.accepted,
          'vCPUs %': rounded((100 * found.acceptedVcpus) / asked),
          'used %': rounded(100 * found.used),
          'lost %': rounded(100 * found.lostShare),
        })
      }
    }
  }
  hail?.close()
  const notes = hail === undefined ? ["hail is missing: Debian's package ganeti brings it"] : []
  return { kind: 'Bench', name: 'fleet', host: { ...hostFacts(), hosts: count }, rows, notes }
}

const bench: BenchModule = { name: 'fleet', run }
export default bench
