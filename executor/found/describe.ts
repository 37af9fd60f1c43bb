/** One VM from all that is known of it, the surest source of each fact first. */

import { managerOf, readCgroups } from './cgroups.js'
import type { Domain } from './domain-xml.js'
import { asRoot, type Files } from './files.js'
import { type Block, likelyMappings, mappingsOf } from './guest-memory.js'
import type { Domains } from './libvirt.js'
import type { Monitor } from './monitor.js'
import { printable } from './printable.js'
import { type VmProcess, vmDescriptors } from './processes.js'
import { type Mount, parseMaps, parseNumaMaps } from './procfs.js'
import type { QemuArguments } from './qemu-arguments.js'
import type { QmpFacts } from './qmp.js'
import { complete, readThreads, type VcpuThread, vcpusByCgroup, vcpusByDebugfs, vcpusByName } from './threads.js'
import type {
  Fact,
  FactSource,
  FoundCell,
  FoundIoThread,
  FoundMapping,
  FoundThread,
  FoundVm,
  Missing,
} from './types.js'
import { type PlainArguments, parsePlainArguments } from './vmms.js'

/** All that is known of one VM. */
export interface Evidence {
  readonly process: VmProcess
  readonly qemu: QemuArguments | null
  readonly monitor: Monitor | null
  readonly domains: Domains
  readonly mounts: readonly Mount[]
  /** Whether its memory is to be looked up. */
  readonly memory: boolean
}

interface Sources extends Evidence {
  readonly files: Files
  readonly facts: QmpFacts | null
  readonly domain: Domain | null
  readonly plain: PlainArguments
}

export function describeVm(files: Files, evidence: Evidence): FoundVm {
  const { process, qemu, monitor, domains, mounts } = evidence
  const { pid, startTime, uid, vmm, argv } = process
  const facts = monitor !== null && 'facts' in monitor ? monitor.facts : null
  const domain = (qemu?.uuid && domains.byUuid.get(qemu.uuid)) || null
  const sources: Sources = { ...evidence, files, facts, domain, plain: parsePlainArguments(vmm.value, argv) }

  const { cgroups, ofThread, paths } = readCgroups(files, process, mounts)
  const threads = readThreads(files, process).map((thread) => ({ ...thread, cgroup: ofThread.get(thread.tid) ?? null }))
  const { vcpuCount, vcpus, why: whyNoVcpus } = vcpusOf(sources, threads, paths)
  const iothreads = iothreadsOf(sources, threads)
  const named = new Set([...vcpus, ...iothreads].map(({ tid }) => tid))
  const rest = threads.filter(({ tid }) => !named.has(tid))
  const memory = firstOf<number>(
    [facts?.memory, 'qmp'],
    [domain?.memory, 'libvirt'],
    [argumentsOf(sources).memory, 'arguments'],
  )
  const { mappings, why: whyNoMappings } = memoryOf(sources, memory)
  const cells = firstOf<readonly FoundCell[]>(
    [facts?.cells, 'qmp'],
    [domain?.cells, 'libvirt'],
    [cellsByArguments(sources), 'arguments'],
  )
  return {
    name: nameOf(sources),
    vmm,
    accelerator: acceleratorOf(sources, threads),
    pid,
    startTime,
    uid,
    vcpuCount,
    vcpus,
    iothreads,
    emulator: vcpus.length > 0 ? rest : [],
    unknownThreads: vcpus.length > 0 ? [] : rest,
    memory,
    mappings,
    cells,
    cgroups,
    manager: managed(sources, cgroups[0]?.path ?? ''),
    metadata: domain?.metadata ?? [],
    missing: [
      ...missingOf('its VMs apart', severalVms(process)),
      ...missingOf('which threads run its vCPUs', whyNoVcpus),
      ...missingOf('where its memory is', whyNoMappings),
      ...missingOf("the guest's nodes", cells === null ? whyNobodySays(sources) : null),
    ],
  }
}

/** Reasons, with as whom to run to be rid of them. */
interface Why {
  readonly reasons: readonly string[]
  readonly runAs: string | null
}

function missingOf(what: string, why: Why | null): Missing[] {
  return why === null ? [] : [{ what, why: why.reasons.join('; '), runAs: why.runAs }]
}

