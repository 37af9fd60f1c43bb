/** What is on the nodes of a cluster: hosts' files, and the places in the tags of its instances. */

import { InputError, within } from '../../errors.js'
import type { Host, Request } from '../../types.js'
import { checkPlaced } from '../../verify.js'
import { withLessMemory } from '../host-state.js'
import type { HostFiles } from '../http/host-files.js'
import { NOTHING, placedWith } from '../placed.js'
import { placeFrom } from './place-tags.js'

const MIB = 1024 ** 2

/** An instance, as Ganeti has it. */
export interface Instance {
  readonly name: string
  /** Its primary node. */
  readonly node: string
  /** MiB. */
  readonly memory: number
  readonly tags: readonly string[]
}

export interface NodeState {
  readonly name: string
  readonly host: Host
  readonly placed: Request
}

export interface ClusterState {
  readonly nodes: readonly NodeState[]
  /** Nodes that take nobody, and why: no file, tags that cannot be read, places that do not hold. */
  readonly unknown: readonly { readonly name: string; readonly text: string }[]
}

/**
 * Instances without tags of homenode run on any CPU: they count by their memory alone, taken from all nodes of the host in proportion to
 * what these have.
 * @param names of the nodes
 * @param coming instances that jobs are making, in the order of the jobs. Those whose places others have, or had before, come to nothing
 */
export async function clusterState(
  files: HostFiles,
  names: readonly string[],
  instances: readonly Instance[],
  coming: readonly Instance[] = [],
): Promise<ClusterState> {
  const on = (name: string, some: readonly Instance[]) => some.filter(({ node }) => node === name)
  const states = await Promise.all(
    names.map(async (name) => {
      try {
        return withComing(await nodeState(files, name, on(name, instances)), on(name, coming))
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        return { name, text: error.message }
      }
    }),
  )
  return {
    nodes: states.flatMap((state) => ('host' in state ? [state] : [])),
    unknown: states.flatMap((state) => ('text' in state ? [state] : [])),
  }
}

async function nodeState(files: HostFiles, name: string, instances: readonly Instance[]): Promise<NodeState> {
  const { host, placed: settings = NOTHING } = await files.read(name)
  const vms: object[] = []
  let others = 0
  for (const instance of instances) {
    const place = within(instance.name, () => placeFrom(instance.tags))
    if (place === null) others += instance.memory * MIB
    else vms.push({ ...place.vm, name: instance.name })
  }
  const placed = placedWith(settings, vms)
  const problem = whyNot(host, placed)
  if (problem !== null) throw new InputError('', 'places that hold together', problem)
  return { name, host: withMemoryOfOthers(host, others), placed }
}

function withComing({ name: node, host, placed }: NodeState, coming: readonly Instance[]): NodeState {
  let so = placed
  for (const { name, tags } of coming) {
    const more = placedWith(so, [{ ...placeFrom(tags)!.vm, name }])
    if (whyNot(host, more) === null) so = more
  }
  return { name: node, host, placed: so }
}

/** Why VMs cannot be where they are: by the verifier, which does not know the planner. `null`: they can. */
export function whyNot(host: Host, placed: Request): string | null {
  const findings = checkPlaced(host, placed)
  return findings.length === 0 ? null : findings.map(({ text }) => text).join('; ')
}

function withMemoryOfOthers(host: Host, bytes: number): Host {
  const free = host.nodes.map(({ memory }) => memory.free ?? 0)
  const all = free.reduce((sum, one) => sum + one, 0)
  if (bytes === 0 || all === 0) return host
  const used = host.nodes.map(({ id }, at) => [id, Math.ceil((bytes * free[at]!) / all)])
  return withLessMemory(host, Object.fromEntries(used))
}
