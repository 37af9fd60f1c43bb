/**
 * Makes the vectors anew: `npm run vectors`. Calls of planner.wasm with their results, and hosts, requests and options with their plans, as Node
 * answers them; every client and runtime is held to these. What each file holds is said in README.md here.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { build } from '../../test/clients/built.js'
import { Front } from '../../test/clients/front.js'
import { mistakes, SOUND } from '../../test/clients/mistakes.js'
import { signatures } from '../../test/planner/abi-table.js'
import { hostShape, makeHost, request } from '../../test/planner/cases.js'
import { replans } from '../../test/planner/replans.js'
import { recordCalls, recordProblems } from '../../test/planner/runtimes/record.js'

const MAX_PACKED = 100 * 1024
const SEED = 20_260_701
/** How many of each. */
const PROBLEMS = 2
const RANDOM_CALLS = 10
const PLANS = 20
const REPLANS = 10
const EXPECTING = 4
const MISTAKES = 24

const wholes = new Map(signatures.map(({ name, parameters }) => [name, parameters.map(({ type }) => type === 'i32')]))

/** A number as every language reads it; what is passed as an i32 as that. */
function numberText(value: number, isWhole: boolean): string {
  if (isWhole) return `${value | 0}`
  return Object.is(value, -0) ? '-0' : `${value}`
}

async function callsText(): Promise<string> {
  const seeds = Array.from({ length: RANDOM_CALLS }, (_, at) => SEED + at)
  const recorded = [...(await recordProblems(PROBLEMS)), ...recordCalls(seeds)]
  const blocks = recorded.map(({ name, calls }) => {
    // How much work was done says how fast the planner is, not what it answers.
    const answers = calls.filter(({ call: [called] }) => called !== 'work')
    const lines = answers.map(({ call: [called, ...numbers], result }) => {
      const kinds = wholes.get(called)!
      const texts = numbers.map((number, at) => numberText(number, kinds[at]!))
      return `${[called, ...texts].join(' ')} = ${numberText(result, false)}`
    })
    return `# ${name}\n${lines.join('\n')}\n`
  })
  return blocks.join('')
}

interface Input {
  readonly host: string
  readonly request: string
}

function inputs(): Input[] {
  const sample = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number) => fc.sample(arbitrary, { numRuns, seed: SEED })
  const plans = sample(fc.tuple(hostShape, request), PLANS).map(([shape, input]) => ({
    host: makeHost(shape),
    request: input,
  }))
  const again = sample(replans, REPLANS)
  const expect = [
    { vcpus: 2, memory: '256MiB', share: 2 },
    { vcpus: 5, memory: '1GiB', share: 0.5 },
    { vcpus: 64, memory: '4GiB' },
  ]
  const expecting = plans.slice(0, EXPECTING).map(({ host, request }) => ({ host, request: { ...request, expect } }))
  const texts = [...plans, ...again, ...expecting].map(({ host, request }) => ({
    host: JSON.stringify(host),
    request: JSON.stringify(request),
  }))
  const wrong = [...mistakes(3, 311)].slice(0, MISTAKES)
  const oneLine = (text: string) => text.replaceAll('\n', ' ')
  const broken = [40, 300, 700].map((length) => ({
    host: oneLine(SOUND.host),
    request: oneLine(SOUND.request).slice(0, length),
  }))
  return [...texts, ...wrong, ...broken]
}

function plansText(front: Front): string {
  const vectors = inputs().map(({ host, request }, at) => {
    const steps = at % 3 === 0 ? 0 : 25
    const { status, text } = front.plan(host, request, steps, at)
    return [`${steps} ${at} ${status}`, host, request, text].join('\n')
  })
  return `${vectors.join('\n')}\n`
}

/** The files by their names. */
export async function vectors(): Promise<ReadonlyMap<string, string>> {
  const front = new Front(build().front)
  return new Map([
    ['calls.txt', await callsText()],
    ['plans.txt', plansText(front)],
  ])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await vectors()
  const packed = gzipSync([...files.values()].join('')).length
  if (packed > MAX_PACKED) throw new Error(`the vectors have ${packed} bytes when packed, more than ${MAX_PACKED}`)
  for (const [name, text] of files) writeFileSync(join(import.meta.dirname, name), text)
  console.log(`${[...files].map(([name, text]) => `${name}: ${text.length} bytes`).join(', ')}; ${packed} packed`)
}
