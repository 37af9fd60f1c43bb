/**
 * An allocator of Ganeti (3.0, doc/iallocator.rst, version 2 of the protocol): which node an instance goes to. homenode orders the nodes by
 * what the instance loses there, `hail` says whether one may have it; what is no allocation is answered by `hail` alone.
 */

import * as z from 'zod'
import { within } from '../../errors.js'
import { parseWith } from '../../schema.js'
import type { HostFiles } from '../http/host-files.js'
import { placedWith } from '../placed.js'
import { type RankedHost, rank } from '../rank.js'
import type { AllocatorAnswer, Hail } from './hail.js'
import { placeFrom } from './place-tags.js'
import { type ClusterState, clusterState, type Instance, whyNot } from './state.js'

const names = z.array(z.string())
const mib = z.int().min(0)

const node = z.looseObject({
  offline: z.boolean(),
  drained: z.boolean(),
  vm_capable: z.boolean(),
  free_memory: mib.optional(),
  free_disk: mib.optional(),
})

const allocation = z.looseObject({
  name: z.string(),
  vcpus: z.int().min(1),
  memory: mib,
  tags: names,
  required_nodes: z.int().min(1).max(2),
  disk_space_total: mib.nullable().optional(),
  'restrict-to-nodes': names.nullable().optional(),
})

const question = z.looseObject({
  nodes: z.record(z.string(), node),
  instances: z.record(z.string(), z.looseObject({ nodes: names, memory: mib, tags: names })),
  request: z.looseObject({ type: z.string() }),
})

const several = z.looseObject({ instances: z.array(allocation) })

type Question = z.output<typeof question>
type Allocation = z.output<typeof allocation>

/** What an allocator has to go by. */
export interface AllocatorSources {
  readonly files: HostFiles
  readonly hail: Hail
  /** What Ganeti gave beside the file, for `hail`. */
  readonly options: readonly string[]
}

/** In the information about an instance whose place was taken after it had been planned. */
export const TAKEN = 'homenode: taken meanwhile'
/** In that about one whose node is refused by Ganeti's rules. */
export const NOT_THERE = 'homenode: not there'

/**
 * The answer to what Ganeti asks.
 * @param file where `content` was read from, for `hail`
 * @throws {InputError} for what is no question of Ganeti's
 * @throws {UnsupportedError} where `hail` does not answer
 */
export async function allocate(file: string, content: unknown, sources: AllocatorSources): Promise<AllocatorAnswer> {
  const asked = parseWith(question, content)
  switch (asked.request.type) {
    case 'allocate':
      return allocateOne(
        asked,
        within('request', () => parseWith(allocation, asked.request)),
        sources,
      )
    case 'multi-allocate':
      return allocateSeveral(asked, within('request', () => parseWith(several, asked.request)).instances, sources)
    default:
      return sources.hail.answer(file, sources.options)
  }
}

/** One after the other, each beside those before it. */
async function allocateSeveral(
  asked: Question,
  wanted: readonly Allocation[],
  sources: AllocatorSources,
): Promise<AllocatorAnswer> {
  let so: Question = asked
  const allocated: [string, readonly string[]][] = []
  const failed: string[] = []
  const info: string[] = []
  for (const one of wanted) {
    const answer = await allocateOne(so, one, sources)
    info.push(`${one.name}: ${answer.info}`)
    if (answer.success) {
      const nodes = answer.result as string[]
      allocated.push([one.name, nodes])
      so = withInstance(so, one, nodes)
    } else failed.push(one.name)
  }
  return { success: true, info: info.join('; '), result: [allocated, failed] }
}

/** What the next one finds. */
function withInstance(asked: Question, one: Allocation, nodes: readonly string[]): Question {
  const instance = { ...one, nodes: [...nodes], admin_state: 'up', disks_active: true }
  const less = Object.entries(asked.nodes).map(([name, state]): [string, typeof state] => {
    if (!nodes.includes(name)) return [name, state]
    const memory = name === nodes[0] ? one.memory : 0
    const { free_memory = 0, free_disk = 0 } = state
    const disk = one.disk_space_total ?? 0
    return [
      name,
      { ...state, free_memory: Math.max(0, free_memory - memory), free_disk: Math.max(0, free_disk - disk) },
    ]
  })
  return { ...asked, nodes: Object.fromEntries(less), instances: { ...asked.instances, [one.name]: instance } }
}

async function allocateOne(asked: Question, one: Allocation, sources: AllocatorSources): Promise<AllocatorAnswer> {
  const only = one['restrict-to-nodes']
  const usable = Object.keys(asked.nodes).filter((name) => {
    const { offline, drained, vm_capable } = asked.nodes[name]!
    return vm_capable && !offline && !drained && (only == null || only.includes(name))
  })
  const state = await clusterState(sources.files, usable, instancesOf(asked))
  const place = within('request.tags', () => placeFrom(one.tags))
  if (place !== null) return takePlanned(asked, one, place, state, sources)
  const vm = { name: one.name, vcpus: one.vcpus, memory: `${one.memory}MiB` }
  const placed = Object.fromEntries(state.nodes.map((there) => [there.name, there.placed]))
  const ranked = await rank(state.nodes, placed, vm, { moves: false })
  return best(asked, one, ranked, state, sources)
}

