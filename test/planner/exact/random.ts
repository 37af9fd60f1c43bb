/** Tiny hosts and requests at random, over the whole of docs/model.md: the same seed gives the same instance. */

import type { Host, HostCpu, HostNode, Measures } from '../../../src/types.js'

/** A host and the content of a request file. */
export interface Instance {
  readonly host: Host
  readonly request: RawRequest
}

type Raw = Readonly<Record<string, unknown>>
export type RawRequest = Raw & { readonly vms: readonly Raw[] }

/** What an instance may have; each can be left out, to see which one a fault takes. */
export const FEATURES = [
  'ties',
  'reclaimable',
  'limits',
  'isolated',
  'unknown',
  'reserve',
  'reserveNodes',
  'memoryNodes',
  'deviceNodes',
  'cellsTerm',
  'unnamed',
  'strangers',
  'given',
  'span',
  'shared',
  'threads',
  'preferred',
  'interleave',
  'pages',
  'traffic',
  'near',
  'separate',
  'devices',
  'emulator',
  'bandwidth',
  'measured',
  'hybrid',
  'weights',
  'current',
] as const
export type Feature = (typeof FEATURES)[number]

/** Numbers from a seed (mulberry32). */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0, below `below`. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }

  /** From `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.roll(most - least + 1)
  }

  /** True in so many of a hundred. */
  chance(percent: number): boolean {
    return this.roll(100) < percent
  }

  pick<Value>(...values: readonly Value[]): Value {
    return values[this.roll(values.length)]!
  }
}

export function randomInstance(seed: number, without: ReadonlySet<Feature> = new Set()): Instance {
  const dice = new Dice(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995)
  const has = (feature: Feature, percent: number): boolean => dice.chance(percent) && !without.has(feature)
  const host = randomHost(dice, has)
  return { host, request: randomRequest(dice, has, host) }
}

type Has = (feature: Feature, percent: number) => boolean

function randomHost(dice: Dice, has: Has): Host {
  const count = dice.pick(1, 2, 2, 2, 3, 3)
  const base = dice.pick(4096, 4096, 65_536)
  const sizes = has('pages', 35)
    ? dice.chance(20)
      ? [base, 2 * base, 8 * base]
      : [base, base * dice.pick(2, 4)]
    : [base]
  const gap = dice.chance(20) ? 2 : 1
  const nodes = Array.from({ length: count }, (_, at) => randomNode(dice, has, at * gap, sizes))
  const limits = sizes.flatMap((size) => (has('limits', 6) ? [{ size, pages: dice.roll(12), cause: 'a limit' }] : []))
  return {
    schemaVersion: 1,
    kind: 'Host',
    nodes,
    distances: randomDistances(dice, has, count),
    cpus: randomCpus(dice, has, nodes),
    ...(limits.length > 0 ? { limits } : {}),
    ...(has('measured', 15) ? randomMeasures(dice, nodes) : {}),
  }
}

/** What may be measured; now and then something is not known. */
function randomMeasures(dice: Dice, nodes: readonly HostNode[]): Measures {
  const matrix = (figure: (isOwn: boolean) => number, unknown: number) =>
    nodes.map((_, a) => nodes.map((__, b) => (dice.chance(unknown) ? null : figure(a === b))))
  return {
    ...(dice.chance(75)
      ? { latencies: matrix((isOwn) => (isOwn ? dice.pick(80, 84) : dice.between(90, 250)), 3) }
      : {}),
    ...(dice.chance(50) ? { bandwidths: matrix(() => dice.pick(1e9, 2e9, 1.5e9), 30) } : {}),
    ...(dice.chance(60)
      ? {
          hops: {
            core: 20,
            llc: dice.pick(40, 40, null),
            node: dice.pick(90, null),
            nodes: matrix(() => dice.between(80, 300), 5),
          },
        }
      : {}),
    ...(dice.chance(50) ? { smt: dice.pick(1.1, 1.4, 2.1) } : {}),
  }
}

function randomNode(dice: Dice, has: Has, id: number, sizes: readonly number[]): HostNode {
  const isEmpty = dice.chance(10)
  const pages = sizes.map((size, at) => {
    const free = isEmpty ? 0 : at > 0 ? dice.roll(4) : dice.pick(0, 4, 6, 8, 10, 12, 16, 24, 32)
    return { size, total: free, free }
  })
  const free = pages[0]!.free * sizes[0]!
  return {
    id,
    memory: {
      total: isEmpty ? 0 : 64 * sizes[0]!,
      free: free + (has('reclaimable', 20) ? dice.roll(sizes[0]!) : 0),
      ...(has('reclaimable', 15) ? { reclaimable: dice.roll(4 * sizes[0]!) } : {}),
    },
    pages,
    ...(has('unknown', 4) ? { allowed: false } : {}),
    ...(has('bandwidth', 25) ? { bandwidth: dice.pick(1e9, 2e9, 1.5e9) } : {}),
  }
}

