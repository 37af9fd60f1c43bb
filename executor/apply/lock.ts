/** One at a time changes running VMs: a lock that ends with its holder, however that ends. */

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { lockFile } from '../ffi/files.js'
import { inStateFolder } from './state-folder.js'

/** Another process does at the moment what only one may do. */
export class BusyError extends Error {
  override readonly name = 'BusyError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
  /** The number of that process; `null`: it has not said. */
  readonly holder: number | null

  /** @param does what it does, for the message */
  constructor(holder: number | null, does = 'changes running VMs at the moment') {
    const who = holder === null ? 'another process' : `process ${holder}`
    super(`${who} ${does}: try again when it has ended`)
    this.holder = holder
  }
}

/** The lock, until `close()`. */
export interface Lock {
  close(): void
}

/**
 * @param name of its file
 * @param does what its holder does, for the message
 * @throws {BusyError} where another has it
 * @throws {UnsupportedError} where nothing can be written in the folder
 */
export function takeLock(folder: string, name = 'lock', does?: string): Lock {
  return inStateFolder(folder, () => lockIn(folder, name, does))
}

function lockIn(folder: string, name: string, does: string | undefined): Lock {
  const path = join(folder, name)
  const fd = openSync(path, 'a+', 0o600)
  try {
    if (!lockFile(fd)) throw new BusyError(holderOf(path), does)
    ftruncateSync(fd)
    writeSync(fd, `${process.pid}\n`)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return { close: () => closeSync(fd) }
}

function holderOf(path: string): number | null {
  const text = readFileSync(path, 'utf8').trim()
  return /^\d{1,10}$/.test(text) ? Number(text) : null
}
