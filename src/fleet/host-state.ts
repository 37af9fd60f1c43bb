/** A host and what is on it, as JSON: a host file, or one with what is placed. */

import * as z from 'zod'
import { InputError, within } from '../errors.js'
import { parsePlaced } from '../request.js'
import { parseWith } from '../schema.js'
import { parseHost } from '../topology/index.js'
import type { Host, Request } from '../types.js'

export interface HostState {
  readonly host: Host
  /** `undefined`: the file does not say. */
  readonly placed: Request | undefined
}

const format = z.strictObject({
  schemaVersion: z.literal(1).optional(),
  kind: z.literal('HostState').optional(),
  host: z.unknown(),
  placed: z.unknown().optional(),
})

/**
 * `{"host": ..., "placed": ...}` with a host as `homenode topo --json` prints it and a request whose VMs have `current`; or such a host alone.
 * @throws {InputError} that names the place
 */
export function parseHostState(content: unknown): HostState {
  if (typeof content !== 'object' || content === null || !('host' in content)) {
    return { host: parseHost(content), placed: undefined }
  }
  const { host, placed } = parseWith(format, content)
  return {
    host: within('host', () => parseHost(host)),
    placed: placed === undefined ? undefined : within('placed', () => parsePlaced(placed)),
  }
}

/**
 * The host with less free memory.
 * @param used bytes by node
 * @throws {InputError} for a node that it does not have
 */
export function withLessMemory(host: Host, used: Readonly<Record<string, number>>): Host {
  const ids = host.nodes.map(({ id }) => `${id}`)
  const unknown = Object.keys(used).find((node) => !ids.includes(node))
  if (unknown !== undefined) throw new InputError('usedMemory', `nodes of the host (${ids.join()})`, unknown)
  const nodes = host.nodes.map((node) => {
    const free = node.memory.free === null ? null : Math.max(0, node.memory.free - (used[node.id] ?? 0))
    return { ...node, memory: { ...node.memory, free } }
  })
  return { ...host, nodes }
}
