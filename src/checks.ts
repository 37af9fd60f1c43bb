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
