/** `filter` and `prioritize`: which nodes take a pod, and on which it loses least. Nobody moves for it. */

import { InputError } from '../../errors.js'
import type { Answerer } from '../http/server.js'
import { type RankedHost, rank } from '../rank.js'
import { isToBePlaced, vmOfPod } from './annotations.js'
import type { Cluster, NodeState } from './cluster.js'
import {
  type ExtenderArgs,
  type ExtenderFilterResult,
  type HostPriorityList,
  MAX_SCORE,
  readExtenderArgs,
} from './protocol.js'

/** What a node has to say: a figure, or why not. */
type Said = { readonly lostMore: number } | { readonly refused: string; readonly isHopeless: boolean }

export function filterAnswerer(cluster: Cluster): Answerer {
  return async (question): Promise<ExtenderFilterResult> => {
    const args = readExtenderArgs(question)
    try {
      return filtered(args, await said(cluster, args))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      return { ...filtered(args, new Map()), Error: error.message }
    }
  }
}

export function prioritizeAnswerer(cluster: Cluster): Answerer {
  return async (question): Promise<HostPriorityList> => {
    const args = readExtenderArgs(question)
    return scores(args.names, await said(cluster, args))
  }
}

/**
 * By the name of each node that is asked about.
 * @throws {InputError} for the pod, or where nothing is known of any node
 */
async function said(cluster: Cluster, { pod, names }: ExtenderArgs): Promise<ReadonlyMap<string, Said>> {
  if (!isToBePlaced(pod)) return new Map(names.map((name) => [name, { lostMore: 0 }]))
  const vm = vmOfPod(pod)
  cluster.requireHeard()
  const found = new Map<string, Said>()
  const states = new Map<string, NodeState>()
  for (const name of names) {
    try {
      states.set(name, cluster.stateOf(name))
    } catch (error) {
      found.set(name, hopeless(error))
    }
  }
  for (const [name, one] of await rankAll(states, vm)) found.set(name, one)
  return found
}

async function rankAll(states: ReadonlyMap<string, NodeState>, vm: object): Promise<Map<string, Said>> {
  try {
    const hosts = [...states].map(([name, { host }]) => ({ name, host }))
    const placed = Object.fromEntries([...states].map(([name, state]) => [name, state.placed]))
    const ranked = await rank(hosts, placed, vm, { moves: false })
    return new Map(ranked.map((one) => [one.host, saidBy(one)]))
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    if (states.size === 1) return new Map([[[...states.keys()][0]!, hopeless(error)]])
    // One of that name is on one of them still: that node is not in the way of the others.
    const each = await Promise.all([...states].map((one) => rankAll(new Map([one]), vm)))
    return new Map(each.flatMap((one) => [...one]))
  }
}

function saidBy({ lostMore, refused }: RankedHost): Said {
  if (refused === null) return { lostMore: lostMore! }
  const isHopeless = refused.because.some(({ constraint }) => constraint === 'host')
  return { refused: reasonOf(refused), isHopeless }
}

export function reasonOf({ because }: NonNullable<RankedHost['refused']>): string {
  return because.map(({ constraint, text }) => `${constraint}: ${text}`).join('; ')
}

/** Also with nobody there it would not be taken. */
function hopeless(error: unknown): Said {
  if (!(error instanceof InputError)) throw error
  return { refused: error.message, isHopeless: true }
}

function filtered({ names, nodes }: ExtenderArgs, found: ReadonlyMap<string, Said>): ExtenderFilterResult {
  const fits = (name: string) => found.has(name) && 'lostMore' in found.get(name)!
  const refused = [...found].flatMap(([name, one]) => ('refused' in one ? [{ name, ...one }] : []))
  const reasons = (of: typeof refused) => Object.fromEntries(of.map(({ name, refused: why }) => [name, why]))
  return {
    Nodes: nodes === null ? null : { ...nodes, items: nodes.items.filter((_, at) => fits(names[at]!)) },
    NodeNames: nodes === null ? names.filter(fits) : null,
    // Those that are in both are of the second; schedulers before 1.21 know only the first.
    FailedNodes: reasons(refused),
    FailedAndUnresolvableNodes: reasons(refused.filter(({ isHopeless }) => isHopeless)),
    Error: '',
  }
}

/** The most for those where it loses least, and for them alone; 0 where it loses most, or is refused. */
function scores(names: readonly string[], found: ReadonlyMap<string, Said>): HostPriorityList {
  const lost = names.map((name) => {
    const one = found.get(name)!
    return 'lostMore' in one ? one.lostMore : null
  })
  const known = lost.filter((value) => value !== null)
  const [least, most] = [Math.min(...known), Math.max(...known)]
  return names.map((name, at) => {
    const value = lost[at]!
    if (value === null) return { Host: name, Score: 0 }
    if (value === least) return { Host: name, Score: MAX_SCORE }
    return { Host: name, Score: Math.floor((MAX_SCORE * (most - value)) / (most - least)) }
  })
}
