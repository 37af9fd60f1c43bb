/**
 * The set-packing problem: which column of each VM, so that cores and memory suffice, the most weight is placed and, of
 * that, the cost is least. VMs that differ in nothing but their name share their columns, each to be taken that many times.
 */

import loadHighs from 'highs'
import type { NodeId, Request, RequestVm } from '../../../src/types.js'
import { MICRO } from '../../../src/verify/micro.js'
import type { ExactHost } from './classes.js'
import type { Column } from './columns.js'

/** VMs that are alike, and what each may take. */
export interface Kind {
  readonly vms: readonly RequestVm[]
  readonly columns: readonly Column[]
}

/** By kind: the columns taken, one for each VM placed. */
export type Choice = readonly (readonly Column[])[]

interface Term {
  readonly name: string
  readonly factor: number
}

interface Row {
  readonly terms: readonly Term[]
  readonly sign: '<=' | '>='
  readonly limit: number
}

// Its types are those of a CommonJS module, whose default export an ES module finds one level deeper; its code is not.
const highs = await (loadHighs as unknown as typeof loadHighs.default)()

/**
 * The most weight that can be placed.
 * @param least what is known to fit
 * @returns undefined where the time did not suffice
 */
export function mostWeight(
  host: ExactHost,
  request: Request,
  kinds: readonly Kind[],
  least: number,
  seconds: number,
): number | undefined {
  const { whole, rows, weights } = problemOf(host, request, kinds)
  if (whole.length === 0) return 0
  const values = solve('Maximize', weights, [...rows, atLeast(weights, least)], whole, seconds)
  return values && weights.reduce((total, { name, factor }) => total + factor * (values.get(name) ?? 0), 0)
}

/**
 * The cheapest placement of at least so much weight, which has to be possible.
 * @returns undefined where the time did not suffice
 */
export function leastCost(
  host: ExactHost,
  request: Request,
  kinds: readonly Kind[],
  weight: number,
  seconds: number,
): Choice | undefined {
  const { taken, whole, rows, weights } = problemOf(host, request, kinds)
  if (whole.length === 0) return kinds.map(() => [])
  const costs = taken.flatMap((own) => own.map(({ name, column }) => ({ name, factor: column.cost })))
  const beyond = host.nodes.map((_, node) => ({ name: `o${node}`, factor: MICRO }))
  const values = solve('Minimize', [...costs, ...beyond], [...rows, atLeast(weights, weight)], whole, seconds)
  return (
    values && taken.map((own) => own.flatMap(({ name, column }) => Array<Column>(values.get(name) ?? 0).fill(column)))
  )
}

function problemOf(host: ExactHost, request: Request, kinds: readonly Kind[]) {
  const taken = kinds.map(({ columns }, kind) => columns.map((column, at) => ({ name: `x${kind}_${at}`, column })))
  const rows = [
    ...supply(host, kinds, taken),
    ...overcommitted(host, request, taken),
    ...relations(host, request, kinds, taken),
  ]
  const whole = taken.flatMap((own, kind) => own.map(({ name }) => ({ name, most: kinds[kind]!.vms.length })))
  const weights = taken.flatMap((own, kind) => own.map(({ name }) => ({ name, factor: kinds[kind]!.vms[0]!.weight })))
  return { taken, rows, whole, weights }
}

/** Less what adding weights up may lose. */
function atLeast(terms: readonly Term[], limit: number): Row {
  return { terms, sign: '>=', limit: limit - 1e-6 }
}

type Taken = readonly (readonly { readonly name: string; readonly column: Column }[])[]

/** VMs, cores and pages. */
function supply(host: ExactHost, kinds: readonly Kind[], taken: Taken): Row[] {
  const all = taken.flat()
  const vms = kinds.map(
    ({ vms }, kind): Row => ({
      terms: taken[kind]!.map(({ name }) => ({ name, factor: 1 })),
      sign: '<=',
      limit: vms.length,
    }),
  )
  const cores = host.classes.map(
    (own, at): Row => ({
      terms: all.map(({ name, column }) => ({ name, factor: column.cores[at]! })),
      sign: '<=',
      limit: own.cores.length,
    }),
  )
  return [...vms, ...cores, ...pageRows(host, kinds, taken)]
}

