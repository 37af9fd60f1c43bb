/** What the tests of `AccelKvm` have in common. */

import { readFileSync } from 'node:fs'
import type { AccelKvm, AccelKvmOptions, CpuTopology } from '../../../executor/accel/index.js'
import type { Host, HostCpu } from '../../../src/types.js'
import { cpus, MiB, nodes } from '../plans.js'
import { accel } from '../vms.js'

export const [cpu, otherCpu] = [cpus[0]!, cpus.at(-1)!]
export const node = nodes[0]!
/** Where the program and the page tables of `accelWith` are. */
export const LOW = { node, size: MiB, gpa: 0 } as const

/** A guest with a program at 4 KiB, which each vCPU is about to start in 64-bit mode, and 1 MiB at 0. */
export async function accelWith(
  code: Uint8Array,
  registers: Readonly<Record<string, bigint>> = {},
  { vcpus = [0], ...options }: AccelKvmOptions & { readonly vcpus?: readonly number[] } = {},
): Promise<AccelKvm> {
  const guest = new accel.AccelKvm(options)
  await guest.init()
  guest.enableNuma([node])
  await guest.setupNumaMemory(LOW)
  for (const id of vcpus) await guest.createVcpu(id)
  const { entry } = await guest.load(code, 0x1000)
  for (const id of vcpus) guest.vcpu(id).startInLongMode(entry, registers)
  return guest
}

/** A field of a vCPU's thread in procfs. */
export function statusOf(guest: AccelKvm, vcpu: number, field: string): string {
  const status = readFileSync(`/proc/self/task/${guest.getVcpuThread(vcpu)}/status`, 'utf8')
  return new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(status)![1]!
}

/** CPUs that the kernel lets a vCPU's thread use. */
export function allowedOf(guest: AccelKvm, vcpu: number): string {
  return statusOf(guest, vcpu, 'Cpus_allowed_list')
}

/** The nice value of a vCPU's thread: field 19 of its `stat`; the second one is in parentheses. */
export function niceOf(guest: AccelKvm, vcpu: number): number {
  const stat = readFileSync(`/proc/self/task/${guest.getVcpuThread(vcpu)}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
}

/** This machine's host, with something else in it. */
export function topologyWith(change: (host: Host) => Partial<Host>): CpuTopology {
  const { host } = accel.CpuTopology.detectSync()
  return accel.CpuTopology.of({ ...host, ...change(host) })
}

/** As if the last CPU were alone on a node of its own, 7, which has memory. */
export function twoNodes(): CpuTopology {
  return topologyWith(({ cpus: all, nodes: found }) => ({
    nodes: [found[0]!, { ...found[0]!, id: 7 }],
    distances: [
      [10, 21],
      [21, 10],
    ],
    cpus: all.map((each): HostCpu => ({ ...each, node: each.id === otherCpu ? 7 : found[0]!.id })),
  }))
}
