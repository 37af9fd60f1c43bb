/** What the common problems have to give: every call that planning makes, with its result, and the plans. */

import { InputError } from '../../../src/errors.js'
import { Planner } from '../../../src/planner/planner.js'
import { plannerBytes } from '../../../src/planner/wasm.js'
import type { Call, Exports } from '../abi-table.js'
import { problemCalls } from '../calls.js'
import { FUEL, meter } from '../wasm-module.js'
import { commonProblems, type Problem } from './problems.js'

/** Calls of the module, with what Node's instance returned; where they are those that planning makes, the plan as JSON. */
export interface Recorded {
  readonly name: string
  readonly calls: readonly { readonly call: Call; readonly result: number }[]
  /** Function calls and turns of loops inside of the module. */
  readonly work: number
  readonly planned?: Problem & { readonly plan: string }
}

const FUEL_FOR_ONE = 2 ** 31 - 1
const metered = new WebAssembly.Module(meter(plannerBytes()))

/** Calls and their results as they are made, on a copy of the module that counts its work. */
class Recorder {
  readonly #fuel: WebAssembly.Global
  readonly exports: WebAssembly.Exports
  #calls: Recorded['calls'][number][] = []
  #work = 0

  constructor() {
    const { memory, [FUEL]: fuel, ...functions } = new WebAssembly.Instance(metered, {}).exports
    this.#fuel = fuel as WebAssembly.Global
    const wrapped = Object.entries(functions as unknown as Exports).map(([name, run]) => {
      return [name, (...numbers: number[]) => this.#record([name, ...numbers], run)] as const
    })
    this.exports = { memory: memory as WebAssembly.Memory, ...Object.fromEntries(wrapped) }
  }

  #record(call: Call, run: (...numbers: number[]) => number): number {
    const [, ...numbers] = call
    this.#fuel.value = FUEL_FOR_ONE
    const result = run(...numbers)
    this.#work += FUEL_FOR_ONE - this.#fuel.value
    this.#calls.push({ call, result })
    return result
  }

  /** What was recorded since the last time. */
  take(): { readonly calls: Recorded['calls']; readonly work: number } {
    const taken = { calls: this.#calls, work: this.#work }
    this.#calls = []
    this.#work = 0
    return taken
  }
}

/** A planner of which every call of the module is recorded: it is given the recorder's exports for an instance of its own. */
async function recordedPlanner(recorder: Recorder): Promise<Planner> {
  const { instantiate } = WebAssembly
  try {
    WebAssembly.instantiate = (async () => ({ exports: recorder.exports })) as unknown as typeof instantiate
    return await Planner.load()
  } finally {
    WebAssembly.instantiate = instantiate
  }
}

/** The JSON of a plan, or what an InputError says. */
function planned(planner: Planner, { host, request, options }: Problem): string {
  try {
    return JSON.stringify(planner.plan(host, request, options))
  } catch (error) {
    if (error instanceof InputError) return `${error.name}: ${error.message}`
    throw error
  }
}

/** The common problems with their answers. */
export async function recordProblems(samples: number): Promise<Recorded[]> {
  const recorder = new Recorder()
  const planner = await recordedPlanner(recorder)
  const problems = commonProblems(planner, samples)
  recorder.take()
  return problems.map((problem) => {
    const plan = planned(planner, problem)
    return { name: problem.name, ...recorder.take(), planned: { ...problem, plan } }
  })
}

/** Calls at random, hostile ones among them, with their results. */
export function recordCalls(seeds: readonly number[]): Recorded[] {
  const recorder = new Recorder()
  const all = recorder.exports as unknown as Exports
  return seeds.map((seed) => {
    for (const [name, ...numbers] of problemCalls(seed)) all[name]?.(...numbers)
    return { name: `calls ${seed}`, ...recorder.take() }
  })
}
