/** A Host from a file that `homenode topo --json` or a person wrote: checked field by field and as a whole. */

import * as z from 'zod'
import { MAX_ID } from '../cpulist.js'
import { InputError } from '../errors.js'
import { parseWith } from '../schema.js'
import type { Host, HostCpu, Measures } from '../types.js'
import { numberInOrder } from './groups.js'
import { FULL_CAPACITY, isPageSize, LOCAL_DISTANCE, MAX_DISTANCE } from './limits.js'
import { defaultDistances } from './nodes.js'

const id = z.int().min(0).max(MAX_ID)
/** Bytes or pages. */
const amount = z.int().min(0).nullable()

const pageSize = z.int().min(1024).refine(isPageSize, 'a power of two')

const node = z.strictObject({
  id,
  memory: z.strictObject({ total: amount, free: amount, reclaimable: z.int().min(0).exactOptional() }),
  pages: z.array(z.strictObject({ size: pageSize, total: amount, free: amount })).min(1),
  allowed: z.boolean().exactOptional(),
  bandwidth: z.number().positive().max(Number.MAX_SAFE_INTEGER).exactOptional(),
})

const cpu = z.strictObject({
  id,
  node: id.nullable(),
  package: z.int().min(0).nullable(),
  llc: z.int().min(0).nullable(),
  core: z.int().min(0).nullable(),
  thread: z.int().min(0).nullable(),
  online: z.boolean(),
  allowed: z.boolean(),
  isolated: z.boolean(),
  capacity: z.int().min(1).max(FULL_CAPACITY).nullable(),
})

const limit = z.strictObject({
  size: pageSize,
  pages: z.int().min(0),
  cause: z
    .string()
    .min(1)
    .regex(/^\P{Cc}*$/u, 'a text without control characters'),
})

/** Of each measure, or of its spread, a `figure`. */
function measures(figure: z.ZodNumber) {
  const each = figure.max(Number.MAX_SAFE_INTEGER).nullable()
  const matrix = z.array(z.array(each))
  return {
    latencies: matrix.exactOptional(),
    bandwidths: matrix.exactOptional(),
    hops: z.strictObject({ core: each, llc: each, node: each, nodes: matrix }).exactOptional(),
    smt: each.exactOptional(),
  }
}

const hostSchema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('Host'),
  nodes: z.array(node).min(1),
  limits: z.array(limit).exactOptional(),
  distances: z.array(z.array(z.int().min(LOCAL_DISTANCE).max(MAX_DISTANCE).nullable())).exactOptional(),
  ...measures(z.number().positive()),
  spread: z.strictObject(measures(z.number().min(0))).exactOptional(),
  cpus: z.array(cpu).min(1),
})

type HostFile = z.output<typeof hostSchema>

/**
 * A Host from parsed JSON. Distances that are left out (all of them, or `null` in the matrix) are 10 and 20. Cores,
 * LLCs and threads are numbered anew from 0 by their lowest CPU, so that CPUs may be taken out of a saved file.
 * @throws {InputError} with the place of the first thing that is wrong: `cpus[3].node`
 */
export function parseHost(input: unknown): Host {
  const file = parseWith(hostSchema, input)
  checkNodes(file)
  checkLimits(file)
  checkCpus(file)
  const distances = completeDistances(file)
  checkMeasures(file, '')
  checkMeasures({ ...file.spread, nodes: file.nodes }, 'spread.')
  return { ...file, distances, cpus: renumbered(file.cpus) }
}

function checkMeasures(file: Measures & Pick<HostFile, 'nodes'>, place: string): void {
  checkMatrix(file, file.latencies, `${place}latencies`)
  checkMatrix(file, file.bandwidths, `${place}bandwidths`)
  checkMatrix(file, file.hops?.nodes, `${place}hops.nodes`)
}

function checkMatrix(
  { nodes }: Pick<HostFile, 'nodes'>,
  rows: readonly (readonly unknown[])[] | undefined,
  place: string,
): void {
  if (rows === undefined) return
  const expected = `${nodes.length}, one for each node`
  if (rows.length !== nodes.length) throw new InputError(place, `rows: ${expected}`, `${rows.length}`)
  rows.forEach((row, from) => {
    if (row.length !== nodes.length) throw new InputError(`${place}[${from}]`, `columns: ${expected}`, `${row.length}`)
  })
}

