/** Random requests at the limits: hosts of any shape, any mix of what VMs can ask for, as many VMs as go into a request. */

import { parseHost, syntheticHost } from '../../../src/topology/index.js'
import type { Host } from '../../../src/types.js'
import { type Random, randomFrom } from '../random.js'
import type { Problem } from './kinds.js'

/** 2,048 to 4,096 CPUs each. */
const SHAPES = [
  '[numa(memory=16TiB)] l3:64 core:32 pu:2',
  '[numa(memory=16TiB)] core:4096 pu:1',
  'group:2 [numa(memory=8TiB)] l3:16 core:64 pu:2',
  'group:8 [numa(memory=2TiB)] l3:512 core:1 pu:1',
  'group:64 [numa(memory=256GiB)] l3:4 core:8 pu:2',
  'group:128 [numa(memory=128GiB)] l3:2 core:8 pu:2',
  'group:256 [numa(memory=64GiB)] core:8 pu:2',
  'group:256 [numa(memory=64GiB)] core:2 pu:4',
] as const

function randomHost(random: Random): Host {
  const host = syntheticHost(random.pick(SHAPES))
  const uneven = random.chance(0.4)
  const hybrid = random.chance(0.2)
  const without = random.chance(0.2)
  const bandwidth = random.chance(0.3)
  const pools = random.chance(0.3)
  const nodes = host.nodes.map((node, at) => ({
    ...node,
    ...(bandwidth ? { bandwidth: 50e9 + 1e9 * random.between(0, 50) } : {}),
    ...(without && at > 0 && random.chance(0.3)
      ? { memory: { total: 0, free: 0 }, pages: node.pages.map((pool) => ({ ...pool, total: 0, free: 0 })) }
      : {}),
    ...(pools && !without
      ? {
          pages: [
            ...node.pages,
            { size: 2 ** 21, total: 9999, free: random.between(0, 9999) },
            { size: 2 ** 30, total: 9, free: random.between(0, 9) },
          ],
        }
      : {}),
  }))
  const distances = host.nodes.map((_, from) => {
    return host.nodes.map((_, to) =>
      from === to ? 10 : uneven ? random.between(11, 60) : from >> 3 === to >> 3 ? 12 : 32,
    )
  })
  const isolated = random.chance(0.15) ? random.between(2, 9) : Number.POSITIVE_INFINITY
  const cpus = host.cpus.map((cpu, at) => ({
    ...cpu,
    ...(hybrid ? { capacity: 256 + 256 * ((cpu.core ?? 0) % 4) } : {}),
    ...(at % isolated === 1 ? { isolated: true } : {}),
  }))
  const limits = random.chance(0.15) ? [{ size: 4096, pages: random.between(2, 9) * 2 ** 27, cause: 'memory.max' }] : []
  return parseHost({ ...host, nodes, distances, cpus, ...(limits.length > 0 ? { limits } : {}) })
}

/** What one VM asks for, as likely as the request has it. */
function randomVm(
  random: Random,
  at: number,
  vcpus: number,
  host: Host,
  odds: ReadonlyMap<string, number>,
): Record<string, unknown> {
  const has = (what: string) => random.chance(odds.get(what) ?? 0)
  const units = 2 * random.between(1, 8) * (has('memory') ? 4 : 1)
  const vm: Record<string, unknown> = {
    name: `vm${at}`,
    vcpus,
    memory: `${128 * units}MiB`,
  }
  if (has('cells')) vm.cells = random.between(1, Math.min(vcpus, 256))
  if (has('one cell')) vm.cells = 1
  if (has('span')) vm.span = true
  if (has('shared')) Object.assign(vm, { cpuPolicy: 'shared', demand: random.between(1, 10) / 10 })
  else if (has('mixed') && vcpus > 1)
    Object.assign(vm, { cpuPolicy: 'mixed', dedicatedVcpus: '0', demand: random.between(1, 10) / 10 })
  else if (has('threads')) vm.threadPolicy = random.pick(['require', 'isolate', 'spread'])
  if (has('policy')) vm.memoryPolicy = random.pick(['preferred', 'interleave'])
  if (has('devices')) vm.devices = [{ node: random.pick(host.nodes).id, strict: random.chance(0.5) }]
  if (has('trust')) vm.trust = `domain ${random.between(0, 20)}`
  if (has('separate') && at > 0)
    vm.separateFrom = [...new Set([random.between(0, at - 1), random.between(0, at - 1)])].map((other) => `vm${other}`)
  else if (has('near') && at > 0) vm.near = [`vm${random.between(Math.max(0, at - 9), at - 1)}`]
  if (has('emulator')) Object.assign(vm, { emulator: 'dedicated', iothreads: random.between(0, 2) })
  if (has('weight')) vm.weight = random.between(1, 1000) / 10
  if (has('bound')) vm.memoryBound = random.between(0, 10) / 10
  if (has('bandwidth')) vm.bandwidth = random.between(1, 100) * 1e8
  if (has('traffic') && vcpus <= 16)
    vm.traffic = Array.from({ length: vcpus }, () => Array.from({ length: vcpus }, () => random.between(0, 9)))
  if (has('listed') && vcpus > 1 && vcpus <= 256) vm.cells = listedCells(random, vcpus, units)
  if (has('page size'))
    vm.pageSize = random.pick(['any', ...host.nodes[0]!.pages.map(({ size }) => `${size / 1024}KiB`)])
  if (has('device nodes')) vm.avoidDeviceNodes = random.chance(0.5)
  if (has('memory nodes')) {
    vm.memoryNodes = [0, 1, 2].map(() => random.pick(host.nodes).id).join()
    vm.avoidDeviceNodes = false
  }
  if (has('current')) vm.current = randomCurrent(random, vcpus, vm, host)
  return vm
}

