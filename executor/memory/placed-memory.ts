/** The memory of a VM where a plan says: faulted in, moved, and read back by threads of the pool. */

import type { Finding, SyscallError } from '../../src/errors.js'
import type { PlanVm, RunMemory } from '../../src/types.js'
import { TRANSPARENT_BYTES } from '../ffi/mapping.js'
import { requireFreeMemory } from '../observe/free-memory.js'
import { bytesByNode, type ResidentPages } from '../observe/residency.js'
import { memoryFindings, refusalOf } from '../plan/findings.js'
import { type CellLayout, layoutVm, type MemoryRange, type VmLayout } from '../plan/layout.js'
import { runInThread } from '../threads/pool.js'
import { errorOf, vmError } from '../wire/failure.js'
import type { MemorySpan } from '../wire/shared-span.js'
import { type MemoryOptions, VmMemory } from './memory.js'
import { cpusOfNode, type PrefaultProgress, prefaultMemory, releaseMemory } from './prefault.js'

/** How memory is placed. */
export interface PlaceMemoryOptions {
  /** How it is taken. */
  readonly memory?: MemoryOptions
  /** Whether binding, pinning and scheduling that the kernel refuses are findings rather than errors. */
  readonly relaxed?: boolean
  /** Ends the creation: everything is given back. */
  readonly signal?: AbortSignal
  /** Told how far the prefaulting is, about ten times a second. What it throws ends the creation. */
  readonly onProgress?: (progress: PrefaultProgress) => void
}

/** Where a cell's memory is, by node and page size. */
export interface CellPages {
  /** Its number in the VM. */
  readonly cell: number
  /** In which pages it is, and where. */
  readonly pages: readonly ResidentPages[]
}

/** @throws {VmError} where the nodes have too little, or the kernel refuses */
export async function placeMemory(vm: PlanVm, options: PlaceMemoryOptions): Promise<PlacedMemory> {
  options.signal?.throwIfAborted()
  const refusals: Finding[] = []
  const refused = (error: Error) => refusals.push(refusalOf(vm.name, null, error))
  try {
    const memory = await takeMemory(layoutVm(vm), options, options.relaxed === true ? refused : undefined)
    return new PlacedMemory(memory, refusals, options.memory ?? {})
  } catch (error) {
    throw options.signal?.aborted === true ? options.signal.reason : vmError(vm.name, error)
  }
}

/**
 * Maps, binds and faults in; where that fails, all of it is given back.
 * @param refused told of a policy that the kernel refuses; without it that is an error
 * @throws {UnsupportedError} where the nodes have too little
 * @throws {SyscallError}
 */
export async function takeMemory(
  layout: VmLayout,
  options: PlaceMemoryOptions,
  refused?: (error: SyscallError) => void,
): Promise<VmMemory> {
  requireFreeMemory([layout])
  const memory = VmMemory.map(layout, options.memory, refused)
  try {
    await prefaultMemory(memory, options)
    return memory
  } catch (error) {
    await releaseMemory(memory)
    throw error
  }
}

/** Owns a VM's memory, and the work of other threads on it. */
export class PlacedMemory {
  readonly memory: VmMemory
  /** What was refused, where that is allowed. */
  readonly refusals: readonly Finding[]
  readonly #isInterleaved: boolean
  /** The least that the kernel may deal out of interleaved base pages. */
  readonly #leastShare: number
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  readonly #work = new Set<Promise<unknown>>()

  constructor(memory: VmMemory, refusals: readonly Finding[], options: MemoryOptions) {
    this.memory = memory
    this.refusals = refusals
    this.#isInterleaved = options.policy === 'interleave'
    this.#leastShare = options.transparentHugePages === false ? 0 : TRANSPARENT_BYTES
  }

