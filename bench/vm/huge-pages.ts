/** Huge pages of 2 MiB in a node's pool, for the time of a bench. */

import { readFileSync, writeFileSync } from 'node:fs'

export const HUGE_BYTES = 2 * 1024 ** 2

export class HugePages implements Disposable {
  /** Why there are too few; `null`: there are enough. */
  readonly missing: string | null
  readonly #file: string
  readonly #before: string | null

  /** As many more in the pool, which takes root and memory that is in one piece. */
  constructor(node: number, bytes: number) {
    this.#file = `/sys/devices/system/node/node${node}/hugepages/hugepages-2048kB/nr_hugepages`
    const pages = Math.ceil(bytes / HUGE_BYTES)
    let before: string | null = null
    let missing: string | null = null
    try {
      before = readFileSync(this.#file, 'utf8').trim()
      const wanted = Number(before) + pages
      writeFileSync(this.#file, String(wanted))
      const found = readFileSync(this.#file, 'utf8').trim()
      if (Number(found) < wanted) missing = `the kernel found ${Number(found) - Number(before)} of ${pages}`
    } catch (error) {
      missing = (error as Error).message
    }
    this.#before = before
    this.missing = missing === null ? null : `no reserved huge pages, no row: ${missing}`
  }

  [Symbol.dispose](): void {
    if (this.#before === null) return
    try {
      writeFileSync(this.#file, this.#before)
    } catch {
      // Who may not raise the pool has nothing to put back.
    }
  }
}