/** Two cells, of which vCPUs and memory do not go together. */
function listedCells(random: Random, vcpus: number, units: number): object[] {
  const first = random.between(1, vcpus - 1)
  const here = random.between(1, units - 1)
  return [
    { vcpus: `0-${first - 1}`, memory: `${128 * here}MiB` },
    { vcpus: `${first}-${vcpus - 1}`, memory: `${128 * (units - here)}MiB` },
  ]
}

/** Somewhere, whoever else is there. */
function randomCurrent(random: Random, vcpus: number, vm: Readonly<Record<string, unknown>>, host: Host): object {
  const first = random.between(0, Math.max(0, host.cpus.length - vcpus))
  const home = host.cpus[first]!.node
  const isDedicated = (vcpu: number) => vm.cpuPolicy === undefined || (vm.cpuPolicy === 'mixed' && vcpu === 0)
  return {
    cells: [{ cell: 0, pageSize: 4096, memory: [{ node: home, bytes: 2 ** 28 }] }],
    vcpus: Array.from({ length: vcpus }, (_, vcpu) => {
      const cpu = host.cpus[(first + vcpu) % host.cpus.length]!
      return { vcpu, cell: 0, node: cpu.node, cpus: `${cpu.id}`, dedicated: isDedicated(vcpu) }
    }),
  }
}

const FEATURES =
  'memory,cells,one cell,span,shared,mixed,threads,policy,devices,trust,separate,near,emulator,weight,bound,bandwidth,traffic,current,listed,page size,memory nodes,device nodes'.split(
    ',',
  )

/** The same for the same seed. */
export function randomProblem(seed: number): Problem {
  const random = randomFrom(seed)
  const host = randomHost(random)
  // Some features in most VMs, some in a few, most in none.
  const odds = new Map(FEATURES.map((feature) => [feature, random.pick([0, 0, 0, 0.05, 0.5, 1])]))
  const widest = random.pick([1, 2, 4, 8, 16, 64, 256, 1024])
  const share = random.pick([0.5, 1, 1.5, 4])
  const vms: Record<string, unknown>[] = []
  for (let left = Math.min(16_384, Math.floor(host.cpus.length * share)); vms.length < 4096 && left > 0; ) {
    const vcpus = Math.min(left, random.between(1, widest))
    vms.push({ ...randomVm(random, vms.length, vcpus, host, odds) })
    left -= vcpus
  }
  const nodes = host.nodes.map(({ id }) => id)
  const request = {
    strategy: random.pick(['pack', 'spread']),
    overcommit: random.pick([1, 4]),
    ...(random.chance(0.2) ? { deviceNodes: nodes.filter(() => random.chance(0.2)).join() } : {}),
    ...(random.chance(0.2)
      ? {
          reserve: {
            cpus: host.cpus
              .filter(() => random.chance(0.02))
              .map(({ id }) => id)
              .join(),
          },
        }
      : {}),
    vms,
  }
  return { host, request }
}
