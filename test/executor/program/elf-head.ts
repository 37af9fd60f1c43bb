/** ELF files with nothing in them. */

/** The head of a program, with program headers of these types. */
export function program(...types: readonly number[]): Uint8Array {
  const file = Buffer.alloc(64 + 56 * types.length)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(62, 18)
  file.writeBigUInt64LE(64n, 32)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(types.length, 56)
  for (const [i, type] of types.entries()) file.writeUInt32LE(type, 64 + 56 * i)
  return new Uint8Array(file)
}
