/** Makes an instance that shows a fault smaller, as long as it still shows it. */

import { parseRequest } from '../../../src/request.js'
import type { Instance, RawRequest } from './random.js'

/** Instances that are tried. */
const MOST_TRIES = 2000

export function shrink(instance: Instance, fails: (smaller: Instance) => boolean): Instance {
  let least = instance
  let tries = 0
  const stillFails = (smaller: Instance): boolean => {
    if (++tries > MOST_TRIES) return false
    try {
      parseRequest(smaller.request)
      return fails(smaller)
    } catch {
      return false
    }
  }
  for (let again = true; again && tries < MOST_TRIES; ) {
    again = false
    for (const smaller of smallerOnes(least)) {
      if (!stillFails(smaller)) continue
      least = smaller
      again = true
      break
    }
  }
  return least
}

/** Instances with one thing less. */
function* smallerOnes({ host, request }: Instance): Generator<Instance> {
  for (const at of request.vms.keys()) yield { host, request: withoutVm(request, at) }
  for (const [at, vm] of request.vms.entries()) {
    for (const changed of simplerVms(vm))
      yield { host, request: { ...request, vms: replaced(request.vms, at, changed) } }
  }
  for (const key of Object.keys(request)) {
    if (key !== 'vms')
      yield {
        host,
        request: Object.fromEntries(Object.entries(request).filter(([other]) => other !== key)) as RawRequest,
      }
  }
  for (const at of host.cpus.keys()) yield { host: { ...host, cpus: dropped(host.cpus, at) }, request }
  for (const at of host.nodes.keys()) {
    const cpus = host.cpus.filter(({ node }) => node !== host.nodes[at]!.id)
    const distances = dropped(host.distances, at).map((row) => dropped(row, at))
    if (host.nodes.length > 1) yield { host: { ...host, nodes: dropped(host.nodes, at), distances, cpus }, request }
  }
  const { limits: _, ...unlimited } = host
  if (host.limits !== undefined) yield { host: unlimited, request }
  for (const [at, node] of host.nodes.entries()) {
    const { bandwidth: _bandwidth, allowed: _allowed, ...bare } = node
    if (Object.keys(bare).length < Object.keys(node).length)
      yield { host: { ...host, nodes: replaced(host.nodes, at, bare) }, request }
  }
  for (const [at, cpu] of host.cpus.entries()) {
    const plain = { ...cpu, capacity: 1024, isolated: false, allowed: true, online: true }
    if (JSON.stringify(plain) !== JSON.stringify(cpu))
      yield { host: { ...host, cpus: replaced(host.cpus, at, plain) }, request }
  }
}

function dropped<Item>(list: readonly Item[], at: number): Item[] {
  return list.filter((_, index) => index !== at)
}

function replaced<Item>(list: readonly Item[], at: number, item: Item): Item[] {
  return list.map((old, index) => (index === at ? item : old))
}

type Raw = RawRequest['vms'][number]

function withoutVm(request: RawRequest, at: number): RawRequest {
  const gone = request.vms[at]!.name
  const vms = dropped(request.vms, at).map((vm) => {
    const others = (names: unknown) => (names as string[] | undefined)?.filter((name) => name !== gone) ?? []
    return { ...vm, near: others(vm.near), separateFrom: others(vm.separateFrom) }
  })
  return { ...request, vms }
}

function* simplerVms(vm: Raw): Generator<Raw> {
  for (const key of Object.keys(vm)) {
    if (key === 'name' || key === 'vcpus' || key === 'memory') continue
    const value = vm[key]
    if (Array.isArray(value) && value.length === 0) continue
    const { [key]: _, ...rest } = vm
    yield rest
  }
}
