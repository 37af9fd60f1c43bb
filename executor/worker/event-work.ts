/** Waits for eventfds in a thread of the pool, and tells the main thread what they have counted. */

import type { MessagePort } from 'node:worker_threads'
import { pollReadable, takeEvents } from '../ffi/files.js'

export interface EventTask {
  readonly fds: readonly number[]
  /** Not 0: the end. */
  readonly stop: Int32Array
  readonly port: MessagePort
}

/** How long a stop may take to be seen. */
const POLL_MS = 20

/** Posts `{index, count}` for each descriptor that has counted something, until the stop. */
export function watchEvents({ fds, stop, port }: EventTask): void {
  while (Atomics.load(stop, 0) === 0) {
    pollReadable(fds, POLL_MS).forEach((isReadable, index) => {
      if (!isReadable) return
      const count = takeEvents(fds[index]!)
      if (count > 0) port.postMessage({ index, count })
    })
  }
}
