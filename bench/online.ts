/**
 * One host at full load, on which VMs come and go (bench/online/): how many of the vCPUs that are asked for are accepted, and how many VMs move for it.
 * Best fit of the planner alone, and the session with moves; the same VMs for each.
 */

import { syntheticHost } from '../src/topology/synthetic.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { simulate } from './online/simulate.js'
import { eventsFor, possible } from './online/workload.js'

const HOSTS = [
  ['2 nodes of 4 LLCs', 'pack:2 [numa(memory=512GiB)] l3:4 core:16 pu:1'],
  ['8 nodes', 'pack:8 [numa(memory=128GiB)] l3:1 core:16 pu:1'],
] as const
const EVENTS = 5000
const QUICK_EVENTS = 150
/** vCPUs that those who would be there at a time ask for, of the CPUs. */
const LOADS = [0.8, 1]
const RULES = [
  ['best fit', { moves: false }],
  ['with moves', { moves: true }],
] as const

async function run({ quick }: BenchOptions): Promise<Bench> {
  const rows: Row[] = []
  for (const [name, spec] of quick ? HOSTS.slice(0, 1) : HOSTS) {
    const host = syntheticHost(spec)
    for (const load of quick ? LOADS.slice(1) : LOADS) {
      const events = eventsFor(host.cpus.length, load, quick ? QUICK_EVENTS : EVENTS, 1)
      const most = possible(host.cpus.length, events)
      for (const [rule, options] of RULES) {
        const found = await simulate(host, events, options)
        rows.push({
          host: name,
          load,
          rule,
          arrivals: found.arrivals,
          'accepted %': rounded((100 * found.acceptedVcpus) / found.askedVcpus),
          'possible %': rounded((100 * most.accepted) / most.asked),
          'moved an arrival': rounded(found.moved / found.arrivals),
          'lost %': rounded(100 * found.lostShare),
          'ms an arrival': rounded(found.cpuMs / found.arrivals),
        })
      }
    }
  }
  const notes = [
    'accepted %: of the vCPUs that were asked for; possible: of a host with all of its CPUs on one node; moved: VMs that had a place and got another one',
  ]
  return { kind: 'Bench', name: 'online', host: hostFacts(), rows, notes }
}

const bench: BenchModule = { name: 'online', run }
export default bench
