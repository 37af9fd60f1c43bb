/** What a scheduler extender answers, with the cluster that it follows. */

import type { Answerer } from '../http/server.js'
import { type ApiAccess, ApiServer } from './api-server.js'
import { Binder } from './bind.js'
import { Cluster } from './cluster.js'
import { filterAnswerer, prioritizeAnswerer } from './extender.js'

export interface Extender {
  readonly routes: Readonly<Record<string, Answerer>>
  /** Ends what is followed. */
  close(): Promise<void>
}

/** @param say for what an administrator should know */
export function extender(access: ApiAccess, say: (text: string) => void): Extender {
  const api = new ApiServer(access)
  const cluster = new Cluster(say)
  const ending = new AbortController()
  const followed = cluster.follow(api, ending.signal)
  return {
    routes: {
      '/filter': filterAnswerer(cluster),
      '/prioritize': prioritizeAnswerer(cluster),
      '/bind': new Binder(api).answer,
    },
    async close() {
      ending.abort()
      await followed
    },
  }
}
