/** How many bytes of a range go to which node. Pure. */

import { byNode } from './look.js'
import type { BytesByNode } from './types.js'

export function sumOf(parts: BytesByNode): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0)
}

/**
 * `bytes`, divided among nodes as `like` is, in whole pages: what is left over goes to those that have lost the most by rounding.
 * @param like with at least one byte
 */
export function spread(bytes: number, pageSize: number, like: BytesByNode): BytesByNode {
  const total = sumOf(like)
  const pages = Math.round(bytes / pageSize)
  const shares = like.map((part) => {
    const exact = (pages * part.bytes) / total
    return { node: part.node, whole: Math.floor(exact), rest: exact - Math.floor(exact) }
  })
  let left = pages - shares.reduce((sum, { whole }) => sum + whole, 0)
  const sums = new Map(shares.map(({ node, whole }) => [node, whole * pageSize]))
  for (const { node } of [...shares].sort((a, b) => b.rest - a.rest || a.node - b.node)) {
    if (left-- > 0) sums.set(node, sums.get(node)! + pageSize)
  }
  return byNode(sums)
}

/** Bytes that have to be copied to get from one to the other. */
export function copied(from: BytesByNode, to: BytesByNode): number {
  return to.reduce((sum, { node, bytes }) => sum + Math.max(0, bytes - on(from, node)), 0)
}

/** Bytes on a node. */
export function on(parts: BytesByNode, node: number): number {
  return parts.find((part) => part.node === node)?.bytes ?? 0
}

/** Decides page by page: those that may stay do, the others go where some are missing. */
export class Seats {
  readonly #stay = new Map<number, number>()
  readonly #missing = new Map<number, number>()
  readonly #page: number
  /** Where pages go that nobody has counted: they were touched meanwhile. */
  readonly #rest: number

  /** @param to with at least one byte */
  constructor(from: BytesByNode, to: BytesByNode, pageSize: number) {
    this.#page = pageSize
    for (const { node, bytes } of to) {
      const stay = Math.min(bytes, on(from, node))
      this.#stay.set(node, stay)
      this.#missing.set(node, bytes - stay)
    }
    this.#rest = to.reduce((best, part) => (part.bytes > best.bytes ? part : best)).node
  }

  /** Where the next page goes that is on this node: each page is asked for once. */
  next(node: number): number {
    if (this.#take(this.#stay, node)) return node
    for (const to of this.#missing.keys()) if (this.#take(this.#missing, to)) return to
    return this.#stay.has(node) ? node : this.#rest
  }

  #take(from: Map<number, number>, node: number): boolean {
    const bytes = from.get(node) ?? 0
    if (bytes < this.#page) return false
    from.set(node, bytes - this.#page)
    return true
  }
}
