/**
 * What planning takes at the limits: each kind of request that is hard in its own way (bench/planner/limits/kinds.ts) as large as it may be, random ones,
 * and by which power the time grows with VMs and CPUs.
 */

import { instantiatePlanner, Planner } from '../src/planner/index.js'
import { buildProblem } from '../src/planner/problem.js'
import { parseRequest } from '../src/request.js'
import type { Host, Request } from '../src/types.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, type Row, rounded } from './bench.js'
import { KINDS, type Kind, type Problem } from './planner/limits/kinds.js'
import { randomProblem } from './planner/limits/random.js'

const RANDOM = 20

async function run({ quick }: BenchOptions): Promise<Bench> {
  const planner = await Planner.load()
  const kinds = quick ? KINDS.slice(0, 2) : KINDS
  const seeds = Array.from({ length: quick ? 1 : RANDOM }, (_, at) => at + 1)
  const problems = [
    ...kinds.map((kind) => () => ({ what: kind.name, ...kind.make(quick ? 64 : kind.most) })),
    ...seeds.map((seed) => () => ({ what: `random ${seed}`, ...randomProblem(seed) })),
  ]
  const rows = problems.map((make) => rowOf(planner, make()))
  const growth = quick ? [] : await growthRows()
  return { kind: 'Bench', name: 'planner-limits', host: hostFacts(), rows: [...rows, ...growth] }
}

/** CPU seconds of one call, garbage collection and compilation with it. */
function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

function rowOf(planner: Planner, { what, host, request }: Problem & { readonly what: string }): Row {
  const parsed = parseRequest(request)
  const without = cpuSeconds(() => planner.plan(host, parsed, { steps: 0 }))
  let plan = planner.plan(host, parsed, { steps: 0 })
  const seconds = cpuSeconds(() => {
    plan = planner.plan(host, parsed)
  })
  return {
    what,
    vms: parsed.vms.length,
    vcpus: parsed.vms.reduce((sum, vm) => sum + vm.vcpus, 0),
    cpus: host.cpus.length,
    nodes: host.nodes.length,
    refused: plan.refused.length,
    secondsWithoutSteps: rounded(without),
    seconds: rounded(seconds),
    steps: plan.solver.steps,
  }
}

const GROWN = [
  'small',
  'separate',
  'near chains',
  'preferred',
  'shared',
  'mixed',
  'trust',
  'require',
  'bandwidth',
  'weights',
  'devices',
  'hybrid',
]
const SHARES = [1 / 8, 1 / 4, 1 / 2, 1]
const NODES = [8, 16, 32, 64]
/** VMs on hosts of different size: as many as the smallest has CPUs for. */
const FEW = 256

async function growthRows(): Promise<Row[]> {
  const wasm = await instantiatePlanner()
  const timeOf = (host: Host, request: Request) => {
    const solve = () => {
      buildProblem(wasm, host, request)
      wasm.solve(0, 1)
    }
    return Math.min(...[1, 2, 3].map(() => cpuSeconds(solve)))
  }
  const times = (problems: readonly Problem[]) =>
    problems.map(({ host, request }) => timeOf(host, parseRequest(request)))
  return KINDS.filter(({ name }) => GROWN.includes(name)).map((kind: Kind) => {
    const counts = SHARES.map((share) => Math.floor(share * kind.most))
    const byVms = times(counts.map((count) => kind.make(count)))
    const byCpus = times(NODES.map((nodes) => kind.make(FEW, nodes)))
    return {
      kind: kind.name,
      exponentOverVms: exponent(counts, byVms),
      exponentOverCpus: exponent(NODES, byCpus),
      msMostVms: rounded(1000 * byVms.at(-1)!),
      msMostCpus: rounded(1000 * byCpus.at(-1)!),
    }
  })
}

/** The power that fits best: the slope of the logarithms. */
function exponent(sizes: readonly number[], times: readonly number[]): number {
  const x = sizes.map(Math.log)
  const y = times.map(Math.log)
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(x), mean(y)]
  const over = x.reduce((sum, value, at) => sum + (value - meanX) * (y[at]! - meanY), 0)
  return rounded(over / x.reduce((sum, value) => sum + (value - meanX) ** 2, 0))
}

const bench: BenchModule = { name: 'planner-limits', run }
export default bench
