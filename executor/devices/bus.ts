/** The devices of one vCPU's thread, found by address. */

import type { Bus, DeviceSpec } from '../wire/device-spec.js'
import type { Device } from './device.js'

interface Place {
  readonly start: number
  readonly end: number
  readonly device: Device
}

/** One of the two buses. A few ranges, so that looking at each beats anything cleverer. */
export class DeviceBus {
  readonly #places: readonly Place[]

  constructor(bus: Bus, specs: readonly DeviceSpec[], devices: readonly Device[]) {
    this.#places = specs.flatMap(({ start, end, bus: of }, i) =>
      of === bus ? [{ start, end, device: devices[i]! }] : [],
    )
  }

  /** The device at an address. */
  at(address: number): Device | undefined {
    const places = this.#places
    for (let i = 0; i < places.length; i++) {
      const place = places[i]!
      if (address >= place.start && address < place.end) return place.device
    }
    return undefined
  }
}
