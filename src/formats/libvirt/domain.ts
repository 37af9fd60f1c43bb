/**
 * What a libvirt domain's XML says of its size and its guest nodes. Source of the format and its defaults:
 * libvirt's docs/formatdomain.rst and src/conf/numa_conf.c.
 */

import { parseCpulist } from '../../cpulist.js'
import { InputError, show } from '../../errors.js'
import { childOf, childrenOf, parseXml, type XmlElement } from '../xml/parse.js'
import { parseLibvirtSize } from './size.js'

/** The most vCPUs and I/O threads that are believed; QEMU has fewer of each. */
const MAX_COUNT = 4096

export interface DomainCell {
  /** Ascending. */
  readonly vcpus: readonly number[]
  readonly bytes: number
  readonly element: XmlElement
}

export interface Domain {
  readonly root: XmlElement
  readonly name: string
  /** The most that it can have, plugged in or not. */
  readonly vcpus: number
  readonly bytes: number
  /** Where the sizes are, for messages. */
  readonly where: { readonly vcpus: string; readonly bytes: string; readonly iothreads: string }
  /** In their order; none where the guest has no NUMA nodes. */
  readonly cells: readonly DomainCell[]
  /** Numbers of the I/O threads, ascending. */
  readonly iothreads: readonly number[]
}

/** @throws {InputError} with the place as `line N, column N` */
export function readDomain(text: string): Domain {
  const root = parseXml(text)
  if (root.name !== 'domain') throw new InputError(root.where, "a libvirt domain's XML, <domain>", `<${root.name}>`)
  checkMemoryDevices(root)
  const name = childOf(root, 'name')
  if (name === undefined) throw new InputError(root.where, 'a <domain> with a <name>', 'none')
  const vcpu = childOf(root, 'vcpu')
  const vcpus = vcpu === undefined ? 1 : numberIn(vcpu, 1)
  const cells = cellsOf(root, vcpus)
  const memory = childOf(root, 'memory')
  if (memory === undefined && cells.length === 0) {
    throw new InputError(root.where, 'a <domain> with a <memory>', 'none')
  }
  // Where there are cells, libvirt takes the sum of theirs (virDomainDefPostParseMemory).
  const bytes = cells.length === 0 ? sizeIn(memory!) : cells.reduce((sum, cell) => sum + cell.bytes, 0)
  const iothreads = childOf(root, 'iothreads')
  return {
    root,
    name: name.text,
    vcpus,
    bytes,
    where: {
      vcpus: (vcpu ?? root).where,
      bytes: (cells[0]?.element ?? memory!).where,
      iothreads: (iothreads ?? root).where,
    },
    cells,
    iothreads: iothreadsOf(root, iothreads),
  }
}

/** Memory that is plugged in has a cell of its own choice: nothing here counts it. */
function checkMemoryDevices(root: XmlElement): void {
  const devices = childrenOf(root, 'devices').flatMap((all) => childrenOf(all, 'memory'))
  const plugged = devices.find(({ attributes }) =>
    ['dimm', 'virtio-mem'].includes(attributes.get('model')?.value ?? ''),
  )
  if (plugged !== undefined) {
    const got = `a <memory> of model ${show(plugged.attributes.get('model')!.value)}`
    throw new InputError(plugged.where, 'a domain without memory devices', got)
  }
}

/** vCPUs that no cell names are in the first one, as libvirt's QEMU driver has it. */
function cellsOf(root: XmlElement, vcpus: number): DomainCell[] {
  const elements = childrenOf(childOf(childOf(root, 'cpu'), 'numa'), 'cell')
  const cells: DomainCell[] = []
  const owner = new Map<number, number>()
  for (const [index, element] of elements.entries()) {
    const id = element.attributes.get('id')?.value ?? `${index}`
    if (!/^\d{1,5}$/.test(id) || Number(id) >= elements.length || cells[Number(id)] !== undefined) {
      throw new InputError(element.where, `cells with ids from 0 to ${elements.length - 1}, each once`, show(id))
    }
    const cpus = element.attributes.get('cpus')?.value ?? ''
    const own = parseCpulist(cpus, { where: element.where, allowEmpty: true })
    for (const vcpu of own) {
      if (vcpu >= vcpus) throw new InputError(element.where, `vCPUs from 0 to ${vcpus - 1}`, `${vcpu}`)
      if (owner.has(vcpu)) throw new InputError(element.where, 'vCPUs that no other cell has', `${vcpu}`)
      owner.set(vcpu, Number(id))
    }
    const { memory, unit } = Object.fromEntries(element.attributes)
    if (memory === undefined) throw new InputError(element.where, 'a <cell> with its memory', 'none')
    cells[Number(id)] = { vcpus: own, bytes: parseLibvirtSize(memory.value, unit?.value, element.where), element }
  }
  const left = cells.length === 0 ? [] : Array.from({ length: vcpus }, (_, at) => at).filter((vcpu) => !owner.has(vcpu))
  return cells.map((cell, at) =>
    at > 0 || left.length === 0 ? cell : { ...cell, vcpus: [...cell.vcpus, ...left].sort((a, b) => a - b) },
  )
}

/** The named I/O threads. If fewer are named than counted, the lowest free numbers from 1 on are added. */
function iothreadsOf(root: XmlElement, counted: XmlElement | undefined): number[] {
  const named = childrenOf(childOf(root, 'iothreadids'), 'iothread').map((element) => {
    const id = element.attributes.get('id')?.value ?? ''
    if (!/^\d{1,9}$/.test(id) || Number(id) === 0) throw new InputError(element.where, 'an id from 1', show(id))
    return Number(id)
  })
  const ids = new Set(named)
  const count = counted === undefined ? ids.size : numberIn(counted, 0)
  for (let id = 1; ids.size < count; id++) ids.add(id)
  return [...ids].sort((a, b) => a - b)
}

function numberIn({ text, where, name }: XmlElement, least: number): number {
  const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (value >= least && value <= MAX_COUNT) return value
  throw new InputError(where, `a whole number from ${least} to ${MAX_COUNT} in <${name}>`, show(text.trim()))
}

/** Bytes that an element says. */
function sizeIn({ text, attributes, where }: XmlElement): number {
  return parseLibvirtSize(text, attributes.get('unit')?.value, where)
}