function severalVms(process: VmProcess): Why | null {
  const count = vmDescriptors(process).length
  return count < 2 ? null : { reasons: [`the process has ${count} VMs, which are shown as one`], runAs: null }
}

function whyNobodySays({ monitor, domains, qemu }: Sources): Why {
  const asked = monitor !== null && 'why' in monitor ? monitor : null
  const reasons = [
    ...(asked === null ? [] : [asked.why]),
    ...(domains.why === null ? [] : [domains.why]),
    ...(qemu === null ? ['its arguments do not say'] : []),
  ]
  return { reasons: reasons.length > 0 ? reasons : ['nobody says'], runAs: asked?.runAs ?? null }
}

/** The first that is known. */
function firstOf<Value>(
  ...candidates: readonly (readonly [Value | null | undefined, FactSource])[]
): Fact<Value> | null {
  for (const [value, source] of candidates) if (value !== null && value !== undefined) return { value, source }
  return null
}

function argumentsOf({ qemu, plain }: Sources): { readonly vcpus: number | null; readonly memory: number | null } {
  return qemu ?? plain
}

function nameOf({ process, qemu, facts, domain, plain }: Sources): Fact<string> {
  const found = firstOf<string>(
    [printable(facts?.name ?? '') || null, 'qmp'],
    [printable(domain?.name ?? '') || null, 'libvirt'],
    [printable(qemu?.name ?? plain.name ?? '') || null, 'arguments'],
  )
  const program = process.vmm.value === 'other' ? 'vm' : process.vmm.value
  return found ?? { value: `${program}-${process.pid}`, source: process.vmm.source }
}

function acceleratorOf({ process, qemu, facts }: Sources, threads: readonly FoundThread[]): FoundVm['accelerator'] {
  const hasVm = vmDescriptors(process).length > 0
  const byThread = threads.map(({ name }) => /^CPU \d+\/(KVM|TCG)$/.exec(name)?.[1]).find((one) => one !== undefined)
  return firstOf<'kvm' | 'tcg'>(
    [hasVm || process.vmm.value !== 'qemu' ? 'kvm' : null, hasVm ? 'kernel' : process.vmm.source],
    [facts?.accelerator, 'qmp'],
    [byThread === undefined ? null : byThread === 'KVM' ? 'kvm' : 'tcg', 'thread-name'],
    [qemu?.accelerator, 'arguments'],
  )
}

interface Vcpus extends Pick<FoundVm, 'vcpuCount' | 'vcpus'> {
  readonly why: Why | null
}

function vcpusOf(sources: Sources, threads: readonly FoundThread[], paths: ReadonlyMap<number, string>): Vcpus {
  const { files, process, facts, domain, mounts } = sources
  const tids = threads.map(({ tid }) => tid)
  const links = [...(process.descriptors?.values() ?? [])]
  const descriptors = new Set(links.filter((link) => link.startsWith('anon_inode:kvm-vcpu'))).size
  const sure = firstOf<number>(
    [facts?.vcpus?.length, 'qmp'],
    [descriptors > 0 ? descriptors : null, 'kernel'],
    [domain?.vcpus, 'libvirt'],
  )
  const byQmp = facts?.vcpus?.map((one): VcpuThread => ({ ...one, source: 'qmp' })) ?? null
  const byDebugfs = vcpusByDebugfs(files, process, mounts)
  const found = [byQmp, byDebugfs, vcpusByName(process, threads), vcpusByCgroup(paths)]
    .map((one) => complete(one, sure?.value ?? null, tids))
    .find((one) => one !== null)
  const { vcpus: byArguments } = argumentsOf(sources)
  const vcpuCount = firstOf<number>(
    [sure?.value, sure?.source ?? 'kernel'],
    [found?.length, found?.[0]?.source ?? 'kernel'],
    [byArguments, 'arguments'],
  )
  if (found === undefined) return { vcpuCount, vcpus: [], why: whyNoVcpus(sources, byDebugfs) }
  const byTid = new Map(threads.map((thread) => [thread.tid, thread]))
  return { vcpuCount, vcpus: found.map((one) => ({ ...byTid.get(one.tid)!, ...one })), why: null }
}

