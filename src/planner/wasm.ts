/** planner.wasm: compiled once, instantiated for each problem. */

import type { PlannerExports } from './generated/abi.js'
import { WASM_BASE64 } from './generated/wasm.js'

let module: Promise<WebAssembly.Module> | undefined

/** The bytes of planner.wasm. */
export function plannerBytes(): Uint8Array {
  return Uint8Array.from(atob(WASM_BASE64), (character) => character.charCodeAt(0))
}

/** A fresh instance of the module: an empty problem. The functions are documented in docs/planner-abi.md. */
export async function instantiatePlanner(): Promise<PlannerExports> {
  module ??= WebAssembly.compile(plannerBytes() as Uint8Array<ArrayBuffer>)
  const instance = await WebAssembly.instantiate(await module, {})
  return instance.exports as unknown as PlannerExports
}
