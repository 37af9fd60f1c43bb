/** What a domain's `<metadata>` says, flat: it belongs to whoever manages the domain, and has any form. Pure. */

import { childOf, type XmlElement } from '../../src/formats/xml/parse.js'
import { printable } from './printable.js'
import type { FoundMetadata } from './types.js'

/** Far more than OpenStack, oVirt or libosinfo write. What is beyond is left out. */
const MAX_VALUES = 1000

/** Texts and attributes of its elements, in their order; none where there is no `<metadata>`. */
export function metadataOf(domain: XmlElement): FoundMetadata[] {
  const found: FoundMetadata[] = []
  const visit = (element: XmlElement, above: string) => {
    const [, namespace = '', name = element.name] = /^\{(.*)\}(.*)$/s.exec(element.name) ?? []
    const path = above === '' ? name : `${above}/${name}`
    const add = (where: string, value: string) => {
      const text = printable(value.trim())
      if (text !== '' && found.length < MAX_VALUES) found.push({ namespace, path: where, value: text })
    }
    add(path, element.text)
    for (const [attribute, { value }] of element.attributes)
      if (attribute !== 'xmlns') add(`${path}@${attribute}`, value)
    for (const child of element.children) visit(child, path)
  }
  for (const top of childOf(domain, 'metadata')?.children ?? []) visit(top, '')
  return found
}
