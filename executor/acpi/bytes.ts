/** Bytes of tables, little-endian, as their specification lists them. */

export const u8 = (value: number): Uint8Array => word(value, 1)
export const u16 = (value: number): Uint8Array => word(value, 2)
export const u32 = (value: number): Uint8Array => word(value, 4)
export const u64 = (value: number): Uint8Array => word(value, 8)

function word(value: number, bytes: number): Uint8Array {
  if (!(Number.isSafeInteger(value) && value >= 0 && value < 2 ** (8 * bytes))) {
    throw new RangeError(`expected a number of ${bytes} bytes, got ${value}`)
  }
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(value), true)
  return new Uint8Array(view.buffer, 0, bytes)
}

/** ASCII, as long as the text unless `length` says otherwise; spaces fill it up. */
export function text(value: string, length = value.length): Uint8Array {
  return new Uint8Array(Buffer.from(value.padEnd(length).slice(0, length), 'latin1'))
}

export const zeros = (count: number): Uint8Array => new Uint8Array(count)

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

const OEM = 'HOMEND'
const OEM_TABLE = 'HOMENODE'
const REVISION = 1
const CREATOR = 'HMND'
const LENGTH_AT = 4
const CHECKSUM_AT = 9

/** A system description table: the header of 36 bytes, and what comes after it. Source: ACPI 6.5, 5.2.6. */
export function table(signature: string, revision: number, ...body: readonly Uint8Array[]): Uint8Array {
  const header = joined(
    text(signature, 4),
    u32(0),
    u8(revision),
    u8(0),
    ...[text(OEM, 6), text(OEM_TABLE, 8), u32(REVISION), text(CREATOR, 4), u32(REVISION)],
  )
  const whole = joined(header, ...body)
  whole.set(u32(whole.length), LENGTH_AT)
  whole[CHECKSUM_AT] = checksum(whole)
  return whole
}

/** What makes the sum of all bytes a multiple of 256. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
}
