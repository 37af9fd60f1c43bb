/**
 * `rank` over hosts of 128 CPUs with 20 VMs each: the first time, a VM of another size, the same again after a VM has left one host in a hundred.
 * CPU time of one process, so of one core; ratios between rows do not depend on the machine.
 */

import { placedRequest, withoutVm } from '../src/fleet/placed.js'
import { type RankedHost, type RankOptions, rank } from '../src/fleet/rank.js'
import { Planner } from '../src/planner/planner.js'
import { parseRequest } from '../src/request.js'
import { syntheticHost } from '../src/topology/synthetic.js'
import type { Request } from '../src/types.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { randomFrom } from './planner/random.js'

const HOST = 'pack:2 [numa(memory=512GiB)] l3:4 core:8 pu:2'
const VMS = 20
/** Some leave again, so that what is free is in pieces. */
const PLACED = 25
const SIZES = [1, 2, 2, 2, 4, 4, 4, 8, 8, 16]
const FLAVOURS = [2, 4, 16].map((vcpus) => ({ vcpus, memory: `${4 * vcpus}GiB` }))
const HOSTS = 1000

const vmOf = (vcpus: number) => ({ name: 'new', vcpus, memory: `${4 * vcpus}GiB` })

async function fleetOf(count: number) {
  const planner = await Planner.load()
  const random = randomFrom(1)
  const hosts = Array.from({ length: count }, (_, at) => ({ name: `host${at}`, host: syntheticHost(HOST) }))
  const placed: Record<string, Request> = {}
  for (const { name, host } of hosts) {
    const vms = Array.from({ length: PLACED }, (_, at) => ({ ...vmOf(random.pick(SIZES)), name: `vm${at}` }))
    const request = parseRequest({ vms })
    let state = placedRequest(request, planner.plan(host, request, { steps: 0 }))
    while (state.vms.length > VMS) state = withoutVm(state, random.pick(state.vms).name)
    placed[name] = state
  }
  return { hosts, placed }
}

async function run({ quick }: BenchOptions): Promise<Bench> {
  const count = quick ? 20 : HOSTS
  const { hosts, placed } = await fleetOf(count)
  const rows: Row[] = []
  const measure = async (what: string, vcpus: number, options: RankOptions = {}) => {
    const before = process.cpuUsage()
    const began = performance.now()
    const ranked = await rank(hosts, placed, vmOf(vcpus), options)
    const wall = performance.now() - began
    const { user, system } = process.cpuUsage(before)
    rows.push({ what, vcpus, ...countsOf(ranked), cpuMs: rounded((user + system) / 1000), wallMs: rounded(wall) })
  }
  await measure('first time', 12)
  for (const vcpus of [8, 16, 6]) await measure('another size', vcpus)
  await measure('the same again', 6)
  for (const { name } of hosts.filter((_, at) => at % 100 === 0)) {
    placed[name] = withoutVm(placed[name]!, placed[name]!.vms[0]!.name)
  }
  await measure('after a VM left 1 in 100', 6)
  await measure('nobody moves, first time', 12, { moves: false })
  await measure('nobody moves, another size', 8, { moves: false })
  await measure('with 3 flavours, first time', 12, { flavours: FLAVOURS })
  await measure('with 3 flavours, another size', 8, { flavours: FLAVOURS })
  return { kind: 'Bench', name: 'rank', host: { ...hostFacts(), hosts: count }, rows }
}

function countsOf(ranked: readonly RankedHost[]): Row {
  return {
    fits: ranked.filter(({ plan }) => plan !== null).length,
    losesNothing: ranked.filter(({ lostMore }) => lostMore === 0).length,
  }
}

const bench: BenchModule = { name: 'rank', run }
export default bench
