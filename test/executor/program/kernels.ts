/** Files that look like kernels. */

/** The head of a bzImage, with `code` after it. Source: Linux, Documentation/arch/x86/boot.rst */
export function bzImageOf(
  code: Uint8Array,
  {
    version = 0x20f,
    xloadFlags = 1,
    setupSectors = 1,
    initSize = 0x1000,
    prefAddress = 0x1000000,
    magic = 'HdrS',
  } = {},
): Uint8Array {
  const start = (setupSectors + 1) * 512
  const file = Buffer.alloc(start + 0x200 + code.length)
  file[0x1f1] = setupSectors
  file.writeUInt32LE(Math.floor((file.length - start) / 16), 0x1f4)
  file.writeUInt16LE(0xaa55, 0x1fe)
  file[0x201] = 0x66
  file.write(magic, 0x202)
  file.writeUInt16LE(version, 0x206)
  file.writeUInt32LE(0x7fffffff, 0x22c)
  file.writeUInt16LE(xloadFlags, 0x236)
  file.writeUInt32LE(2047, 0x238)
  file.writeBigUInt64LE(BigInt(prefAddress), 0x258)
  file.writeUInt32LE(initSize, 0x260)
  file.set(code, start + 0x200)
  return new Uint8Array(file)
}
