/** The devices of a VM on the main thread: which there are, and the handlers that answer here. */

import { requireCallback, requireObject, requireOneOf } from '../../src/checks.js'
import { InputError, show } from '../../src/errors.js'
import type { Bus, DeviceAccess, DeviceSpec } from '../wire/device-spec.js'
import { textOf } from '../wire/failure.js'
import { takeOutput } from './serial.js'

/** Addresses, from `start`: ports, or guest physical addresses. */
export interface AddressRange {
  /** The first address. */
  readonly start: number
  /** Default 1. */
  readonly length?: number
}

/**
 * Answers accesses on the main thread, while the vCPU waits; a promise is waited for. `data` is as long as the access,
 * little-endian. A handler that only reads or only writes leaves the other out; the guest fails that tries it. What a
 * handler throws fails the VM.
 */
export interface AccessHandler {
  /** Fills in what the guest reads. */
  read?(address: number, data: Uint8Array, vcpu: number): void | Promise<void>
  /** Takes what the guest writes. */
  write?(address: number, data: Uint8Array, vcpu: number): void | Promise<void>
}

/** A device in the threads of the vCPUs, from a module that exports `createDevice` (see `DeviceModule`). */
export interface DeviceInThread {
  /** Where it is imported from. */
  readonly module: string | URL
  /** What `createDevice` gets: anything that can be cloned. */
  readonly options?: unknown
}

interface Registered {
  readonly spec: DeviceSpec
  readonly handler?: AccessHandler
  readonly output?: (bytes: Uint8Array) => void
}

const LIMITS = { port: 0x1_0000, mmio: 2 ** 52 } as const

/** @throws {InputError} for a range of addresses that is none */
export function requireRange(bus: Bus, range: AddressRange): { readonly start: number; readonly end: number } {
  requireOneOf('bus', bus, Object.keys(LIMITS))
  requireObject(`${bus} range`, range)
  const { start, length = 1 } = range
  if (
    Number.isInteger(start) &&
    Number.isInteger(length) &&
    start >= 0 &&
    length > 0 &&
    start + length <= LIMITS[bus]
  ) {
    return { start, end: start + length }
  }
  throw new InputError(`${bus} range`, `whole numbers, up to ${LIMITS[bus]}`, `${show(length)} from ${show(start)}`)
}

/** @throws {InputError} for what answers no access */
export function requireHandler(handler: AccessHandler | DeviceInThread): void {
  requireObject('handler', handler)
  if (!('module' in handler)) {
    requireCallback('handler.read', handler.read)
    requireCallback('handler.write', handler.write)
  } else if (typeof handler.module !== 'string' && !(handler.module instanceof URL)) {
    throw new InputError('module', 'where a module is: text, or a URL', show(handler.module))
  }
}

export class DeviceRegistry {
  readonly #devices: Registered[] = []

  #answersRest = false

  /** Of several at an address, the first answers. */
  get specs(): DeviceSpec[] {
    const rest = this.#answersRest ? (['port', 'mmio'] as const) : []
    return [
      ...this.#devices.map(({ spec }) => spec),
      ...rest.map((bus): DeviceSpec => ({ bus, start: 0, end: LIMITS[bus], what: { kind: 'nothing' } })),
    ]
  }

  /** Where no device is, nothing answers, rather than failing the VM. */
  answerRest(): void {
    this.#answersRest = true
  }

  /** @throws {InputError} for a range that is none, or is taken */
  add(bus: Bus, range: AddressRange, what: DeviceSpec['what'], more: Omit<Registered, 'spec'> = {}): void {
    const { start, end } = requireRange(bus, range)
    const other = this.#devices.find(({ spec }) => spec.bus === bus && start < spec.end && end > spec.start)
    if (other !== undefined) {
      throw new InputError(`${bus} range`, 'addresses that no other device has', `${end - start} from ${start}`)
    }
    this.#devices.push({ spec: { bus, start, end, what }, ...more })
  }

  /** Answers accesses in their order; resolves to what the guest reads, where the last one is a read. */
  async answer(accesses: readonly DeviceAccess[], vcpu: number): Promise<Uint8Array | null> {
    let read: Uint8Array | null = null
    for (const { device, write, address, data } of accesses) {
      const { handler = {}, spec } = this.#devices[device]!
      try {
        const call = write ? handler.write : handler.read
        if (call === undefined) throw new Error(write ? 'it cannot be written' : 'it cannot be read')
        const waits = call.call(handler, address, data, vcpu)
        if (waits !== undefined) await waits
        if (data.byteLength === 0) throw new Error('it has transferred the data of the access to another thread')
      } catch (error) {
        const where = `${spec.bus} 0x${address.toString(16)}`
        throw new Error(`the handler of ${where} threw: ${textOf(error)}`, {
          cause: error,
        })
      }
      read = write ? null : data
    }
    return read
  }

  /** Hands over what the guest has printed. */
  fetchOutput(device: number): void {
    const { spec, output } = this.#devices[device]!
    if (spec.what.kind !== 'serial') return
    const bytes = takeOutput(spec.what.shared)
    if (bytes.length > 0) output?.(bytes)
  }

  /** Hands over what has been printed last. */
  fetchAll(): void {
    for (const device of this.#devices.keys()) this.fetchOutput(device)
  }
}
