import type { Rationed } from './types.js'

/** What was read now, with what was read the time before. */
export function follow<Value>(before: Rationed<Value> | null, value: Value): Rationed<Value> {
  return { at: performance.now(), value, before: before === null ? null : { at: before.at, value: before.value } }
}
