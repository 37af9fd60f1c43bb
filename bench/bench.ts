/** What every bench gives: the host it ran on, rows of figures, notes. */

import { cpus, release } from 'node:os'

export type Row = Readonly<Record<string, string | number | null>>

export interface Bench {
  readonly kind: 'Bench'
  readonly name: string
  readonly host: Row
  readonly rows: readonly Row[]
  /** The peer's cost over ours, where a bench has one peer for one thing: above 1 we are faster. */
  readonly ratio?: number
  /** What a reader has to know of these figures, such as a peer that is missing. */
  readonly notes?: readonly string[]
}

export interface BenchOptions {
  /** As short as it can be: shows that the bench works, its figures mean little. */
  readonly quick: boolean
}

/** A file of this folder that measures something exports one of these by default. */
export interface BenchModule {
  readonly name: string
  run(options: BenchOptions): Promise<Bench>
  /** What it measured, as an SVG document. */
  plot?(bench: Bench): string
}

/** The machine that the figures are from. */
export function hostFacts(): Row {
  return { cpu: cpus()[0]?.model ?? 'unknown', cpus: cpus().length, kernel: release(), node: process.version }
}

/** CPU time of this process so far, all of its threads. Of short times the kernel knows no more than the sum of user's and its own. */
export function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** To two decimals. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
