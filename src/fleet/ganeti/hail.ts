/** Ganeti's own allocator: it knows Ganeti's rules (disks, memory, policies, groups, tags that exclude each other). */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import { UnsupportedError } from '../../errors.js'

const run = promisify(execFile)
const MAX_BYTES = 64 * 1024 ** 2

const format = z.looseObject({ success: z.boolean(), info: z.string(), result: z.unknown() })

/** What an allocator answers. */
export interface AllocatorAnswer {
  readonly success: boolean
  readonly info: string
  readonly result: unknown
}

export class Hail {
  readonly #program: string

  /** @param program its path */
  constructor(program: string) {
    this.#program = program
  }

  /**
   * Its answer to a file that Ganeti wrote.
   * @param options that Ganeti gave
   * @throws {UnsupportedError} where it does not run, or does not answer
   */
  async answer(file: string, options: readonly string[]): Promise<AllocatorAnswer> {
    let text: string
    try {
      ;({ stdout: text } = await run(this.#program, [file, ...options], { maxBuffer: MAX_BYTES }))
    } catch (error) {
      const { code, stderr = '' } = error as { code?: unknown; stderr?: string }
      const why = code === 'ENOENT' ? 'there is no such program' : stderr.trim() || `it ended with ${String(code)}`
      throw new UnsupportedError(this.#program, why)
    }
    return this.#read(text)
  }

  /** Its answer to a question of ours, with the options that Ganeti gave. */
  async ask(question: object, options: readonly string[]): Promise<AllocatorAnswer> {
    const folder = await mkdtemp(join(tmpdir(), 'homenode-hail-'))
    try {
      const file = join(folder, 'question.json')
      await writeFile(file, JSON.stringify(question))
      return await this.answer(file, options)
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  #read(text: string): AllocatorAnswer {
    try {
      return format.parse(JSON.parse(text))
    } catch {
      throw new UnsupportedError(
        this.#program,
        `it answered ${JSON.stringify(text.slice(0, 200))}, no allocator's answer`,
      )
    }
  }
}
