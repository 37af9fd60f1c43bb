/** Scenes at random: hosts of any shape, with whatever on them, whether or not a plan could have it. */

import * as fc from 'fast-check'
import { sceneOfHost } from '../../src/picture/of-plan.js'
import type { Scene, SceneVm } from '../../src/picture/scene.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host, HostCpu } from '../../src/types.js'

const small = fc.integer({ min: 1, max: 3 })
const MIB = 2 ** 20

/** Some CPUs are offline, out of reach, isolated, slow, or of no known place; some nodes have no CPU. */
export const hosts: fc.Arbitrary<Host> = fc
  .record({
    sizes: fc.tuple(small, small, small, small, fc.constantFrom(1, 2, 4)),
    kinds: fc.array(fc.constantFrom('offline', 'outside', 'isolated', 'slow', 'nowhere', 'usual', 'usual'), {
      minLength: 1,
      maxLength: 12,
    }),
    spread: fc.boolean(),
    empty: fc.integer({ min: 0, max: 2 }),
    free: fc.option(fc.integer({ min: 0, max: 4096 })),
    stride: fc.constantFrom(1, 1, 37),
  })
  .map(({ sizes: [packages, nodes, llcs, cores, threads], kinds, spread, empty, free, stride }) => {
    const host = syntheticHost(
      `pack:${packages} group:${nodes} [numa(memory=4GiB)] l3:${llcs} core:${cores} pu:${threads}`,
    )
    const last = host.nodes.at(-1)!
    const added = Array.from({ length: empty }, (_, at) => ({ ...last, id: last.id + 1 + at }))
    const all = [...host.nodes, ...added]
    return {
      ...host,
      nodes: all.map((node, at) => ({
        ...node,
        memory: { total: 4096 * MIB, free: free === null ? null : free * MIB },
        pages: [{ size: 4096, total: null, free: null }, ...(at % 2 ? [{ size: 2 * MIB, total: 64, free: at }] : [])],
      })),
      distances: all.map((_, from) => all.map((__, to) => (from === to ? 10 : 20 + from))),
      cpus: host.cpus.map((cpu, at) => ({
        ...changed(cpu, kinds[at % kinds.length]!),
        id: cpu.id * stride,
        ...(spread ? { node: 0 } : {}),
      })),
    }
  })

function changed(cpu: HostCpu, kind: string): HostCpu {
  if (kind === 'offline') return { ...cpu, online: false, llc: null, core: null, thread: null, capacity: null }
  if (kind === 'outside') return { ...cpu, allowed: false }
  if (kind === 'isolated') return { ...cpu, isolated: true }
  if (kind === 'slow') return { ...cpu, capacity: 512 }
  if (kind === 'nowhere') return { ...cpu, node: null, package: null }
  return cpu
}

const names = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/),
  fc.string({ minLength: 1, maxLength: 70 }),
  fc.constantFrom('<&">', '\u0007', '数据库'),
)

export const scenes: fc.Arbitrary<Scene> = hosts.chain((host) => {
  const ids = host.cpus.map(({ id }) => id)
  const cpu = fc.constantFrom(...ids)
  const list = fc.uniqueArray(cpu, { minLength: 1, maxLength: 9 }).map((some) => some.sort((a, b) => a - b))
  const node = fc.constantFrom(...host.nodes.map(({ id }) => id))
  const vm: fc.Arbitrary<Omit<SceneVm, 'name'>> = fc.record({
    lost: fc.option(fc.integer({ min: 0, max: 1e7 }).map((micro) => micro / 1e6)),
    terms: fc.record(
      { communication: fc.constant(1.5), overcommit: fc.constant(0.000001), remoteMemory: fc.constant(12.25) },
      { requiredKeys: [] },
    ),
    vcpus: fc
      .array(
        fc.oneof(
          cpu.map((id) => [id]),
          list,
        ),
        { minLength: 1, maxLength: 12 },
      )
      .map((all) => all.map((cpus, vcpu) => ({ vcpu, cpus, pinned: cpus.length === 1 }))),
    memory: fc.array(
      fc.record({ node, pageSize: fc.constantFrom(4096, 2 * MIB), bytes: fc.integer({ min: 1, max: 2 ** 33 }) }),
      { maxLength: 3 },
    ),
    emulator: list,
    iothreads: fc.array(list, { maxLength: 2 }),
  })
  return fc
    .record({
      vms: fc
        .uniqueArray(names, { maxLength: 9 })
        .chain((all) => fc.tuple(...all.map((name) => vm.map((rest) => ({ name, ...rest }))))),
      reserved: fc.uniqueArray(cpu, { maxLength: 3 }),
      refused: fc.array(fc.record({ name: names, reason: fc.lorem({ maxCount: 40 }) }), { maxLength: 3 }),
      memory: fc.integer({ min: 0, max: 2 ** 31 }),
      title: fc.lorem({ maxCount: 30 }),
    })
    .map(({ vms, reserved, refused, memory, title }) => ({
      ...sceneOfHost(host),
      title,
      facts: [title],
      reserve: { cpus: new Set(reserved), memory, nodes: new Set<number>() },
      vms,
      refused,
    }))
})
