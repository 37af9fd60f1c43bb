/** The engine's state: read back from a file, and what is done to it. */

import * as z from 'zod'
import { parseWith } from '../../src/schema.js'
import type { BalanceState } from './types.js'

const time = z.number().min(0).max(Number.MAX_SAFE_INTEGER)
const load = z.number().min(0).max(1_000_000)
const key = z.string().min(1).max(255)
const whole = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

const part = z.strictObject({ from: time, measured: time, use: load, delay: load })
const vm = z.strictObject({
  key,
  name: z.string().min(1).max(255),
  vcpus: whole,
  parts: z.array(part).max(1000),
  held: whole,
  restsUntil: time.nullable(),
  movedAt: z.array(time).max(10_000),
})
const watchedVm = z.strictObject({ key, vcpus: whole, measured: time, use: load, delay: load })

const format: z.ZodType<BalanceState> = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('BalanceState'),
  round: whole,
  at: time.nullable(),
  vms: z.array(vm).max(100_000),
  backOff: z.strictObject({ until: time, why: z.string().max(10_000), times: whole }).nullable(),
  watched: z
    .strictObject({
      at: time,
      round: whole,
      undo: z.string().max(10_000).nullable(),
      moved: z.array(key).max(100_000),
      before: z.array(watchedVm).max(100_000),
      after: z.array(watchedVm).max(100_000),
    })
    .nullable(),
})

/** Before the first round. */
export const NEW: BalanceState = {
  schemaVersion: 1,
  kind: 'BalanceState',
  round: 0,
  at: null,
  vms: [],
  backOff: null,
  watched: null,
}

/**
 * A state that `Balancer.state` returned, from the JSON of a file.
 * @throws {InputError} with the field
 */
export function readState(content: unknown): BalanceState {
  return parseWith(format, content)
}