function whyNoVcpus({ process, monitor, mounts }: Sources, byDebugfs: VcpuThread[] | 'refused' | null): Why {
  const asked = monitor !== null && 'why' in monitor ? monitor : null
  // Without KVM there is nothing in debugfs.
  const isEmulated = process.descriptors !== null && vmDescriptors(process).length === 0
  const hasDebugfs = mounts.some(({ type }) => type === 'debugfs')
  const debugfs =
    byDebugfs === 'refused'
      ? 'debugfs may not be read'
      : hasDebugfs
        ? 'debugfs does not say (some vCPU has not run yet, or the kernel is older than 5.19)'
        : 'debugfs is not mounted (as root: mount -t debugfs none /sys/kernel/debug)'
  const reasons = [
    'its threads have no names that tell',
    ...(asked === null ? [] : [asked.why]),
    ...(isEmulated ? [] : [debugfs]),
  ]
  const root = byDebugfs === 'refused' || process.descriptors === null ? asRoot() : null
  return { reasons, runAs: asked?.runAs ?? root }
}

/** By QEMU's word, else by the names that it gives its threads. */
function iothreadsOf({ facts, qemu }: Sources, threads: readonly FoundThread[]): FoundVm['iothreads'] {
  if (qemu === null) return []
  return threads.flatMap((thread): FoundIoThread[] => {
    const told = facts?.iothreads?.find(({ tid }) => tid === thread.tid)
    if (told !== undefined) return [{ ...thread, id: printable(told.id), source: 'qmp' }]
    const id = facts?.iothreads ? undefined : /^IO (.+)$/.exec(thread.name)?.[1]
    // QEMU's own, for its monitor.
    return id === undefined || id === 'mon_iothread' ? [] : [{ ...thread, id, source: 'thread-name' }]
  })
}

interface Memory {
  readonly mappings: readonly FoundMapping[]
  readonly why: Why | null
}

function memoryOf(sources: Sources, memory: Fact<number> | null): Memory {
  const { files, process, qemu } = sources
  if (!sources.memory) return { mappings: [], why: { reasons: ['it was not asked for'], runAs: null } }
  const maps = files.text(`/proc/${process.pid}/maps`)
  const numa = files.text(`/proc/${process.pid}/numa_maps`)
  if (maps === 'refused' || numa === 'refused') {
    return {
      mappings: [],
      why: { reasons: ['its numa_maps may not be read'], runAs: asRoot() ?? 'a process with CAP_SYS_PTRACE' },
    }
  }
  if (maps === null || numa === null) {
    return { mappings: [], why: { reasons: ['this kernel has no numa_maps (CONFIG_NUMA)'], runAs: null } }
  }
  const ranges = parseMaps(maps.value)
  const pages = parseNumaMaps(numa.value)
  const mappings =
    qemu === null
      ? likelyMappings(memory?.value ?? null, ranges, pages)
      : mappingsOf(blocksOf(sources), 'qmp', ranges, pages)
  if (mappings !== null) return { mappings, why: null }
  const reasons = ['no ranges of its addresses have the sizes of its memory', ...whyNobodySays(sources).reasons]
  return { mappings: [], why: { reasons, runAs: whyNobodySays(sources).runAs } }
}

/** Pieces of QEMU's guest memory: as it says itself, else as its arguments have them. */
function blocksOf({ facts, qemu }: Sources): Block[] {
  const cellOf = (id: string) => qemu?.cells?.find(({ backend }) => backend === id)?.cell ?? null
  const told = facts?.backends
  const policyOf = (id: string) => qemu?.backends.find((backend) => backend.id === id)?.policy ?? null
  if (told) {
    return told.map(({ id, bytes, address }) => ({ id, bytes, address, cell: cellOf(id), policy: policyOf(id) }))
  }
  const backends = qemu?.backends ?? []
  return backends.map(({ id, bytes, policy }) => {
    return { id: id === '' ? null : id, bytes, address: null, cell: cellOf(id), policy }
  })
}

function cellsByArguments({ qemu }: Sources): FoundCell[] | null {
  return qemu?.cells?.map(({ cell, vcpus, memory }) => ({ cell, vcpus, memory })) ?? null
}

function managed({ qemu, domain }: Sources, cgroup: string): FoundVm['manager'] {
  if (domain !== null) return { value: { name: 'libvirt', id: domain.uuid }, source: 'libvirt' }
  if (qemu?.isLibvirt) return { value: { name: 'libvirt', id: qemu.uuid ?? qemu.name ?? '' }, source: 'arguments' }
  return managerOf(cgroup)
}
