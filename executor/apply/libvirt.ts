/** A domain of libvirt, changed through libvirt, so that virsh and its next start agree. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { UnsupportedError } from '../../src/errors.js'
import type { DomainThread, LibvirtDomain } from '../ffi/libvirt-domain.js'
import { type DomainState, NUMA_MODES, type NumaMode, type Pins } from './domain-state.js'
import { pinsIn, shapeOf, withPins } from './domain-xml.js'

const SYSTEM = 'qemu:///system'
/** What a config is told that said nothing of nodes: of this mode alone libvirt can change them while the domain runs. */
const NEW_MODE: NumaMode = 'restrictive'
const RESTRICTIVE_ONLY = 'libvirt changes the nodes of a running domain in the mode "restrictive" only'
const NOT_RUNNING = 'the domain does not run'

/**
 * @param connect the daemon's URI; without it the system's
 * @throws {UnsupportedError} where the library is not installed, the daemon is not there or lets nothing be changed, or has no
 * such domain that runs
 */
export async function openDomain(uuid: string, connect: string | undefined): Promise<Domain> {
  const { LibvirtDomain } = await import('../ffi/libvirt-domain.js')
  const domain = new LibvirtDomain(connect ?? SYSTEM, uuid)
  try {
    if (!domain.isActive) throw new UnsupportedError('libvirt', NOT_RUNNING)
    // A daemon that lets its client only read shows no secrets.
    domain.xml('config')
    return new Domain(domain, uuid, connect ?? null)
  } catch (error) {
    domain.close()
    throw error
  }
}

/** Each call waits for the daemon, some ms, and throws `UnsupportedError` with libvirt's words where it refuses or is gone. */
export class Domain implements Disposable {
  readonly #domain: LibvirtDomain
  readonly #uuid: string
  readonly #uri: string | null

  constructor(domain: LibvirtDomain, uuid: string, uri: string | null) {
    this.#domain = domain
    this.#uuid = uuid
    this.#uri = uri
  }