  /** @returns bytes found on each node */
  move(cell: CellLayout, node: number): Promise<Readonly<Record<string, number>>> {
    return this.#whileMapped(async () => {
      const span = this.memory.span(cell, cell)
      const before = bytesByNode((await this.#readBack([span]))[0]!)
      const missing = { node, offset: cell.offset, bytes: cell.bytes - (before[node] ?? 0) }
      requireFreeMemory([{ ...this.memory.layout, cells: [{ ...cell, ranges: [missing] }] }])
      this.memory.rebind(cell, node)
      const failure = await runInThread('moveSpan', { span, cpus: cpusOfNode(node), stop: this.#stop, node })
      if (failure !== null) throw errorOf(failure)
      const found = bytesByNode((await this.#readBack([span]))[0]!)
      const strays = Object.keys(found).filter((each) => each !== String(node))
      if (strays.length > 0) {
        const where = strays.map((each) => `${found[each]} bytes on node ${each}`)
        throw new Error(`of cell ${cell.cell} there stayed ${where.join(', ')}`)
      }
      return found
    })
  }

  /** By the ranges of a layout with the same cells. */
  async read({ name, cells }: VmLayout): Promise<RunMemory[]> {
    const spans = cells.flatMap((cell) =>
      this.#isInterleaved ? [this.memory.span(cell, cell)] : cell.ranges.map((range) => this.memory.span(cell, range)),
    )
    const found = (await this.#whileMapped(() => this.#readBack(spans))).map(bytesByNode)
    return cells.flatMap(({ cell, ranges }) => {
      const residents = this.#isInterleaved ? shareOut(found.shift()!, ranges) : found.splice(0, ranges.length)
      return ranges.map(({ node, bytes }, i) => ({ vm: name, cell, node, bytes, residentBytes: residents[i]! }))
    })
  }

  async pages(): Promise<CellPages[]> {
    const { cells } = this.memory.layout
    const found = await this.#whileMapped(() => this.#readBack(cells.map((cell) => this.memory.span(cell, cell))))
    return cells.map(({ cell }, i) => ({ cell, pages: found[i]! }))
  }

  findings(rows: readonly RunMemory[]): Finding[] {
    // An odd page of an interleaved cell, which may be a huge one, goes to any of its nodes.
    const pageSizes = new Map(this.memory.layout.cells.map(({ cell, pageSize }) => [cell, pageSize]))
    const slackOf = (cell: number) => (this.#isInterleaved ? Math.max(pageSizes.get(cell) ?? 0, this.#leastShare) : 0)
    return rows.flatMap((row) => memoryFindings(row, slackOf(row.cell)))
  }

  async #readBack(spans: readonly MemorySpan[]): Promise<readonly (readonly ResidentPages[])[]> {
    const result = await runInThread('readBack', { spans, stop: this.#stop })
    if (!result.ok) throw errorOf(result.failure)
    return result.resident
  }

  async #whileMapped<T>(work: () => Promise<T>): Promise<T> {
    const running = work()
    const settled = running.then(
      () => {},
      () => {},
    )
    this.#work.add(settled)
    void settled.then(() => this.#work.delete(settled))
    return running
  }

  /** Ends the work on the memory, and gives it back. Nobody else may use it any more. */
  async close(): Promise<void> {
    Atomics.store(this.#stop, 0, 1)
    Atomics.notify(this.#stop, 0)
    await Promise.all(this.#work)
    await releaseMemory(this.memory)
  }
}

/** Splits what is in an interleaved cell among the ranges of its nodes. What is on none of these nodes goes to the first range. */
function shareOut(found: Readonly<Record<string, number>>, ranges: readonly MemoryRange[]): Record<string, number>[] {
  const nodes = ranges.map(({ node }) => String(node))
  const strays = Object.entries(found).filter(([node]) => !nodes.includes(node))
  return nodes.map((node, i) => ({
    ...(found[node] === undefined ? {} : { [node]: found[node] }),
    ...(i === 0 ? Object.fromEntries(strays) : {}),
  }))
}
