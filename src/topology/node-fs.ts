/** Topology of the machine that this runs on, or of a directory with a copy of its files. Linux files, read with Node. */

import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { requireObject, requireText } from '../checks.js'
import { InputError } from '../errors.js'
import type { Host } from '../types.js'
import type { SysReader } from './files.js'
import { readHost } from './sysfs.js'

/** What is detected. */
export interface DetectOptions {
  /** Directory that holds `sys` and `proc`; default `/`. Links that lead out of it are taken for missing. */
  readonly root?: string
}

/**
 * The topology that the kernel shows in sysfs and procfs.
 * @throws {InputError} where `root` is no directory, or holds no CPUs
 */
export async function detectHost(options: DetectOptions = {}): Promise<Host> {
  return detectFrom(rootOf(options))
}

/** @throws {InputError} for options that are none */
export function rootOf(options: DetectOptions): string {
  requireObject('options', options)
  requireText('root', options.root)
  return options.root ?? '/'
}

/** `detectHost`, with something between the directory and who reads it. */
export function detectFrom(root: string, through: (reader: SysReader) => SysReader = (reader) => reader): Host {
  const problem = problemWith(root)
  if (problem !== undefined) throw new InputError(root, 'a directory with sys/devices/system/cpu', problem)
  try {
    return readHost(through(directoryReader(root)))
  } catch (error) {
    throw error instanceof InputError ? error.in(root) : error
  }
}

function problemWith(root: string): string | undefined {
  try {
    return statSync(root).isDirectory() ? undefined : 'a file'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    return code === 'ENOENT' ? 'no such directory' : code
  }
}

/** Reads files below a directory. Nothing outside of it is read, also through links. */
export function directoryReader(root: string): SysReader {
  const top = realpathSync.native(resolve(root))
  const inside = top === '/' ? () => true : confinement(top)
  const base = top === '/' ? '' : top
  // Paths come from files. Each character stands for a byte, since a cgroup may have any name.
  const absolute = (path: string) => `${base}/${Buffer.from(path, 'latin1').toString()}`
  return {
    readFile: (path) => readWhole(absolute(path), inside),
    list: (directory) => listWhole(absolute(directory), inside),
  }
}

/** Is a path below `top` once all links are followed. Directories are remembered: their files come in dozens. */
function confinement(top: string): (path: string) => boolean {
  const known = new Map([[top, true]])
  const isInside = (path: string): boolean => {
    if (/(^|\/)\.\.(\/|$)/.test(path)) return false
    const parent = dirname(path)
    const parentIsInside = known.get(parent) ?? isInside(parent)
    known.set(parent, parentIsInside)
    if (!parentIsInside) return false
    return !lstatSync(path).isSymbolicLink() || realpathSync.native(path).startsWith(`${top}/`)
  }
  return isInside
}

/** Most files are of a page, 4 KiB; /proc/zoneinfo and tables of mounts may have megabytes. */
const buffer = Buffer.allocUnsafe(1 << 18)
/** More than any file of interest, and an end to a device that somebody copied with a tree. */
const MOST_BYTES = 1 << 24

/**
 * A file's bytes as characters; `undefined` where there is none, or the kernel refuses. Many files are optional, and
 * asking first costs a tenth of an exception.
 */
function readWhole(path: string, inside: (path: string) => boolean): string | undefined {
  if (!existsSync(path)) return undefined
  let file: number | undefined
  try {
    if (!inside(path)) return undefined
    // Without O_NONBLOCK a pipe in a copied tree would wait for its writer.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    let content = ''
    for (let read = -1; read !== 0 && content.length < MOST_BYTES; ) {
      read = readSync(file, buffer, 0, buffer.length, null)
      content += buffer.toString('latin1', 0, read)
    }
    return content
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function listWhole(path: string, inside: (path: string) => boolean): readonly string[] {
  try {
    return existsSync(path) && inside(path) ? readdirSync(path) : []
  } catch {
    return []
  }
}
