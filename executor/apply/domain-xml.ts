/** The pins and nodes in a domain's XML: read, and put in place of those that are there. Pure. */

import { readDomain } from '../../src/formats/libvirt/domain.js'
import { editXml } from '../../src/formats/xml/edit.js'
import { childOf, childrenOf, type XmlElement } from '../../src/formats/xml/parse.js'
import type { Wanted } from '../../src/formats/xml/wanted.js'
import { NUMA_MODES, type NumaMode, type Pins } from './domain-state.js'

/** @throws {InputError} for what is no domain */
export function pinsIn(xml: string): Pins {
  const { root } = readDomain(xml)
  const cputune = childOf(root, 'cputune')
  const memory = childOf(childOf(root, 'numatune'), 'memory')
  return {
    vcpus: childrenOf(cputune, 'vcpupin').map((pin) => ({ vcpu: Number(valueIn(pin, 'vcpu')), cpus: cpusIn(pin) })),
    emulator: childrenOf(cputune, 'emulatorpin').map(cpusIn)[0] ?? null,
    iothreads: childrenOf(cputune, 'iothreadpin').map((pin) => ({
      id: Number(valueIn(pin, 'iothread')),
      cpus: cpusIn(pin),
    })),
    numatune: memory === undefined ? null : { mode: modeIn(memory), nodes: valueIn(memory, 'nodeset') ?? null },
  }
}

/** How many vCPUs it can have; whether guest nodes have host nodes of their own. */
export function shapeOf(xml: string): { readonly vcpus: number; readonly hasMemnodes: boolean } {
  const { root, vcpus } = readDomain(xml)
  return { vcpus, hasMemnodes: childrenOf(childOf(root, 'numatune'), 'memnode').length > 0 }
}

/** The same text with these pins and nodes, and no others. */
export function withPins(xml: string, { vcpus, emulator, iothreads, numatune }: Pins): string {
  const { root } = readDomain(xml)
  const tuning: Wanted[] = [
    ...vcpus.map(({ vcpu, cpus }) => ({ name: 'vcpupin', key: 'vcpu', attributes: { vcpu: `${vcpu}`, cpuset: cpus } })),
    ...(emulator === null ? [] : [{ name: 'emulatorpin', attributes: { cpuset: emulator } }]),
    ...iothreads.map(({ id, cpus }) => ({
      name: 'iothreadpin',
      key: 'iothread',
      attributes: { iothread: `${id}`, cpuset: cpus },
    })),
  ]
  const memory: Wanted[] = numatune === null ? [] : [{ name: 'memory', attributes: memoryAttributes(numatune) }]
  const parts: Wanted[] = [
    { name: 'cputune', children: tuning, only: ['vcpupin', 'emulatorpin', 'iothreadpin'] },
    { name: 'numatune', children: memory, only: ['memory'] },
  ]
  const needed = parts.filter(({ name, children }) => children?.length || childOf(root, name) !== undefined)
  return editXml(xml, root, { name: 'domain', children: needed, only: needed.map(({ name }) => name) })
}

/** Without nodes of its own it has those that libvirt chooses at the start. */
function memoryAttributes({ mode, nodes }: NonNullable<Pins['numatune']>): NonNullable<Wanted['attributes']> {
  return { mode, nodeset: nodes, placement: nodes === null ? 'auto' : null }
}

function valueIn({ attributes }: XmlElement, name: string): string | undefined {
  return attributes.get(name)?.value
}

function cpusIn(pin: XmlElement): string {
  return valueIn(pin, 'cpuset') ?? ''
}

/** libvirt's default is the first. */
function modeIn(memory: XmlElement): NumaMode {
  const named = valueIn(memory, 'mode')
  return NUMA_MODES.find((mode) => mode === named) ?? 'strict'
}
