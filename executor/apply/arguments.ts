/** Arguments of callers without types: errors that name what is none, rather than what the engine stumbles over later. */

import { requireList, requireObject, requireText } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import type { PressureLimit, StateOptions } from './types.js'

export function requireStateOptions(options: unknown): void {
  requireObject('options', options)
  const { state, connect } = options as StateOptions
  requireText('options.state', state)
  requireText('options.connect', connect)
}

/** @throws {InputError} for what is no limit */
export function requirePressure(pressure: PressureLimit | undefined): void {
  if (pressure === undefined) return
  requireObject('options.pressure', pressure)
  const { most, file } = pressure
  if (!(typeof most === 'number' && most >= 0 && most <= 1)) {
    throw new InputError('options.pressure.most', 'a share, 0 to 1', show(most))
  }
  requireText('options.pressure.file', file)
}

/** @throws {InputError} for what was not prepared */
export function requireChanges(changes: unknown): void {
  requireObject('changes', changes)
  const { kind, steps, vms, obstacles, dedicated, partitions } = changes as Record<string, unknown>
  if (kind !== 'Changes') throw new InputError('changes', 'what prepareChanges or prepareUndo returned', show(changes))
  for (const [name, list] of Object.entries({ steps, vms, obstacles, dedicated, partitions })) {
    requireList(`changes.${name}`, list)
    for (const [at, one] of (list as unknown[]).entries()) requireObject(`changes.${name}[${at}]`, one)
  }
}

/** @throws {InputError} for what has no placed VMs */
export function requirePlacedVms(plan: unknown): void {
  requireObject('plan', plan)
  const { vms } = plan as { vms?: unknown }
  requireList('plan.vms', vms)
  for (const [at, vm] of (vms as unknown[]).entries()) {
    requireObject(`plan.vms[${at}]`, vm)
    for (const name of ['vcpus', 'cells', 'iothreads']) {
      requireList(`plan.vms[${at}].${name}`, (vm as Record<string, unknown>)[name])
    }
  }
}
