/** What `doctor` asks of this system. Tests answer in its place. */

import { readdirSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { FoundVm } from '../../../executor/found/types.js'
import type { AffinityStatus, KvmStatus, MbindStatus } from '../../../executor/index.js'
import { detectHost } from '../../topology/node-fs.js'
import type { Host } from '../../types.js'
import { runningGuests } from '../guests.js'

/** The executor's own tries, each of which asks the kernel. */
export interface ExecutorProbes {
  kvm(): KvmStatus
  mbind(): MbindStatus
  affinity(): AffinityStatus
}

export interface Probes {
  readonly platform: string
  readonly arch: string
  /** Without the `v`. */
  readonly nodeVersion: string
  /** The kernel's release, such as `6.1.0-18-amd64`. */
  readonly kernelRelease: string
  /** Numbers of the groups that this process is in. */
  readonly groups: readonly number[]
  /** A file's text; `null` where it does not exist or may not be read. */
  readText(path: string): string | null
  /** The names in a directory; none where it cannot be read. */
  list(path: string): readonly string[]
  /** The VMs that run here, by procfs. */
  guests(): Promise<readonly FoundVm[]>
  /** @throws where there is no topology to be read */
  host(): Promise<Host>
  /** @throws where koffi cannot be loaded */
  executor(): Promise<ExecutorProbes>
}

export function systemProbes(): Probes {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    kernelRelease: release(),
    groups: [...new Set([...(process.getgroups?.() ?? []), ...(process.getegid ? [process.getegid()] : [])])],
    readText: (path) => orElse(null, () => readFileSync(path, 'utf8')),
    list: (path) => orElse([], () => readdirSync(path)),
    guests: runningGuests,
    host: detectHost,
    executor: async () => {
      const { kvmStatus, probeAffinity, probeMbind } = await import('../../../executor/index.js')
      return { kvm: kvmStatus, mbind: probeMbind, affinity: probeAffinity }
    },
  }
}

function orElse<Value>(fallback: Value, read: () => Value): Value {
  try {
    return read()
  } catch {
    return fallback
  }
}
