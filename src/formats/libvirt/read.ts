/** A libvirt domain's XML -> a VM of a request file: what it wants, without where it is now. */

import { formatCpulist, parseCpulist } from '../../cpulist.js'
import { InputError, show } from '../../errors.js'
import { parseRequest } from '../../request.js'
import { childOf, childrenOf, type XmlElement } from '../xml/parse.js'
import { type Domain, readDomain } from './domain.js'
import { parseLibvirtSize } from './size.js'

/** A VM as a request file has it. */
export type FileVm = Readonly<Record<string, unknown>>

export interface ReadDomain {
  readonly vm: FileVm
  /** What of the domain is taken otherwise than it says, as sentences. */
  readonly notes: readonly string[]
}

/** Huge pages without a size are of the host's default size; this is that of x86-64. */
const DEFAULT_HUGE_PAGE = 2 * 1024 ** 2

/**
 * Name, size, guest nodes, I/O threads, and what its tuning says of its wishes; where its threads and its memory are now
 * (which CPUs, which nodes) is left for a plan to decide.
 * @param text of the domain's XML, also one that runs (`virsh dumpxml`)
 * @throws {InputError} with the place as `line N, column N`
 */
export function fromLibvirt(text: string): ReadDomain {
  const domain = readDomain(text.replace(/^\ufeff/, ''))
  const notes: string[] = []
  const pins = pinsOf(domain)
  const policy = memoryPolicyOf(domain)
  const pageSize = pageSizeOf(domain, notes)
  const vm: FileVm = {
    name: domain.name,
    vcpus: domain.vcpus,
    memory: fileSize(domain.bytes),
    ...cellsOf(domain),
    ...cpuPolicyOf(pins),
    ...(policy === undefined ? {} : { memoryPolicy: policy }),
    ...(pageSize === undefined ? {} : { pageSize: fileSize(pageSize) }),
    ...emulatorOf(domain, pins),
    ...(domain.iothreads.length === 0 ? {} : { iothreads: domain.iothreads.length }),
  }
  checkVm(vm, domain.root)
  return { vm, notes }
}

/** What a request does not take is said at the domain: its fields are no places in the XML. */
function checkVm(vm: FileVm, { where }: XmlElement): void {
  try {
    parseRequest({ vms: [vm] })
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new InputError(where, `a domain that a request can have (${error.where}): ${error.expected}`, error.got)
  }
}

/** Exact, in the largest unit that divides it. */
function fileSize(bytes: number): string {
  const power = [4, 3, 2, 1].find((candidate) => bytes % 1024 ** candidate === 0) ?? 0
  return `${bytes / 1024 ** power}${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`
}

function cellsOf({ cells }: Domain): FileVm {
  if (cells.length === 0) return {}
  const without = cells.find(({ vcpus }) => vcpus.length === 0)
  if (without !== undefined) {
    throw new InputError(without.element.where, 'cells with vCPUs: memory alone has no place in a request', 'none')
  }
  return { cells: cells.map(({ vcpus, bytes }) => ({ vcpus: formatCpulist(vcpus), memory: fileSize(bytes) })) }
}

/** Which CPUs the threads of a domain are pinned to; those that are not pinned have none. */
interface Pins {
  readonly vcpus: readonly (readonly number[])[]
  /** The emulator's and the I/O threads'. */
  readonly own: readonly (readonly number[])[]
}

/** Pins of vCPUs that it does not have are left out, as in libvirt. */
function pinsOf({ root, vcpus }: Domain): Pins {
  // Many threads may have the same set, and a set may be large.
  const known = new Map<string, readonly number[]>()
  const cpusetOf = ({ attributes, where }: XmlElement) => {
    const text = attributes.get('cpuset')?.value ?? ''
    const cpus = known.get(text) ?? parseCpulist(text, { where })
    known.set(text, cpus)
    return cpus
  }
  const vcpu = childOf(root, 'vcpu')
  const all = vcpu?.attributes.has('cpuset') ? cpusetOf(vcpu) : []
  const pins = Array.from({ length: vcpus }, () => all)
  const cputune = childOf(root, 'cputune')
  for (const pin of childrenOf(cputune, 'vcpupin')) {
    const number = pin.attributes.get('vcpu')?.value ?? ''
    if (!/^\d{1,9}$/.test(number))
      throw new InputError(pin.where, 'a <vcpupin> with the number of a vCPU', show(number))
    if (Number(number) < vcpus) pins[Number(number)] = cpusetOf(pin)
  }
  const own = [...childrenOf(cputune, 'emulatorpin'), ...childrenOf(cputune, 'iothreadpin')]
  return { vcpus: pins, own: own.map(cpusetOf) }
}

