import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../src/cpulist.js'
import { PlanError } from '../../src/errors.js'
import { parseRequest } from '../../src/request.js'
import type { Host, Plan, RequestVm } from '../../src/types.js'
import { checkPlan, verifyPlan } from '../../src/verify.js'
import { type CoreSpec, hostOf, planOf, type VmSpec } from './support.js'

interface Problem {
  readonly host: Host
  readonly request: { readonly reserve: { readonly cpus: string }; readonly vms: readonly object[] }
}

const CAPACITIES = [1024, 1024, 700]

/** Hosts of 1 to 4 nodes with gaps in their numbers, some without memory, of uneven cores; CPU 0 is reserved. */
const problems: fc.Arbitrary<Problem> = fc
  .record({
    ids: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
    sizes: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }),
    far: fc.array(fc.integer({ min: 11, max: 40 }), { minLength: 16, maxLength: 16 }),
    cores: fc.array(
      fc.record({
        at: fc.nat(3),
        threads: fc.integer({ min: 1, max: 2 }),
        llc: fc.nat(1),
        speed: fc.nat(2),
        offline: fc.nat(9),
      }),
      { minLength: 3, maxLength: 12 },
    ),
    vms: fc.array(
      fc.record({
        vcpus: fc.integer({ min: 1, max: 4 }),
        memory: fc.constantFrom('4KiB', '1MiB', '512MiB', '2GiB'),
        cpuPolicy: fc.constantFrom('dedicated', 'shared'),
        threadPolicy: fc.constantFrom('prefer', 'isolate', 'spread'),
        demand: fc.constantFrom(0.1, 0.333333, 1),
        weight: fc.constantFrom(0.7, 1, 3),
        memoryBound: fc.constantFrom(0, 0.3, 0.77),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ ids, sizes, far, cores, vms }) => {
    const nodes = [...ids].sort((a, b) => a - b)
    let next = 0
    const specs = cores.map(({ at, threads, llc, speed, offline }): CoreSpec => {
      const place = at % nodes.length
      const cpus = Array.from({ length: threads }, () => next++)
      const isOffline = offline === 0
      return { node: nodes[place]!, cpus, llc: place * 2 + llc, capacity: CAPACITIES[speed]!, offline: isOffline }
    })
    const host = hostOf({
      nodes: Object.fromEntries(nodes.map((id, at) => [id, sizes[at]!])),
      distances: nodes.map((a, row) => nodes.map((b, column) => (a === b ? 10 : far[row * 4 + column]!))),
      cores: specs,
    })
    return { host, request: { reserve: { cpus: '0' }, vms: vms.map((vm, at) => ({ name: `vm${at}`, ...vm })) } }
  })

/**
 * A plan by first fit: each VM in one cell on the first node that has a free core for each dedicated vCPU, or any shared
 * CPU; the rest are refused.
 */
function firstFit({ host, request }: Problem): Plan {
  const usable = host.cpus.filter((cpu) => cpu.online && cpu.allowed && cpu.id !== 0)
  const free = new Map(host.nodes.map((node) => [node.id, node.memory.free ?? 0]))
  const usedCores = new Set<number | null>()
  // Everyone's threads are beside the host's own, on CPU 0, with no dedicated vCPU on its core.
  const [{ core: hostCore }] = host.cpus as [Host['cpus'][number]]
  const chosen = new Map<string, { node: number; home: number; cpus: number[]; vm: RequestVm }>()
  // Dedicated VMs first, so that what is left to share does not shrink afterwards.
  const vms = [...parseRequest(request).vms].sort((a, b) => a.cpuPolicy.localeCompare(b.cpuPolicy))
  const demand = new Map<number, number>()
  for (const vm of vms) {
    for (const { id: node } of host.nodes) {
      const home = homeOf(host, node)
      const local = usable.filter((cpu) => cpu.node === node && !usedCores.has(cpu.core))
      const own = local.filter((cpu) => cpu.core !== hostCore)
      const cpus = vm.cpuPolicy === 'dedicated' ? onePerCore(own, vm.vcpus) : []
      const wanted = (demand.get(node) ?? 0) + vm.vcpus
      const fits =
        vm.cpuPolicy === 'dedicated' ? cpus.length === vm.vcpus : local.length > 0 && wanted <= 4 * local.length
      if (home === undefined || free.get(home)! < vm.memory || !fits) continue
      if (vm.cpuPolicy === 'shared') demand.set(node, wanted)
      for (const cpu of cpus) usedCores.add(host.cpus.find(({ id }) => id === cpu)!.core)
      free.set(home, free.get(home)! - vm.memory)
      chosen.set(vm.name, { node, home, cpus, vm })
      break
    }
  }
  const isReserved = host.cpus[0]!.online
  const specs = [...chosen].map(([name, { node, home, cpus, vm }]): [string, VmSpec] => {
    const shared = usable.filter((cpu) => cpu.node === node && !usedCores.has(cpu.core)).map((cpu) => cpu.id)
    const seats = vm.cpuPolicy === 'dedicated' ? cpus : Array.from({ length: vm.vcpus }, () => shared)
    const others = shared.length > 0 ? shared : cpus
    const emulator = isReserved ? '0' : formatCpulist(others)
    return [name, { cells: [{ cpus: seats, memory: { [home]: vm.memory }, node }], emulator }]
  })
  return planOf(host, request, Object.fromEntries(specs))
}

