/**
 * An instance with a place of its own, by Ganeti's remote API. It is planned here; then Ganeti's job asks homenode's allocator, while it has
 * the nodes locked, whether that still holds, and makes the instance or not. So no CPU is given twice, whoever else makes instances, and there
 * is no lock that somebody could leave behind.
 */

import { randomBytes } from 'node:crypto'
import * as z from 'zod'
import { InputError } from '../../errors.js'
import { parseWith } from '../../schema.js'
import type { Host, Plan, Request } from '../../types.js'
import { verifyPlan } from '../../verify.js'
import type { HostFiles } from '../http/host-files.js'
import { NOTHING } from '../placed.js'
import { type RankedHost, rank } from '../rank.js'
import { readVm } from '../vm.js'
import { NOT_THERE, TAKEN } from './allocator.js'
import { type InstanceTemplate, instanceBody, requireCarriedOut } from './instance.js'
import { type PlaceTags, placeFrom } from './place-tags.js'
import { type EndedJob, type Rapi, RapiError } from './rapi.js'
import { type ClusterState, clusterState, type Instance } from './state.js'

export interface Wanted {
  /** As a request has it; its name is the instance's. */
  readonly vm: Readonly<Record<string, unknown>> & { readonly name: string }
  /** VMs like those still to come. */
  readonly flavours: readonly object[]
  readonly template: InstanceTemplate
  /** What the cluster calls homenode's allocator. */
  readonly iallocator: string
  readonly search: { readonly steps?: number; readonly seed?: number }
}

export interface Created {
  readonly instance: string
  readonly node: string
  readonly job: number
  readonly lostMore: number
  readonly capacityLost: number | null
  /** Where it is. */
  readonly plan: Plan['vms'][number]
  readonly hvparams: Readonly<Record<string, unknown>>
}

/** No node takes it. */
export class UnfitError extends Error {
  override readonly name = 'UnfitError'
  /** What the command line ends with: it does not fit. */
  readonly exitCode = 3
}

/** What Ganeti's job said. */
export class JobError extends Error {
  override readonly name = 'JobError'
  /** What the command line ends with: the system refused. */
  readonly exitCode = 1
}

/** It was stopped; nothing of the instance is left. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError'
  /** What the command line ends with: interrupted. */
  readonly exitCode = 130
}

/** Each time somebody else got an instance. */
const MOST_TIMES = 1000

/**
 * @param signal stops it: then there is no instance when it has ended
 * @throws {InputError} for what is not valid, or what Ganeti cannot carry out
 * @throws {UnfitError} where no node takes it
 * @throws {RapiError} where the remote API is away or refuses
 * @throws {JobError} where Ganeti failed to make it; what was there of it is removed
 * @throws {StoppedError} where `signal` came
 */