/** How many of the sets each CPU is in. */
function usersOf(sets: readonly (readonly number[])[]): Map<number, number> {
  const times = new Map<readonly number[], number>()
  for (const set of sets) times.set(set, (times.get(set) ?? 0) + 1)
  const users = new Map<number, number>()
  for (const [set, count] of times) for (const cpu of set) users.set(cpu, (users.get(cpu) ?? 0) + count)
  return users
}

/** A vCPU that has one CPU which no other vCPU has is a dedicated one. */
function cpuPolicyOf(pins: Pins): FileVm {
  const users = usersOf(pins.vcpus)
  const dedicated = [...pins.vcpus.keys()].filter((vcpu) => {
    const [cpu, ...more] = pins.vcpus[vcpu]!
    return cpu !== undefined && more.length === 0 && users.get(cpu) === 1
  })
  if (dedicated.length === pins.vcpus.length) return { cpuPolicy: 'dedicated' }
  if (dedicated.length === 0) return { cpuPolicy: 'shared' }
  return { cpuPolicy: 'mixed', dedicatedVcpus: formatCpulist(dedicated) }
}

/** `dedicated`: the emulator and each I/O thread have one CPU that no other thread of the domain has. */
function emulatorOf({ root, iothreads }: Domain, { own, vcpus }: Pins): FileVm {
  const users = usersOf([...own, ...vcpus])
  const isAlone = own.every(([cpu, ...more]) => more.length === 0 && users.get(cpu!) === 1)
  const isComplete =
    childOf(childOf(root, 'cputune'), 'emulatorpin') !== undefined && own.length === 1 + iothreads.length
  return isComplete && isAlone ? { emulator: 'dedicated' } : {}
}

const POLICIES: Readonly<Record<string, string>> = {
  strict: 'strict',
  restrictive: 'strict',
  preferred: 'preferred',
  interleave: 'interleave',
}

/** The mode of the cells, or of all memory. @throws {InputError} where cells have several: a request has one */
function memoryPolicyOf({ root }: Domain): string | undefined {
  const numatune = childOf(root, 'numatune')
  const nodes = childrenOf(numatune, 'memnode')
  const memory = childOf(numatune, 'memory')
  let policy: string | undefined
  for (const { attributes, where } of nodes.length > 0 || memory === undefined ? nodes : [memory]) {
    const mode = attributes.get('mode')?.value ?? 'strict'
    const found = Object.hasOwn(POLICIES, mode) ? POLICIES[mode] : undefined
    if (found === undefined) throw new InputError(where, `a mode: ${Object.keys(POLICIES).join(', ')}`, show(mode))
    if (policy !== undefined && policy !== found) {
      throw new InputError(where, `the mode of the cells before it (${policy}): a request has one`, show(mode))
    }
    policy = found
  }
  return policy
}

/** Of all its huge pages, where they are of one size and for all cells; `undefined`: any. */
function pageSizeOf({ root, cells }: Domain, notes: string[]): number | undefined {
  const hugepages = childOf(childOf(root, 'memoryBacking'), 'hugepages')
  if (hugepages === undefined) return undefined
  const pages = childrenOf(hugepages, 'page')
  if (pages.length === 0) {
    notes.push("huge pages of the host's default size are taken to be of 2 MiB")
    return DEFAULT_HUGE_PAGE
  }
  const sizes = new Set<number>()
  const covered = new Set<number>()
  const all = Array.from({ length: Math.max(1, cells.length) }, (_, at) => at)
  for (const { attributes, where } of pages) {
    sizes.add(parseLibvirtSize(attributes.get('size')?.value ?? '', attributes.get('unit')?.value, where))
    const nodeset = attributes.get('nodeset')?.value
    for (const cell of nodeset === undefined ? all : parseCpulist(nodeset, { where })) covered.add(cell)
  }
  const [size] = sizes
  if (sizes.size === 1 && all.every((cell) => covered.has(cell))) return size
  notes.push('cells have pages of different sizes; a request has one, so its pages are of any size')
  return undefined
}
