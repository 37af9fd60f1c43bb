/** A VM's memory on the host: a mapping for each cell, with its nodes before any page of it exists. */

import { SyscallError } from '../../src/errors.js'
import type { MemoryPolicy } from '../../src/types.js'
import { closeAll } from '../ffi/close.js'
import { closeFd, createMemoryFile } from '../ffi/files.js'
import { BASE_PAGE, forbidHugePages, Mapping, TRANSPARENT_BYTES } from '../ffi/mapping.js'
import { bindMemory } from '../ffi/numa.js'
import type { CellLayout, MemoryRange, VmLayout } from '../plan/layout.js'
import type { MemorySpan } from '../wire/shared-span.js'

/** How a VM's memory is taken from the host. */
export interface MemoryOptions {
  /**
   * `strict`: each page on the node that the plan says, and nowhere else; `preferred`: there while it has room;
   * `interleave`: the pages of a cell in turn on the nodes that the plan gives it.
   */
  readonly policy?: MemoryPolicy
  /**
   * Whether the kernel is asked to join base pages to huge ones (`true`), or kept from it (`false`); else it does as the
   * system is set up. Reserved huge pages are the plan's `pageSize`.
   */
  readonly transparentHugePages?: boolean
  /** Whether the memory is in files that other processes can map: see `Vm.memoryFiles`. */
  readonly shared?: boolean
  /** Host virtual address of the first byte, a multiple of the page size: there, or it is an error. Default: where the kernel puts it. */
  readonly address?: number
}

interface CellMemory {
  readonly mapping: Mapping
  /** Of its file; `null`: it has none. */
  readonly fd: number | null
}

export class VmMemory implements Disposable {
  readonly layout: VmLayout
  readonly #cells: CellMemory[] = []

  private constructor(layout: VmLayout) {
    this.layout = layout
  }

  /**
   * @param refused told of a policy that the kernel refuses; without it that is an error
   * @throws {SyscallError} from mmap, mbind or memfd_create; nothing stays mapped
   */
  static map(layout: VmLayout, options: MemoryOptions = {}, refused?: (error: SyscallError) => void): VmMemory {
    const memory = new VmMemory(layout)
    try {
      for (const cell of layout.cells) {
        const mapped = mapCell(layout.name, cell, options)
        memory.#cells.push(mapped)
        for (const { offset, bytes, nodes } of policyRanges(cell, options.policy ?? 'strict')) {
          try {
            bindMemory(mapped.mapping.address + offset - cell.offset, bytes, nodes, options.policy)
          } catch (error) {
            if (refused === undefined || !(error instanceof SyscallError)) throw error
            refused(error)
          }
        }
      }
      return memory
    } catch (error) {
      memory.close()
      for (const fd of memory.files) closeFd(fd)
      throw error
    }
  }

  /** Descriptors of the cells' files, in the order of the plan; empty where the memory is not shared. */
  get files(): number[] {
    return this.#cells.flatMap(({ fd }) => (fd === null ? [] : [fd]))
  }

  /** Host virtual address of a byte, given by its offset into the VM's memory. */
  addressOf(offset: number): number {
    const i = this.#cellAt(offset)
    return this.#cells[i]!.mapping.address + offset - this.layout.cells[i]!.offset
  }

  /** Copies bytes into the VM's memory, from one cell into the next where they go on there. */
  write(offset: number, bytes: Uint8Array): void {
    this.#parts(offset, bytes.length, (view, at) => view.set(bytes.subarray(at, at + view.length)))
  }

  /** Copies bytes out of the VM's memory. */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.#parts(offset, length, (view, at) => bytes.set(view, at))
    return bytes
  }

  /** @param use gets a view for the time of the call, and how far it is from the start */
  #parts(offset: number, length: number, use: (view: Uint8Array, at: number) => void): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.layout.bytes)) {
      throw new RangeError(`expected a part of ${this.layout.bytes} bytes, got ${length} from ${offset}`)
    }
    for (let at = 0; at < length; ) {
      const i = this.#cellAt(offset + at)
      const cell = this.layout.cells[i]!
      const from = offset + at - cell.offset
      const count = Math.min(length - at, cell.bytes - from)
      // SAFETY: the view is for this call alone, during which nobody closes the mapping.
      use(new Uint8Array(this.#cells[i]!.mapping.view(from, count)), at)
      at += count
    }
  }

  #cellAt(offset: number): number {
    const i = this.layout.cells.findIndex((cell) => offset >= cell.offset && offset < cell.offset + cell.bytes)
    if (i < 0) throw new RangeError(`expected an offset below ${this.layout.bytes}, got ${offset}`)
    return i
  }

  /** A part of a cell as the process sees it. */
  span(cell: CellLayout, part: Pick<MemoryRange, 'offset' | 'bytes'>): MemorySpan {
    return { address: this.addressOf(part.offset), bytes: part.bytes, pageSize: cell.pageSize }
  }

  /** From now on a cell's pages come from another node; those that it has stay where they are. */
  rebind(cell: CellLayout, node: number): void {
    bindMemory(this.addressOf(cell.offset), cell.bytes, [node])
  }

  /** Unmaps everything. Files are the caller's to close: the last to do so frees their pages, which can take long. */
  close(): void {
    closeAll(this.#cells.map(({ mapping }) => mapping))
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function mapCell(vm: string, cell: CellLayout, options: MemoryOptions): CellMemory {
  const { transparentHugePages, shared } = options
  const address = options.address === undefined ? undefined : options.address + cell.offset
  const isBase = cell.pageSize <= BASE_PAGE
  if (shared === true) {
    const fd = createMemoryFile(`${vm}.${cell.cell}`, cell.bytes, isBase ? undefined : cell.pageSize)
    try {
      return { mapping: Mapping.ofFile(fd, cell.bytes, address), fd }
    } catch (error) {
      closeFd(fd)
      throw error
    }
  }
  const mapping =
    transparentHugePages === true && isBase
      ? Mapping.transparent(cell.bytes, TRANSPARENT_BYTES, address)
      : Mapping.anonymous(cell.bytes, cell.pageSize, address)
  if (transparentHugePages === false && isBase) forbidHugePages(mapping.address, mapping.bytes)
  return { mapping, fd: null }
}

/** What gets one policy. Interleaving is over a whole cell; the kernel deals it out evenly. */
function policyRanges(cell: CellLayout, policy: MemoryPolicy) {
  if (policy === 'interleave') {
    return [{ offset: cell.offset, bytes: cell.bytes, nodes: cell.ranges.map(({ node }) => node) }]
  }
  return cell.ranges.map(({ node, offset, bytes }) => ({ offset, bytes, nodes: [node] }))
}
