/** What `balance` remembers from one run to the next, in the state folder. */

import { renameSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { InputError } from '../../src/errors.js'
import { parseWith } from '../../src/schema.js'
import { requireChanges } from '../apply/arguments.js'
import { bootId } from '../apply/look.js'
import { inStateFolder } from '../apply/state-folder.js'
import type { Changes } from '../apply/types.js'
import { readOwn, writeWhole } from '../apply/whole-file.js'
import { readState } from '../balance/state.js'
import type { BalanceState } from '../balance/types.js'

const NAME = 'balance.json'
/** What a damaged one says of moves that were begun may still be of use to somebody. */
const ASIDE = `${NAME}.damaged`
const MAX_BYTES = 256 * 2 ** 20

/** Moves that were begun, and of which it is not known that they came to their end. */
export interface Pending {
  /** In which round they were decided. */
  readonly round: number
  /** Takes them back, whatever was done of them. */
  readonly undoFile: string
  /** All of them. Made again, they go on from wherever they are. */
  readonly changes: Changes
}

/** All that is remembered. */
export interface Remembered {
  /** Whether it may change VMs: once that was asked for in a folder, it holds there. */
  readonly acting: boolean
  /** Of the engine; `null`: nothing, or of another boot of the system. */
  readonly engine: BalanceState | null
  /** `null`: nothing is half done. */
  readonly pending: Pending | null
  /** Undo files that `balance` has written, the oldest first. */
  readonly undoFiles: readonly string[]
}

const schema = z.strictObject({
  schemaVersion: z.literal(1),
  kind: z.literal('BalanceFile'),
  boot: z.string().min(1).max(64),
  acting: z.boolean(),
  engine: z.unknown(),
  pending: z
    .strictObject({
      round: z.int().min(0),
      undoFile: z.string(),
      changes: z.looseObject({ kind: z.literal('Changes') }),
    })
    .nullable(),
  undoFiles: z.array(z.string()).max(10_000),
})

/** What is known in a folder where it has not run yet. */
export const NOTHING: Remembered = { acting: false, engine: null, pending: null, undoFiles: [] }

/** What is remembered, and why it is less than there was. */
export interface Recalled extends Remembered {
  /** A sentence; `null`: all of it is there. */
  readonly lost: string | null
}

/**
 * Processes and clocks of another boot mean nothing now. A file that is damaged is put aside, and is as none.
 * @throws {UnsupportedError} where it cannot be read, or put aside
 */
export function recall(folder: string): Recalled {
  try {
    const text = readOwn(join(folder, NAME), 'a state of balance', MAX_BYTES)
    const { boot, acting, engine, pending, undoFiles } = parseWith(schema, JSON.parse(text))
    if (boot !== bootId()) return { ...NOTHING, acting, lost: null }
    if (pending !== null) requireChanges(pending.changes)
    const known = engine === null ? null : readState(engine)
    return { acting, engine: known, pending: pending as Pending | null, undoFiles, lost: null }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { ...NOTHING, lost: null }
    return inStateFolder(folder, () => {
      // What cannot be read now may be in order.
      if (!(error instanceof InputError || error instanceof SyntaxError)) throw error
      renameSync(join(folder, NAME), join(folder, ASIDE))
      const lost = `what was remembered in ${join(folder, NAME)} is left aside, as ${ASIDE}: ${error.message}`
      return { ...NOTHING, lost }
    })
  }
}

/** @throws {UnsupportedError} where it cannot be written */
export function remember(folder: string, { acting, engine, pending, undoFiles }: Remembered): void {
  const content = { schemaVersion: 1, kind: 'BalanceFile', boot: bootId(), acting, engine, pending, undoFiles }
  inStateFolder(folder, () => writeWhole(folder, NAME, `${JSON.stringify(content)}\n`, `${NAME}.new`))
}
