/** Eight recorded machines, with what hwloc reads from them. Only their `strict` fields are judged. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { detectHost, parseHost } from '../../src/topology/index.js'
import type { Host, HostCpu } from '../../src/types.js'
import { skipUnless } from '../skip.js'

const folder = process.env.HOMENODE_TOPOLOGIES ?? fileURLToPath(new URL('../../../shared/topologies', import.meta.url))
const machines = existsSync(folder)
  ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'tree.tar.xz')))
  : []
const scratch = mkdtempSync(join(tmpdir(), 'homenode-recorded-'))
test.after(() => rmSync(scratch, { recursive: true }))

/** The parts of expected.json that are used here. */
interface Expected {
  readonly strict: readonly string[]
  readonly online_cpus: string
  readonly offline_cpus: string
  readonly disallowed_cpus: string
  readonly disallowed_nodes: string
  readonly counts: Readonly<Record<string, number>>
  readonly distances: { readonly indexes: readonly number[]; readonly matrix: readonly (readonly number[])[] } | null
  readonly numa_nodes: readonly {
    readonly os_index: number
    readonly local_memory: number | null
    readonly kernel_cpulist: string
    readonly hugepages: readonly { readonly size: number; readonly count: number }[]
  }[]
  readonly pus: readonly {
    readonly os_index: number
    readonly core: { readonly cpuset: string } | null
    readonly package: number | null
    readonly package_cpuset: string
    readonly llc: { readonly cpuset: string } | null
  }[]
}

const onlineOf = (host: Host) => host.cpus.filter((cpu) => cpu.online)
const listOf = (cpus: readonly HostCpu[]) => formatCpulist(cpus.map(({ id }) => id))

/** For each online CPU the set of those that have the same value. */
function groupsBy(host: Host, field: 'core' | 'package' | 'llc'): Map<number, string> {
  const online = onlineOf(host)
  return new Map(online.map((cpu) => [cpu.id, listOf(online.filter((other) => other[field] === cpu[field]))]))
}

/** What each strict field says of a host; fields that a Host does not have are left out. */
const CHECKS: Readonly<Record<string, (host: Host, expected: Expected) => void>> = {
  online_cpus: (host, { online_cpus }) => assert.is(listOf(onlineOf(host)), online_cpus),
  offline_cpus: (host, { offline_cpus }) => assert.is(listOf(host.cpus.filter((cpu) => !cpu.online)), offline_cpus),
  cores(host, { pus }) {
    const cores = groupsBy(host, 'core')
    for (const pu of pus) assert.is(cores.get(pu.os_index), pu.core?.cpuset, `core of ${pu.os_index}`)
  },
  packages(host, { pus }) {
    const packages = groupsBy(host, 'package')
    for (const pu of pus) assert.is(packages.get(pu.os_index), pu.package_cpuset, `package of ${pu.os_index}`)
  },
  package_os_index(host, { pus }) {
    const packages = new Map(host.cpus.map((cpu) => [cpu.id, cpu.package]))
    for (const pu of pus) assert.is(packages.get(pu.os_index), pu.package)
  },
  llc(host, { pus, counts }) {
    const llcs = groupsBy(host, 'llc')
    for (const pu of pus) assert.is(llcs.get(pu.os_index), pu.llc?.cpuset, `LLC of ${pu.os_index}`)
    assert.is(new Set(llcs.values()).size, counts.llc)
  },
  numa_ids: (host, { numa_nodes }) =>
    assert.equal(
      host.nodes.map(({ id }) => id),
      numa_nodes.map((node) => node.os_index),
    ),
  numa_cpus(host, { numa_nodes }) {
    for (const { os_index, kernel_cpulist } of numa_nodes) {
      assert.is(listOf(onlineOf(host).filter((cpu) => cpu.node === os_index)), kernel_cpulist)
    }
  },
  numa_memory: (host, { numa_nodes }) =>
    assert.equal(
      host.nodes.map(({ memory }) => memory.total),
      numa_nodes.map((node) => node.local_memory),
    ),
  distances(host, { distances }) {
    assert.equal(
      host.nodes.map(({ id }) => id),
      distances?.indexes,
    )
    assert.equal(host.distances, distances?.matrix)
  },
  hugepages(host, { numa_nodes }) {
    const pools = host.nodes.map(({ pages }) => pages.slice(1).map(({ size, total }) => ({ size, count: total })))
    assert.equal(
      pools,
      numa_nodes.map((node) => node.hugepages),
    )
  },
}

const testRecorded = skipUnless(machines.length > 0, `no recorded machines in ${folder}`)

for (const machine of machines.length > 0 ? machines : ['recorded machines']) {
  testRecorded(`${machine} is read as hwloc reads it`, async () => {
    execFileSync('tar', ['xJf', join(folder, machine, 'tree.tar.xz'), '-C', scratch])
    const expected: Expected = JSON.parse(readFileSync(join(folder, machine, 'expected.json'), 'utf8'))
    const host = await detectHost({ root: join(scratch, machine) })
    const checks = expected.strict.filter((field) => field in CHECKS)
    assert.ok(checks.length >= 9)
    for (const field of checks) CHECKS[field]!(host, expected)

    const barred = parseCpulist(expected.disallowed_cpus, { allowEmpty: true })
    assert.equal(
      onlineOf(host)
        .filter((cpu) => !cpu.allowed)
        .map(({ id }) => id),
      barred,
    )
    const barredNodes = parseCpulist(expected.disallowed_nodes, { allowEmpty: true })
    assert.equal(
      host.nodes.filter(({ allowed }) => allowed === false).map(({ id }) => id),
      barredNodes,
    )
    assert.equal(parseHost(JSON.parse(JSON.stringify(host))), host)
  })
}

testRecorded('the efficient cores of a recorded hybrid machine are slower by kind', async () => {
  const machine = machines.find((name) => name.includes('hybrid-1p6c2t'))
  assert.ok(machine)
  const { cpus } = await detectHost({ root: join(scratch, machine) })
  assert.equal(
    cpus.map((cpu) => cpu.capacity),
    [...Array(12).fill(1024), ...Array(8).fill(Math.round((39 / 64) * 1024))],
  )
})

test.run()
