/**
 * What QEMU's command line says of its guest. Pure; what is not understood is not said.
 * Source: qemu(1); util/keyval.c, util/cutils.c (qemu_strtosz), hw/core/machine-smp.c of QEMU
 */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { FoundCell } from './types.js'

/** A memory backend. */
export interface Backend {
  readonly id: string
  readonly bytes: number
  /** The policy that it is given, as the kernel writes it: `bind:0`; `null` where none is. */
  readonly policy: string | null
}

export interface QemuArguments {
  readonly name: string | null
  readonly uuid: string | null
  /** `null`: several may be tried, or none is named and the default may be any. */
  readonly accelerator: 'kvm' | 'tcg' | null
  /** Of those that are there at the start. */
  readonly vcpus: number
  /** Of those that are there at the start. */
  readonly memory: number
  readonly backends: readonly Backend[]
  /** The guest's nodes; none where it has no NUMA; `null` where the arguments leave their vCPUs or memory to QEMU's choice. */
  readonly cells: readonly (FoundCell & { readonly backend: string | null })[] | null
  /** Paths of the sockets at which its monitor speaks QMP. */
  readonly qmpSockets: readonly string[]
  /** It was started in libvirt's way. */
  readonly isLibvirt: boolean
}

/** Parameters of an option: `-smp 4,sockets=2`. The first may stand without its name. */
type Parameters = ReadonlyMap<string, readonly string[]>

const DEFAULT_MEMORY = 128 * 2 ** 20
const MIB = 2 ** 20
const MOST_VCPUS = 4096

/** @param argv with the program's name first */
export function parseQemuArguments(argv: readonly string[]): QemuArguments {
  const options = optionsOf(argv)
  const all = (name: string, first?: string) => (options.get(name) ?? []).map((value) => parametersOf(value, first))
  const last = (name: string, first?: string) => all(name, first).at(-1)
  const objects = all('object', 'qom-type')
  const backends = backendsOf(objects)
  const memory = memoryOf(last('m', 'size'))
  const vcpus = vcpusOf(last('smp', 'cpus'))
  return {
    name: one(last('name', 'guest'), 'guest') ?? null,
    uuid: options.get('uuid')?.at(-1)?.toLowerCase() ?? null,
    accelerator: acceleratorOf(options, all('accel', 'accel'), all('machine', 'type')),
    vcpus,
    memory,
    backends: withMachineMemory(backends, last('machine', 'type'), memory),
    cells: cellsOf(all('numa', 'type'), backends, vcpus, memory),
    qmpSockets: qmpSocketsOf(options, all('chardev', 'backend'), all('mon', 'chardev')),
    isLibvirt: objects.some((object) => /\/libvirt\/qemu\/.*\/master-key\.aes$/.test(one(object, 'file') ?? '')),
  }
}

/** Options by their names, without the dashes; of each all values. Those without a value have none. */
function optionsOf(argv: readonly string[]): Map<string, string[]> {
  const options = new Map<string, string[]>()
  for (const [at, argument] of argv.entries()) {
    const name = /^--?([a-zA-Z][\w-]*)$/.exec(argument)?.[1]
    if (at === 0 || name === undefined) continue
    const next = argv[at + 1]
    const key = name === 'M' ? 'machine' : name
    const values = options.get(key) ?? []
    options.set(key, next === undefined || next.startsWith('-') ? values : [...values, next])
  }
  return options
}

