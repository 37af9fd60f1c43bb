/** What runs, as what may be planned: within the rules, and as busy as it was measured. */

import { formatCpulist } from '../../src/cpulist.js'
import { parseRequest, withVms } from '../../src/request.js'
import type { Host, Request } from '../../src/types.js'
import type { Settings } from '../balance/settings.js'
import type { Demand, Planning, Situation } from '../balance/types.js'
import { nameIn, type RunningVms, requestOf } from '../found/as-request.js'
import type { FoundVm } from '../found/types.js'
import { planWithin } from '../policy/planning.js'
import { type Ruling, rulingsOf } from '../policy/rulings.js'
import type { Policy } from '../policy/types.js'
import { keyOf } from './observe.js'

/** Of a search: each round searches anew. With the planner's own number a round takes four times as long. */
const PLANNER_STEPS = 500

/** What a situation is made of. */
export interface Circumstances {
  /** The time of the observation before it. */
  readonly at: number
  /** As it was found. */
  readonly vms: readonly FoundVm[]
  readonly host: Host
  /** By key. */
  readonly demands: ReadonlyMap<string, Demand>
  readonly policy: Policy
  /** For the times of the rules. */
  readonly time: Date
  readonly settings: Pick<Settings, 'horizon' | 'copyBytesPerSecond'>
  /** Why VMs cannot be moved, by key. */
  readonly inTheWay: ReadonlyMap<string, string>
}

/** A situation, and how it is planned. */
export interface Situated {
  readonly situation: Situation
  readonly planning: Planning
  /** VMs that are not in it, since too little is known of them. */
  readonly left: RunningVms['left']
  /** What rules say and plans cannot do, as sentences; complete once it has been planned. */
  readonly notes: readonly string[]
}

/**
 * What rules do not say of CPUs (`cpuPolicy`, `threadPolicy`) is told from what runs: a vCPU whose thread may run on one CPU alone, and no other vCPU is pinned there, keeps a CPU to
 * itself. All others share.
 * @throws {InputError} where rules ask for what cannot be
 */
export function situate({ at, vms, host, demands, time, settings, inTheWay, ...given }: Circumstances): Situated {
  const barred = vms.filter((vm) => inTheWay.has(keyOf(vm))).map((vm) => nameIn(vms, vm))
  const policy = withBarred(given.policy, barred)
  const measured = withDemands(vms, demands)
  const rulings = rulingsOf(policy, measured, time)
  const known = new Set(requestOf(measured, host).running.map(({ name }) => name))
  const wishes = {
    model: { horizonSeconds: settings.horizon, copyBytesPerSecond: settings.copyBytesPerSecond },
    vms: cpuPolicies(measured, rulings).filter(({ name }) => known.has(name)),
  }
  const ruled = new Map(rulings.map(({ name, fields }) => [name, fieldsFor(fields, known)]))
  const content = { ...wishes, vms: wishes.vms.map((vm) => ({ ...ruled.get(vm.name), ...vm })) }
  const asked = requestOf(measured, host, content)
  const byName = new Map(rulings.map((ruling) => [ruling.name, ruling]))
  const notes: string[] = []
  return {
    situation: {
      at,
      host: asked.host,
      request: asked.running.length === 0 ? nobody(wishes.model) : parseRequest(asked.request),
      residents: asked.running,
      vms: asked.running.map(({ name, vm }) => {
        const { why, memoryStays, maxBytes } = byName.get(name)!
        const key = keyOf(vm)
        return { key, name, mayNot: inTheWay.get(key) ?? why, maxBytes: memoryStays ? 0 : maxBytes }
      }),
    },
    planning: async () => {
      // Who only imports the package does not load the planner.
      const { plan } = await import('../../src/plan.js')
      const within = await planWithin(measured, host, { policy, at: time, wishes }, ({ host: free, request }) =>
        plan(free, request, { steps: PLANNER_STEPS }),
      )
      notes.push(...within.notes)
      return within.planned === null ? null : { plan: within.planned, kept: within.kept }
    },
    left: asked.left,
    notes,
  }
}

/** A plan reckons with those that cannot move as with those that may not. */
function withBarred(policy: Policy, names: readonly string[]): Policy {
  if (names.length === 0) return policy
  const set = { moves: 'never' } as const
  return {
    ...policy,
    rules: [...policy.rules, { name: 'something is in the way', match: { name: names }, set, given: set }],
  }
}

/** A request has a VM at least, and here there is none. */
function nobody(model: object): Request {
  return withVms(parseRequest({ model, vms: [{ name: 'nobody', vcpus: 1, memory: '4KiB' }] }), [])
}

/** As busy as they were measured; of which nothing is known, as busy as they were since they began. */
function withDemands(vms: readonly FoundVm[], demands: ReadonlyMap<string, Demand>): FoundVm[] {
  return vms.map((vm) => {
    const load = demands.get(keyOf(vm))?.demand
    return load === undefined ? vm : { ...vm, vcpus: vm.vcpus.map((vcpu) => ({ ...vcpu, load })) }
  })
}

/** A guest that runs keeps its pages, and relations hold to VMs of the request. */
function fieldsFor({ pageSize: _, ...fields }: Ruling['fields'], known: ReadonlySet<string>): object {
  const relations = ['near', 'separateFrom'].flatMap((field) => {
    const others = fields[field]
    return Array.isArray(others) ? [[field, others.filter((name) => known.has(name))]] : []
  })
  return { ...fields, ...Object.fromEntries(relations) }
}

function cpuPolicies(vms: readonly FoundVm[], rulings: readonly Ruling[]) {
  const isSaid = ({ fields }: Ruling) => fields.cpuPolicy !== undefined || fields.threadPolicy !== undefined
  const said = new Set(rulings.filter(isSaid).map(({ name }) => name))
  const pinned = new Map<string, number>()
  for (const { cpus } of vms.flatMap(({ vcpus }) => vcpus)) pinned.set(cpus, (pinned.get(cpus) ?? 0) + 1)
  const isAlone = (cpus: string) => /^\d+$/.test(cpus) && pinned.get(cpus) === 1
  return vms.map((vm) => {
    const name = nameIn(vms, vm)
    if (said.has(name)) return { name }
    const own = vm.vcpus.filter(({ cpus }) => isAlone(cpus)).map(({ vcpu }) => vcpu)
    if (own.length === 0) return { name, cpuPolicy: 'shared' }
    if (own.length === vm.vcpus.length) return { name, cpuPolicy: 'dedicated' }
    return { name, cpuPolicy: 'mixed', dedicatedVcpus: formatCpulist(own) }
  })
}
