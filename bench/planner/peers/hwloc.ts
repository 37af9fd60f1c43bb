/**
 * hwloc-distrib: as many CPUs as there are vCPUs, spread over the host's tree. It knows neither VMs nor memory: the VMs of
 * the request get their CPUs in turn. Its time is that of the process, which reads the host from XML.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Host, Request } from '../../../src/types.js'
import { groupBy, type Machine, type MachineCpu, machineOf } from '../../../src/verify/machine.js'
import type { Case } from '../cases.js'
import type { Placement } from '../placement.js'
import { type Answer, type Peer, placementOf } from './peer.js'

const PROGRAM = 'hwloc-distrib'

export const hwloc: Peer = {
  name: PROGRAM,
  missing:
    spawnSync(PROGRAM, ['--version']).status === 0 ? undefined : `${PROGRAM} is not installed (Debian: hwloc-nox)`,
  solve(cases) {
    const scratch = mkdtempSync(join(tmpdir(), 'homenode-bench-hwloc-'))
    try {
      return cases.map((one) => distribute(one, join(scratch, 'host.xml')))
    } finally {
      rmSync(scratch, { recursive: true })
    }
  },
}

function distribute({ host, request }: Case, file: string): Answer {
  const machine = machineOf(host, request)
  writeFileSync(file, hostXml(host, machine))
  const vcpus = request.vms.reduce((sum, vm) => sum + vm.vcpus, 0)
  const start = performance.now()
  const output = execFileSync(PROGRAM, ['--input', file, '--if', 'xml', '--single', '--taskset', String(vcpus)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const milliseconds = performance.now() - start
  const cpus = output
    .trim()
    .split('\n')
    .map((mask) => BigInt(mask).toString(2).length - 1)
  return { placements: inTurn(machine, request, cpus), milliseconds }
}

function inTurn(machine: Machine, { vms }: Request, cpus: readonly number[]): Placement[] {
  let next = 0
  return vms.map((vm) => {
    const own = cpus.slice(next, next + vm.vcpus)
    next += vm.vcpus
    return placementOf(machine, vm, own)
  })
}

/** The usable part of a host in hwloc's XML (hwloc 2.x, `hwloc2.dtd`): a group for each node, in it caches, cores, CPUs. */
export function hostXml(host: Host, machine: Machine): string {
  const usable = [...machine.cpus.values()].filter((cpu) => cpu.usable)
  const nodes = host.nodes.map(({ id }) => id)
  let serial = 0
  const object = (
    type: string,
    index: number | undefined,
    cpus: readonly MachineCpu[],
    near: readonly number[],
    rest: string,
    inside: string,
  ) => {
    const cpuset = bitmap(cpus.map(({ id }) => id))
    const nodeset = bitmap(near)
    const position = index === undefined ? '' : ` os_index="${index}"`
    const sets = `cpuset="${cpuset}" complete_cpuset="${cpuset}" nodeset="${nodeset}" complete_nodeset="${nodeset}"`
    return `<object type="${type}"${position} ${sets} gp_index="${++serial}"${rest}>${inside}</object>\n`
  }
  const groups = nodes.map((id, at) => {
    const own = usable.filter(({ node }) => node === id)
    const memory = ` local_memory="${host.nodes[at]!.memory.total ?? 0}"`
    const node = object('NUMANode', id, own, [id], memory, '')
    if (own.length === 0) return node
    const caches = [...groupBy(own, ({ llc }) => llc).values()].map((inLlc) => {
      const cores = [...groupBy(inLlc, ({ core }) => core)].map(([core, threads]) =>
        object(
          'Core',
          core,
          threads,
          [id],
          '',
          threads.map((cpu) => object('PU', cpu.id, [cpu], [id], '', '')).join(''),
        ),
      )
      const size = ' cache_size="33554432" depth="3" cache_linesize="64" cache_associativity="16" cache_type="0"'
      return object('L3Cache', undefined, inLlc, [id], size, cores.join(''))
    })
    return object('Group', undefined, own, [id], ' kind="1001" subkind="0"', node + caches.join(''))
  })
  const all = `allowed_cpuset="${bitmap(usable.map(({ id }) => id))}" allowed_nodeset="${bitmap(nodes)}"`
  const root = object('Machine', 0, usable, nodes, ` ${all}`, groups.join(''))
  return `<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n<topology version="2.0">\n${root}</topology>\n`
}

/** hwloc's notation: words of 32 bits, the highest first. */
function bitmap(numbers: readonly number[]): string {
  const words = Array<number>(Math.floor(Math.max(0, ...numbers) / 32) + 1).fill(0)
  for (const number of numbers) words[number >> 5]! |= 1 << (number & 31)
  return words
    .map((word) => `0x${(word >>> 0).toString(16).padStart(8, '0')}`)
    .reverse()
    .join(',')
}
