/** How fast: the rows of the targets, each in process and where there is one against a peer in the same run. */

import { instantiatePlanner, Planner, plannerBytes } from '../../src/planner/index.js'
import { addVm, buildProblem } from '../../src/planner/problem.js'
import { parseRequest } from '../../src/request.js'
import type { Host, Request } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { cpuMilliseconds, median, type Row } from '../bench.js'
import { evenHost } from './hosts.js'
import { fitAll, nova } from './peers/nova.js'

export interface SpeedOptions {
  readonly quick: boolean
}

export async function speedRows(options: SpeedOptions): Promise<Row[]> {
  return [
    ...(await fullHost(options)),
    ...(await oneVm(options)),
    await livingInstance(options),
    ...(await moduleRows(options)),
    ...(await refusals(options)),
  ]
}

interface Figure {
  readonly what: string
  readonly solver: string
  readonly value: number | null
  readonly unit: string
  readonly target: string
}

/** Rows have the same columns, so that they make one table. */
function row({ what, solver, value, unit, target }: Figure): Row {
  return { what, solver, value: value === null ? null : Math.round(value * 10_000) / 10_000, unit, target }
}

const EIGHT_NODES = 'group:8 [numa(memory=64GiB)] l3:4 core:8 pu:2'
const FULL_VCPUS = [4, 6, 8, 14]
const FULL_WHAT = '64 VMs, 512 vCPUs on 8 nodes, 512 CPUs'

/** 16 VMs of each size: as many vCPUs as CPUs. */
function fullRequest(): Request {
  const vms = Array.from({ length: 64 }, (_, at) => {
    const vcpus = FULL_VCPUS[at % FULL_VCPUS.length]!
    return { name: `vm${at}`, vcpus, memory: `${vcpus * 512}MiB` }
  })
  return parseRequest({ vms })
}

async function fullHost({ quick }: SpeedOptions): Promise<Row[]> {
  const host = evenHost(EIGHT_NODES, 21)
  const request = fullRequest()
  const wasm = await instantiatePlanner()
  const first: number[] = []
  let firstCost = 0
  for (let round = 0; round < (quick ? 2 : 9); round++) {
    buildProblem(wasm, host, request)
    const start = performance.now()
    wasm.solve(0, 1)
    first.push(performance.now() - start)
    firstCost = wasm.planCost()
  }
  const soon = await costAfter(host, request, 50, 1)
  const budget = quick ? 200 : 4000
  const late = []
  for (const seed of quick ? [1] : [1, 2, 3]) late.push(await costAfter(host, request, budget, seed))
  const best = Math.min(soon.cost, ...late.map(({ cost }) => cost))
  const figure = (what: string, value: number | null, unit: string, target: string) =>
    row({ what: `${FULL_WHAT}: ${what}`, solver: 'homenode', value, unit, target })
  const beyond = (cost: number) => (best === 0 ? 0 : (100 * (cost - best)) / best)
  return [
    figure('first full plan, wasm time', median(first), 'ms', '<= 5'),
    figure('first plan, above the best known', beyond(firstCost), '%', ''),
    figure('after 50 ms, above the best known', beyond(soon.cost), '%', '<= 1'),
    figure('VMs refused after 50 ms', soon.refused, 'VMs', '0'),
    figure(`best known (${budget} ms, ${late.length} seeds)`, best / 1e6, 'lost vCPUs', ''),
    figure(
      'from nothing to a plan proven optimal, CPU time',
      await provenAfter(host, request, quick ? 2 : 9),
      'ms',
      '<= 50',
    ),
    figure('its lower bound', Math.max(...late.map(({ bound }) => bound)) / 1e6, 'lost vCPUs', ''),
  ]
}

