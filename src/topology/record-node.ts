/** Copies what detection reads into a directory. Linux files, read and written with Node. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { requirePath } from '../checks.js'
import { InputError, show } from '../errors.js'
import type { Host } from '../types.js'
import { type DetectOptions, detectFrom, rootOf } from './node-fs.js'
import { recordingOf } from './record.js'

/**
 * Detects the host, and copies the files that say so to `directory`, which is made: `detectHost({ root: directory })`
 * gives the same Host, anywhere. Of long files (the tables of mounts, /proc/zoneinfo) only the lines that say so are copied.
 * @returns the Host, and how many files its copy has
 * @throws {InputError} where `root` holds no CPUs, or where `directory` holds something already or cannot be written
 */
export async function recordHost(
  directory: string,
  options: DetectOptions = {},
): Promise<{ readonly host: Host; readonly files: number }> {
  const root = rootOf(options)
  if (directory === undefined) throw new InputError('directory', 'its name', show(directory))
  requirePath('directory', directory)
  const exists = requireEmpty(directory)
  let recording: ReturnType<typeof recordingOf> | undefined
  const host = detectFrom(root, (reader) => {
    recording = recordingOf(reader)
    return recording.reader
  })
  const { files, directories } = recording!
  // Paths are characters that stand for bytes, as in `directoryReader`.
  const absolute = (path: string) => `${directory}/${Buffer.from(path, 'latin1').toString()}`
  try {
    // Not with `recursive`: it never ends where the system has no such directories, as in /proc.
    if (!exists) mkdirSync(directory)
    for (const path of files.keys()) mkdirSync(dirname(absolute(path)), { recursive: true })
    for (const [path, content] of files) writeFileSync(absolute(path), content, 'latin1')
    for (const path of directories) if (!files.has(path)) mkdirSync(absolute(path), { recursive: true })
  } catch (error) {
    throw new InputError(directory, 'a directory that can be written', reasonOf(error))
  }
  return { host, files: files.size }
}

/** Whether it exists. */
function requireEmpty(directory: string): boolean {
  const expected = 'an empty directory, or a name for a new one'
  try {
    if (readdirSync(directory).length === 0) return true
  } catch (error) {
    const code = reasonOf(error)
    if (code === 'ENOENT') return false
    throw new InputError(directory, expected, code)
  }
  throw new InputError(directory, expected, 'one with files')
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
