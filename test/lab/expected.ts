/** What detection has to find on a machine of the lab. */

import * as assert from 'uvu/assert'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import type { Host, HostCpu } from '../../src/types.js'
import { cpusOf, type LabMachine } from './machines.js'

const MiB = 1024 ** 2
/** What the kernel and the firmware keep for themselves of a node, at most. */
const KEPT_MIB = 96

/** Every part of the host that the description determines. */
export function checkHost(host: Host, machine: LabMachine): void {
  const { nodes, distances, offline = '' } = machine
  assert.equal(
    host.nodes.map(({ id }) => id),
    nodes.map((_, id) => id),
  )
  assert.equal(host.distances, distances)
  nodes.forEach((node, id) => {
    const { memory, pages, bandwidth, allowed } = host.nodes[id]!
    const mebibytes = (memory.total ?? 0) / MiB
    const most = node.memoryMiB ?? 0
    assert.ok(mebibytes <= most && mebibytes >= Math.max(0, most - KEPT_MIB), `node ${id} has ${mebibytes} MiB`)
    assert.is((memory.free ?? 0) <= (memory.total ?? 0), true)
    assert.is(pages[0]?.size, 4096)
    assert.is(pages.find(({ size }) => size === 2 * MiB)?.total ?? 0, node.hugePages ?? 0)
    assert.is(bandwidth, node.hmat === undefined ? undefined : node.hmat.bandwidthGiBps * 1024e6)
    assert.is(allowed, undefined)
    assert.is(listOf(host.cpus.filter((cpu) => cpu.node === id)), listOfIds(cpusOf(node)), `CPUs of node ${id}`)
  })
  const gone = parseCpulist(offline, { allowEmpty: true })
  assert.is(listOf(host.cpus.filter((cpu) => !cpu.online)), listOfIds(gone))
  // The kernel takes a CPU that is offline out of the effective cpuset.
  for (const cpu of host.cpus) assert.is(cpu.allowed && !cpu.isolated, cpu.online)
  const online = host.cpus.filter((cpu) => cpu.online)
  assert.equal(groups(online, 'package'), expectedGroups(machine, machine.coresPerPackage * machine.threadsPerCore))
  assert.equal(groups(online, 'llc'), expectedGroups(machine, machine.coresPerPackage * machine.threadsPerCore))
  assert.equal(groups(online, 'core'), expectedGroups(machine, machine.threadsPerCore))
  for (const { thread, id } of online) assert.is(thread, id % machine.threadsPerCore)
}

/** Online CPUs in runs of `size`, as cpulists: QEMU numbers CPUs by package, core and thread. */
function expectedGroups({ nodes, offline = '' }: LabMachine, size: number): string[] {
  const gone = parseCpulist(offline, { allowEmpty: true })
  const cpus = nodes.flatMap(cpusOf).sort((a, b) => a - b)
  const runs = Array.from({ length: cpus.length / size }, (_, i) => cpus.slice(i * size, (i + 1) * size))
  return runs.map((run) => listOfIds(run.filter((cpu) => !gone.includes(cpu)))).filter((list) => list !== '')
}

function groups(cpus: readonly HostCpu[], field: 'package' | 'llc' | 'core'): string[] {
  const values = [...new Set(cpus.map((cpu) => cpu[field]))]
  return values.map((value) => listOf(cpus.filter((cpu) => cpu[field] === value)))
}

const listOfIds = (ids: readonly number[]) => formatCpulist(ids)
const listOf = (cpus: readonly HostCpu[]) => listOfIds(cpus.map(({ id }) => id))