/** Solves in small steps until the time is over. */
async function costAfter(host: Host, request: Request, milliseconds: number, seed: number) {
  const wasm = await instantiatePlanner()
  const { handles } = buildProblem(wasm, host, request)
  const start = performance.now()
  let status = wasm.solve(0, seed)
  while (performance.now() - start < milliseconds && status !== 0) status = wasm.solve(20, seed)
  const refused = handles.filter((handle) => wasm.cellCount(handle) < 0).length
  return { cost: wasm.planCost(), bound: wasm.planBound(), refused }
}

const MOST_PROOF_MS = 1000

/** Milliseconds of CPU until nothing can be better, the problem entered already; null where that takes too long. */
async function provenAfter(host: Host, request: Request, rounds: number): Promise<number | null> {
  const times = []
  for (let round = 0; round < rounds; round++) {
    const wasm = await instantiatePlanner()
    buildProblem(wasm, host, request)
    const started = cpuMilliseconds()
    const used = () => cpuMilliseconds() - started
    let status = wasm.solve(0, 1)
    while (status !== 0 && used() < MOST_PROOF_MS) status = wasm.solve(20, 1)
    if (status !== 0 || wasm.planCost() !== wasm.planBound()) return null
    times.push(used())
  }
  return median(times)
}

const TWO_NODES = 'pack:2 [numa(memory=256GiB)] l3:4 core:8 pu:2'

async function oneVm({ quick }: SpeedOptions): Promise<Row[]> {
  const host = evenHost(TWO_NODES, 21)
  const request = parseRequest({ vms: [{ name: 'vm', vcpus: 8, memory: '16GiB' }] })
  const planner = await Planner.load()
  const times = []
  for (let round = 0; round < (quick ? 20 : 300); round++) {
    const start = performance.now()
    const plan = planner.plan(host, request)
    times.push(performance.now() - start)
    if (round === 0 && checkPlan(host, request, plan).length > 0) throw new Error('the plan of one VM does not hold')
  }
  const what = 'one VM on 2 nodes, 128 CPUs, from nothing'
  const ours = median(times)
  const rows = [row({ what, solver: 'homenode', value: ours, unit: 'ms', target: '<= 1' })]
  if (nova.missing !== undefined) return rows
  const theirs = fitAll(
    Array.from({ length: quick ? 5 : 50 }, () => ({ host, request })),
    10,
  )
  if (theirs.some(({ vms }) => vms[0] === null)) throw new Error('Nova refuses the VM')
  const peer = median(theirs.map(({ seconds }) => seconds * 1000))
  return [
    ...rows,
    row({ what, solver: nova.name, value: peer, unit: 'ms', target: '' }),
    row({ what: `${what}: Nova / homenode`, solver: 'homenode', value: peer / ours, unit: 'times', target: 'several' }),
  ]
}

async function livingInstance({ quick }: SpeedOptions): Promise<Row> {
  const host = evenHost(TWO_NODES, 21)
  const vms = Array.from({ length: 20 }, (_, at) => ({ name: `vm${at}`, vcpus: 1 + (at % 6), memory: '4GiB' }))
  const request = parseRequest({ vms: [...vms, { name: 'next', vcpus: 4, memory: '8GiB' }] })
  const wasm = await instantiatePlanner()
  const next = request.vms.at(-1)!
  const problem = buildProblem(wasm, host, request)
  wasm.removeVm(problem.handles.at(-1)!)
  wasm.solve(2000, 1)
  const times = []
  for (let round = 0; round < (quick ? 50 : 2000); round++) {
    const handle = addVm(problem, next, 20)
    const start = performance.now()
    wasm.solve(0, 1)
    times.push((performance.now() - start) * 1000)
    if (wasm.cellCount(handle) < 1) throw new Error('the VM was not placed')
    wasm.removeVm(handle)
  }
  const what = 'one VM more on a living instance: 2 nodes, 128 CPUs, 20 VMs, wasm time'
  return row({ what, solver: 'homenode', value: median(times), unit: 'us', target: '<= 20' })
}

