/** What the clients share, made by clients/build.mjs: once for each process of tests, by what has changed. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const CLIENTS = join(ROOT, 'clients')
export const BUILD = join(CLIENTS, 'build')

export interface Built {
  readonly planner: Uint8Array<ArrayBuffer>
  readonly front: Uint8Array<ArrayBuffer>
}

function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(BUILD, name)))
}

/** Both modules, up to date. */
export function build(): Built {
  execFileSync(process.execPath, [join(CLIENTS, 'build.mjs')], { stdio: ['ignore', 'inherit', 'inherit'] })
  return { planner: bytesOf('planner.wasm'), front: bytesOf('planner-json.wasm') }
}
