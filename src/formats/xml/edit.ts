/** A document changed where it is not as wanted; every other character stays as it is. */

import type { Span, XmlElement } from './parse.js'
import { escapeXml, type Layout, type Wanted, writeAttribute, writeChildren, writeElement } from './wanted.js'

interface Edit extends Span {
  /** What comes there instead. */
  readonly text: string
}

/**
 * `text` with its root element as `wanted`. The same again changes nothing.
 * @param root of `text`, as `parseXml` gives it
 */
export function editXml(text: string, root: XmlElement, wanted: Wanted): string {
  const edits = new Editor(text, root).merge(root, wanted)
  edits.sort((a, b) => a.start - b.start || a.end - b.end)
  let at = 0
  const pieces = edits.flatMap(({ start, end, text: instead }) => {
    const kept = text.slice(at, start)
    at = end
    return [kept, instead]
  })
  return `${pieces.join('')}${text.slice(at)}`
}

const COMMENTS = /(?:[ \t]*<!--(?:[^\n-]|-[^\n-])*-->)+(?=[ \t]*\r?\n)/y

class Editor {
  readonly #text: string
  readonly #layout: Layout

  constructor(text: string, root: XmlElement) {
    this.#text = text
    this.#layout = layoutOf(text, root)
  }

  merge(element: XmlElement, wanted: Wanted): Edit[] {
    return [
      ...this.#attributes(element, wanted),
      ...(wanted.text === undefined ? this.#children(element, wanted) : this.#content(element, wanted.text)),
    ]
  }

  #attributes(element: XmlElement, { attributes = {} }: Wanted): Edit[] {
    const edits: Edit[] = []
    let added = ''
    for (const [name, value] of Object.entries(attributes)) {
      const found = element.attributes.get(name)
      if (value === null) {
        if (found !== undefined) edits.push({ ...found.whole, text: '' })
      } else if (found === undefined) added += writeAttribute(name, value)
      else if (found.value !== value) edits.push({ ...found.inner, text: escapeXml(value) })
    }
    if (added === '') return edits
    const tag = this.#text.slice(element.whole.start, element.inner?.start ?? element.whole.end)
    const end = element.whole.start + tag.replace(/\s*\/?>$/, '').length
    return [...edits, { start: end, end, text: added }]
  }

  #content(element: XmlElement, text: string): Edit[] {
    return element.text.trim() === text ? [] : [this.#fill(element, escapeXml(text))]
  }

  #children(element: XmlElement, { children = [], only = [], order = only }: Wanted): Edit[] {
    const keys = new Map(children.map(({ name, key }) => [name, key]))
    const known = new Map(only.map((name) => [name, new Map<string, XmlElement>()]))
    for (const child of element.children) {
      const peers = known.get(child.name)
      const key = child.attributes.get(keys.get(child.name) ?? '')?.value ?? ''
      // Elements without a key, and elements with the same key, are told apart by their order.
      peers?.set(peers.has(key) ? ` ${peers.size}` : key, child)
    }
    const edits: Edit[] = []
    const added: Wanted[] = []
    for (const child of children) {
      const peers = known.get(child.name)!
      const key = (child.key === undefined ? peers.keys().next().value : child.attributes?.[child.key]) ?? ''
      const found = peers.get(key)
      if (found === undefined) added.push(child)
      else edits.push(...this.merge(found, child))
      peers.delete(key)
    }
    for (const peers of known.values()) for (const child of peers.values()) edits.push(this.#remove(child))
    return [...edits, ...this.#add(element, added, order)]
  }

  /** With the line break and the indentation before it, where it begins a line. */
  #remove({ whole }: XmlElement): Edit {
    return { start: lineStart(this.#text, whole.start) ?? whole.start, end: whole.end, text: '' }
  }

  #add(element: XmlElement, added: readonly Wanted[], order: readonly string[]): Edit[] {
    if (added.length === 0) return []
    if (element.inner === null || this.#text.slice(element.inner.start, element.inner.end).trim() === '') {
      return [this.#fill(element, writeChildren(added, this.#layout, this.#indentOf(element)))]
    }
    const [first] = element.children
    const { newline, step } = this.#layout
    const indent = first === undefined ? `${this.#indentOf(element)}${step}` : this.#indentOf(first)
    const last = new Map(element.children.map((child) => [child.name, child]))
    return added.map((child) => {
      const before = order
        .slice(0, order.indexOf(child.name) + 1)
        .filter((name) => last.has(name))
        .at(-1)
      const at = this.#behindComments(before === undefined ? element.inner!.start : last.get(before)!.whole.end)
      const lineBreak = newline === '' ? '' : `${newline}${indent}`
      return { start: at, end: at, text: `${lineBreak}${writeElement(child, this.#layout, indent)}` }
    })
  }

  /** The end of the comments behind `at`, if nothing else is on their line. Such comments are about what is before them. */
  #behindComments(at: number): number {
    COMMENTS.lastIndex = at
    return at + (COMMENTS.exec(this.#text)?.[0].length ?? 0)
  }

  /** Puts `content` between the tags of an element that has nothing there. */
  #fill({ name, whole, inner }: XmlElement, content: string): Edit {
    if (inner !== null) return { ...inner, text: content }
    return { start: whole.end - '/>'.length, end: whole.end, text: `>${content}</${name}>` }
  }

  /** The white space at the beginning of the line that an element begins in. */
  #indentOf({ whole: { start } }: XmlElement): string {
    const line = this.#text.lastIndexOf('\n', start - 1) + 1
    return /^[ \t]*/.exec(this.#text.slice(line, start))![0]
  }
}

/** The place of the line break before `at`, where there is only white space between; else `undefined`. */
function lineStart(text: string, at: number): number | undefined {
  let before = at
  while (text[before - 1] === ' ' || text[before - 1] === '\t') before--
  if (text[before - 1] !== '\n') return undefined
  return before - (text[before - 2] === '\r' ? 2 : 1)
}

/** As the root's first child stands. */
function layoutOf(text: string, { children: [first] }: XmlElement): Layout {
  if (first === undefined) return { newline: '\n', step: '  ' }
  const start = lineStart(text, first.whole.start)
  if (start === undefined) return { newline: '', step: '' }
  const [newline = '', step = ''] = text.slice(start, first.whole.start).split(/(?<=\n)/)
  return { newline, step }
}
