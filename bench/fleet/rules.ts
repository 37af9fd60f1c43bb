/** Rules by which a host is picked: each gives hosts in the order in which they are tried. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rank } from '../../src/fleet/rank.js'
import type { Request } from '../../src/types.js'
import type { Site } from './simulate.js'
import type { Arrival } from './workload.js'
import { FLAVOURS } from './workload.js'

export type Rule = (sites: readonly Site[], vm: Arrival['vm']) => Promise<readonly Site[]>

const GIB = 2 ** 30
const usedCpus = ({ vms }: Request) => vms.reduce((sum, { vcpus }) => sum + vcpus, 0)
const usedBytes = ({ vms }: Request) => vms.reduce((sum, { memory }) => sum + memory, 0)

/** What an engine counts of a host. */
function freeOf({ host, placed }: Site): { readonly cpus: number; readonly bytes: number } {
  const bytes = host.nodes.reduce((sum, { memory }) => sum + (memory.free ?? 0), 0)
  return { cpus: host.cpus.length - usedCpus(placed), bytes: bytes - usedBytes(placed) }
}

export const firstFit: Rule = async (sites) => sites

/** Nova's RAM and CPU weighers, each normalized between 0 and the most, with their multipliers of 1. */
export const novaRule: Rule = async (sites) => {
  const free = new Map(sites.map((site) => [site, freeOf(site)]))
  const most = (what: 'cpus' | 'bytes') => Math.max(1, ...[...free.values()].map((one) => one[what]))
  const [cpus, bytes] = [most('cpus'), most('bytes')]
  const weight = (site: Site) => free.get(site)!.cpus / cpus + free.get(site)!.bytes / bytes
  return [...sites].sort((a, b) => weight(b) - weight(a))
}

export const rankRule: Rule = async (sites, vm) => {
  const hosts = sites.map(({ name, host }) => ({ name, host }))
  const placed = Object.fromEntries(sites.map((site) => [site.name, site.placed]))
  const ranked = await rank(hosts, placed, vm, { moves: false, flavours: FLAVOURS })
  const byName = new Map(sites.map((site) => [site.name, site]))
  return ranked.filter(({ plan }) => plan !== null).map(({ host }) => byName.get(host)!)
}

const HAIL = '/usr/lib/ganeti/iallocators/hail'

/** Ganeti's own allocator, asked by its protocol; `undefined`: it is not installed. */
export function hailRule(): { readonly rule: Rule; close(): void } | undefined {
  if (!existsSync(HAIL)) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'homenode-hail-'))
  const file = join(folder, 'request.json')
  const rule: Rule = async (sites, vm) => {
    writeFileSync(file, JSON.stringify(hailInput(sites, vm)))
    const { stdout, stderr } = spawnSync(HAIL, [file], { encoding: 'utf8' })
    if (!stdout.startsWith('{')) throw new Error(`hail: ${stdout}${stderr}`)
    const { success, result } = JSON.parse(stdout)
    if (!success) return []
    const chosen = sites.find(({ name }) => name === result[0])!
    return [chosen]
  }
  return { rule, close: () => rmSync(folder, { recursive: true }) }
}

const limits = (cpus: number, mebibytes: number) => ({
  'cpu-count': cpus,
  'disk-count': cpus === 1 ? 0 : 16,
  'disk-size': cpus === 1 ? 0 : 2 ** 20,
  'memory-size': mebibytes,
  'nic-count': cpus === 1 ? 0 : 8,
  'spindle-use': cpus === 1 ? 1 : 12,
})
/** No limits but the hosts': a vCPU has a CPU. */
const POLICY = {
  minmax: [{ min: limits(1, 1), max: limits(1024, 2 ** 22) }],
  std: limits(1, 128),
  'disk-templates': ['diskless'],
  'vcpu-ratio': 1,
  'spindle-ratio': 1000,
}
const MIB = 2 ** 20

/** Source: Ganeti 3.0, doc/iallocator.rst. */
function hailInput(sites: readonly Site[], vm: Arrival['vm']): object {
  const nodes = sites.map((site) => {
    const { host, name } = site
    const total = host.nodes.reduce((sum, { memory }) => sum + (memory.total ?? 0), 0)
    return [
      name,
      {
        ...{ tags: [], primary_ip: '192.0.2.1', secondary_ip: '192.0.2.1', offline: false, drained: false },
        ...{ master_candidate: true, group: 'all', master_capable: true, vm_capable: true },
        ndparams: { spindle_count: 1, exclusive_storage: false, cpu_speed: 1 },
        ...{ total_memory: total / MIB, reserved_memory: 0, free_memory: freeOf(site).bytes / MIB },
        ...{ total_disk: 0, free_disk: 0, total_spindles: 1000, free_spindles: 1000 },
        ...{ total_cpus: host.cpus.length, reserved_cpus: 0, i_pri_memory: 0, i_pri_up_memory: 0 },
      },
    ]
  })
  const common = { tags: [], os: 'none', spindle_use: 1, disks: [], nics: [], disk_space_total: 0, hypervisor: 'kvm' }
  const instances = sites.flatMap(({ name, placed }) =>
    placed.vms.map((one) => [
      one.name,
      {
        ...common,
        ...{ admin_state: 'up', vcpus: one.vcpus, memory: one.memory / MIB, nodes: [name] },
        ...{ disk_template: 'diskless', disks_active: false },
      },
    ]),
  )
  const memory = (Number.parseInt(vm.memory, 10) * GIB) / MIB
  return {
    ...{ version: 2, cluster_name: 'bench', cluster_tags: [], enabled_hypervisors: ['kvm'], ipolicy: POLICY },
    nodegroups: { all: { name: 'all', alloc_policy: 'preferred', networks: [], ipolicy: POLICY, tags: [] } },
    instances: Object.fromEntries(instances),
    nodes: Object.fromEntries(nodes),
    request: {
      ...common,
      ...{ type: 'allocate', name: vm.name, vcpus: vm.vcpus, memory, group_name: null },
      ...{ disk_template: 'diskless', required_nodes: 1 },
    },
  }
}
