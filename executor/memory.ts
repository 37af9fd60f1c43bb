/** A VM's memory on the host: a mapping for each cell, bound to its nodes before any page of it exists. */

import { closeAll } from './close.js'
import { Mapping } from './ffi/mapping.js'
import { bindMemory } from './ffi/numa.js'
import type { CellLayout, MemoryRange, VmLayout } from './layout.js'
import type { MemorySpan } from './residency.js'

export class VmMemory implements Disposable {
  readonly layout: VmLayout
  readonly #mappings: readonly Mapping[]

  private constructor(layout: VmLayout, mappings: readonly Mapping[]) {
    this.layout = layout
    this.#mappings = mappings
  }

  /** @throws {SyscallError} from mmap or mbind; nothing stays mapped */
  static map(layout: VmLayout): VmMemory {
    const mappings: Mapping[] = []
    const memory = new VmMemory(layout, mappings)
    try {
      for (const cell of layout.cells) {
        const mapping = Mapping.anonymous(cell.bytes, cell.pageSize)
        mappings.push(mapping)
        for (const range of cell.ranges) {
          bindMemory(mapping.address + range.offset - cell.offset, range.bytes, [range.node])
        }
      }
      return memory
    } catch (error) {
      memory.close()
      throw error
    }
  }

  /** Host virtual address of a byte, given by its offset into the VM's memory. */
  addressOf(offset: number): number {
    const i = this.layout.cells.findIndex((cell) => offset >= cell.offset && offset < cell.offset + cell.bytes)
    const mapping = this.#mappings[i]
    if (mapping === undefined) throw new RangeError(`expected an offset below ${this.layout.bytes}, got ${offset}`)
    return mapping.address + offset - this.layout.cells[i]!.offset
  }

  /** A view of the start of the first cell; to be dropped before `close()`. */
  viewStart(bytes: number): ArrayBuffer {
    const first = this.#mappings[0]
    if (first === undefined) throw new RangeError('the VM has no cell')
    return first.view(0, bytes)
  }

  /** A part of a cell as the process sees it. */
  span(cell: CellLayout, part: Pick<MemoryRange, 'offset' | 'bytes'>): MemorySpan {
    return { address: this.addressOf(part.offset), bytes: part.bytes, pageSize: cell.pageSize }
  }

  close(): void {
    closeAll(this.#mappings)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
