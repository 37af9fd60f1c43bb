/** Domains of libvirt, by the UUID that their QEMU has in its arguments. */

import { managerOf } from './cgroups.js'
import type { Domain } from './domain-xml.js'
import type { Files } from './files.js'
import type { VmProcess } from './processes.js'
import { parseCgroup } from './procfs.js'
import type { QemuArguments } from './qemu-arguments.js'

export interface Domains {
  readonly byUuid: ReadonlyMap<string, Domain>
  /** Why libvirt says nothing; `null` where it does, or was not asked. */
  readonly why: string | null
}

const SYSTEM = 'qemu:///system'
/** Of the monolithic daemon, and of the one for QEMU. */
const SOCKETS = ['/run/libvirt/libvirt-sock-ro', '/run/libvirt/virtqemud-sock-ro']

/** Whether a QEMU bears libvirt's marks. */
export function isLibvirts(files: Files, { pid }: VmProcess, qemu: QemuArguments | null): boolean {
  if (qemu === null) return false
  if (qemu.isLibvirt) return true
  const paths = parseCgroup(files.textOr('', `/proc/${pid}/cgroup`)).map(({ path }) => path)
  return paths.some((path) => managerOf(path)?.value.name === 'libvirt')
}

/**
 * @param connect the URI; without it the system's daemon is asked, where there is one
 * @throws {UnsupportedError} where `connect` was given and cannot be had
 */
export async function domainsOf(files: Files, connect: string | undefined): Promise<Domains> {
  if (connect === undefined && !SOCKETS.some((path) => files.isSocket(path))) {
    return { byUuid: new Map(), why: "libvirt's daemon does not run here" }
  }
  try {
    // koffi, libvirt's library and a reader of XML are loaded here and not before.
    const { runningDomains } = await import('../ffi/libvirt.js')
    const { parseDomain } = await import('./domain-xml.js')
    const domains = runningDomains(connect ?? SYSTEM).flatMap((xml) => parseDomain(xml) ?? [])
    return { byUuid: new Map(domains.map((domain) => [domain.uuid, domain])), why: null }
  } catch (error) {
    if (connect !== undefined) throw error
    return { byUuid: new Map(), why: error instanceof Error ? error.message : String(error) }
  }
}
