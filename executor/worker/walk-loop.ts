/** The work of a thread where there is no guest: walk over the bound memory and store into each page. */

import * as libc from '../ffi/libc.js'
import { STRIDE } from '../guests/walk.js'
import { COMMAND, Command, type VcpuBlock } from '../wire/shared.js'

/** One ArrayBuffer cannot span everything; a view is made once for each part. */
const WINDOW = 1024 ** 3
const PAGES_PER_CHECK = 256

/**
 * Until the command to stop. Counts walks in `exits[0]` and pages in `progress`.
 * @param attend does what the commands say; `false`: to stop
 */
export function walkMemory(block: VcpuBlock, address: number, bytes: number, attend: () => boolean): void {
  const windows: Uint32Array[] = []
  for (let at = 0; at < bytes; at += WINDOW) {
    // SAFETY: the memory's owner unmaps it only after this thread is done, and the views end with this function.
    windows.push(new Uint32Array(libc.view(address + at, Math.min(WINDOW, bytes - at))))
  }
  if (!attend()) return
  for (let pages = 0; ; block.exits[0]!++) {
    for (const window of windows) {
      for (let at = 0; at < window.length; at += STRIDE / 4) {
        if (pages % PAGES_PER_CHECK === 0) {
          if (Atomics.load(block.control, COMMAND) !== Command.go && !attend()) return
          block.progress[0] = pages
        }
        window[at] = ++pages
      }
    }
  }
}