function pageRows(host: ExactHost, kinds: readonly Kind[], taken: Taken): Row[] {
  const { pageSizes } = host.machine
  return pageSizes.flatMap((size) => {
    const users = taken.flatMap((own, kind) => {
      const { pageSize } = kinds[kind]!.vms[0]!
      return (pageSize === 'any' ? pageSizes[0] : pageSize) === size ? own : []
    })
    return [...host.machine.nodes.keys()].map((node: NodeId): Row => {
      const pages = users.map(({ name, column }) => ({ name, factor: (column.memory.get(node) ?? 0) / size }))
      // In units of what all of them are multiples of, so that the solver's tolerance is far below one.
      const unit = Math.max(
        1,
        pages.reduce((common, { factor }) => divisor(common, factor), 0),
      )
      const terms = pages.map(({ name, factor }) => ({ name, factor: factor / unit }))
      return { terms, sign: '<=', limit: Math.floor(host.machine.freePages(node, size) / unit) }
    })
  })
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

/** Shared demand of each node: at most `overcommit` a shared CPU; what is beyond one each (variable o) is paid for. */
function overcommitted(host: ExactHost, { overcommit }: Request, taken: Taken): Row[] {
  return host.nodes.flatMap(({ classes }, node): Row[] => {
    const all = taken.flat()
    if (!all.some(({ column }) => column.shared.has(node))) return []
    const cpus = classes.reduce((total, at) => total + host.classes[at]!.width * host.classes[at]!.cores.length, 0)
    const terms = (each: number) =>
      all.map(({ name, column }) => {
        const lost = classes.reduce((total, at) => total + host.classes[at]!.width * column.cores[at]!, 0)
        return { name, factor: (column.shared.get(node) ?? 0) / MICRO + each * lost }
      })
    return [
      { terms: terms(overcommit), sign: '<=', limit: overcommit * cpus },
      { terms: [...terms(1), { name: `o${node}`, factor: -1 }], sign: '<=', limit: cpus },
    ]
  })
}

/** `separate` and `near`, between placed VMs. */
function relations(host: ExactHost, request: Request, kinds: readonly Kind[], taken: Taken): Row[] {
  const kindOf = new Map(kinds.flatMap(({ vms }, kind) => vms.map(({ name }) => [name, kind] as const)))
  const columnsWhere = (name: string, holds: (column: Column) => boolean): Term[] =>
    (taken[kindOf.get(name) ?? -1] ?? []).filter(({ column }) => holds(column)).map(({ name }) => ({ name, factor: 1 }))
  const atMostOne = (terms: Term[]): Row => ({ terms, sign: '<=', limit: 1 })
  return request.vms.flatMap((vm) => [
    ...vm.separateFrom.flatMap((other) =>
      [...host.machine.nodes.keys()].map((id) => {
        const holds = (column: Column) =>
          column.memory.has(id) || column.nodes.some((node) => host.nodes[node]!.id === id)
        return atMostOne([...columnsWhere(vm.name, holds), ...columnsWhere(other, holds)])
      }),
    ),
    ...vm.near.flatMap((other) =>
      host.nodes.map((_, node) =>
        atMostOne([
          ...columnsWhere(vm.name, (column) => column.nodes[0] === node),
          ...columnsWhere(other, (column) => column.nodes[0] !== node),
        ]),
      ),
    ),
  ])
}

/** The whole variables that are not 0; undefined where the time did not suffice. */
function solve(
  sense: 'Maximize' | 'Minimize',
  objective: readonly Term[],
  rows: readonly Row[],
  whole: readonly { readonly name: string; readonly most: number }[],
  seconds: number,
): Map<string, number> | undefined {
  if (seconds <= 0) return undefined
  const text = [
    sense,
    ` objective: ${expression(objective)}`,
    'Subject To',
    ...rows.flatMap(({ terms, sign, limit }, at) =>
      terms.some(({ factor }) => factor !== 0) ? [` r${at}: ${expression(terms)} ${sign} ${limit}`] : [],
    ),
    'Bounds',
    ...whole.map(({ name, most }) => ` 0 <= ${name} <= ${most}`),
    'General',
    ...whole.map(({ name }) => ` ${name}`),
    'End',
  ].join('\n')
  const result = highs.solve(text, { output_flag: false, time_limit: seconds, mip_rel_gap: 0, mip_abs_gap: 0.5 })
  if (result.Status !== 'Optimal') return undefined
  const values = new Map<string, number>()
  for (const { name } of whole) {
    const column = result.Columns[name]
    const value = column !== undefined && 'Primal' in column ? Math.round(column.Primal) : 0
    if (value !== 0) values.set(name, value)
  }
  return values
}

/** Lines of the LP format are limited in length. */
function expression(terms: readonly Term[]): string {
  const parts = terms.filter(({ factor }) => factor !== 0)
  if (parts.length === 0) return '0 zero'
  return parts
    .map(({ name, factor }, at) => `${factor < 0 ? '-' : '+'} ${Math.abs(factor)} ${name}${at % 8 === 7 ? '\n' : ''}`)
    .join(' ')
}
