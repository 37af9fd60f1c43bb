/** Found VMs from callers without types: errors that name what is none, rather than what the engine stumbles over later. */

import { requireList, requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'

const LISTS = ['vcpus', 'iothreads', 'emulator', 'unknownThreads', 'mappings', 'cgroups', 'missing']

/** @throws {InputError} for what is no VM as `findVms` returns them */
export function requireFoundVm(where: string, vm: unknown): void {
  requireObject(where, vm)
  const found = vm as Record<string, unknown>
  const { value } = (found.name ?? {}) as { value?: unknown }
  if (Number.isSafeInteger(found.pid) && typeof value === 'string' && LISTS.every((name) => Array.isArray(found[name])))
    return
  throw new InputError(where, 'a VM that findVms returned', show(vm))
}

/** @throws {InputError} for what is no list of VMs */
export function requireFoundVms(where: string, vms: unknown): void {
  requireList(where, vms)
  for (const [at, vm] of (vms as unknown[]).entries()) requireFoundVm(`${where}[${at}]`, vm)
}

/** @throws {InputError} for what `findVms` does not return */
export function requireFound(found: unknown): void {
  requireObject('found', found)
  requireFoundVms('found.vms', (found as { vms?: unknown }).vms)
}
