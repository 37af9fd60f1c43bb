/** `homenode top`: what running VMs and the host's nodes do, again and again. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Meter } from '../../executor/meter/meter.js'
import { type Rates, ratesBetween } from '../../executor/meter/rates.js'
import type { Reading } from '../../executor/meter/types.js'
import { InputError, show } from '../errors.js'
import { EXIT } from './errors.js'
import { type ColorWhen, print, styleOf } from './output.js'
import { press, START, sortsOf, type TopState, type View, viewed } from './top-keys.js'
import { CSV_HEAD, csvLines, jsonLine } from './top-records.js'
import { Screen } from './top-screen.js'
import { screenOf, showTop } from './top-view.js'

interface TopOptions {
  readonly interval: number
  readonly batch?: true
  readonly rounds?: number
  readonly csv?: true
  readonly json?: true
  readonly view: View
  readonly sort: string
  readonly filter: string
  readonly connect?: string
  readonly color: ColorWhen
}

export async function top(options: TopOptions): Promise<void> {
  const { connect, csv, json, batch, view, filter, color } = options
  const state = { ...viewed(START, view), filter, sort: columnOf(view, options.sort) }
  using meter = await Meter.open(connect === undefined ? {} : { connect })
  if (json) return lines(meter, options, (rates, time) => [jsonLine(rates, time)])
  if (csv) {
    print(CSV_HEAD)
    return lines(meter, options, csvLines)
  }
  if (batch || !process.stdout.isTTY || !process.stdin.isTTY) {
    const style = styleOf(process.stdout, color)
    return lines(meter, options, (rates, time) => [showTop(rates, state, style, time), ''])
  }
  return interactive(meter, options, state)
}

/** @throws {InputError} where the view has no such column */
function columnOf(view: View, sort: string): string {
  const column = sort.toUpperCase()
  if (sortsOf(view).includes(column)) return column
  throw new InputError('--sort', `a column of this view: ${sortsOf(view).join(', ')}`, show(sort))
}

/** Two readings make the first lines. */
async function lines(
  meter: Meter,
  { interval, rounds = Number.POSITIVE_INFINITY }: TopOptions,
  linesOf: (rates: Rates, time: Date) => readonly string[],
): Promise<void> {
  let before = await meter.read()
  for (let round = 0; round < rounds; round++) {
    await sleep(untilNext(before, interval))
    const after = await meter.read()
    for (const line of linesOf(ratesBetween(before, after), new Date())) print(line)
    before = after
  }
}

/** Milliseconds. */
function untilNext({ at }: Reading, interval: number): number {
  return Math.max(0, at + interval * 1000 - performance.now())
}

/** Draws after each reading and after each key, until a key or a signal ends it. */
async function interactive(meter: Meter, options: TopOptions, start: TopState): Promise<void> {
  const { interval, rounds = Number.POSITIVE_INFINITY, color } = options
  let state = start
  let before = await meter.read()
  let rates = ratesBetween(before, before)
  const end = new AbortController()
  const finish = (exitCode: number) => {
    process.exitCode = exitCode
    end.abort()
  }
  const draw = () => screen.draw(screenOf(rates, state, styleOf(process.stdout, color), new Date(), screen.height))
  using screen = new Screen(process.stdin, process.stdout, {
    redraw: () => draw(),
    end: () => finish(EXIT.interrupted),
    key: (key) => {
      const next = press(state, key)
      if (next === 'quit') finish(EXIT.done)
      else if (next === 'interrupt') finish(EXIT.interrupted)
      else if (next === 'suspend') screen.suspend()
      else {
        state = next
        draw()
      }
    },
  })
  draw()
  try {
    for (let round = 0; round < rounds; round++) {
      await sleep(untilNext(before, interval), undefined, { signal: end.signal })
      const after = await meter.read()
      rates = ratesBetween(before, after)
      before = after
      draw()
    }
  } catch (error) {
    if (!end.signal.aborted) throw error
  }
}
