/** Files of the state folder: there as a whole or not at all, also when the power goes, and believed only where nobody else can write. */

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../../src/errors.js'
import { whyNotOurs } from './state-folder.js'

/**
 * Writes a file for its owner alone; another one of this name is replaced.
 * @param beside what it is called until it is whole: only who has the lock may write it. One that is left of a process that was ended is replaced
 * @returns its path
 * @throws {Error} of Node.js, where it cannot be written: what was there before is there still
 */
export function writeWhole(folder: string, name: string, text: string, beside: string): string {
  const path = join(folder, name)
  const temporary = join(folder, beside)
  try {
    const fd = openSync(temporary, 'w', 0o600)
    try {
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
    syncFolder(folder)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  return path
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * The text of a file that this user or root has written, and nobody else could.
 * @param what it is, for messages
 * @throws {InputError} for another one
 * @throws {Error} of Node.js, where it cannot be read
 */
export function readOwn(path: string, what: string, mostBytes: number): string {
  // A pipe would be waited for.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new InputError('', what, 'something else than a file')
    if (stats.size > mostBytes) throw new InputError('', `${what} of at most ${mostBytes} bytes`, `${stats.size}`)
    const why = whyNotOurs(stats)
    if (why !== null) throw new InputError('', `${what} of this user's or of root's`, `one that ${why}`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