function onePerCore(cpus: Host['cpus'], count: number): number[] {
  const cores = new Map(cpus.map((cpu) => [cpu.core, cpu.id]))
  return [...cores.values()].slice(0, count)
}

function homeOf(host: Host, node: number): number | undefined {
  const at = host.nodes.findIndex(({ id }) => id === node)
  if (host.nodes[at]!.memory.total !== 0) return node
  const withMemory = host.nodes.flatMap(({ id, memory }, index) => (memory.total === 0 ? [] : [{ id, index }]))
  withMemory.sort((a, b) => host.distances[at]![a.index]! - host.distances[at]![b.index]! || a.id - b.id)
  return withMemory[0]?.id
}

type Path = readonly (string | number)[]

function numbersIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'number') return [path]
  if (typeof value !== 'object' || value === null) return []
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return entries.flatMap(([key, part]) => numbersIn(part, [...path, key]))
}

function replaced(value: unknown, path: Path, by: (old: unknown) => unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return by(value)
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  Reflect.set(copy, key, replaced(Reflect.get(copy, key), rest, by))
  return copy
}

/** What the plan says of its solver and of refused VMs' alternatives is not checked. */
const isChecked = (path: Path): boolean => path[0] !== 'solver' && path[0] !== 'refused'

test('a plan by first fit holds on any host', () => {
  let placed = 0
  fc.assert(
    fc.property(problems, (problem) => {
      const plan = firstFit(problem)
      placed += plan.vms.length
      assert.equal(verifyPlan(problem.host, problem.request, plan), plan)
    }),
    { numRuns: 300 },
  )
  assert.ok(placed > 300, `only ${placed} VMs were placed`)
})

test('a plan with one number changed does not hold', () => {
  fc.assert(
    fc.property(
      problems,
      fc.nat(),
      fc.constantFrom(1, -1, 1e-6, 0.5, -10, 4096, 1e9, 1e300, Number.NaN),
      (problem, pick, by) => {
        const plan = firstFit(problem)
        const paths = numbersIn(plan).filter(isChecked)
        const path = paths[pick % paths.length]!
        const changed = replaced(plan, path, (old) => (old as number) + by)
        const findings = checkPlan(problem.host, problem.request, changed)
        assert.ok(findings.length > 0, `${path.join('.')} + ${by} passed`)
        assert.throws(
          () => verifyPlan(problem.host, problem.request, changed),
          (error: unknown) => error instanceof PlanError,
        )
      },
    ),
    { numRuns: 1500 },
  )
})

test('a dedicated vCPU on any CPU that is not usable or not free does not hold', () => {
  fc.assert(
    fc.property(problems, fc.nat(), fc.nat(), (problem, pickVcpu, pickCpu) => {
      const plan = firstFit(problem)
      const dedicated = plan.vms.flatMap((vm, at) =>
        vm.vcpus.flatMap((vcpu, index) => (vcpu.dedicated ? [['vms', at, 'vcpus', index, 'cpus'] as const] : [])),
      )
      fc.pre(dedicated.length > 0)
      const taken = plan.vms.flatMap((vm) => vm.vcpus.filter((vcpu) => vcpu.dedicated).map((vcpu) => Number(vcpu.cpus)))
      const wrong = problem.host.cpus.filter((cpu) => cpu.id === 0 || !cpu.online || taken.includes(cpu.id))
      const cpu = wrong[pickCpu % wrong.length]!.id
      const path = dedicated[pickVcpu % dedicated.length]!
      const changed = replaced(plan, path, () => `${cpu}`)
      fc.pre(JSON.stringify(changed) !== JSON.stringify(plan))
      const found = checkPlan(problem.host, problem.request, changed).map((finding) => finding.constraint)
      assert.ok(found.includes('cpu-usable') || found.includes('cpu-exclusive'), found.join())
    }),
    { numRuns: 500 },
  )
})

test('anything but a plan is a finding, not an exception', () => {
  const request = { vms: [{ name: 'a', vcpus: 1, memory: '1GiB' }] }
  const host = hostOf({ nodes: { 0: 4 }, cores: [{ node: 0, cpus: [0, 1] }] })
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue({ maxDepth: 5 }), fc.anything()), (candidate) => {
      const findings = checkPlan(host, request, candidate)
      assert.ok(findings.length > 0)
      assert.is(findings[0]!.constraint, 'format')
    }),
    { numRuns: 500 },
  )
})

test('a plan with any one value replaced is judged, not thrown on', () => {
  const strange = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(undefined, '', '0-65535', '^0', '7-3', 65_535, -1, 2 ** 50, 1e308, Number.NaN),
  )
  fc.assert(
    fc.property(problems, fc.nat(), strange, (problem, pick, value) => {
      const plan = firstFit(problem)
      const paths = everyPath(plan)
      const changed = replaced(plan, paths[pick % paths.length]!, () => value)
      assert.ok(Array.isArray(checkPlan(problem.host, problem.request, changed)))
    }),
    { numRuns: 1000 },
  )
})

function everyPath(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [path, ...entries.flatMap(([key, part]) => everyPath(part, [...path, key]))]
}

test.run()
