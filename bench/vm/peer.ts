/** A C program that does the same work as the executor: compiled, given the same guest, and run in turn with it. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compilePeer } from '../c/compile.js'

export class Peer implements Disposable {
  /** Why there is none; `null`: there is one. */
  readonly missing: string | null
  readonly #program: string
  readonly #directory: string

  /** Compiles `c/NAME.c`. */
  constructor(name: string) {
    this.#directory = mkdtempSync(join(tmpdir(), `homenode-bench-${name}-`))
    this.#program = join(this.#directory, name)
    const missing = compilePeer(name, this.#program)
    this.missing = missing === null ? null : `no C program, no ratio: ${missing}`
  }

  /** A file of the peer's, which goes with it. */
  file(name: string, content: Uint8Array): string {
    const path = join(this.#directory, name)
    writeFileSync(path, content)
    return path
  }

  /** Numbers that it prints, by line. */
  run(...values: readonly (string | number)[]): number[][] {
    const { status, stdout, stderr } = spawnSync(this.#program, values.map(String), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the C program failed: ${stderr.trim()}`)
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ').map(Number))
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true })
  }
}
