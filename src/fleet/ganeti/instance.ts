/** An instance as Ganeti's remote API takes it, with the place of a plan: Ganeti pins its vCPUs, QEMU binds its memory. */

import * as z from 'zod'
import { formatCpulist, parseCpulist } from '../../cpulist.js'
import { InputError, show } from '../../errors.js'
import { guestOf } from '../../formats/guest.js'
import { qemuArguments } from '../../formats/qemu.js'
import { topologyOf } from '../../formats/topology.js'
import { parseWith } from '../../schema.js'
import type { Host, PlanVm, RequestVm } from '../../types.js'
import { formatBytes } from '../../units.js'
import { type PlaceTags, tagsOf } from './place-tags.js'

const MIB = 1024 ** 2

const parameters = z.record(z.string(), z.unknown()).default({})

const format = z.looseObject({
  disk_template: z.string(),
  disks: z.array(z.unknown()),
  nics: z.array(z.unknown()),
  hypervisor: z.literal('kvm').default('kvm'),
  hvparams: parameters,
  beparams: parameters,
  tags: z.array(z.string()).default([]),
})

export type InstanceTemplate = z.output<typeof format>

/** What comes from the request and the plan. */
const OURS: Readonly<Record<string, readonly string[]>> = {
  '': [
    'instance_name',
    'name',
    'mode',
    'pnode',
    'pnode_uuid',
    'snode',
    'snode_uuid',
    'iallocator',
    'opportunistic_locking',
    'forthcoming',
    'commit',
  ],
  hvparams: ['cpu_mask', 'mem_path'],
  beparams: ['vcpus', 'memory', 'minmem', 'maxmem'],
}

/**
 * What Ganeti is told of an instance beside its place: the body of `POST /2/instances`, without what homenode says.
 * @throws {InputError} that names the place
 */
export function parseTemplate(content: unknown): InstanceTemplate {
  const template = parseWith(format, content)
  for (const [part, names] of Object.entries(OURS)) {
    const given = part === '' ? template : (template[part] as object)
    const own = names.find((name) => Object.hasOwn(given, name))
    if (own === undefined) continue
    const where = part === '' ? own : `${part}.${own}`
    throw new InputError(where, 'nothing: homenode says it', show(Reflect.get(given, own)))
  }
  return template
}

/**
 * Ganeti pins vCPUs when the guest starts, and nothing else, and does not pin them anew.
 * @throws {InputError} for what it cannot carry out
 */
export function requireCarriedOut(vm: RequestVm): void {
  const { cpuPolicy, emulator, iothreads, memory } = vm
  const refuse = (field: string, expected: string, got: unknown) => {
    throw new InputError(`vm.${field}`, `${expected}, for Ganeti`, show(got))
  }
  if (cpuPolicy !== 'dedicated') refuse('cpuPolicy', '"dedicated"', cpuPolicy)
  if (emulator !== 'housekeeping') refuse('emulator', '"housekeeping"', emulator)
  if (iothreads !== 0) refuse('iothreads', '0', iothreads)
  if (memory % MIB !== 0) throw new InputError('vm.memory', 'whole MiB, for Ganeti', formatBytes(memory))
}

/** The body of `POST /2/instances`. */
export function instanceBody(
  template: InstanceTemplate,
  vm: RequestVm,
  plan: PlanVm,
  host: Host,
  place: PlaceTags,
  iallocator: string,
): Readonly<Record<string, unknown>> {
  const memory = vm.memory / MIB
  return {
    ...template,
    __version__: 1,
    mode: 'create',
    instance_name: vm.name,
    iallocator,
    beparams: { ...template.beparams, vcpus: vm.vcpus, minmem: memory, maxmem: memory },
    hvparams: { ...template.hvparams, ...placeParameters(template, vm, plan, host) },
    tags: [...template.tags, ...tagsOf(place)],
  }
}

/**
 * Source: Ganeti 3.0, lib/hypervisor/hv_kvm/__init__.py: `cpu_mask` has a cpulist for each vCPU, divided by colons; a single one is for the
 * whole process. `kvm_extra` is split at each space.
 */
function placeParameters({ hvparams }: InstanceTemplate, vm: RequestVm, plan: PlanVm, host: Host): object {
  const guest = guestOf(plan, vm.memoryPolicy, host)
  const memory = qemuArguments(guest, host).filter(([option]) => option === '-object' || option === '-numa')
  const given = typeof hvparams.kvm_extra === 'string' && hvparams.kvm_extra !== '' ? [hvparams.kvm_extra] : []
  const { sockets, dies, cores, threads } = topologyOf(guest, host)
  const topology = { cpu_sockets: sockets * dies, cpu_cores: cores, cpu_threads: threads }
  const isGiven = Object.keys(topology).some((name) => Object.hasOwn(hvparams, name))
  return {
    ...(isGiven ? {} : topology),
    cpu_mask: plan.vcpus.map(({ cpus }) => formatCpulist(parseCpulist(cpus))).join(':'),
    kvm_extra: [...given, ...memory.flat()].join(' '),
  }
}
