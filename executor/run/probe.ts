/** What this system lets the executor do, each asked of the kernel itself. */

import { requirePath } from '../../src/checks.js'
import { parseCpulist } from '../../src/cpulist.js'
import { SyscallError, UnsupportedError } from '../../src/errors.js'
import { BASE_PAGE, Mapping, prefault } from '../ffi/mapping.js'
import { bindMemory } from '../ffi/numa.js'
import { getAffinity, setAffinity } from '../ffi/threads.js'
import { KVM_DEVICE, Kvm } from '../kvm/kvm.js'
import { readText } from '../observe/free-memory.js'
import { residentBytes } from '../observe/residency.js'

/** What this system does not let the executor do. */
export interface Refused {
  /** It cannot be done. */
  readonly usable: false
  /** errno's name where the kernel refused a call (`ENOENT`, `EACCES`, ...), else `unsupported`. */
  readonly code: string
  /** The call and its error, or what is missing. */
  readonly text: string
  /** What to do about it; may be empty. */
  readonly hint: string
}

/** Whether guests can run, and the most vCPUs that KVM gives a VM. */
export type KvmStatus = { readonly usable: true; readonly maxVcpus: number } | Refused
/** Whether memory can be bound, and the node on which that was tried. */
export type MbindStatus = { readonly usable: true; readonly node: number } | Refused
/** Whether threads can be pinned, and the calling thread's CPUs. */
export type AffinityStatus = { readonly usable: true; readonly cpus: readonly number[] } | Refused

/** Whether guests can run: opens the device, checks its version and capabilities, makes a VM and throws it away. */
export function kvmStatus(path: string = KVM_DEVICE): KvmStatus {
  requirePath('path', path)
  return attempt(() => {
    if (process.arch !== 'x64')
      throw new UnsupportedError('KVM', `the guest program is for x86-64, not ${process.arch}`)
    using kvm = Kvm.open(path)
    kvm.createVm().close()
    return { usable: true, maxVcpus: kvm.maxVcpus }
  })
}

/** Whether memory can be bound and its place read back: one page, on the first node that this process may use. */
export function probeMbind(): MbindStatus {
  return attempt(() => {
    const allowed = /^Mems_allowed_list:\s*(\S+)/m.exec(readText('/proc/self/status') ?? '')?.[1]
    if (allowed === undefined) throw new UnsupportedError('mbind', 'this kernel has no NUMA support (CONFIG_NUMA)')
    const node = parseCpulist(allowed)[0]!
    using page = Mapping.anonymous(BASE_PAGE)
    bindMemory(page.address, page.bytes, [node])
    prefault(page.address, page.bytes)
    const found = residentBytes({ address: page.address, bytes: page.bytes, pageSize: BASE_PAGE })
    if (found[node] !== page.bytes) {
      throw new UnsupportedError(
        'mbind',
        `a page bound to node ${node} was found on ${Object.keys(found)[0] ?? 'none'}`,
      )
    }
    return { usable: true, node }
  })
}

/** Whether threads can be pinned: the calling thread's own CPUs, read and set again as they are. */
export function probeAffinity(): AffinityStatus {
  return attempt(() => {
    const cpus = getAffinity(0)
    setAffinity(0, cpus)
    return { usable: true, cpus }
  })
}

function attempt<Status>(ask: () => Status): Status | Refused {
  try {
    return ask()
  } catch (error) {
    if (error instanceof SyscallError) {
      const { call, code, hint } = error
      return { usable: false, code, text: `${call}: ${code}`, hint }
    }
    if (error instanceof UnsupportedError) return { usable: false, code: 'unsupported', text: error.message, hint: '' }
    throw error
  }
}
