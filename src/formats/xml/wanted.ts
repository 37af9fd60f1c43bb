/** What is wanted of an element, and a new element as text. */

import { InputError, show } from '../../errors.js'

/** What an element has to be like. If it is there already, all that is not mentioned stays as it is. */
export interface Wanted {
  readonly name: string
  /** `null`: it is without this attribute. */
  readonly attributes?: Readonly<Record<string, string | null>>
  /** Its text, where it has no children. */
  readonly text?: string
  readonly children?: readonly Wanted[]
  /** Names of children of which there are those in `children`, and no others. */
  readonly only?: readonly string[]
  /** The names of its children in the order in which they are written; those of `only` where it is not given. */
  readonly order?: readonly string[]
  /** The attribute that tells it from others of its name. */
  readonly key?: string
}

/** How new lines of a document look. */
export interface Layout {
  /** `\n` or `\r\n`; empty: the document is one line. */
  readonly newline: string
  /** A step of indentation. */
  readonly step: string
}

/** `wanted` as a new element, without the white space before it. */
export function writeElement(wanted: Wanted, layout: Layout, indent = ''): string {
  const { name, attributes = {}, text, children = [] } = wanted
  const tag = `<${name}${Object.entries(attributes)
    .map(([key, value]) => (value === null ? '' : writeAttribute(key, value)))
    .join('')}`
  if (text !== undefined) return `${tag}>${escapeXml(text)}</${name}>`
  if (children.length === 0) return `${tag}/>`
  return `${tag}>${writeChildren(children, layout, indent)}</${name}>`
}

/** What is between the tags of an element at `indent`. */
export function writeChildren(children: readonly Wanted[], layout: Layout, indent: string): string {
  const { newline, step } = layout
  const inside = newline === '' ? '' : `${newline}${indent}${step}`
  const lines = children.map((child) => `${inside}${writeElement(child, layout, `${indent}${step}`)}`)
  return `${lines.join('')}${newline === '' ? '' : `${newline}${indent}`}`
}

/** With a space before it. */
export function writeAttribute(name: string, value: string): string {
  return ` ${name}='${escapeXml(value)}'`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', "'": 'apos', '"': 'quot' }

/**
 * Text or the value of an attribute. Source of what XML cannot hold: XML 1.0, production 2 (Char).
 * @throws {InputError} for characters that XML cannot hold
 */
export function escapeXml(text: string): string {
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text)) {
    throw new InputError('', 'characters that XML can hold', show(text))
  }
  return text.replace(/[&<>'"]/g, (char) => `&${ENTITIES[char]};`)
}
