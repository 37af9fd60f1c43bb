/** Files and standard input, as text and as JSON. */

import { open } from 'node:fs/promises'
import { InputError } from '../errors.js'
import { formatBytes } from '../units.js'
import { parseJson } from './json.js'

/** Far above the largest host, request or plan, and far below what would exhaust the memory. */
const MAX_BYTES = 128 * 1024 ** 2

/** What messages call a file that was named on the command line. */
export function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file
}

/**
 * The JSON in a file, or on standard input for `-`.
 * @throws {InputError} with the file's name, and the line and column of what is no JSON
 */
export async function readJson(file: string): Promise<unknown> {
  return inFile(nameOf(file), async () => {
    // A byte order mark, as some editors write it, is left out.
    const text = decode(await readBytes(file)).replace(/^\ufeff/, '')
    if (text.trim() === '') throw new InputError('', 'JSON', text === '' ? 'an empty file' : 'white space only')
    return parseJson(text)
  })
}

/**
 * The text in a file, or on standard input for `-`, with its byte order mark where it has one.
 * @throws {InputError} with the file's name
 */
export async function readText(file: string): Promise<string> {
  return inFile(nameOf(file), async () => decode(await readBytes(file)))
}

/** The most that a kernel, an initramfs or a program may have: more than a process can hold in a piece is not read. */
const MAX_BINARY_BYTES = 2 * 1024 ** 3

/**
 * The bytes of a file, or of standard input for `-`.
 * @throws {InputError} with the file's name
 */
export async function readBinary(file: string): Promise<Uint8Array> {
  return inFile(nameOf(file), () => readBytes(file, MAX_BINARY_BYTES))
}

/** What `work` returns; its InputErrors get the file's name before their place. */
export async function inFile<Value>(name: string, work: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof InputError ? error.in(name) : error
  }
}

/** @throws {InputError} where more than one option would read standard input */
export function requireOneStdin(files: Readonly<Record<string, string | undefined>>): void {
  const readers = Object.keys(files).filter((option) => files[option] === '-')
  if (readers.length > 1) {
    throw new InputError('standard input', 'one option that reads it', `"-" for ${readers.join(' and ')}`)
  }
}

async function readBytes(file: string, maxBytes = MAX_BYTES): Promise<Buffer> {
  if (file === '') throw new InputError('', 'the name of a file', 'an empty name')
  try {
    return await collect(file === '-' ? process.stdin : (await open(file)).createReadStream(), maxBytes)
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new InputError('', 'a file that can be read', reasonOf(error))
    throw error
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file (a part of the path is no directory)',
  EISDIR: 'a directory',
  EACCES: 'no permission to read it',
  ELOOP: 'a symbolic link that leads in a circle',
  ENAMETOOLONG: 'a name that is too long',
  ERR_INVALID_ARG_VALUE: 'a name with a NUL character',
}

function reasonOf(error: Error & { code?: unknown }): string {
  const code = String(error.code)
  return REASONS[code] ?? code
}

async function collect(stream: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new InputError('', `at most ${formatBytes(maxBytes)}`, 'more')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new InputError('', 'text in UTF-8', 'bytes that are none')
  }
}
