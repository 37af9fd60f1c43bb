/** /dev/kvm: usable, or what is in its way. */

import type { KvmStatus } from '../../../executor/index.js'
import { type Check, ok, warning } from './check.js'
import type { Probes } from './probes.js'

const WITHOUT = 'No guest can run here; `homenode run` uses pinned threads instead.'
const IN_CONTAINER = 'In a container: start it with --device /dev/kvm.'

export function checkKvm(probes: Probes, status: KvmStatus): Check {
  if (status.usable) return ok('kvm', `/dev/kvm works, up to ${status.maxVcpus} vCPUs a VM`, 'Guests can run.')
  const { code, text, hint } = status
  const refused = (mend: string) => warning('kvm', text, WITHOUT, mend)
  switch (code) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return refused(`${moduleAdvice(probes)} ${IN_CONTAINER}`)
    case 'EACCES':
    case 'EPERM':
      return refused(`${groupAdvice(probes)} In a container: allow the device (--device /dev/kvm).`)
    case 'EBUSY':
      return refused('Another hypervisor (such as VirtualBox) has the virtualization extensions: stop it.')
    case 'unsupported':
      return warning('kvm', text, WITHOUT)
    default:
      return warning('kvm', hint === '' ? text : `${text}: ${hint}`, WITHOUT, 'Ask the kernel: dmesg | grep -i kvm.')
  }
}

/** Membership in the group that distributions give /dev/kvm to. */
export function checkKvmGroup(probes: Probes, status: KvmStatus): Check {
  const gid = kvmGroup(probes)
  const member = gid !== null && probes.groups.includes(gid)
  const found = gid === null ? 'there is no group kvm' : `${member ? '' : 'not '}in group kvm (${gid})`
  if (!status.usable && status.code === 'EACCES' && !member) {
    return warning('kvm-group', found, 'Only root and that group may open /dev/kvm.', groupAdvice(probes))
  }
  return ok(
    'kvm-group',
    found,
    status.usable ? '/dev/kvm opens, so it makes no difference.' : 'This is not what keeps /dev/kvm shut.',
  )
}

function kvmGroup(probes: Probes): number | null {
  const gid = /^kvm:[^:]*:(\d+):/m.exec(probes.readText('/etc/group') ?? '')?.[1]
  return gid === undefined ? null : Number(gid)
}

function groupAdvice(probes: Probes): string {
  if (kvmGroup(probes) === null) return 'Look at who may open it: ls -l /dev/kvm.'
  return 'sudo usermod -aG kvm $USER, then log in anew.'
}

/** The module for this CPU, and what has to be switched on where the CPU shows no virtualization extensions. */
function moduleAdvice(probes: Probes): string {
  if (probes.arch !== 'x64') return 'Use a kernel with CONFIG_KVM, started where it may be a hypervisor (EL2 on Arm).'
  const cpuinfo = probes.readText('/proc/cpuinfo') ?? ''
  const isAmd = /^vendor_id\s*:\s*(AuthenticAMD|HygonGenuine)/m.test(cpuinfo)
  const module = isAmd ? 'kvm_amd' : 'kvm_intel'
  if (probes.list(`/sys/module/${module}`).length > 0)
    return `The module ${module} is loaded, but the device is not here.`
  if (/^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo)) return `sudo modprobe ${module}.`
  const feature = isAmd ? 'AMD-V (SVM)' : 'Intel VT-x'
  return (
    `The CPU shows no virtualization extensions: switch ${feature} on in the firmware or, in a virtual machine, ` +
    `nested virtualization on its host; then sudo modprobe ${module}.`
  )
}