async function moduleRows({ quick }: SpeedOptions): Promise<Row[]> {
  const bytes = plannerBytes()
  const times = []
  for (let round = 0; round < (quick ? 3 : 25); round++) {
    const fresh = withSerial(bytes, round)
    const start = performance.now()
    await WebAssembly.instantiate(await WebAssembly.compile(fresh), {})
    times.push(performance.now() - start)
  }
  return [
    row({ what: 'the module', solver: 'homenode', value: bytes.length / 1024, unit: 'KiB', target: '<= 96' }),
    row({
      what: 'the module, compiled and instantiated',
      solver: 'homenode',
      value: median(times),
      unit: 'ms',
      target: '<= 3',
    }),
  ]
}

/** With a custom section that differs each time: V8 does not compile the same bytes twice. */
function withSerial(bytes: Uint8Array, serial: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...bytes, 0, 3, 1, 0x6e, serial])
}

/** What fits on no permutation of nodes: all but one node take any of the cells, the last takes none. */
function tightHost(nodes: number): { readonly host: Host; readonly request: Request } {
  const whole = evenHost(`group:${nodes} [numa(memory=16GiB)] core:8 pu:1`, 20)
  const last = whole.cpus.filter(({ node }) => node === nodes - 1).map(({ id }) => id)
  const request = parseRequest({
    reserve: { cpus: `${last.slice(4).join(',')}` },
    vms: [{ name: 'vm', vcpus: nodes * 5, memory: `${nodes}GiB`, cells: nodes }],
  })
  return { host: whole, request }
}

/** Cells of many sizes, one more vCPU in all than can be packed. */
function unevenHost(nodes: number): { readonly host: Host; readonly request: Request } {
  const host = evenHost(`group:${nodes} [numa(memory=16GiB)] core:8 pu:1`, 20)
  const sizes = Array.from({ length: nodes }, (_, at) => 5 + (at % 3))
  let first = 0
  const cells = [...sizes, 4].map((size) => {
    first += size
    return { vcpus: `${first - size}-${first - 1}`, memory: '1GiB' }
  })
  const request = parseRequest({ vms: [{ name: 'vm', vcpus: first, memory: `${nodes + 1}GiB`, cells }] })
  return { host, request }
}

/** What takes longer than this is measured once, and not tried on more nodes. */
const PATIENCE_MS = 2000

async function refusals({ quick }: SpeedOptions): Promise<Row[]> {
  const planner = await Planner.load()
  const kinds = [
    { problem: tightHost, what: (nodes: number) => `${nodes} equal cells that do not fit on ${nodes} nodes` },
    { problem: unevenHost, what: (nodes: number) => `${nodes + 1} uneven cells that do not fit on ${nodes} nodes` },
  ]
  const rows = kinds.flatMap(({ problem, what }) => {
    let last = 0
    return [10, 16, 32].map((nodes) => {
      const text = `${what(nodes)}: refused, with reasons and what would fit`
      const figure = { what: text, solver: 'homenode', unit: 'ms', target: '< 10' }
      if (last > PATIENCE_MS) return row({ ...figure, what: `${text} (not tried: it took long on fewer)`, value: null })
      const { host, request } = problem(nodes)
      const times: number[] = []
      while (times.length < (quick ? 1 : 9) && last <= PATIENCE_MS) {
        const start = performance.now()
        const plan = planner.plan(host, request)
        last = performance.now() - start
        times.push(last)
        if (plan.refused.length !== 1) throw new Error(`${text}: it was placed`)
      }
      return row({ ...figure, value: median(times) })
    })
  })
  return nova.missing === undefined ? [...rows, novaRefusal(quick ? 7 : 10)] : rows
}

function novaRefusal(nodes: number): Row {
  const limit = 60
  const [answer] = fitAll([tightHost(nodes)], limit)
  if (answer!.vms[0] !== null) throw new Error('Nova places what does not fit')
  const what = `${nodes} equal cells that do not fit on ${nodes} nodes: refused${answer!.outOfTime ? `, not yet after ${limit} s` : ''}`
  return row({ what, solver: nova.name, value: answer!.seconds * 1000, unit: 'ms', target: '' })
}