function checkNodes({ nodes }: HostFile): void {
  checkAscending(nodes, 'nodes')
  nodes.forEach(({ memory, pages }, index) => {
    checkFree(memory, `nodes[${index}].memory`)
    const { total, free, reclaimable = 0 } = memory
    if (total !== null && free !== null && reclaimable > total - free) {
      throw new InputError(
        `nodes[${index}].memory.reclaimable`,
        `at most what is not free, ${total - free}`,
        `${reclaimable}`,
      )
    }
    checkSizes(pages, `nodes[${index}].pages`)
    pages.forEach((pool, at) => {
      checkFree(pool, `nodes[${index}].pages[${at}]`)
    })
  })
}

function checkLimits({ nodes, limits = [] }: HostFile): void {
  const sizes = [...new Set(nodes.flatMap(({ pages }) => pages.map(({ size }) => size)))].sort((a, b) => a - b)
  checkSizes(limits, 'limits')
  limits.forEach(({ size }, index) => {
    if (!sizes.includes(size)) {
      throw new InputError(`limits[${index}].size`, `a size of the nodes' pages: ${sizes.join(', ')}`, `${size}`)
    }
  })
}

function checkSizes(items: readonly { readonly size: number }[], place: string): void {
  items.forEach(({ size }, index) => {
    const smaller = items[index - 1]
    if (smaller !== undefined && size <= smaller.size) {
      throw new InputError(`${place}[${index}].size`, `more than ${smaller.size}: pages ascend by size`, `${size}`)
    }
  })
}

function checkFree({ total, free }: { total: number | null; free: number | null }, place: string): void {
  if (total !== null && free !== null && free > total) {
    throw new InputError(`${place}.free`, `at most the total, ${total}`, `${free}`)
  }
}

function checkAscending(items: readonly { readonly id: number }[], place: string): void {
  items.forEach((item, index) => {
    const before = items[index - 1]
    if (before !== undefined && item.id <= before.id) {
      throw new InputError(`${place}[${index}].id`, `more than ${before.id}: ids ascend and differ`, `${item.id}`)
    }
  })
}

function completeDistances({ nodes, distances }: HostFile): readonly (readonly number[])[] {
  const defaults = defaultDistances(nodes.length)
  if (distances === undefined) return defaults
  checkMatrix({ nodes }, distances, 'distances')
  return distances.map((row, from) => row.map((distance, to) => distance ?? defaults[from]![to]!))
}

function checkCpus({ nodes, cpus }: HostFile): void {
  checkAscending(cpus, 'cpus')
  const nodeIds = new Set(nodes.map((node) => node.id))
  const firstOfCore = new Map<number, HostCpu>()
  const threads = new Set<string>()
  cpus.forEach((cpu, index) => {
    const wrong = (field: keyof HostCpu, expected: string) =>
      new InputError(`cpus[${index}].${field}`, expected, String(cpu[field]))
    if (cpu.node !== null && !nodeIds.has(cpu.node)) {
      throw wrong('node', `one of the nodes ${[...nodeIds].join(', ')}`)
    }
    if (!cpu.online) return
    for (const field of ['llc', 'core', 'thread', 'capacity'] as const) {
      if (cpu[field] === null) throw wrong(field, 'a number, as the CPU is online')
    }
    const first = firstOfCore.get(cpu.core!) ?? cpu
    firstOfCore.set(cpu.core!, first)
    if (cpu.node !== first.node) throw wrong('node', `${first.node}, the node of CPU ${first.id} on the same core`)
    const thread = `${cpu.core}/${cpu.thread}`
    if (threads.has(thread)) throw wrong('thread', `another number than the siblings on core ${cpu.core}`)
    threads.add(thread)
  })
}

function renumbered(cpus: readonly HostCpu[]): readonly HostCpu[] {
  const online = cpus.filter((cpu) => cpu.online)
  const llcs = numberInOrder(online.map((cpu) => cpu.llc))
  const cores = numberInOrder(online.map((cpu) => cpu.core))
  const siblings: HostCpu[][] = []
  online.forEach((cpu, index) => {
    siblings[cores[index]!] ??= []
    siblings[cores[index]!]!.push(cpu)
  })
  for (const core of siblings) core.sort((a, b) => a.thread! - b.thread!)
  const numbers = new Map(
    online.map((cpu, index) => {
      const core = cores[index]!
      return [cpu, { llc: llcs[index]!, core, thread: siblings[core]!.indexOf(cpu) }]
    }),
  )
  return cpus.map((cpu) => ({ ...cpu, ...(numbers.get(cpu) ?? { llc: null, core: null, thread: null }) }))
}
