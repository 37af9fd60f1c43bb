/** What a VM can be made with, as it comes from a caller who may have no types. */

import {
  requireBoolean,
  requireCallback,
  requireNumber,
  requireObject,
  requireOneOf,
  requireSignal,
  requireText,
} from '../../src/checks.js'
import type { VmOptions } from './vm.js'

/** @throws {InputError} that names the option */
export function requireVmOptions(options: VmOptions): void {
  requireObject('options', options)
  const { memory, scheduling, relaxed, irqchip, trust, signal, onProgress } = options
  requireBoolean('relaxed', relaxed)
  requireBoolean('irqchip', irqchip)
  requireText('trust', trust)
  requireSignal('signal', signal)
  requireCallback('onProgress', onProgress)
  if (memory !== undefined) {
    requireObject('memory', memory)
    requireOneOf('memory.policy', memory.policy, ['strict', 'preferred', 'interleave'])
    requireBoolean('memory.transparentHugePages', memory.transparentHugePages)
    requireBoolean('memory.shared', memory.shared)
    requireNumber('memory.address', memory.address)
  }
  if (scheduling !== undefined) {
    requireObject('scheduling', scheduling)
    requireNumber('scheduling.realtime', scheduling.realtime)
    requireNumber('scheduling.nice', scheduling.nice)
    requireOneOf('scheduling.core', scheduling.core, ['available', 'required', 'off'])
  }
}
