/** Where undo files and the lock are. */

import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { InputError, UnsupportedError } from '../../src/errors.js'
import { asRoot, makeFolder } from '../found/files.js'

const OF_ROOT = '/var/lib/homenode'

/** The folder for this user. */
export function stateFolder(state: string | undefined): string {
  if (state !== undefined) return state
  if (asRoot() === null) return OF_ROOT
  const { XDG_STATE_HOME: base } = process.env
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'state'), 'homenode')
}

/**
 * Makes the folder where it is not there yet: for its owner alone.
 * @throws {UnsupportedError} where it cannot be made, is none, or others may write into it
 */
export function openStateFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700)
  } catch (error) {
    throw new UnsupportedError('state folder', `${folder} cannot be made: ${(error as Error).message}`)
  }
  const stats = lstatSync(folder)
  const why = whyNoFolder(stats) ?? whyNotOurs(stats)
  if (why !== null) throw new UnsupportedError('state folder', `${folder} ${why}`)
}

function whyNoFolder(stats: Stats): string | null {
  if (stats.isSymbolicLink()) return 'is a symbolic link: name the folder that it leads to'
  return stats.isDirectory() ? null : 'is no folder'
}

/**
 * What `work` in the folder returns.
 * @throws {UnsupportedError} for what the system refuses there: the disk is full, the file system is read-only
 */
export function inStateFolder<Value>(folder: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
    throw new UnsupportedError('state folder', `${folder}: ${error.message}`)
  }
}

/** Why what stands there is not to be believed; `null`: it is this user's or root's, and nobody else may write to it. */
export function whyNotOurs({ uid, mode }: Pick<Stats, 'uid' | 'mode'>): string | null {
  if (uid !== 0 && uid !== process.geteuid?.()) return `belongs to user ${uid}`
  return (mode & 0o022) === 0 ? null : 'may be written by others: take that right from them (chmod go-w)'
}

const NAME = /^undo-[\dTZ.-]+-\d+\.json$/

/** Paths of the undo files that have not been undone, the newest first. */
export function undoFilesIn(folder: string): string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new InputError(folder, 'a folder of undo files', (error as Error).message)
  }
  // Their names begin with the time.
  const sorted = names.filter((name) => NAME.test(name)).sort()
  return sorted.reverse().map((name) => join(folder, name))
}
