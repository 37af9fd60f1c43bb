/** What was measured of a machine once, put into what it is now. */

import { formatCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { Host, HostCpu } from '../types.js'
import { numberInOrder } from './groups.js'

const MEASURES = ['latencies', 'bandwidths', 'hops', 'smt'] as const

/** Which CPUs are together, whatever numbers that has. */
const GROUPS = { package: 'package', llc: 'last-level cache', core: 'core' } as const

/**
 * `host` with the measures of `measured` (`homenode calibrate`) and how far these are to be trusted, and with nothing else of it: what is free, which CPUs are
 * online and allowed is the host's.
 * @param measured the same machine: the same nodes with the same distances, the same CPUs on the same nodes, packages, caches and cores. CPUs that
 * are offline in one of the two are not compared
 * @throws {InputError} where it is another machine, or nothing was measured
 * @example
 * ```ts
 * import { syntheticHost, withMeasures } from 'homenode'
 *
 * const host = syntheticHost('pack:2 [numa(memory=16GiB)] core:4 pu:1')
 * const measured = { ...host, latencies: [[80, 130], [131, 80]] }
 * withMeasures(host, measured).latencies?.[0] // => [80, 130]
 * const other = { ...syntheticHost('pack:1 [numa(memory=16GiB)] core:4 pu:1'), latencies: [[80]] }
 * withMeasures(host, other) // throws InputError: nodes: expected those of this machine (0-1), got 0: it was measured on another one
 * ```
 */
export function withMeasures(host: Host, measured: Host): Host {
  requireSame(host, measured)
  const found = MEASURES.filter((name) => measured[name] !== undefined)
  if (found.length === 0) throw new InputError('', 'a host with what "homenode calibrate" measured', 'one without')
  // What the file does not have is not known together with what it has.
  const { latencies: _, bandwidths: __, hops: ___, smt: ____, spread: _____, ...rest } = host
  const { spread } = measured
  return {
    ...rest,
    ...Object.fromEntries(found.map((name) => [name, measured[name]])),
    ...(spread === undefined ? {} : { spread }),
  }
}

function requireSame(host: Host, measured: Host): void {
  const other = (where: string, expected: string, got: string) =>
    new InputError(where, expected, `${got}: it was measured on another one`)
  for (const what of ['nodes', 'cpus'] as const) {
    const [own, theirs] = [host, measured].map((one) => formatCpulist(one[what].map(({ id }) => id)))
    if (own !== theirs) throw other(what, `those of this machine (${own})`, theirs!)
  }
  if (JSON.stringify(host.distances) !== JSON.stringify(measured.distances)) {
    const [own, theirs] = [host, measured].map(({ distances }) => JSON.stringify(distances))
    throw other('distances', `those of this machine (${own})`, theirs!)
  }
  const pairs = host.cpus.map((cpu, at) => [cpu, measured.cpus[at]!] as const)
  const both = pairs.filter(([own, theirs]) => own.online && theirs.online)
  const moved = both.find(([own, theirs]) => own.node !== theirs.node)
  if (moved !== undefined) {
    const [own, theirs] = moved
    throw other(
      `cpus: CPU ${own.id}`,
      `node ${own.node ?? 'unknown'}, as on this machine`,
      `node ${theirs.node ?? 'unknown'}`,
    )
  }
  for (const [field, name] of Object.entries(GROUPS) as [keyof typeof GROUPS, string][]) {
    const numbers = (which: 0 | 1) => numberInOrder(both.map((pair): HostCpu[typeof field] => pair[which][field]))
    const [own, theirs] = [numbers(0), numbers(1)]
    const at = own.findIndex((number, index) => number !== theirs[index])
    if (at >= 0) throw other(`cpus: CPU ${both[at]![0].id}`, `on the ${name} that it has on this machine`, 'on another')
  }
}
