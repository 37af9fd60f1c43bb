/**
 * Programs that run guests: how they are told by name, how they name their threads, and what their arguments say.
 * Source: the programs; comm of a program and of a thread is cut at 15 characters
 */

import { basename } from 'node:path'
import type { Vmm } from './types.js'

interface Program {
  readonly vmm: Vmm
  /** The name of the program, and of its main thread. */
  readonly name: RegExp
  /** Threads that run vCPUs, with their numbers. */
  readonly vcpu: RegExp
}

const PROGRAMS: readonly Program[] = [
  { vmm: 'qemu', name: /^(qemu-system-.*|qemu-kvm|kvm)$/, vcpu: /^CPU (\d{1,4})\/(?:KVM|TCG)$/ },
  { vmm: 'cloud-hypervisor', name: /^(cloud-hyperviso|cloud-hypervisor.*)$/, vcpu: /^vcpu(\d{1,4})$/ },
  { vmm: 'firecracker', name: /^firecracker.*$/, vcpu: /^fc_vcpu (\d{1,4})$/ },
  { vmm: 'crosvm', name: /^crosvm.*$/, vcpu: /^crosvm_vcpu(\d{1,4})$/ },
  { vmm: 'kvmtool', name: /^(lkvm.*|kvmtool)$/, vcpu: /^kvm-vcpu-(\d{1,4})$/ },
]

/** By the name of the program, its first argument or its main thread. */
export function vmmByName(names: readonly string[]): Vmm | null {
  const program = PROGRAMS.find(({ name }) => names.some((one) => name.test(basename(one))))
  return program?.vmm ?? null
}

/** The vCPU that a thread of this name runs. */
export function vcpuByName(vmm: Vmm, threadName: string): number | null {
  const number = PROGRAMS.find((program) => program.vmm === vmm)?.vcpu.exec(threadName)?.[1]
  return number === undefined ? null : Number(number)
}

/** By the names of its threads. */
export function vmmByThreads(threadNames: readonly string[]): Vmm | null {
  return PROGRAMS.find(({ vcpu }) => threadNames.some((name) => vcpu.test(name)))?.vmm ?? null
}

/** What the arguments of a VMM other than QEMU say. */
export interface PlainArguments {
  readonly name: string | null
  readonly vcpus: number | null
  readonly memory: number | null
}

/** Source: firecracker --help; cloud-hypervisor --help; crosvm run --help; lkvm run --help */
export function parsePlainArguments(vmm: Vmm, argv: readonly string[]): PlainArguments {
  const after = (...names: string[]) => {
    const at = argv.findIndex((argument) => names.includes(argument.split('=')[0]!))
    const [, inline] = /^[^=]*=(.*)$/s.exec(argv[at] ?? '') ?? []
    return at < 0 ? undefined : (inline ?? argv[at + 1])
  }
  const number = (text: string | undefined) => (text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : null)
  switch (vmm) {
    case 'cloud-hypervisor':
      return {
        name: null,
        vcpus: number(/(?:^|boot=)(\d+)/.exec(after('--cpus') ?? '')?.[1]),
        memory: bytesOf(/(?:^|,)size=(\w+)/.exec(after('--memory') ?? '')?.[1], 1),
      }
    case 'firecracker':
      return { name: after('--id') ?? null, vcpus: null, memory: null }
    case 'crosvm':
      return {
        name: after('--name') ?? null,
        vcpus: number(/(?:^|num-cores=)(\d+)/.exec(after('--cpus', '-c') ?? '')?.[1]),
        memory: bytesOf(/(?:^|size=)(\w+)/.exec(after('--mem', '-m') ?? '')?.[1], 2 ** 20),
      }
    case 'kvmtool':
      return {
        name: after('--name') ?? null,
        vcpus: number(after('--cpus', '-c')),
        memory: bytesOf(after('--mem', '-m'), 2 ** 20),
      }
    default:
      return { name: null, vcpus: null, memory: null }
  }
}

function bytesOf(text: string | undefined, unit: number): number | null {
  const [, digits, suffix] = /^(\d{1,15})([bkmgt])?b?$/i.exec(text ?? '') ?? []
  if (digits === undefined) return null
  const bytes = Number(digits) * (suffix === undefined ? unit : 1024 ** 'bkmgt'.indexOf(suffix.toLowerCase()))
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null
}
