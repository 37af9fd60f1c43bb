/** Files that homenode writes into the system: each says so in its first line, and whether it was changed since. */

import { createHash } from 'node:crypto'
import { linkSync, lstatSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../../../executor/found/files.js'
import { SyscallError } from '../../errors.js'

const MARK = '# Made by "homenode service install"; sha256 of what follows: '

/** `own`: as it was written; `changed`: written here, and edited since; `foreign`: somebody else's, or no file at all. */
export type FileState = 'absent' | 'own' | 'changed' | 'foreign'

/** The text with its mark. */
export function sealed(text: string): string {
  return `${MARK}${hash(text)}\n${text}`
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** @throws {SyscallError} where it cannot be read */
export function stateOf(path: string): FileState {
  const stat = refusing(`lstat(${path})`, () => lstatSync(path, { throwIfNoEntry: false }))
  if (stat === undefined) return 'absent'
  if (!stat.isFile()) return 'foreign'
  const text = refusing(`read(${path})`, () => readFileSync(path, 'utf8'))
  if (!text.startsWith(MARK)) return 'foreign'
  const end = text.indexOf('\n')
  return text.slice(MARK.length, end) === hash(text.slice(end + 1)) ? 'own' : 'changed'
}

/**
 * Writes it as a whole: nobody sees a part of it.
 * @throws {SyscallError}
 */
export function writeOwn(path: string, text: string): void {
  const beside = `${path}.new-${process.pid}`
  refusing(`write(${path})`, () => {
    makeFolder(dirname(path))
    try {
      writeFileSync(beside, sealed(text), { mode: 0o644, flag: 'wx' })
      renameSync(beside, path)
    } finally {
      rmSync(beside, { force: true })
    }
  })
}

/**
 * What is under the new name is never overwritten.
 * @throws {SyscallError} EEXIST, ...
 */
export function rename(from: string, to: string): void {
  refusing(`link(${to})`, () => linkSync(from, to))
  refusing(`unlink(${from})`, () => rmSync(from))
}

/** @throws {SyscallError} */
export function removeFile(path: string): void {
  refusing(`unlink(${path})`, () => rmSync(path))
}

/** Removes a folder that nothing is in; another one stays. */
export function removeEmptyFolder(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

function refusing<Value>(call: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    const { code = '', errno = 0, message } = error as NodeJS.ErrnoException
    if (code === '') throw error
    throw new SyscallError(call, Math.abs(errno), code, code === 'EACCES' ? 'that takes root' : message)
  }
}
