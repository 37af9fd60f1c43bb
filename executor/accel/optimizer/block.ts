/** Memory that is given out: bound to a node, or ordinary memory where nothing can be bound. */

import type { NodeId } from '../../../src/types.js'
import { loadExecutor } from '../load-executor.js'

export interface Block {
  /** Virtual address in this process. */
  readonly address: number
  readonly bytes: number
  /** The memory itself; after `close()` it shows zeros, or nothing. */
  view(offset: number, length: number): Uint8Array
  /** Bytes by node, as the kernel says; `null`: nobody says. */
  residentBytes(): Promise<Readonly<Record<string, number>> | null>
  moveTo(node: NodeId): Promise<unknown>
  close(): Promise<void>
}

export type MakeBlock = (bytes: number, node: NodeId) => Promise<Block>

export const makeBoundBlock: MakeBlock = async (bytes, node) => {
  const { MemoryBlock } = await loadExecutor()
  return MemoryBlock.allocate(bytes, node)
}

/** Of the JavaScript engine, wherever the system puts it. */
export const makeOrdinaryBlock: MakeBlock = async (bytes) => {
  const { addressOf } = await import('../../ffi/address.js')
  let buffer: ArrayBuffer | null = new ArrayBuffer(bytes)
  return {
    address: addressOf(buffer),
    bytes,
    view: (offset, length) => new Uint8Array(buffer ?? new ArrayBuffer(0), offset, length),
    residentBytes: async () => null,
    moveTo: async () => {},
    close: async () => {
      buffer = null
    },
  }
}
