/** Files of procfs, sysfs and debugfs. A file that is gone counts as nothing; one that may not be read is noted. */

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** `refused`: it is there, and this process may not read it. `null`: it is not there, as of a process that has ended. */
export type Reading<Value> = { readonly value: Value } | 'refused' | null

/** What is read, below any root, and through which eyes. */
export class Files {
  readonly #root: string

  /** @param root in front of `/proc` and `/sys` */
  constructor(root = '/') {
    this.#root = root
  }

  text(path: string): Reading<string> {
    return attempt(() => readFileSync(this.at(path), 'utf8'))
  }

  /** The text, or what to take where there is none. */
  textOr(fallback: string, path: string): string {
    return valueOr(fallback, this.text(path))
  }

  list(path: string): Reading<string[]> {
    return attempt(() => readdirSync(this.at(path)))
  }

  link(path: string): Reading<string> {
    return attempt(() => readlinkSync(this.at(path)))
  }

  isSocket(path: string): boolean {
    return valueOr(
      false,
      attempt(() => lstatSync(this.at(path)).isSocket()),
    )
  }

  /** The path below the root. */
  at(path: string): string {
    return join(this.#root, path)
  }
}

export function valueOr<Value>(fallback: Value, reading: Reading<Value>): Value {
  return reading === null || reading === 'refused' ? fallback : reading.value
}

function attempt<Value>(read: () => Value): Reading<Value> {
  try {
    return { value: read() }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'EACCES' || code === 'EPERM' ? 'refused' : null
  }
}

/**
 * Makes a folder, with those above it. Not by `recursive`: it never ends where the system has no such folders, as in /proc.
 * @throws {Error} of Node.js
 */
export function makeFolder(folder: string, mode = 0o777): void {
  if (existsSync(folder)) return
  makeFolder(dirname(resolve(folder)), mode)
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** For `Missing`: root, where this process is not root's. */
export function asRoot(): string | null {
  return process.geteuid?.() === 0 ? null : 'root'
}
