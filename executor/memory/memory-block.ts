/** Memory on one node that belongs to no VM. */

import { MAX_ID } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import { BASE_PAGE, viewOf } from '../ffi/mapping.js'
import { freeOnNode } from '../observe/free-memory.js'
import { bytesByNode } from '../observe/residency.js'
import type { CellLayout, VmLayout } from '../plan/layout.js'
import { runInThread } from '../threads/pool.js'
import { sharedSpan } from '../wire/shared-span.js'
import type { VmMemory } from './memory.js'
import { PlacedMemory, takeMemory } from './placed-memory.js'

/** @throws {InputError} for what is no number of a node on any machine */
function requireNode(node: number): void {
  if (!(Number.isInteger(node) && node >= 0 && node <= MAX_ID))
    throw new InputError('node', `a whole number from 0 to ${MAX_ID}`, show(node))
}

/** Laid out as a VM of one cell that has no vCPUs. */
function layoutOf(bytes: number, node: number): VmLayout & { readonly cells: readonly [CellLayout] } {
  const ranges = [{ node, offset: 0, bytes }]
  return {
    name: 'block',
    bytes,
    cells: [{ cell: 0, pageSize: BASE_PAGE, offset: 0, bytes, ranges, vcpus: [] }],
    vcpus: [],
  }
}

/**
 * Owns memory that is bound to a node and has all of its pages there. What is asked of it is done one after the other.
 * @example
 * ```ts
 * import { detectHost } from 'homenode'
 * import { MemoryBlock } from 'homenode/executor'
 *
 * const { nodes } = await detectHost()
 * const node = nodes.find(({ memory }) => memory.total !== 0)?.id ?? 0
 * await using block = await MemoryBlock.allocate(1024 ** 2, node)
 * block.view().fill(1)
 * const found = await block.residentBytes()
 * found[node] // => 1024 ** 2
 * ```
 */
export class MemoryBlock {
  /** Whole pages: what was asked for, rounded up. */
  readonly bytes: number
  readonly #memory: VmMemory
  readonly #placed: PlacedMemory
  #node: number
  #last: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null
  /** Views that may still be used. */
  #views = 0
  /** Its pages are given back, and only views keep its addresses. */
  #isEmpty = false
  static readonly #collected = new FinalizationRegistry<MemoryBlock>((block) => block.#viewIsGone())

  private constructor(memory: VmMemory, node: number) {
    this.bytes = memory.layout.bytes
    this.#memory = memory
    this.#placed = new PlacedMemory(memory, [], {})
    this.#node = node
  }

  /**
   * Maps memory, binds it to the node, and faults in every page from threads on that node.
   * @param bytes more than 0; rounded up to whole base pages
   * @throws {InputError} for a size or a node that is none
   * @throws {UnsupportedError} where the node, or the cgroup, has less than that
   * @throws {SyscallError} where mmap or mbind is refused, as for a node that does not exist
   */
  static async allocate(bytes: number, node: number): Promise<MemoryBlock> {
    if (!(Number.isSafeInteger(bytes) && bytes > 0))
      throw new InputError('bytes', 'a whole number above 0', show(bytes))
    requireNode(node)
    const layout = layoutOf(Math.ceil(bytes / BASE_PAGE) * BASE_PAGE, node)
    return new MemoryBlock(await takeMemory(layout, {}), node)
  }

  /** Bytes that a node could give now: free ones and page cache; `null`: the kernel does not say. */
  static freeOn(node: number): number | null {
    requireNode(node)
    return freeOnNode(node, BASE_PAGE)
  }

  /** Host virtual address. */
  get address(): number {
    return this.#memory.addressOf(0)
  }

  /** The node that it is bound to. */
  get node(): number {
    return this.#node
  }

  /**
   * The memory itself, not a copy. After `close()` the view shows zeros, and what is written to it is lost: the pages go
   * at once, the addresses when nobody has a view of them any more (and the garbage collector has seen that). A view cannot be
   * transferred to another thread: who tries sends a copy (Node 20), or gets an error.
   * @throws {TypeError} after `close()`
   * @throws {RangeError} outside of the block
   */
  view(offset = 0, length = this.bytes - Number(offset)): Uint8Array {
    if (this.#closing !== null) throw new TypeError('the memory has been given back')
    if (
      !(
        Number.isInteger(offset) &&
        Number.isInteger(length) &&
        offset >= 0 &&
        length >= 0 &&
        offset + length <= this.bytes
      )
    ) {
      throw new RangeError(`expected a part of ${this.bytes} bytes, got ${show(length)} from ${show(offset)}`)
    }
    if (length === 0) return new Uint8Array()
    // SAFETY: unmapped only when the garbage collector has taken every such buffer.
    const buffer = viewOf(this.address + offset, length)
    this.#views++
    MemoryBlock.#collected.register(buffer, this)
    return new Uint8Array(buffer)
  }

  /**
   * Where the pages are, as the kernel says.
   * @returns bytes by the node's number
   * @throws {SyscallError}
   */
  residentBytes(): Promise<Readonly<Record<string, number>>> {
    return this.#inTurn(async () => bytesByNode((await this.#placed.pages())[0]!.pages))
  }

  /**
   * Moves the pages to a node, and binds the block to it.
   * @returns bytes by node, read back
   * @throws {InputError} for a node that is none
   * @throws {UnsupportedError} where the node has too little
   * @throws {Error} where pages stay behind: the block is bound to the node where it was, and has pages on both
   */
  moveTo(node: number): Promise<Readonly<Record<string, number>>> {
    requireNode(node)
    const [cell] = layoutOf(this.bytes, node).cells
    return this.#inTurn(async () => {
      try {
        const found = await this.#placed.move(cell, node)
        this.#node = node
        return found
      } catch (error) {
        this.#memory.rebind(cell, this.#node)
        throw error
      }
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new TypeError('the memory has been given back')
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }

  /** Gives the memory back when what was begun is done; again: the same. */
  close(): Promise<void> {
    this.#closing ??= this.#last.then(() => this.#release())
    return this.#closing
  }

  async #release(): Promise<void> {
    if (this.#views === 0) return this.#placed.close()
    const span = { address: this.address, bytes: this.bytes, pageSize: BASE_PAGE }
    // What nobody can give back now goes with the addresses.
    await runInThread('giveBack', sharedSpan(span)).catch(() => {})
    this.#isEmpty = true
    this.#unmapUnseen()
  }

  #viewIsGone(): void {
    this.#views--
    this.#unmapUnseen()
  }

  #unmapUnseen(): void {
    if (this.#isEmpty && this.#views === 0) this.#memory.close()
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