  /** @param config whether to read the config, too, so that `restore` brings it back */
  state(config: boolean): DomainState {
    this.#requireActive()
    const own = config && this.#domain.isPersistent ? pinsIn(this.#domain.xml('config')) : null
    return { uuid: this.#uuid, uri: this.#uri, id: this.#domain.id, live: this.#live(), config: own }
  }

  /** Who can move its memory to these nodes: `kernel` where libvirt keeps no cpuset to nodes; or why nobody can. */
  memoryWay(nodes: readonly number[]): 'kernel' | 'libvirt' | { readonly why: string } {
    this.#requireActive()
    const { numatune } = this.#live()
    if (numatune?.mode === 'restrictive') return 'libvirt'
    if (numatune?.mode !== 'strict') return 'kernel'
    const own = parseCpulist(numatune.nodes ?? '', { allowEmpty: true })
    if (nodes.every((node) => own.includes(node))) return 'kernel'
    return { why: `its numatune is strict, nodes ${numatune.nodes ?? 'of its own choice'}: ${RESTRICTIVE_ONLY}` }
  }

  /** Why its config cannot be told of pins and these nodes (none: of pins alone); `null`: it can. */
  whyNoConfig(nodes: readonly number[]): string | null {
    if (!this.#domain.isPersistent) return 'it is transient: it has no config'
    const xml = this.#domain.xml('config')
    if (nodes.length === 0) return null
    if (shapeOf(xml).hasMemnodes) return 'its config has nodes for each guest node (memnode)'
    const several = nodes.length > 1 && pinsIn(xml).numatune?.mode === 'preferred'
    return several ? "its config's numatune is preferred, which takes one node" : null
  }

  /** Pins a thread, now. */
  pin(thread: DomainThread, cpus: string): void {
    this.#domain.pin(thread, parseCpulist(cpus), 'live')
  }

  /**
   * Says which nodes its memory has to be on, now. Only in the mode `restrictive`: of a domain without nodes libvirt would make a
   * strict one that can never be changed again.
   */
  setNodes(nodes: readonly number[]): void {
    if (this.#live().numatune?.mode === 'restrictive') this.#domain.setNumaNodes(formatCpulist(nodes), 'live')
  }

  /**
   * Gives its config the pins that it has now, so that it starts with them, and these nodes, where there are any. Threads that nobody has
   * pinned stay out of it.
   */
  saveConfig(nodes: readonly number[]): void {
    const now = pinsIn(this.#domain.xml('live'))
    for (const [thread, cpus] of threadPins(now)) this.#domain.pin(thread, parseCpulist(cpus), 'config')
    if (nodes.length === 0) return
    const isNew = pinsIn(this.#domain.xml('config')).numatune === null
    this.#domain.setNumaNodes(formatCpulist(nodes), 'config', isNew ? NUMA_MODES.indexOf(NEW_MODE) : null)
  }

  /** Whether it is as `state` has it. */
  isLike({ id, live, config }: DomainState): boolean {
    const now = this.state(config !== null)
    return JSON.stringify([now.id, now.live, now.config]) === JSON.stringify([id, live, config])
  }

  /** Brings its threads back to where `state` has them now. @returns what could not be, and why, as sentences */
  restorePins({ id, live }: DomainState): string[] {
    if (!this.#domain.isActive || this.#domain.id !== id)
      return ['it has been started anew since, with the pins of its config']
    const now = new Map(threadPins(this.#live()).map(([thread, cpus]) => [nameOf(thread), cpus]))
    const apart = threadPins(live).filter(([thread, cpus]) => now.get(nameOf(thread)) !== cpus)
    return apart.flatMap(([thread, cpus]) => attempt(nameOf(thread), () => this.pin(thread, cpus)))
  }

  /** Brings back all that `state` has. @returns what could not be, and why, as sentences */
  restore(state: DomainState): string[] {
    const failed = this.restorePins(state)
    const isSame = this.#domain.isActive && this.#domain.id === state.id
    return [...failed, ...(isSame ? this.#restoreNodes(state.live) : []), ...this.#restoreConfig(state.config)]
  }

  /** Gives the connection back; again: nothing. */
  close(): void {
    this.#domain.close()
  }

  /** `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }

  #requireActive(): void {
    if (!this.#domain.isActive) throw new UnsupportedError('libvirt', NOT_RUNNING)
  }

  #live(): Pins {
    const xml = this.#domain.xml('live')
    const { numatune } = pinsIn(xml)
    const vcpus = this.#domain.vcpuPins(shapeOf(xml).vcpus)
    return {
      vcpus: vcpus.map((cpus, vcpu) => ({ vcpu, cpus: formatCpulist(cpus) })),
      emulator: formatCpulist(this.#domain.emulatorPin()),
      iothreads: this.#domain.ioThreads().map(({ number, cpus }) => ({ id: number, cpus: formatCpulist(cpus) })),
      numatune: numatune === null ? null : { ...numatune, nodes: this.#domain.numaNodes() || null },
    }
  }

  #restoreNodes({ numatune: was }: Pins): string[] {
    const is = this.#live().numatune
    if (was?.mode !== is?.mode) {
      return [`its numatune is ${is?.mode ?? 'none'}, was ${was?.mode ?? 'none'}: ${RESTRICTIVE_ONLY}`]
    }
    const nodes = was?.nodes ?? ''
    if (nodes === '' || nodes === is?.nodes) return []
    return attempt('numatune', () => this.#domain.setNumaNodes(nodes, 'live'))
  }

  /** By a new definition: libvirt has no other way to take a pin away. All else in it is as it is now. */
  #restoreConfig(before: Pins | null): string[] {
    if (before === null) return []
    if (!this.#domain.isPersistent) return ['it has no config any more']
    const xml = this.#domain.xml('config')
    if (JSON.stringify(pinsIn(xml)) !== JSON.stringify(before)) this.#domain.define(withPins(xml, before))
    return []
  }
}

/** Of each thread that has a pin. */
function threadPins({ vcpus, emulator, iothreads }: Pins): [DomainThread, string][] {
  return [
    ...vcpus.map(({ vcpu, cpus }): [DomainThread, string] => [{ role: 'vcpu', number: vcpu }, cpus]),
    ...(emulator === null ? [] : [[{ role: 'emulator' }, emulator] satisfies [DomainThread, string]]),
    ...iothreads.map(({ id, cpus }): [DomainThread, string] => [{ role: 'iothread', number: id }, cpus]),
  ]
}

/** @returns why it failed, as a sentence */
function attempt(what: string, change: () => void): string[] {
  try {
    change()
    return []
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : error}`]
  }
}

function nameOf(thread: DomainThread): string {
  if (thread.role === 'emulator') return 'the emulator'
  return `${thread.role === 'vcpu' ? 'vCPU' : 'I/O thread'} ${thread.number}`
}
