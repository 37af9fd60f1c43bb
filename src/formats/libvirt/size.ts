/** Sizes as libvirt writes them: a number, and a unit beside it that is KiB where none is given. */

import { InputError, show } from '../../errors.js'

const POWERS = ['k', 'm', 'g', 't', 'p', 'e']

/**
 * Bytes. Source of the units: libvirt's virScaleInteger (src/util/virutil.c): `k`, `KiB` are 1024 bytes, `KB` 1000, in any case.
 * @throws {InputError} at `where`
 */
export function parseLibvirtSize(text: string, unit = 'KiB', where = ''): number {
  const number = text.trim()
  const [, power, decimal] = /^([kmgtpe])(?:ib|(b))?$/.exec(unit.toLowerCase()) ?? []
  const isBytes = /^(b|bytes?)$/i.test(unit)
  if (power === undefined && !isBytes) {
    throw new InputError(where, 'a unit such as "b", "KiB", "MiB", "GiB" or "GB"', show(unit))
  }
  const scale =
    power === undefined ? 1n : BigInt(decimal === undefined ? 1024 : 1000) ** BigInt(POWERS.indexOf(power) + 1)
  const bytes = /^\d{1,20}$/.test(number) ? Number(BigInt(number) * scale) : Number.NaN
  if (Number.isSafeInteger(bytes)) return bytes
  throw new InputError(where, 'a whole number of less than 8 PiB', show(text.trim()))
}
