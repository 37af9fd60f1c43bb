/**
 * XML -> a tree of elements that know their places in the text, so that the text can be edited there and stay as it is
 * elsewhere. No DOCTYPE, so no entities but the predefined ones: nothing is ever expanded.
 */

import { SaxesParser, type SaxesTagNS } from 'saxes'
import { InputError, show } from '../../errors.js'
import { formatBytes } from '../../units.js'

/** What libvirt takes at most (`REMOTE_STRING_MAX` of its protocol). */
const MAX_LENGTH = 4 * 1024 ** 2
/** Elements inside of elements; a domain has ten, metadata some more. libxml2's limit is the same. */
const MAX_DEPTH = 256

/** A part of the text: from `start` up to, without, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface XmlAttribute {
  readonly value: string
  /** With the white space before it and its quotes. */
  readonly whole: Span
  /** Between its quotes. */
  readonly inner: Span
}

export interface XmlElement {
  /** Its name; with its namespace as `{uri}name` where it is in one. */
  readonly name: string
  /** Those without a prefix. */
  readonly attributes: ReadonlyMap<string, XmlAttribute>
  readonly children: readonly XmlElement[]
  /** Its text and CDATA, without that of its children. */
  readonly text: string
  /** From its `<` to behind its last `>`. */
  readonly whole: Span
  /** Between its start and its end tag; `null`: it is one tag. */
  readonly inner: Span | null
  /** `line N, column N`. */
  readonly where: string
}

type Growing = { -readonly [Key in keyof XmlElement]: XmlElement[Key] } & {
  readonly children: XmlElement[]
  readonly tagEnd: number
}

/**
 * The root element of a document.
 * @throws {InputError} with the place as `line N, column N`, for what is not well-formed, has a DOCTYPE, says that it is not
 * in UTF-8, or is beyond the limits
 */
export function parseXml(text: string): XmlElement {
  if (text.length > MAX_LENGTH) throw new InputError('', `XML of at most ${formatBytes(MAX_LENGTH)}`, 'more')
  const parser = new SaxesParser<{ xmlns: true }>({ xmlns: true })
  const open: Growing[] = []
  let root: XmlElement | undefined
  let tagStart = 0
  let tagWhere = ''
  const here = () => `line ${parser.line}, column ${parser.column}`

  parser.on('error', (error) => {
    // With the place before it, as `line:column: `.
    throw new InputError(here(), 'well-formed XML', show(error.message.replace(/^\d+:\d+: /, '')))
  })
  parser.on('xmldecl', ({ encoding = 'UTF-8' }) => {
    if (!/^utf-?8$/i.test(encoding)) throw new InputError(here(), 'XML in UTF-8', `the encoding ${show(encoding)}`)
  })
  parser.on('doctype', () => {
    throw new InputError(here(), 'XML without a DOCTYPE (entities are never expanded)', 'a DOCTYPE')
  })
  parser.on('opentagstart', ({ name }) => {
    if (open.length === MAX_DEPTH) {
      throw new InputError(here(), `elements in at most ${MAX_DEPTH} others`, `${show(name)} in more`)
    }
    tagStart = text.lastIndexOf('<', parser.position - 1)
    // The parser is one character behind the name.
    tagWhere = `line ${parser.line}, column ${parser.column - (parser.position - tagStart) + 1}`
  })
  parser.on('opentag', (tag) => {
    const whole = { start: tagStart, end: parser.position }
    open.push({
      name: qualified(tag),
      attributes: attributesOf(tag, text, whole),
      children: [],
      text: '',
      whole,
      inner: null,
      where: tagWhere,
      tagEnd: parser.position,
    })
  })
  parser.on('text', (piece) => {
    const parent = open.at(-1)
    if (parent !== undefined) parent.text += piece
  })
  parser.on('cdata', (piece) => {
    open.at(-1)!.text += piece
  })
  parser.on('closetag', ({ isSelfClosing }) => {
    const element = open.pop()!
    const end = parser.position
    element.whole = { start: element.whole.start, end }
    if (!isSelfClosing) element.inner = { start: element.tagEnd, end: text.lastIndexOf('<', end - 1) }
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
  })
  parser.write(text).close()
  return root!
}

function qualified({ local, uri }: SaxesTagNS): string {
  return uri === '' ? local : `{${uri}}${local}`
}

const ATTRIBUTE = /\s+([^\s=/>]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y

/** The attributes of a start tag that is known to be well-formed. */
function attributesOf(tag: SaxesTagNS, text: string, whole: Span): Map<string, XmlAttribute> {
  const attributes = new Map<string, XmlAttribute>()
  ATTRIBUTE.lastIndex = whole.start + 1 + tag.name.length
  for (let match = ATTRIBUTE.exec(text); match !== null; match = ATTRIBUTE.exec(text)) {
    const [all, name = '', double, single] = match
    if (name.includes(':')) continue
    const end = match.index + all.length
    const inner = { start: end - 1 - (double ?? single)!.length, end: end - 1 }
    attributes.set(name, { value: tag.attributes[name]!.value, whole: { start: match.index, end }, inner })
  }
  return attributes
}

/** The children of this name. */
export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element === undefined ? [] : element.children.filter((child) => child.name === name)
}

/**
 * The child of this name.
 * @throws {InputError} at the second, where there are several
 */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  const [first, second] = childrenOf(element, name)
  if (second !== undefined) {
    throw new InputError(second.where, `one <${name}> in <${element!.name}>`, `a second one, beside ${first!.where}`)
  }
  return first
}
