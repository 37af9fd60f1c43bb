/** A placed VM as a libvirt domain's parts: alone, or in the XML of a domain that is there. */

import { InputError, show } from '../../errors.js'
import type { Host } from '../../types.js'
import { formatBytes } from '../../units.js'
import { type Converted, distancesOf, divisionNotes, type Guest } from '../guest.js'
import { editXml } from '../xml/edit.js'
import { childOf, type XmlElement } from '../xml/parse.js'
import { writeElement } from '../xml/wanted.js'
import { type Domain, readDomain } from './domain.js'
import { domainParts, type Given } from './parts.js'

/** What libvirt rounds the memory of cells up to (qemuDomainAlignMemorySizes; 256 MiB on POWER). */
const LIBVIRT_GRANULE = 1024 ** 2

/** A document with the parts alone: a `<domain>` that has to be filled in. */
export function toLibvirt(guest: Guest, host: Host | null): Converted {
  const nothing: Given = {
    iothreads: [],
    strict: 'strict',
    hasBacking: false,
    cells: { count: 0, haveIds: true, like: {} },
  }
  const identity = [
    { name: 'name', text: guest.name },
    { name: 'memory', attributes: { unit: 'KiB' }, text: `${guest.bytes / 1024}` },
  ]
  const wanted = domainParts(guest, distancesOf(guest, host), nothing, identity)
  return { text: `${writeElement(wanted, { newline: '\n', step: '  ' })}\n`, notes: notesOf(guest) }
}

/** @throws {InputError} as `intoDomain` */
export function nameOfDomain(text: string): string {
  return readDomain(text.replace(/^\ufeff/, '')).name
}

/**
 * The XML of a domain with its parts as planned; all else in it, each character, as it is (but for white space in an element that had
 * nothing else). The same again changes nothing.
 * @throws {InputError} where the domain is of another size than the VM
 */
export function intoDomain(guest: Guest, host: Host | null, text: string): Converted {
  // A byte order mark is not part of the document.
  const mark = text.startsWith('\ufeff') ? '\ufeff' : ''
  const xml = text.slice(mark.length)
  const domain = readDomain(xml)
  checkSize(guest, domain)
  const wanted = domainParts(guest, distancesOf(guest, host), givenBy(domain))
  return { text: `${mark}${editXml(xml, domain.root, wanted)}`, notes: notesOf(guest) }
}

function checkSize({ name, vcpus, bytes, iothreads }: Guest, domain: Domain): void {
  const { where } = domain
  if (domain.vcpus !== vcpus.length) {
    throw new InputError(where.vcpus, `${vcpus.length} vCPUs, as ${show(name)} is planned`, `${domain.vcpus}`)
  }
  if (domain.bytes !== bytes) {
    const expected = `memory of ${formatBytes(bytes)}, as ${show(name)} is planned`
    throw new InputError(where.bytes, expected, `${formatBytes(domain.bytes)} (${domain.bytes} bytes, not ${bytes})`)
  }
  if (domain.iothreads.length > 0 && domain.iothreads.length !== iothreads.length) {
    const expected = `${iothreads.length} I/O threads, as ${show(name)} is planned`
    throw new InputError(where.iothreads, expected, `${domain.iothreads.length}`)
  }
}

function givenBy({ root, cells, iothreads }: Domain): Given {
  const [cell] = cells
  const known = ['id', 'cpus', 'memory', 'unit']
  const like = [...(cell?.element.attributes ?? [])].filter(([name]) => !known.includes(name))
  const backing = single(root, 'memoryBacking', 'hugepages')
  single(root, 'cputune', 'emulatorpin')
  const mode = single(root, 'numatune', 'memory')[1]?.attributes.get('mode')?.value
  return {
    iothreads,
    strict: mode === 'restrictive' ? mode : 'strict',
    hasBacking: backing[0] !== undefined,
    cells: {
      count: cells.length,
      haveIds: cells.length === 0 || cells.some(({ element }) => element.attributes.has('id')),
      like: Object.fromEntries(like.map(([name, { value }]) => [name, value])),
    },
  }
}

/** A child of the domain and a child of that. @throws {InputError} where there are two: which one counts is not said */
function single(root: XmlElement, outer: string, inner: string): [XmlElement | undefined, XmlElement | undefined] {
  const element = childOf(root, outer)
  return [element, childOf(element, inner)]
}

function notesOf(guest: Guest): string[] {
  const rounded = guest.cells.filter(({ bytes }) => bytes % LIBVIRT_GRANULE !== 0)
  return [
    ...divisionNotes(guest, 'libvirt'),
    ...rounded.map(({ cell, bytes }) => `cell ${cell} has ${bytes / 1024} KiB, which libvirt rounds up to whole MiB`),
  ]
}
