/**
 * `homenode/planner`: the planner alone. No dependency, no `node:` module: it runs in browsers, Deno, Bun and Node.
 * @module homenode/planner
 */

export { InputError } from '../errors.js'
export type * from '../types.js'
export type { PlannerExports } from './generated/abi.js'
export {
  ABI_VERSION,
  BECAUSE,
  CPU,
  ERROR,
  MAX,
  MEMORY,
  MODEL,
  NONE,
  SOLVED,
  STRATEGY,
  TERM,
  THREADS,
} from './generated/abi.js'
export { Planner, type PlanOptions } from './planner.js'
export { instantiatePlanner, plannerBytes } from './wasm.js'
