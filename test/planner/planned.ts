/** Plans that the verifier agrees with, and what to look at in them. */

import * as assert from 'uvu/assert'
import { plan } from '../../src/plan.js'
import type { Host, Plan } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'

/** The plan of the request with these VMs, 1 GiB each unless they say otherwise. */
export async function planned(host: Host, vms: readonly object[], more: object = {}): Promise<Plan> {
  const request = { ...more, vms: vms.map((vm) => ({ memory: '1GiB', ...vm })) }
  const result = await plan(host, request, { steps: 200 })
  assert.equal(checkPlan(host, request, result), [])
  return result
}

/** The CPUs of each of the VM's vCPUs; of a VM that is refused none. */
export function cpusOf({ vms }: Plan, name: string): string[] {
  return vms.find((vm) => vm.name === name)?.vcpus.map(({ cpus }) => cpus) ?? []
}

/** The nodes of the VM's vCPUs, each once. */
export function nodesOf({ vms }: Plan, name: string): number[] {
  return [...new Set(vms.find((vm) => vm.name === name)?.vcpus.map(({ node }) => node) ?? [])]
}

/** `1: 4, 2: 0.5`: nodes and GiB that the VM's cells have there together. */
export function memoryOf({ vms }: Plan, name: string): string {
  const bytes = new Map<number, number>()
  for (const { memory } of vms.find((vm) => vm.name === name)?.cells ?? []) {
    for (const part of memory) bytes.set(part.node, (bytes.get(part.node) ?? 0) + part.bytes)
  }
  return [...bytes]
    .sort(([a], [b]) => a - b)
    .map(([node, sum]) => `${node}: ${sum / 2 ** 30}`)
    .join(', ')
}

/** The constraints that keep a VM out. */
export function clashOf({ refused }: Plan, name: string): string[] {
  return refused.find((vm) => vm.name === name)?.because.map(({ constraint }) => constraint) ?? []
}

export function changesFor({ refused }: Plan, name: string): string[] {
  return refused.find((vm) => vm.name === name)?.nearest.map(({ change }) => change) ?? []
}
