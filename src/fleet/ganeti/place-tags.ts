/**
 * Where an instance is, and what it asked for, as tags of the instance: the only words of our own that Ganeti keeps and gives to
 * allocators. Raw deflate of JSON in base64url, in pieces `homenode:1/2:...`: a tag has at most 128 characters of `\w.+*:@/-`
 * (Ganeti 3.0, lib/objects.py, `TaggableObject`).
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import * as z from 'zod'
import { InputError } from '../../errors.js'
import { parseWith } from '../../schema.js'
import type { CurrentPlacement } from '../../types.js'

export interface PlaceTags {
  /** The node that it was planned for. */
  readonly node: string
  /** Who made it: tells it from another one of the same name. */
  readonly token: string
  /** The VM as its request has it, without its name, and with its place. */
  readonly vm: Readonly<Record<string, unknown>> & { readonly current: CurrentPlacement }
}

const PREFIX = 'homenode:'
const MAX_TAG = 128
const PIECE = MAX_TAG - `${PREFIX}9999/9999:`.length
/** The largest VM, 4,096 vCPUs, has a quarter of that. */
const MAX_JSON_BYTES = 4 * 1024 ** 2

const format = z.strictObject({
  node: z.string(),
  token: z.string(),
  vm: z.looseObject({ current: z.looseObject({}) }),
})

export function tagsOf(place: PlaceTags): string[] {
  const text = deflateRawSync(JSON.stringify(place)).toString('base64url')
  const pieces = text.match(new RegExp(`.{1,${PIECE}}`, 'g')) ?? []
  return pieces.map((piece, at) => `${PREFIX}${at + 1}/${pieces.length}:${piece}`)
}

/** @returns `null` where no tag is of homenode: it was made by others
 *  @throws {InputError} where such tags cannot be read */
export function placeFrom(tags: readonly string[]): PlaceTags | null {
  const own = tags.filter((tag) => tag.startsWith(PREFIX))
  if (own.length === 0) return null
  const pieces = new Map(own.map(readPiece))
  const complete = own.length === pieces.size && own.every((tag) => totalOf(tag) === own.length)
  const numbers = own.map((_, at) => at + 1)
  if (!complete || !numbers.every((number) => pieces.has(number))) throw unreadable(`${own.length} of them`)
  const content = inflate(numbers.map((number) => pieces.get(number)).join(''))
  try {
    return parseWith(format, content) as unknown as PlaceTags
  } catch (error) {
    throw error instanceof InputError ? error.in('tags') : error
  }
}

const TAG = /^homenode:(\d{1,4})\/(\d{1,4}):([\w-]+)$/

function readPiece(tag: string): [number: number, piece: string] {
  const [, number, , piece] = TAG.exec(tag) ?? []
  if (number === undefined || piece === undefined) throw unreadable(JSON.stringify(tag))
  return [Number(number), piece]
}

function totalOf(tag: string): number {
  return Number(TAG.exec(tag)?.[2])
}

function inflate(text: string): unknown {
  try {
    const json = inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: MAX_JSON_BYTES })
    return JSON.parse(json.toString('utf8'))
  } catch {
    throw unreadable('tags that are damaged')
  }
}

function unreadable(got: string): InputError {
  return new InputError(
    'tags',
    'all tags that "homenode ganeti-create" has given it, and no others of "homenode:"',
    got,
  )
}
