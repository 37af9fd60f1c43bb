/** All objects of a kind, and what happens to them: a list, then a watch from its version on, again and again. */

import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'
import { InputError } from '../../errors.js'
import { parseWith } from '../../schema.js'
import { ApiError, type ApiServer } from './api-server.js'

/** Who keeps the objects. */
export interface Follower {
  /** What there is. */
  reset(objects: readonly unknown[]): void
  /** One is new or other than it was. */
  set(object: unknown): void
  /** One is gone. */
  remove(object: unknown): void
  /** Nothing is heard for now, and why. */
  lost(error: Error): void
}

export interface Followed {
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 15_000

const version = z.looseObject({ resourceVersion: z.string() })
const list = z.looseObject({
  metadata: version,
  items: z
    .array(z.unknown())
    .nullish()
    .transform((items) => items ?? []),
})
const versioned = z.looseObject({ metadata: version })

/** Until `signal`. After each failure all is listed anew. */
export async function follow(
  api: ApiServer,
  { path, query = {} }: Followed,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS
  while (!signal.aborted) {
    try {
      const { metadata, items } = parseWith(list, await api.get(path, query))
      follower.reset(items)
      pauseMs = FIRST_PAUSE_MS
      let at = metadata.resourceVersion
      while (!signal.aborted) at = await watchOnce(api, path, query, at, follower, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError || error instanceof InputError)) throw error
      follower.lost(error)
      await pause(pauseMs, undefined, { signal }).catch(() => undefined)
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }
}

/** Resolves to the version that was heard of last. */
async function watchOnce(
  api: ApiServer,
  path: string,
  query: Readonly<Record<string, string>>,
  from: string,
  follower: Follower,
  signal: AbortSignal,
): Promise<string> {
  let at = from
  for await (const { type, object } of api.watch(path, query, from, signal)) {
    // Most often 410: the version is forgotten there.
    if (type === 'ERROR') throw new ApiError(`watch ${path}`, null, JSON.stringify(object))
    at = parseWith(versioned, object).metadata.resourceVersion
    if (type === 'DELETED') follower.remove(object)
    else if (type !== 'BOOKMARK') follower.set(object)
  }
  return at
}
