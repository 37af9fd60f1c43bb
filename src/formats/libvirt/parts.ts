/** A placed VM as the parts of a libvirt domain: what is wanted of its XML. */

import { formatCpulist } from '../../cpulist.js'
import { type Guest, nodesOfGuest } from '../guest.js'
import type { Wanted } from '../xml/wanted.js'

/** Children of a domain in the order in which libvirt writes them, up to the last that is of interest here. */
const DOMAIN_ORDER = [
  'name',
  'uuid',
  'genid',
  'title',
  'description',
  'metadata',
  'maxMemory',
  'memory',
  'currentMemory',
  'blkiotune',
  'memtune',
  'memoryBacking',
  'vcpu',
  'vcpus',
  'iothreads',
  'iothreadids',
  'defaultiothread',
  'cputune',
  'numatune',
  'resource',
  'sysinfo',
  'os',
  'idmap',
  'features',
  'cpu',
]
const CPUTUNE_ORDER = [
  'shares',
  'period',
  'quota',
  'global_period',
  'global_quota',
  'emulator_period',
  'emulator_quota',
  'iothread_period',
  'iothread_quota',
  'vcpupin',
  'emulatorpin',
  'iothreadpin',
]
const CPU_ORDER = ['arch', 'model', 'vendor', 'topology', 'cache', 'maxphysaddr', 'feature', 'numa']

/** What the parts take over from a domain that is there already. */
export interface Given {
  /** Numbers of its I/O threads. */
  readonly iothreads: readonly number[]
  /** How strict memory is called: of `restrictive` libvirt can change the nodes while the domain runs. */
  readonly strict: 'strict' | 'restrictive'
  /** It has a `<memoryBacking>`, which may have pages that are not wanted. */
  readonly hasBacking: boolean
  readonly cells: {
    readonly count: number
    readonly haveIds: boolean
    /** Attributes of each cell beyond its size, for one that is new. */
    readonly like: Readonly<Record<string, string>>
  }
}

/**
 * @param distances from each cell to each; `null`: not known
 * @param identity the elements that say which domain it is, for one that is new
 */
export function domainParts(
  guest: Guest,
  distances: readonly (readonly number[])[] | null,
  given: Given,
  identity: readonly Wanted[] = [],
): Wanted {
  const children: Wanted[] = [
    ...identity,
    ...memoryBacking(guest, given),
    { name: 'vcpu', attributes: { placement: 'static', cpuset: null }, text: `${guest.vcpus.length}` },
    ...(guest.iothreads.length === 0 ? [] : [{ name: 'iothreads', text: `${guest.iothreads.length}` }]),
    cputune(guest, given),
    numatune(guest, given),
    { name: 'cpu', children: [numa(guest, distances, given)], only: ['numa'], order: CPU_ORDER },
  ]
  return { name: 'domain', children, only: children.map(({ name }) => name), order: DOMAIN_ORDER }
}

function memoryBacking({ cells }: Guest, { hasBacking }: Given): Wanted[] {
  const huge = cells.filter(({ isHuge }) => isHuge)
  if (huge.length === 0 && !hasBacking) return []
  const sizes = [...new Set(huge.map(({ pageSize }) => pageSize))]
  const pages = sizes.map((size): Wanted => {
    const own = huge.filter(({ pageSize }) => pageSize === size).map(({ cell }) => cell)
    const nodeset = own.length === cells.length ? null : formatCpulist(own)
    return { name: 'page', attributes: { size: `${size / 1024}`, unit: 'KiB', nodeset } }
  })
  const children: Wanted[] = pages.length === 0 ? [] : [{ name: 'hugepages', children: pages, only: ['page'] }]
  return [{ name: 'memoryBacking', children, only: ['hugepages'] }]
}

function cputune({ vcpus, emulator, iothreads }: Guest, given: Given): Wanted {
  const children: Wanted[] = [
    ...vcpus.map(({ vcpu, cpus }) => ({ name: 'vcpupin', key: 'vcpu', attributes: { vcpu: `${vcpu}`, cpuset: cpus } })),
    { name: 'emulatorpin', attributes: { cpuset: emulator } },
    ...iothreads.map((cpus, at) => {
      const iothread = `${given.iothreads[at] ?? at + 1}`
      return { name: 'iothreadpin', key: 'iothread', attributes: { iothread, cpuset: cpus } }
    }),
  ]
  return { name: 'cputune', children, only: ['vcpupin', 'emulatorpin', 'iothreadpin'], order: CPUTUNE_ORDER }
}

/** `<memory>` also covers what is not in a cell. In the mode `preferred` it takes one node, so it is left out if cells prefer several. */
function numatune(guest: Guest, { strict }: Given): Wanted {
  const mode = guest.policy === 'strict' ? strict : guest.policy
  const all = nodesOfGuest(guest)
  const memory =
    mode === 'preferred' && all.length > 1
      ? []
      : [{ name: 'memory', attributes: { mode, nodeset: formatCpulist(all), placement: null } }]
  const memnodes = guest.cells.map(({ cell, nodes }) => ({
    name: 'memnode',
    key: 'cellid',
    attributes: { cellid: `${cell}`, mode, nodeset: formatCpulist(nodes) },
  }))
  return { name: 'numatune', children: [...memory, ...memnodes], only: ['memory', 'memnode'] }
}

/** `interconnects` is left out if the number of cells changes, since it names cells. */
function numa({ cells }: Guest, distances: readonly (readonly number[])[] | null, given: Given): Wanted {
  const { count, haveIds, like } = given.cells
  const children = cells.map(({ cell, vcpus, bytes }): Wanted => {
    const siblings = distances?.[cell]?.map((value, id) => ({
      name: 'sibling',
      key: 'id',
      attributes: { id: `${id}`, value: `${value}` },
    }))
    return {
      name: 'cell',
      ...(haveIds ? { key: 'id' } : {}),
      attributes: {
        id: `${cell}`,
        cpus: formatCpulist(vcpus),
        memory: `${bytes / 1024}`,
        unit: 'KiB',
        ...(cell < count ? {} : like),
      },
      ...(siblings === undefined ? {} : { children: [{ name: 'distances', children: siblings, only: ['sibling'] }] }),
      // Distances of other cells tell nothing about these.
      only: siblings !== undefined || count !== cells.length ? ['distances'] : [],
    }
  })
  const only = count === cells.length ? ['cell'] : ['cell', 'interconnects']
  return { name: 'numa', children, only, order: ['cell', 'interconnects'] }
}
