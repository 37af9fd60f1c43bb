/**
 * A domain as libvirt describes it, as far as it says what the guest is. Pure.
 * Source: https://libvirt.org/formatdomain.html
 */

import { SaxesParser } from 'saxes'
import { parseCpulist } from '../../src/cpulist.js'
import type { FoundCell } from './types.js'

export interface Domain {
  readonly uuid: string
  readonly name: string
  readonly vcpus: number
  /** Bytes. */
  readonly memory: number
  /** The guest's nodes; none where it has no NUMA. */
  readonly cells: readonly FoundCell[]
}

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: Element[]
  text: string
}

const MOST_DEPTH = 64

/** `null` for what is no domain. */
export function parseDomain(xml: string): Domain | null {
  const root = parseXml(xml)
  if (root?.name !== 'domain') return null
  const child = (name: string) => root.children.find((one) => one.name === name)
  const [name, uuid, memory, vcpu] = [child('name'), child('uuid'), child('memory'), child('vcpu')]
  const bytes = memory === undefined ? null : bytesOf(memory.text, memory.attributes.unit)
  const vcpus = Number(vcpu?.attributes.current ?? vcpu?.text ?? Number.NaN)
  if (name === undefined || uuid === undefined || bytes === null || !Number.isInteger(vcpus) || vcpus < 1) return null
  const numa = child('cpu')?.children.find((one) => one.name === 'numa')
  const cells = cellsOf(numa?.children.filter((one) => one.name === 'cell') ?? [])
  return cells === null ? null : { uuid: uuid.text.trim().toLowerCase(), name: name.text, vcpus, memory: bytes, cells }
}

function cellsOf(elements: readonly Element[]): FoundCell[] | null {
  const cells: FoundCell[] = []
  for (const [at, { attributes }] of elements.entries()) {
    const memory = bytesOf(attributes.memory ?? '', attributes.unit)
    const cell = Number(attributes.id ?? at)
    if (memory === null || !Number.isInteger(cell)) return null
    try {
      cells.push({ cell, vcpus: parseCpulist(attributes.cpus ?? '', { allowEmpty: true }), memory })
    } catch {
      return null
    }
  }
  return cells.sort((a, b) => a.cell - b.cell)
}

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
}

/** KiB where no unit is given. */
function bytesOf(text: string, unit = 'KiB'): number | null {
  const scale = UNITS[unit.toLowerCase()]
  if (scale === undefined || !/^\s*\d{1,15}\s*$/.test(text)) return null
  const bytes = Number(text) * scale
  return Number.isSafeInteger(bytes) ? bytes : null
}

function parseXml(xml: string): Element | undefined {
  const parser = new SaxesParser()
  const open: Element[] = []
  let root: Element | undefined
  parser.on('opentag', ({ name, attributes }) => {
    if (open.length >= MOST_DEPTH) throw new Error('too deep')
    const element: Element = { name, attributes: attributes as Record<string, string>, children: [], text: '' }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  parser.on('text', (text) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += text
  })
  parser.on('closetag', () => {
    open.pop()
  })
  parser.on('error', (error) => {
    throw error
  })
  try {
    parser.write(xml).close()
  } catch {
    return undefined
  }
  return root
}
