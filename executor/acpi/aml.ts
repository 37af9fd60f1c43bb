/**
 * AML for the DSDT: names, devices and the resources that they use.
 * Source: ACPI 6.5, chapters 6.4 (resource descriptors) and 20.2 (the grammar).
 */

import { joined, text, u8, u16, u32 } from './bytes.js'

const NAME = 0x08
const BYTE = 0x0a
const DWORD = 0x0c
const STRING = 0x0d
const SCOPE = 0x10
const BUFFER = 0x11
const PACKAGE = 0x12
const EXTENDED = 0x5b
const DEVICE = 0x82

/** Length of a package, in 1 to 4 bytes, which it counts as well. */
function packaged(content: Uint8Array): Uint8Array {
  if (content.length + 1 < 64) return joined(u8(content.length + 1), content)
  const more = content.length + 2 < 2 ** 12 ? 1 : content.length + 3 < 2 ** 20 ? 2 : 3
  const length = content.length + 1 + more
  const rest = Array.from({ length: more }, (_, i) => u8((length >>> (4 + 8 * i)) & 0xff))
  return joined(u8((more << 6) | (length & 0xf)), ...rest, content)
}

/** A value: a number of up to 32 bits. */
export function integer(value: number): Uint8Array {
  return value < 256 ? joined(u8(BYTE), u8(value)) : joined(u8(DWORD), u32(value))
}

/** A value: text. */
export function string(value: string): Uint8Array {
  return joined(u8(STRING), text(value), u8(0))
}

/** A value: an identifier such as `PNP0501`, in four bytes. */
export function eisaId(id: string): Uint8Array {
  const [a, b, c] = [...id.slice(0, 3)].map((letter) => letter.charCodeAt(0) - 0x40)
  const vendor = (a! << 10) | (b! << 5) | c!
  const product = Number.parseInt(id.slice(3), 16)
  return joined(u8(DWORD), u8(vendor >> 8), u8(vendor & 0xff), u8(product >> 8), u8(product & 0xff))
}

/** A value: several of them. */
export function pack(...values: readonly Uint8Array[]): Uint8Array {
  return joined(u8(PACKAGE), packaged(joined(u8(values.length), ...values)))
}

/** @param path four characters, after `\\` at the root */
export function name(path: string, value: Uint8Array): Uint8Array {
  return joined(u8(NAME), text(path), value)
}

export function scope(path: string, ...terms: readonly Uint8Array[]): Uint8Array {
  return joined(u8(SCOPE), packaged(joined(text(path), ...terms)))
}

export function device(path: string, ...terms: readonly Uint8Array[]): Uint8Array {
  return joined(u8(EXTENDED), u8(DEVICE), packaged(joined(text(path), ...terms)))
}

/** A value for `_CRS`. */
export function resources(...descriptors: readonly Uint8Array[]): Uint8Array {
  // The checksum of the end tag may be 0: then nobody looks at it.
  const template = joined(...descriptors, u8(0x79), u8(0))
  return joined(u8(BUFFER), packaged(joined(integer(template.length), template)))
}

/** I/O ports, with all 16 bits decoded. */
export function ports(start: number, length: number): Uint8Array {
  return joined(u8(0x47), u8(1), u16(start), u16(start), u8(1), u8(length))
}

/** Physical addresses below 4 GiB, to be read and written. */
export function addresses(start: number, length: number): Uint8Array {
  return joined(u8(0x86), u16(9), u8(1), u32(start), u32(length))
}

/** An interrupt of the device alone: edge-triggered, active high. */
export function interrupt(gsi: number): Uint8Array {
  const CONSUMER_EDGE = 0x3
  return joined(u8(0x89), u16(6), u8(CONSUMER_EDGE), u8(1), u32(gsi))
}
