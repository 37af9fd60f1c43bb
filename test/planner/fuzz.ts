/** Drives planner.wasm with calls at random and says what is wrong, with the fewest calls that show it. */

import * as assert from 'uvu/assert'
import { ERROR, NONE } from '../../src/planner/generated/abi.js'
import { plannerBytes } from '../../src/planner/wasm.js'
import { type Call, type Exports, showCall, signatures } from './abi-table.js'
import { problemCalls } from './calls.js'
import { recordProblems } from './runtimes/record.js'
import { FUEL, meter } from './wasm-module.js'

/** More work than this in one call is taken for an endless loop: function calls and turns of loops. */
const MOST_WORK = 1_000_000_000

/** How long a failure is made smaller: in work, since that is what a loop takes until it counts as endless. */
const MOST_SHRINKING = 20 * MOST_WORK

/** The module as it is shipped and a copy that counts its work, side by side. */
interface Pair {
  readonly shipped: Exports
  readonly metered: Exports
  readonly memory: WebAssembly.Memory
  readonly fuel: WebAssembly.Global
  readonly bytes: number
}

/** Makes pairs of instances of the module. */
async function pairs(): Promise<() => Pair> {
  const bytes = plannerBytes()
  const shipped = await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>)
  const metered = await WebAssembly.compile(meter(bytes))
  return () => {
    const { memory, ...functions } = new WebAssembly.Instance(shipped, {}).exports
    const { [FUEL]: fuel, ...counted } = new WebAssembly.Instance(metered, {}).exports
    return {
      shipped: functions as unknown as Exports,
      metered: counted as unknown as Exports,
      memory: memory as WebAssembly.Memory,
      fuel: fuel as WebAssembly.Global,
      bytes: (memory as WebAssembly.Memory).buffer.byteLength,
    }
  }
}

const STATUSES: ReadonlySet<number> = new Set([NONE, ...Object.values(ERROR)])

/** What is wrong with a call, if anything: a trap, too much work, growth, a result that is neither a value nor a status. */
interface Outcome {
  readonly result: number
  readonly work: number
  readonly wrong: string | undefined
}

function play(pair: Pair, [name, ...numbers]: Call): Outcome {
  const { fuel } = pair
  fuel.value = MOST_WORK
  let result = Number.NaN
  try {
    result = pair.metered[name]?.(...numbers) ?? Number.NaN
  } catch (error) {
    const wrong = fuel.value < 0 ? `more than ${MOST_WORK} calls and turns of loops` : `${error}`
    return { result, work: MOST_WORK, wrong }
  }
  const work = MOST_WORK - fuel.value
  const shipped = pair.shipped[name]?.(...numbers)
  if (!Object.is(shipped, result)) return { result, work, wrong: `${shipped}, the copy that counts ${result}` }
  if (!Number.isFinite(result)) return { result, work, wrong: `returned ${result}` }
  if (result < 0 && !STATUSES.has(result)) return { result, work, wrong: `returned ${result}, which is no status` }
  const bytes = pair.memory.buffer.byteLength
  return { result, work, wrong: bytes === pair.bytes ? undefined : `memory went from ${pair.bytes} to ${bytes} bytes` }
}

/** Of the first problem: the environment's FUZZ_SEED, to repeat what a failure says, else any. */
function firstSeed(): number {
  const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`FUZZ_SEED=${seed}`)
  return seed
}

/** Makes at least so many calls in one instance, problem after problem; how often each function gave a value. */
function playMany(fresh: () => Pair, pair: Pair, seed: number, least: number): ReadonlyMap<string, number> {
  const values = new Map<string, number>()
  let calls = 0
  for (let problem = seed; calls < least; problem++) {
    const list = problemCalls(problem)
    for (const [at, call] of list.entries()) {
      const { result, wrong } = play(pair, call)
      if (wrong !== undefined) throw new Error(explain(fresh, list.slice(0, at + 1), wrong, problem))
      if (result >= 0) values.set(call[0], (values.get(call[0]) ?? 0) + 1)
    }
    calls += list.length
  }
  return values
}

/** What is wrong, with the calls that show it in a fresh instance, without most of those that it does not take. */
function explain(fresh: () => Pair, calls: readonly Call[], wrong: string, problem: number): string {
  let spent = 0
  const fails = (some: readonly Call[]) => {
    const pair = fresh()
    return some.some((call) => {
      const outcome = play(pair, call)
      spent += outcome.work
      return outcome.wrong !== undefined
    })
  }
  if (!fails(calls)) return `problem ${problem}: ${wrong}; not in a fresh instance: something outlived reset()`
  let left = calls
  for (let chunk = left.length >> 1; chunk > 0; chunk >>= 1) {
    for (let at = 0; at < left.length && spent < MOST_SHRINKING; ) {
      const fewer = [...left.slice(0, at), ...left.slice(at + chunk)]
      if (fails(fewer)) left = fewer
      else at += chunk
    }
  }
  return `problem ${problem}: ${wrong}:\n${left.map(showCall).join('\n')}`
}

/** The calls that gave no error, made in another instance, give the same results: a call that returns an error changes nothing. */
export async function checkErrorsChangeNothing(problems: number): Promise<void> {
  const seed = firstSeed()
  const fresh = await pairs()
  const noisy = fresh().shipped
  const quiet = fresh().shipped
  let errors = 0
  for (let problem = seed; problem < seed + problems; problem++) {
    for (const call of problemCalls(problem)) {
      const [name, ...numbers] = call
      const result = noisy[name]?.(...numbers) ?? Number.NaN
      if (result < NONE) errors++
      else assert.is(quiet[name]?.(...numbers), result, `problem ${problem}: ${showCall(call)}`)
    }
  }
  assert.ok(errors > problems, `${errors} errors`)
}

/**
 * Calls all functions at random, at least `calls` times in one instance: none traps, works without end, grows the memory, or returns
 * what is neither a value nor a status; each gives a value now and then; and then the instance plans as a fresh one does.
 */
export async function checkFuzzed(calls: number): Promise<void> {
  const seed = firstSeed()
  const fresh = await pairs()
  const pair = fresh()
  const values = playMany(fresh, pair, seed, calls)
  for (const { name } of signatures) assert.ok((values.get(name) ?? 0) > 0, `${name} gave a value`)
  for (const { name, calls: known } of await recordProblems(4)) {
    for (const { call, result } of known) {
      const [called, ...numbers] = call
      assert.is(pair.shipped[called]?.(...numbers), result, `${name}: ${showCall(call)}`)
    }
  }
  assert.is(pair.memory.buffer.byteLength, pair.bytes)
}
