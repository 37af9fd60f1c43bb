/** The texts of a state as host and request. */

import { parseCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import { parseRequest } from '../request.js'
import { parseHost } from '../topology/hostfile.js'
import { syntheticHost } from '../topology/synthetic.js'
import type { Host, Request } from '../types.js'
import type { State } from './state.js'

export interface Problem {
  readonly host: Host
  readonly request: Request
}

/** @throws {InputError} with the place in the host, the request, or what is taken away */
export function problemOf({ host, request, away }: State): Problem {
  const whole = inText('host', () =>
    host.kind === 'synthetic' ? syntheticHost(host.text) : parseHost(parsed(host.text)),
  )
  return { host: without(whole, away), request: inText('request', () => parseRequest(parsed(request))) }
}

function inText<Value>(name: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    throw error instanceof InputError ? error.in(name) : error
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError('', 'JSON', error instanceof Error ? error.message : String(error))
  }
}

/** CPUs that are taken away are not allowed; of nodes neither CPUs nor memory are. */
function without(host: Host, away: State['away']): Host {
  const cpus = new Set(parseCpulist(away.cpus, { where: 'CPUs taken away', allowEmpty: true }))
  const nodes = new Set(parseCpulist(away.nodes, { where: 'nodes taken away', allowEmpty: true }))
  if (cpus.size + nodes.size === 0) return host
  return {
    ...host,
    cpus: host.cpus.map((cpu) => {
      const isAway = cpus.has(cpu.id) || (cpu.node !== null && nodes.has(cpu.node))
      return isAway ? { ...cpu, allowed: false } : cpu
    }),
    nodes: host.nodes.map((node) => {
      if (!nodes.has(node.id)) return node
      const { total } = node.memory
      return {
        ...node,
        allowed: false,
        memory: { total, free: 0 },
        pages: node.pages.map((pool) => ({ ...pool, free: 0 })),
      }
    }),
  }
}
