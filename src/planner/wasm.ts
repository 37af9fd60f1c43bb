/** planner.wasm: compiled once, instantiated for each problem. */

import { UnsupportedError } from '../errors.js'
import type { PlannerExports } from './generated/abi.js'
import { WASM_BASE64 } from './generated/wasm.js'

let module: Promise<WebAssembly.Module> | undefined

/** The bytes of planner.wasm. */
export function plannerBytes(): Uint8Array {
  return Uint8Array.from(atob(WASM_BASE64), (character) => character.charCodeAt(0))
}

/**
 * A fresh instance of the module: an empty problem. The functions are documented in docs/planner-abi.md.
 * @throws {UnsupportedError} where there is no memory, or no address space, for it
 */
export async function instantiatePlanner(): Promise<PlannerExports> {
  module ??= WebAssembly.compile(plannerBytes() as Uint8Array<ArrayBuffer>)
  const instance = await WebAssembly.instantiate(await module, {}).catch(explain)
  return instance.exports as unknown as PlannerExports
}

/** V8 sets gigabytes of addresses aside for each memory of WebAssembly; the engine's own error does not say so. */
function explain(error: unknown): never {
  if (!(error instanceof RangeError)) throw error
  throw new UnsupportedError(
    'memory',
    `the planner takes about 10 GiB of address space, see ulimit -v (${error.message})`,
  )
}
