/** The kernel, Node, privileges, cgroups: what is asked without a topology. */

import type { MbindStatus } from '../../../executor/index.js'
import { type Check, ok, problem, warning } from './check.js'
import type { Probes } from './probes.js'

const LEAST_NODE = 20
/** MADV_POPULATE_WRITE and KVM_GET_STATS_FD. */
const FULL_KERNEL: readonly [number, number] = [5, 14]

export function checkNodeJs({ nodeVersion }: Probes): Check {
  const major = Number.parseInt(nodeVersion, 10)
  if (major >= LEAST_NODE) return ok('nodejs', `Node.js ${nodeVersion}`, 'New enough.')
  return problem(
    'nodejs',
    `Node.js ${nodeVersion}`,
    `homenode needs ${LEAST_NODE} or later.`,
    'Install a later Node.js.',
  )
}

export function checkKernel({ platform, kernelRelease, arch }: Probes): Check {
  const found = `${platform === 'linux' ? 'Linux' : platform} ${kernelRelease} on ${arch}`
  if (platform !== 'linux') {
    const elsewhere = 'plan and check work with --host and --synthetic; nothing can be run or detected here.'
    return problem('kernel', found, `Not Linux: ${elsewhere}`, 'Use Linux.')
  }
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10))
  const [fullMajor, fullMinor] = FULL_KERNEL
  if (major > fullMajor || (major === fullMajor && minor >= fullMinor)) return ok('kernel', found, 'New enough.')
  const means = `Before ${FULL_KERNEL.join('.')} memory is prefaulted by writing to each page, and KVM gives no statistics.`
  return warning('kernel', found, means, 'Use a later kernel.')
}

export function checkMbind(status: MbindStatus): Check {
  if (status.usable) {
    return ok(
      'mbind',
      `a page bound to node ${status.node} was found there`,
      'Guest memory can be bound to nodes and read back.',
    )
  }
  const means = 'Memory cannot be bound to nodes: nothing that a plan says about memory could be carried out.'
  const inContainer = 'In a container: add --cap-add SYS_NICE, or a seccomp profile that allows mbind and move_pages.'
  const mend = status.code === 'EPERM' ? inContainer : status.hint
  return problem('mbind', status.text, means, mend === '' ? undefined : mend)
}

/** Source: capabilities(7); CAP_SYS_NICE is bit 23 of CapEff. */
export function checkCapSysNice(probes: Probes): Check {
  const effective = /^CapEff:\s*([\da-f]+)$/m.exec(probes.readText('/proc/self/status') ?? '')?.[1]
  const id = 'cap-sys-nice'
  if (effective === undefined) return ok(id, 'unknown', 'This system does not show capabilities.')
  if ((BigInt(`0x${effective}`) >> 23n) & 1n) {
    return ok(id, 'held', "Threads and memory of other users' guests can be moved too.")
  }
  return warning(
    id,
    'not held',
    '`homenode run` works without it (unless mbind is denied, see there); guests of other users cannot be moved.',
    'Run as root, or in a container add --cap-add SYS_NICE.',
  )
}

export function checkCgroup(probes: Probes): Check {
  const controllers = probes.readText('/sys/fs/cgroup/cgroup.controllers')
  if (controllers === null) {
    const v1 = probes.list('/sys/fs/cgroup').includes('cpuset')
    const found = v1 ? 'cgroup v1' : 'no cgroup file system at /sys/fs/cgroup'
    const means =
      'Pinning and binding work, within the cpuset; memory limits are not seen, and guests not fenced in by cpusets.'
    return warning('cgroup', found, means, 'Boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2.')
  }
  const own = /^0::(.*)$/m.exec(probes.readText('/proc/self/cgroup') ?? '')?.[1] ?? '/'
  const found = `cgroup v2, this process in ${own}`
  if (controllers.split(/\s+/).includes('cpuset')) return ok('cgroup', found, 'The cpuset controller is there.')
  return warning(
    'cgroup',
    `${found}, without the cpuset controller`,
    'Guests can be pinned and bound, but not fenced in by a cpuset.',
    'Use a kernel with CONFIG_CPUSETS; where it is tied to cgroup v1, boot with cgroup_no_v1=cpuset.',
  )
}
