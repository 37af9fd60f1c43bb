/** Reads the counters of all VMs and of the host, again and again, at little cost. */

import { asRoot, Files } from '../found/files.js'
import type { FindOptions } from '../found/find.js'
import { type Mount, parseMountinfo } from '../found/procfs.js'
import type { FoundVm, Missing } from '../found/types.js'
import { Census } from './census.js'
import { HostMeter } from './host.js'
import { KeptFiles } from './kept-files.js'
import { MemoryWalks } from './memory.js'
import type { Reading } from './types.js'
import { VmMeter } from './vm.js'

/** How a `Meter` looks. */
export interface MeterOptions extends Pick<FindOptions, 'connect' | 'ask' | 'root'> {
  /** Whether it is looked where the VMs' memory is, which is rationed; by default it is. */
  readonly memory?: boolean
}

/** vCPUs whose details are read at a time. */
const DETAILS_AT_ONCE = 64

/**
 * Counters of all VMs that run here, and of the host's nodes. Files stay open from one reading to the next.
 * @example
 * ```ts
 * import { Meter, ratesBetween } from 'homenode/executor'
 *
 * using meter = await Meter.open()
 * const before = await meter.read()
 * await new Promise((resolve) => setTimeout(resolve, 1000))
 * const { vms, host } = ratesBetween(before, await meter.read())
 * for (const { vm, use, delay } of vms) console.log(`${vm.name.value}: ${use} CPUs, waited for ${delay}`)
 * for (const { node, use } of host.nodes) console.log(`node ${node}: ${use} of its CPUs are busy`)
 * ```
 */
export class Meter implements Disposable {
  readonly #files: Files
  readonly #kept: KeptFiles
  readonly #census: Census
  readonly #host: HostMeter
  readonly #walks: MemoryWalks | null
  readonly #vms = new Map<number, VmMeter>()
  #mounts: readonly Mount[] = []

  private constructor(options: MeterOptions) {
    const { root, memory = true, ...how } = options
    this.#files = new Files(root)
    this.#kept = new KeptFiles(root)
    this.#census = new Census(root === undefined ? how : { ...how, root })
    this.#host = new HostMeter(this.#kept, root)
    this.#walks = memory ? new MemoryWalks(root) : null
  }

  /**
   * Looks which VMs there are.
   * @throws {UnsupportedError} as `findVms` does
   */
  static async open(options: MeterOptions = {}): Promise<Meter> {
    const meter = new Meter(options)
    try {
      await meter.#follow(await meter.#census.all())
      return meter
    } catch (error) {
      meter.close()
      throw error
    }
  }

  /** All counters, as of now. VMs that have ended are not among them any more, those that came are. */
  async read(): Promise<Reading> {
    await this.#follow(await this.#census.update([...this.#vms.values()].map((one) => one.known())))
    const meters = [...this.#vms.values()].sort((a, b) => a.vm.pid - b.vm.pid)
    await this.#walks?.next(meters.map(({ vm, residentPages }) => ({ pid: vm.pid, residentPages })))
    for (const meter of whoseTurn(meters)) meter.readDetails()
    const at = performance.now()
    const vms = meters.map((meter) => meter.read(this.#walks?.of(meter.vm.pid) ?? null))
    return { at, host: this.#host.read(), vms, missing: this.#missing(meters) }
  }

  async #follow(vms: readonly FoundVm[]): Promise<void> {
    const fresh = new Map(vms.map((vm) => [vm.pid, vm]))
    for (const [pid, meter] of this.#vms) {
      if (fresh.get(pid) === meter.vm) continue
      meter.close()
      this.#vms.delete(pid)
    }
    const added = vms.filter(({ pid }) => !this.#vms.has(pid))
    if (added.length > 0) this.#mounts = parseMountinfo(this.#files.textOr('', '/proc/self/mountinfo'))
    for (const vm of added) {
      this.#vms.set(vm.pid, await VmMeter.open({ files: this.#files, kept: this.#kept, mounts: this.#mounts }, vm))
    }
  }

  #missing(meters: readonly VmMeter[]): readonly Missing[] {
    const refused = meters.filter(({ vm }) => this.#walks?.isRefused(vm.pid) === true).length
    const kvm = meters.filter((meter) => meter.isKvmRefused).length
    const say = (count: number, what: string, why: string): Missing[] =>
      count === 0 ? [] : [{ what: `${what} of ${count} of ${meters.length} VMs`, why, runAs: asRoot() }]
    return [
      ...this.#census.missing,
      ...say(refused, 'the memory', 'their numa_maps cannot be read'),
      ...say(kvm, 'the exits', 'neither their descriptors nor debugfs may be read'),
    ]
  }

  /** Closes all files; again: nothing. */
  close(): void {
    for (const meter of this.#vms.values()) meter.close()
    this.#vms.clear()
    this.#kept.close()
  }

  /** `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

/** Those that wait longest for their details to be read, one at least. */
function whoseTurn(meters: readonly VmMeter[]): readonly VmMeter[] {
  let vcpus = 0
  return [...meters]
    .sort((a, b) => a.detailsAt - b.detailsAt)
    .filter(({ vm }) => {
      const isIn = vcpus < DETAILS_AT_ONCE
      vcpus += vm.vcpus.length
      return isIn
    })
}
