/** VMs that libvirt manages, in changes: who pins and who moves, what stands in the way, and the calls in their order. */

import { parseCpulist } from '../../src/cpulist.js'
import { UnsupportedError } from '../../src/errors.js'
import type { FoundVm } from '../found/types.js'
import { type DomainState, ioThreadNumber } from './domain-state.js'
import type { Draft } from './draft.js'
import type { Domain } from './libvirt.js'
import type { Cpusets } from './obstacles.js'
import { giveCpus, isWithin, union } from './threads.js'
import type { ChangedDomain, ChangedVm, Obstacle, ThreadChange } from './types.js'
import type { UndoVm } from './undo-file.js'

/** What libvirt makes of a draft. */
export interface DomainDraft {
  readonly domain: ChangedDomain
  readonly obstacles: readonly Obstacle[]
}

/** libvirt's library and a reader of XML are loaded when they are wanted, and not before. */
async function openDomain(uuid: string, connect: string | undefined): Promise<Domain> {
  return (await import('./libvirt.js')).openDomain(uuid, connect)
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

/** A domain changes its cpusets itself. */
export const NO_CPUSETS: Cpusets = { changes: [], obstacles: [] }

/** `null`: it is not libvirt's. Marks the draft's steps as libvirt's where it is. */
export async function domainOf(vm: FoundVm, draft: Draft, connect: string | undefined): Promise<DomainDraft | null> {
  if (vm.manager?.value.name !== 'libvirt') return null
  draft.through = 'libvirt'
  const iothreads = vm.iothreads.map(({ id }) => ioThreadNumber(id))
  const base = { uuid: vm.manager.value.id, uri: connect ?? null, iothreads, nodes: null, back: null }
  if (!UUID.test(base.uuid)) {
    return { domain: base, obstacles: [left(draft, 'it is a domain of libvirt whose UUID is not known: run as root')] }
  }
  return asked(draft, base, (domain) => {
    if (!draft.movesMemory) return { domain: base, obstacles: [] }
    const { from, to } = draft.nodes()
    const way = domain.memoryWay(parseCpulist(to))
    const mems = vm.cgroups[0]?.mems ?? to
    if (typeof way === 'object') return { domain: base, obstacles: [left(draft, way.why, `nodes ${to}`)] }
    const between = way === 'libvirt' ? union(from, to) : null
    const changed = { ...base, nodes: { between, to } }
    if (way === 'libvirt') return { domain: changed, obstacles: [] }
    const why = `its cgroup has nodes ${mems}, and libvirt has not set them`
    return { domain: changed, obstacles: isWithin(to, mems) ? [] : [left(draft, why, `nodes ${to}`)] }
  })
}

/** As `domainOf`, on the way back; a step without changes is added where libvirt alone has something to bring back. */
export async function domainBack(
  { domain: back }: UndoVm,
  draft: Draft,
  connect: string | undefined,
): Promise<DomainDraft | null> {
  if (back === null) return null
  draft.through = 'libvirt'
  const base = { uuid: back.uuid, uri: back.uri ?? connect ?? null, iothreads: [], nodes: null, back }
  return asked(draft, base, (domain) => {
    if (draft.steps.length === 0 && !domain.isLike(back)) draft.touch(1)
    const now = domain.state(false).live.numatune
    const was = back.live.numatune
    const isFree = now?.mode === 'restrictive' && was?.mode === 'restrictive'
    const to = was?.nodes ?? ''
    const nodes = isFree && draft.movesMemory && to !== '' ? { between: union(now.nodes ?? '', to), to } : null
    return { domain: { ...base, nodes }, obstacles: [] }
  })
}

async function asked(draft: Draft, domain: ChangedDomain, ask: (open: Domain) => DomainDraft): Promise<DomainDraft> {
  try {
    using open = await openDomain(domain.uuid, domain.uri ?? undefined)
    return ask(open)
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    return { domain, obstacles: [left(draft, error.message)] }
  }
}

function left({ vm: { vm } }: Draft, why: string, what = 'all of it'): Obstacle {
  return { vm, what, why, left: true }
}

/** A domain while changes to it are carried out. Each call throws `UnsupportedError` with libvirt's words. */
export class OpenDomain implements Disposable {
  readonly #domain: Domain
  readonly #changed: ChangedDomain
  readonly #pid: number

  /** As it was when it was opened, for the undo file. */
  readonly before: DomainState

  /** @param config whether its config is to be changed, too */
  static async open(pid: number, changed: ChangedDomain, config: boolean): Promise<OpenDomain> {
    const domain = await openDomain(changed.uuid, changed.uri ?? undefined)
    try {
      return new OpenDomain(domain, changed, pid, config)
    } catch (error) {
      domain.close()
      throw error
    }
  }

  private constructor(domain: Domain, changed: ChangedDomain, pid: number, config: boolean) {
    this.#domain = domain
    this.#changed = changed
    this.#pid = pid
    this.before = domain.state(config)
  }

  /** Why its config cannot be told; `null`: it can. */
  whyNoConfig(): string | null {
    return this.#domain.whyNoConfig(this.#nodes())
  }

  /** Lets its memory be on both sides. */
  widen(): void {
    const { nodes } = this.#changed
    if (nodes !== null && nodes.between !== null) this.#domain.setNodes(parseCpulist(nodes.between))
  }

  /** Pins threads; those that libvirt has no call for get their CPUs from the kernel. @returns how many changed */
  pin(threads: readonly ThreadChange[]): number {
    const { back, iothreads } = this.#changed
    if (back !== null) this.#fail(this.#domain.restorePins(back))
    else {
      for (const { role, number, to } of threads) {
        if (role === 'vcpu') this.#domain.pin({ role, number: number! }, to)
        const iothread = role === 'iothread' ? (iothreads[number!] ?? null) : null
        if (iothread !== null) this.#domain.pin({ role: 'iothread', number: iothread }, to)
      }
      const emulator = union(...threads.filter(({ role }) => role === 'emulator').map(({ to }) => to))
      if (emulator !== '') this.#domain.pin({ role: 'emulator' }, emulator)
    }
    for (const thread of threads) giveCpus(this.#pid, thread, thread.to)
    return threads.length
  }

  /** When threads and memory are there. */
  finish(config: boolean): void {
    const { back } = this.#changed
    if (back !== null) this.#fail(this.#domain.restore(back))
    else this.#keep(config)
  }

  #keep(config: boolean): void {
    const { nodes } = this.#changed
    if (nodes !== null && nodes.between !== null) this.#domain.setNodes(this.#nodes())
    if (config && this.whyNoConfig() === null) this.#domain.saveConfig(this.#nodes())
  }

  [Symbol.dispose](): void {
    this.#domain.close()
  }

  /** Where its memory is in the end; none where it does not move. */
  #nodes(): number[] {
    return parseCpulist(this.#changed.nodes?.to ?? '', { allowEmpty: true })
  }

  #fail(sentences: readonly string[]): void {
    if (sentences.length > 0) throw new UnsupportedError('libvirt', sentences.join('; '))
  }
}

/** All domains of changes. */
export class OpenDomains implements Disposable {
  readonly #open = new Map<number, OpenDomain>()
  /** Why some could not be opened, by the pid of their VM. */
  readonly failed = new Map<number, string>()
  /** What is known beforehand of their configs. */
  readonly obstacles: Obstacle[] = []

  /** @param config whether configs are to be changed, too */
  static async of(vms: readonly ChangedVm[], config: boolean): Promise<OpenDomains> {
    const domains = new OpenDomains()
    for (const { vm, pid, domain } of vms) {
      if (domain === null) continue
      try {
        const open = await OpenDomain.open(pid, domain, config)
        domains.#open.set(pid, open)
        const why = config && domain.back === null ? open.whyNoConfig() : null
        if (why !== null) domains.obstacles.push({ vm, what: 'its config', why, left: false })
      } catch (error) {
        if (!(error instanceof UnsupportedError)) throw error
        domains.failed.set(pid, error.message)
      }
    }
    return domains
  }

  /** By the pid of its VM. */
  get(pid: number): OpenDomain | undefined {
    return this.#open.get(pid)
  }

  [Symbol.dispose](): void {
    for (const domain of this.#open.values()) domain[Symbol.dispose]()
  }
}