function randomDistances(dice: Dice, has: Has, count: number): number[][] {
  const far = () => (has('ties', 6) ? 10 : dice.pick(11, 12, 16, 20, 21, 21, 32))
  const distances = range(count).map((a) => range(count).map((b): number => (a === b ? 10 : 0)))
  const isSymmetric = dice.chance(85)
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) if (a !== b) distances[a]![b] = isSymmetric && b < a ? distances[b]![a]! : far()
  }
  const isEven = has('ties', 20)
  return distances.map((row) => row.map((own) => (isEven && own !== 10 ? 20 : own)))
}

function randomCpus(dice: Dice, has: Has, nodes: readonly HostNode[]): HostCpu[] {
  const count = dice.pick(1, 2, 3, 4, 4, 5, 6, 6, 7, 7, 8, 8, 8)
  const width = dice.pick(1, 2, 2)
  const llcs = dice.pick(1, 1, 2)
  const isHybrid = has('hybrid', 25)
  const spansNodes = dice.chance(4)
  const cpus: HostCpu[] = []
  for (let core = 0; cpus.length < count; core++) {
    const at = dice.chance(60) ? core % nodes.length : dice.roll(nodes.length)
    const own = dice.roll(llcs)
    const capacity = isHybrid ? dice.pick(1024, 731, 512) : 1024
    const threads = Math.min(dice.chance(85) ? width : 1, count - cpus.length)
    for (let thread = 0; thread < threads; thread++) {
      cpus.push({
        id: cpus.length,
        node: nodes[at]!.id,
        package: at,
        llc: spansNodes ? own : at * llcs + own,
        core,
        thread,
        online: !dice.chance(4),
        allowed: !dice.chance(4),
        isolated: has('isolated', 8),
        capacity,
      })
    }
  }
  const node = (cpu: HostCpu) => (has('unknown', 1) ? null : cpu.node)
  const known = cpus.map((cpu) => ({ ...cpu, node: node(cpu) }))
  // Siblings would be told alike; LLCs and cores are numbered by the lowest CPU.
  const nodeOf = (core: number | null) => known.find((cpu) => cpu.core === core)!.node
  const seen = [...new Set(known.map(({ llc }) => llc))]
  const all = known.map((cpu) => ({ ...cpu, node: nodeOf(cpu.core), llc: seen.indexOf(cpu.llc) }))
  return all.some(({ online }) => online) ? all : all.map((cpu) => ({ ...cpu, online: true }))
}

function listOf(dice: Dice, ids: readonly number[], percent: number): string {
  return ids.filter(() => dice.chance(percent)).join(',')
}

function randomRequest(dice: Dice, has: Has, host: Host): RawRequest {
  const nodeIds = host.nodes.map(({ id }) => id)
  const base = host.nodes[0]!.pages[0]!.size
  const deviceNodes = has('deviceNodes', 6) ? listOf(dice, nodeIds, 40) : ''
  const reservedNodes = has('reserveNodes', 3) ? listOf(dice, nodeIds, 30) : ''
  const closed = `${deviceNodes},${reservedNodes}`.split(',')
  const open = nodeIds.filter((id) => !closed.includes(`${id}`))
  const reserved = has('reserve', 15)
    ? listOf(
        dice,
        host.cpus.map(({ id }) => id),
        20,
      )
    : ''
  const count = dice.pick(1, 1, 2, 2, 2, 3, 3, 4)
  const all = dice.between(count, Math.max(count, Math.min(9, host.cpus.length + dice.pick(-1, 0, 2))))
  const names = Array.from({ length: count }, (_, at) => `v${at}`)
  const vms: Raw[] = []
  let left = all
  for (const [at, name] of names.entries()) {
    const vcpus = Math.max(1, Math.min(dice.between(1, 5), left - (count - at - 1)))
    left -= vcpus
    vms.push({
      name,
      ...randomVm(dice, has, host, open, vcpus, base),
      ...randomRelations(dice, has, names.slice(0, at)),
    })
  }
  return {
    schemaVersion: 1,
    kind: 'Request',
    reserve: {
      cpus: reserved,
      memory: `${has('reserve', 10) ? dice.roll(2 * base) : 0}B`,
      nodes: reservedNodes,
    },
    freeMemoryOnly: has('reclaimable', 20),
    deviceNodes,
    overcommit: dice.pick(1, 1.5, 2, 4),
    strategy: dice.pick('pack', 'spread'),
    model: {
      cells: has('cellsTerm', 100) ? dice.pick(0.01, 0.01, 0.01, 0.1, 0) : 0,
      ...(dice.chance(15) ? { home: dice.pick(0.5, 0.8, 1, 0) } : {}),
      ...(dice.chance(15) ? { smt: dice.pick(0, 0.2, 0.7), communication: dice.pick(0, 0.02, 0.5) } : {}),
      ...(dice.chance(10) ? { copyBytesPerSecond: 4096, horizonSeconds: 100 } : {}),
    },
    vms,
  }
}

