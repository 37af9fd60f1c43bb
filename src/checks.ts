/** Options that are none: errors that name the option, rather than what the engine stumbles over later. */

import { InputError, show } from './errors.js'

/** @throws {InputError} */
export function requireObject(where: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return
  throw new InputError(where, 'an object', show(value))
}

/** @throws {InputError} for what is there and is no function */
export function requireCallback(where: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  throw new InputError(where, 'a function', show(value))
}

/** @throws {InputError} for what is there and is no AbortSignal */
export function requireSignal(where: string, value: unknown): void {
  if (value === undefined || value instanceof AbortSignal) return
  throw new InputError(where, 'an AbortSignal', show(value))
}

/** @throws {InputError} for what is there and is not true or false */
export function requireBoolean(where: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return
  throw new InputError(where, 'true or false', show(value))
}

/** @throws {InputError} for what is there and is no whole number */
export function requireNumber(where: string, value: unknown): void {
  if (value === undefined || Number.isSafeInteger(value)) return
  throw new InputError(where, 'a whole number', show(value))
}

/** @throws {InputError} for what is there and is no text */
export function requireText(where: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return
  throw new InputError(where, 'text', show(value))
}

/** @throws {InputError} for what is there and is none of these */
export function requireOneOf(where: string, value: unknown, names: readonly string[]): void {
  if (value === undefined || names.includes(value as string)) return
  throw new InputError(where, names.map((name) => `"${name}"`).join(', '), show(value))
}

/** @throws {InputError} for what is there and is no name that a file can have */
export function requirePath(where: string, value: unknown): void {
  requireText(where, value)
  if (typeof value === 'string' && value.includes('\0')) {
    throw new InputError(where, 'a name without NUL characters', show(value))
  }
}

/** @throws {InputError} for what is no number of anything: whole, 0 or more */
export function requireId(where: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return
  throw new InputError(where, 'a whole number, 0 or more', show(value))
}

/** @throws {InputError} for what is no array */
export function requireList(where: string, value: unknown): void {
  if (Array.isArray(value)) return
  throw new InputError(where, 'an array', show(value))
}

/** @throws {InputError} for what is no array of bytes */
export function requireBytes(where: string, value: unknown): void {
  if (value instanceof Uint8Array) return
  throw new InputError(where, 'a Uint8Array', show(value))
}

/** @throws {InputError} for what is no object of the class */
export function requireInstance(
  where: string,
  value: unknown,
  name: string,
  type: CallableFunction | NewableFunction,
): void {
  if (value instanceof type) return
  throw new InputError(where, `a ${name}`, show(value))
}

/** That a host has at least its parts, as every function makes it that returns one. @throws {InputError} */
export function requireHost(host: unknown): void {
  requireObject('host', host)
  const { nodes, cpus, distances } = host as Record<string, unknown>
  for (const [name, part] of Object.entries({ nodes, cpus, distances })) {
    const isRow = (each: unknown) => typeof each === 'object' && each !== null
    if (Array.isArray(part) && part.every(isRow)) continue
    throw new InputError(`host.${name}`, 'what detectHost, parseHost or syntheticHost returned', show(part))
  }
}