export async function createInstance(
  rapi: Rapi,
  files: HostFiles,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Created> {
  requireCarriedOut(readVm(wanted.vm, NOTHING))
  const refusals = new Map<string, string>()
  for (let time = 0; time < MOST_TIMES; time++) {
    if (signal.aborted) throw new StoppedError('stopped before anything was asked of Ganeti')
    const state = await readCluster(rapi, files, wanted.vm.name)
    const { best, node } = await choose(state, wanted, refusals)
    const token = randomBytes(9).toString('base64url')
    const { created, body } = prepare(best, node.host, wanted, token)
    const job = await carryOut(rapi, wanted.vm.name, body, token, signal)
    if (job.isDone) return { ...created, job: job.id }
    if (job.error.includes(TAKEN)) continue
    if (!job.error.includes(NOT_THERE)) throw new JobError(`job ${job.id} of Ganeti: ${job.error}`)
    refusals.set(node.name, job.error.slice(job.error.indexOf(NOT_THERE)))
  }
  throw new JobError(`${MOST_TIMES} times others were faster`)
}

const instanceRow = z.tuple([z.string(), z.string(), z.number(), z.array(z.string())])
const nodeRow = z.tuple([z.string(), z.boolean(), z.boolean(), z.boolean()])
const NODE_FIELDS = ['name', 'offline', 'drained', 'vm_capable']
const INSTANCE_FIELDS = ['name', 'pnode', 'be/maxmem', 'tags']
const UNDER_WAY = ['|', ...['queued', 'waiting', 'running'].map((status) => ['=', 'status', status])]

async function readCluster(rapi: Rapi, files: HostFiles, name: string): Promise<ClusterState> {
  // Jobs first: one that ends meanwhile is seen as an instance, too.
  const jobs = await rapi.query('job', ['id', 'ops'], UNDER_WAY)
  const [nodes, there] = await Promise.all([rapi.query('node', NODE_FIELDS), rapi.query('instance', INSTANCE_FIELDS)])
  const usable = nodes
    .map((row) => parseWith(nodeRow, row))
    .filter(([, offline, drained, capable]) => capable && !offline && !drained)
  const instances = there
    .map((row) => parseWith(instanceRow, row))
    .map(([instance, node, memory, tags]): Instance => ({ name: instance, node, memory, tags }))
  const known = new Set(instances.map((instance) => instance.name))
  if (known.has(name))
    throw new InputError('vm.name', 'the name of an instance that is not there yet', JSON.stringify(name))
  const coming = jobs
    .sort(([a], [b]) => Number(a) - Number(b))
    .flatMap(([, ops]) => comingFrom(ops))
    .filter((instance) => instance.name !== name && !known.has(instance.name))
  const unique = new Map(coming.map((one) => [one.name, one]))
  const names = usable.map(([node]) => node)
  return clusterState(files, names, instances, [...unique.values()])
}

/** Instances of homenode that jobs are making: they may have their places soon. */
function comingFrom(ops: unknown): Instance[] {
  if (!Array.isArray(ops)) return []
  return ops.flatMap((op: { OP_ID?: unknown; instance_name?: unknown; tags?: unknown } | null) => {
    const place = op?.OP_ID === 'OP_INSTANCE_CREATE' ? readPlace(op.tags) : null
    if (place === null) return []
    return [{ name: String(op!.instance_name), node: place.node, memory: 0, tags: op!.tags as string[] }]
  })
}

async function choose({ nodes, unknown }: ClusterState, wanted: Wanted, refusals: ReadonlyMap<string, string>) {
  const open = nodes.filter(({ name }) => !refusals.has(name))
  const placed = Object.fromEntries(open.map((node) => [node.name, node.placed]))
  const { vm, flavours, search } = wanted
  const ranked = await rank(open, placed, vm, { moves: false, flavours, ...search })
  const [best] = ranked
  if (best?.plan != null) return { best, node: open.find(({ name }) => name === best.host)! }
  const reasons = [
    ...refusals.values(),
    ...ranked.map(
      ({ host, refused }) =>
        `${host}: ${refused!.because.map(({ constraint, text }) => `${constraint}: ${text}`).join('; ')}`,
    ),
    ...unknown.map(({ name, text }) => `${name}: ${text}`),
  ]
  throw new UnfitError(`"${vm.name}" fits on no node: ${reasons.join('; ') || 'no node takes instances'}`)
}

function prepare(
  { host: node, lostMore, capacityLost, plan, request }: RankedHost,
  host: Host,
  wanted: Wanted,
  token: string,
) {
  const { name } = wanted.vm
  const verified = verifyPlan(host, request as Request, plan)
  const own = verified.vms.find((vm) => vm.name === name)!
  const asked = (request as Request).vms.find((vm) => vm.name === name)!
  const { name: _, ...vm } = wanted.vm
  const place = { node, token, vm: { ...vm, current: { cells: own.cells, vcpus: own.vcpus } } }
  const body = instanceBody(wanted.template, asked, own, host, place, wanted.iallocator)
  const hvparams = body.hvparams as Record<string, unknown>
  return { body, created: { instance: name, node, lostMore: lostMore!, capacityLost, plan: own, hvparams } }
}

/** Where it ends with anything but success, nothing of the instance is left. */
async function carryOut(rapi: Rapi, name: string, body: object, token: string, signal: AbortSignal): Promise<EndedJob> {
  const id = await rapi.submit('POST', '/2/instances', body)
  // One that waits is cancelled; one that works cannot be, and comes to its end.
  const cancel = () => void rapi.call('DELETE', `/2/jobs/${id}`).catch(() => undefined)
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  try {
    const job = await rapi.ended(id)
    signal.removeEventListener('abort', cancel)
    if (job.isDone && !signal.aborted) return job
    await remove(rapi, token)
    if (signal.aborted) throw new StoppedError(`stopped: of "${name}" nothing is left`)
    return job
  } catch (error) {
    if (!(error instanceof RapiError)) throw error
    throw new JobError(`what became of job ${id} is not known ("gnt-job info ${id}" says it): ${error.message}`)
  }
}

/** The instance of this token: another one of that name is somebody else's, and Ganeti may have given it a longer name. */
async function remove(rapi: Rapi, token: string): Promise<void> {
  const rows = await rapi.query('instance', ['name', 'tags'])
  const name = rows.find(([, tags]) => readPlace(tags)?.token === token)?.[0]
  if (name === undefined) return
  const path = `/2/instances/${encodeURIComponent(String(name))}`
  const id = await rapi.submit('DELETE', path, { shutdown_timeout: 0 })
  const job = await rapi.ended(id)
  if (!job.isDone) throw new JobError(`"${name}" is not as it was to be, and job ${id} did not remove it: ${job.error}`)
}

/** `null`: there is none, or none that can be read. */
function readPlace(tags: unknown): PlaceTags | null {
  if (!Array.isArray(tags)) return null
  try {
    return placeFrom(tags.map(String))
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}
