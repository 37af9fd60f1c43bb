/**
 * JSON with the place of what is wrong with it: the messages of JSON.parse often have none, and of equal names in an
 * object it takes the last.
 */

import { InputError, show } from '../errors.js'

const SPACE = /[ \t\n\r]*/y
const TOKEN =
  /[{}[\],:]|"[ !#-[\]-\u{10ffff}]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[ !#-[\]-\u{10ffff}]*)*"|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/uy

type State = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end'

/**
 * The value of a JSON text in which no object has a name twice.
 * @throws {InputError} with the place as `line N, column N`
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw syntaxError(text) ?? error
  }
  checkNames(text)
  return value
}

/**
 * Walks a text that is JSON for its names alone; of the brackets only those of objects matter.
 * @throws {InputError} at a name that its object has already
 */
function checkNames(text: string): void {
  const open: Set<string>[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '{') open.push(new Set())
    else if (char === '}') open.pop()
    else if (char === '"') {
      const end = endOfString(text, at)
      SPACE.lastIndex = end
      const next = end + SPACE.exec(text)![0].length
      if (text[next] === ':') {
        const names = open.at(-1)!
        const literal = text.slice(at, end)
        // An escaped name is the same name.
        const name: string = literal.includes('\\') ? JSON.parse(literal) : literal.slice(1, -1)
        if (names.has(name)) throw new InputError(placeOf(text, at), 'a name that is new in its object', show(name))
        names.add(name)
      }
      at = next - 1
    }
  }
}

/** The place after the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Walks the text by the grammar of RFC 8259 up to the first token that does not belong where it is. */
function syntaxError(text: string): InputError | undefined {
  const open: string[] = []
  let state: State = 'value'
  for (let at = 0; ; ) {
    SPACE.lastIndex = at
    at += SPACE.exec(text)![0].length
    TOKEN.lastIndex = at
    const token: string | undefined = TOKEN.exec(text)?.[0]
    const next: State | undefined = token === undefined ? undefined : follow(token, state, open)
    if (next === undefined) {
      const done = state === ', or end' && open.length === 0 && at === text.length
      return done ? undefined : unexpected(text, at, expectationOf(state, open.at(-1)))
    }
    state = next
    at += token!.length
  }
}

/** The state after `token`; `undefined` where it does not belong. Keeps `open`, the brackets around it. */
function follow(token: string, state: State, open: string[]): State | undefined {
  if (state === ':') return token === ':' ? 'value' : undefined
  if (state === 'key' || state === 'key or }') {
    if (token.startsWith('"')) return ':'
    return state === 'key or }' && token === '}' ? close(open) : undefined
  }
  if (state === ', or end') {
    if (token === ',' && open.length > 0) return open.at(-1) === '{' ? 'key' : 'value'
    const ends = (token === '}' && open.at(-1) === '{') || (token === ']' && open.at(-1) === '[')
    return ends ? close(open) : undefined
  }
  if (token === '{' || token === '[') {
    open.push(token)
    return token === '{' ? 'key or }' : 'value or ]'
  }
  if (state === 'value or ]' && token === ']') return close(open)
  return /^["\w-]/.test(token) ? ', or end' : undefined
}

function close(open: string[]): State {
  open.pop()
  return ', or end'
}

function expectationOf(state: State, open: string | undefined): string {
  switch (state) {
    case 'value':
      return 'a value in JSON'
    case 'value or ]':
      return 'a value in JSON or "]"'
    case 'key':
      return 'a name in double quotes'
    case 'key or }':
      return 'a name in double quotes or "}"'
    case ':':
      return '":" after the name'
    default:
      return open === undefined ? 'nothing after the JSON value' : `"," or "${open === '{' ? '}' : ']'}"`
  }
}

function unexpected(text: string, at: number, expected: string): InputError {
  const found = /^(?:"[^"\n\r]{0,30}"?|[\w.+-]{1,30}|.)/su.exec(text.slice(at, at + 40))?.[0]
  return new InputError(placeOf(text, at), expected, found === undefined ? 'the end of the text' : show(found))
}

function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split(/\r\n|\n|\r/)
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`
}
