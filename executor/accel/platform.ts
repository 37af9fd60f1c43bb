/**
 * The system under the API. Only Linux has the calls that pin threads and bind memory; elsewhere each such call says that
 * it did nothing, and why.
 */

import { requireObject } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'

/** What a call did: the kernel has it so, or why not. */
export type Effect = { readonly enforced: true } | { readonly enforced: false; readonly reason: string }

/** The system under the API: replaced in tests. */
export interface Platform {
  /** As `process.platform`: `linux`, `darwin`, ... */
  readonly name: NodeJS.Platform | string
  /** How a warning reaches people. */
  warn(text: string): void
}

/** The second argument of what can be made for another platform. */
export interface PlatformOptions {
  /** Default: the one that this runs on. */
  readonly platform?: Platform
}

/** The platform that this runs on; it warns as Node does (`process.on('warning')`). */
export const currentPlatform: Platform = {
  name: process.platform,
  warn: (text) => process.emitWarning(text),
}

export const ENFORCED: Effect = { enforced: true }

/** @throws {InputError} for what is there and is no platform */
export function requirePlatform(platform: unknown): void {
  if (platform === undefined) return
  requireObject('platform', platform)
  const { name, warn } = platform as Record<string, unknown>
  if (typeof name !== 'string') throw new InputError('platform.name', 'text', show(name))
  if (typeof warn !== 'function') throw new InputError('platform.warn', 'a function', show(warn))
}

/** The calls that each platform has warned of. */
const warned = new WeakMap<Platform, Set<string>>()

/**
 * `null` on Linux, where the call goes on; elsewhere what it returns instead. macOS, which has affinity tags and no
 * affinity, warns once for each call and platform object; other systems are silent.
 * @param call its name, as in `AccelKvm.setVcpuAffinity`
 */
export function unenforced(platform: Platform, call: string): (Effect & { readonly enforced: false }) | null {
  if (platform.name === 'linux') return null
  const reason = `${call} has no effect on ${platform.name}: only Linux has KVM, and binds threads and memory to CPUs and nodes`
  if (platform.name === 'darwin') {
    const calls = warned.get(platform) ?? new Set()
    if (!calls.has(call)) platform.warn(reason)
    warned.set(platform, calls.add(call))
  }
  return { enforced: false, reason }
}