function instancesOf({ instances }: Question): Instance[] {
  return Object.entries(instances).flatMap(([name, { nodes, memory, tags }]) => {
    const [node] = nodes
    return node === undefined ? [] : [{ name, node, memory, tags }]
  })
}

/** It was planned before Ganeti locked the nodes. While it asks they are locked, so that nobody else can take the place now. */
async function takePlanned(
  asked: Question,
  one: Allocation,
  { node: name, vm }: NonNullable<ReturnType<typeof placeFrom>>,
  { nodes, unknown }: ClusterState,
  sources: AllocatorSources,
): Promise<AllocatorAnswer> {
  const there = nodes.find((state) => state.name === name)
  if (there === undefined) {
    const why = unknown.find((state) => state.name === name)?.text ?? 'it takes no instances'
    return refusal(`${NOT_THERE}: ${name}: ${why}`)
  }
  const problem = whyNot(there.host, placedWith(there.placed, [{ ...vm, name: one.name }]))
  if (problem !== null) return refusal(`${TAKEN}: ${name}: ${problem}`)
  const others = nodes.map((state) => state.name).filter((other) => other !== name)
  const { found, said } = await permitted(asked, one, [name], others, sources)
  return found === null ? refusal(`${NOT_THERE}: ${said}`) : success(found, `${name} as planned`)
}

/** Of nodes where it loses alike hail decides. */
async function best(
  asked: Question,
  one: Allocation,
  ranked: readonly RankedHost[],
  { unknown }: ClusterState,
  sources: AllocatorSources,
): Promise<AllocatorAnswer> {
  const fitting = ranked.filter(({ refused }) => refused === null)
  const said: string[] = []
  for (const [at, { lostMore, capacityLost }] of fitting.entries()) {
    const isAlike = (other: RankedHost) => other.lostMore === lostMore && other.capacityLost === capacityLost
    if (at > 0 && isAlike(fitting[at - 1]!)) continue
    const alike = fitting.filter(isAlike).map(({ host }) => host)
    const others = fitting.slice(at + alike.length).map(({ host }) => host)
    const answer = await permitted(asked, one, alike, others, sources)
    if (answer.found !== null) return success(answer.found, lossesText(fitting))
    said.push(answer.said)
  }
  const reasons = ranked.flatMap(({ host, refused }) =>
    refused === null
      ? []
      : [`${host}: ${refused.because.map(({ constraint, text }) => `${constraint}: ${text}`).join('; ')}`],
  )
  const files = unknown.map(({ name, text }) => `${name}: ${text}`)
  return refusal(
    `homenode: it fits on no node: ${[...said, ...reasons, ...files].join('; ') || 'no node takes instances'}`,
  )
}

const MOST_NAMED = 5

function lossesText(fitting: readonly RankedHost[]): string {
  const named = fitting.slice(0, MOST_NAMED).map(({ host, lostMore }) => `${host} loses ${lostMore} more`)
  const rest = fitting.length - named.length
  return `${named.join(', ')}${rest === 0 ? '' : `, ${rest} others no less`}`
}

/**
 * The nodes that hail lets it have: one of `wanted`, and where its disks are mirrored to another node, one more of these or of `others`.
 */
async function permitted(
  asked: Question,
  one: Allocation,
  wanted: readonly string[],
  others: readonly string[],
  { hail, options }: AllocatorSources,
): Promise<{ readonly found: readonly string[] | null; readonly said: string }> {
  const said: string[] = []
  const allows = async (nodes: readonly string[]) => {
    const request = { ...one, type: 'allocate', 'restrict-to-nodes': nodes }
    const { success: may, info, result } = await hail.ask({ ...asked, request }, options)
    if (!may) said.push(`${nodes.join(', ')}: hail: ${info}`)
    return may ? (result as readonly string[]) : null
  }
  if (one.required_nodes === 1) {
    const found = await allows(wanted)
    return { found, said: said.join('; ') }
  }
  for (const primary of wanted) {
    for (const secondary of [...wanted, ...others].filter((name) => name !== primary)) {
      if ((await allows([primary, secondary])) !== null) return { found: [primary, secondary], said: '' }
    }
  }
  return { found: null, said: said.join('; ') || 'there is no second node for its disks' }
}

function success(nodes: readonly string[], text: string): AllocatorAnswer {
  return { success: true, info: `homenode: ${text}`, result: nodes }
}

function refusal(info: string): AllocatorAnswer {
  return { success: false, info, result: [] }
}