function randomVm(dice: Dice, has: Has, host: Host, open: readonly number[], vcpus: number, base: number): Raw {
  const nodeIds = host.nodes.map(({ id }) => id)
  const sizes = host.nodes[0]!.pages.map(({ size }) => size)
  const pageSize = has('pages', 30) ? dice.pick(...sizes) : 'any'
  const pages = dice.pick(1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8)
  const memory =
    pageSize === 'any' || dice.chance(10) ? pages * base : Math.max(1, Math.round((pages * base) / pageSize)) * pageSize
  const cpuPolicy = has('shared', 35) ? dice.pick('shared', 'shared', 'mixed') : 'dedicated'
  const isPlain = !has('strangers', 30)
  const trust = has('unnamed', 60) ? undefined : isPlain ? 'one' : dice.pick('one', 'two')
  const memoryPolicy = has('preferred', 20) ? 'preferred' : has('interleave', 20) ? 'interleave' : 'strict'
  const vm = {
    vcpus,
    memory: `${memory}B`,
    cells: randomCells(dice, has, vcpus, memory, base),
    span: has('span', 25),
    cpuPolicy,
    ...(cpuPolicy === 'mixed' ? { dedicatedVcpus: listOf(dice, range(vcpus), 50) || '0' } : {}),
    threadPolicy: has('threads', 45) ? dice.pick('require', 'isolate', 'spread') : 'prefer',
    memoryPolicy,
    pageSize: pageSize === 'any' ? pageSize : `${pageSize}B`,
    ...(cpuPolicy === 'dedicated' ? {} : { demand: dice.pick(1, 0.5, 0.37, 0.1) }),
    ...(open.length > 0 && has('memoryNodes', 5)
      ? { memoryNodes: `${dice.pick(...open)},${listOf(dice, nodeIds, 50)}`.replace(/,$/, '') }
      : {}),
    ...(has('deviceNodes', 3) ? { avoidDeviceNodes: dice.chance(50) } : {}),
    ...(has('devices', 15) ? { devices: [{ node: dice.pick(...nodeIds), strict: dice.chance(50) }] } : {}),
    ...(trust === undefined ? {} : { trust }),
    ...(has('emulator', 12) ? { emulator: 'dedicated' } : {}),
    iothreads: has('emulator', 10) ? dice.between(1, 2) : 0,
    weight: has('weights', 30) ? dice.pick(2, 3, 0.5, 2.5, 1.37) : 1,
    ...(has('traffic', 12)
      ? { traffic: range(vcpus).map(() => range(vcpus).map(() => dice.pick(0, 0, 1, 2, 7.5))) }
      : {}),
    memoryBound: dice.pick(0.3, 0.3, 0.3, 0, 0.7, 1),
    bandwidth: has('bandwidth', 40) ? dice.pick(1e9, 5e8, 3e9) : 0,
  }
  return has('current', 10) ? { ...vm, current: randomCurrent(dice, host, vm, vcpus, memory, base) } : vm
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}

function randomCells(dice: Dice, has: Has, vcpus: number, memory: number, base: number): unknown {
  if (dice.chance(50)) return 'auto'
  const pages = memory / base
  const count = Math.min(dice.between(1, 3), vcpus, pages)
  if (!has('given', 30)) return count
  const cellOf = range(vcpus).map((vcpu) => (vcpu < count ? vcpu : dice.roll(count)))
  return range(count).map((cell) => ({
    vcpus: cellOf.flatMap((own, vcpu) => (own === cell ? [vcpu] : [])).join(','),
    memory: `${(cell < count - 1 ? 1 : pages - count + 1) * base}B`,
  }))
}

function randomRelations(dice: Dice, has: Has, earlier: readonly string[]): Raw {
  if (earlier.length === 0) return {}
  return {
    ...(has('near', 10) ? { near: [dice.pick(...earlier)] } : {}),
    ...(has('separate', 10) ? { separateFrom: [dice.pick(...earlier)] } : {}),
  }
}

/** Where the VM is said to be now, which need not be where it could be. */
function randomCurrent(dice: Dice, host: Host, vm: Raw, vcpus: number, memory: number, base: number): unknown {
  const count = typeof vm.cells === 'number' ? vm.cells : Math.min(dice.between(1, 2), vcpus, memory / base)
  const pages = Math.floor(memory / base / count)
  const online = host.cpus.filter((cpu) => cpu.online)
  const dedicatedVcpus = vm.cpuPolicy === 'mixed' ? `${vm.dedicatedVcpus}`.split(',').map(Number) : []
  return {
    cells: range(count).map((cell) => ({
      cell,
      pageSize: base,
      memory: [{ node: dice.pick(...host.nodes.map(({ id }) => id)), bytes: pages * base }],
    })),
    vcpus: range(vcpus).map((vcpu) => {
      const dedicated = vm.cpuPolicy === 'dedicated' || dedicatedVcpus.includes(vcpu)
      const cpu = dice.pick(...online)
      const node = cpu.node ?? host.nodes[0]!.id
      const all = online.filter((other) => other.node === cpu.node && other.allowed).map(({ id }) => id)
      return { vcpu, cell: vcpu % count, node, cpus: dedicated ? `${cpu.id}` : all.join(','), dedicated }
    }),
  }
}
