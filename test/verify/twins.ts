/** A plan that holds and one that breaks a single constraint, on a small host. */

import * as assert from 'uvu/assert'
import type { Host } from '../../src/types.js'
import { checkPlan } from '../../src/verify.js'
import { coresOf, GIB, hostOf, planOf, type VmSpec } from './support.js'

/** Two nodes, on each 2 cores of 2 CPUs: 0-3 on node 0, 4-7 on node 1. */
export const SMT = hostOf({ nodes: { 0: 4, 1: 4 }, cores: coresOf([2, 2], 2) })

export function vm(name: string, vcpus: number, more: object = {}) {
  return { name, vcpus, memory: '1GiB', ...more }
}

export function constraints(host: Host, request: unknown, specs: Record<string, VmSpec>): string[] {
  return checkPlan(host, request, planOf(host, request, specs)).map((finding) => finding.constraint)
}

/** The good plan passes, and the bad one breaks `constraint` and nothing else. */
export function twins(
  constraint: string,
  host: Host,
  vms: readonly object[],
  good: Record<string, VmSpec>,
  bad: Record<string, VmSpec>,
  options: object = {},
): void {
  const request = { ...options, vms }
  assert.equal(checkPlan(host, request, planOf(host, request, good)), [])
  const found = constraints(host, request, bad)
  assert.ok(found.length > 0, `${constraint} is not found`)
  assert.equal([...new Set(found)], [constraint])
}

export const on0 = { 0: GIB }
export const on1 = { 1: GIB }