/** @param first the name of a parameter that stands first without one */
function parametersOf(text: string, first?: string): Parameters {
  const parameters = new Map<string, string[]>()
  const add = (name: string, value: string) => parameters.set(name, [...(parameters.get(name) ?? []), value])
  if (text.startsWith('{')) {
    for (const [name, value] of Object.entries(parseObject(text))) {
      for (const part of Array.isArray(value) ? value : [value]) {
        if (typeof part === 'string' || typeof part === 'number' || typeof part === 'boolean') add(name, String(part))
      }
    }
    return parameters
  }
  // A comma in a value is written twice.
  const parts = text.match(/(?:[^,]|,,)+/g) ?? []
  for (const [at, part] of parts.entries()) {
    const plain = part.replaceAll(',,', ',')
    const equals = plain.indexOf('=')
    if (equals > 0) add(plain.slice(0, equals), plain.slice(equals + 1))
    else if (at === 0 && first !== undefined) add(first, plain)
    else add(plain, 'on')
  }
  return parameters
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function one(parameters: Parameters | undefined, name: string): string | undefined {
  return parameters?.get(name)?.at(-1)
}

/** Bytes; a number alone counts in `unit`. `undefined` for what is no size. */
function bytesOf(text: string | undefined, unit = 1): number | undefined {
  const [, digits, suffix] = /^(\d{1,16}(?:\.\d{1,6})?)([bBkKmMgGtTpP])?$/.exec(text ?? '') ?? []
  if (digits === undefined) return undefined
  const scale = suffix === undefined ? unit : 1024 ** 'bkmgtp'.indexOf(suffix.toLowerCase())
  const bytes = Math.trunc(Number(digits) * scale)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

function memoryOf(m: Parameters | undefined): number {
  return bytesOf(one(m, 'size'), MIB) ?? DEFAULT_MEMORY
}

/** `-smp 4`; without a number the product of the topology, less what is not given. */
function vcpusOf(smp: Parameters | undefined): number {
  const number = (name: string) => {
    const text = one(smp, name)
    return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined
  }
  const levels = ['drawers', 'books', 'sockets', 'dies', 'clusters', 'modules', 'cores', 'threads']
  const product = levels.reduce((total, level) => total * (number(level) ?? 1), 1)
  const vcpus = number('cpus') ?? number('maxcpus') ?? product
  return Math.min(Math.max(1, vcpus), MOST_VCPUS)
}

function acceleratorOf(
  options: ReadonlyMap<string, readonly string[]>,
  accels: readonly Parameters[],
  machines: readonly Parameters[],
): QemuArguments['accelerator'] {
  const named = [
    ...accels.map((accel) => one(accel, 'accel') ?? ''),
    ...machines.flatMap((machine) => (one(machine, 'accel') ?? '').split(':')),
    ...(options.has('enable-kvm') ? ['kvm'] : []),
  ].filter((name) => name !== '')
  const [first] = named
  return new Set(named).size === 1 && (first === 'kvm' || first === 'tcg') ? first : null
}

function backendsOf(objects: readonly Parameters[]): Backend[] {
  return objects.flatMap((object) => {
    const [type, id, bytes] = [one(object, 'qom-type'), one(object, 'id'), bytesOf(one(object, 'size'))]
    if (!type?.startsWith('memory-backend-') || id === undefined || bytes === undefined) return []
    return [{ id, bytes, policy: policyOf(object) }]
  })
}

/** `preferred` may be one of two policies of the kernel's. */
function policyOf(object: Parameters): string | null {
  const policy = one(object, 'policy')
  const nodes = (object.get('host-nodes') ?? []).flatMap(numbersOf)
  return (policy === 'bind' || policy === 'interleave') && nodes.length > 0 ? `${policy}:${formatCpulist(nodes)}` : null
}

/** Where no backend is named for it, QEMU makes the machine's memory itself. */
function withMachineMemory(backends: readonly Backend[], machine: Parameters | undefined, memory: number): Backend[] {
  const named = one(machine, 'memory-backend')
  const sum = backends.reduce((total, { bytes }) => total + bytes, 0)
  if (named !== undefined || sum >= memory) return [...backends]
  return [{ id: '', bytes: memory, policy: null }, ...backends]
}

function cellsOf(
  numa: readonly Parameters[],
  backends: readonly Backend[],
  vcpus: number,
  memory: number,
): QemuArguments['cells'] {
  const nodes = numa.filter((option) => one(option, 'type') === 'node')
  if (nodes.length === 0) return []
  const cells = nodes.map((node, at) => {
    const backend = one(node, 'memdev') ?? null
    const bytes = backend === null ? bytesOf(one(node, 'mem'), MIB) : backends.find(({ id }) => id === backend)?.bytes
    const cpus = (node.get('cpus') ?? []).flatMap(numbersOf)
    return { cell: Number(one(node, 'nodeid') ?? at), vcpus: cpus.sort((a, b) => a - b), memory: bytes, backend }
  })
  const numbers = cells.flatMap((cell) => cell.vcpus)
  // `-numa cpu` names vCPUs by their place in the topology. QEMU itself places those that are not named.
  const complete = new Set(numbers).size === vcpus && numbers.length === vcpus && numbers.every((id) => id < vcpus)
  const known = cells.filter((cell): cell is typeof cell & { memory: number } => cell.memory !== undefined)
  const sum = known.reduce((total, cell) => total + cell.memory, 0)
  if (!complete || known.length < cells.length || sum !== memory) return null
  if (known.some(({ cell }) => !Number.isInteger(cell)) || new Set(known.map(({ cell }) => cell)).size < known.length)
    return null
  return known.sort((a, b) => a.cell - b.cell)
}

/** `3`, `0-3`; none for anything else. */
function numbersOf(text: string): number[] {
  const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text) ?? []
  return first === undefined || Number(last) < Number(first) ? [] : parseCpulist(`${first}-${last}`)
}

function qmpSocketsOf(
  options: ReadonlyMap<string, readonly string[]>,
  chardevs: readonly Parameters[],
  monitors: readonly Parameters[],
): string[] {
  const direct = [...(options.get('qmp') ?? []), ...(options.get('qmp-pretty') ?? [])].flatMap((text) => {
    const path = /^unix:(.+)$/.exec(text)?.[1]
    // Up to the first parameter; a comma of the path is written twice.
    return path === undefined ? [] : [/^(?:[^,]|,,)*/.exec(path)![0].replaceAll(',,', ',')]
  })
  const spoken = monitors
    .filter((monitor) => one(monitor, 'mode') === 'control')
    .map((monitor) => one(monitor, 'chardev'))
  const named = chardevs.filter(
    (chardev) => one(chardev, 'backend') === 'socket' && spoken.includes(one(chardev, 'id')),
  )
  return [...direct, ...named.flatMap((chardev) => one(chardev, 'path') ?? [])]
}
