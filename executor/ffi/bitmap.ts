/** Sets of numbers as the kernel's bitmaps: bit n of a row of 64-bit words is number n. */

/** The shortest whole number of words that holds them. */
export function bitmap(numbers: readonly number[]): Uint8Array {
  const words = Math.floor(Math.max(0, ...numbers) / 64) + 1
  const bytes = new Uint8Array(words * 8)
  for (const n of numbers) bytes[n >> 3]! |= 1 << (n & 7)
  return bytes
}

/** The numbers in a bitmap, ascending. */
export function fromBitmap(bytes: Uint8Array): number[] {
  const numbers: number[] = []
  bytes.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) numbers.push(i * 8 + bit)
  })
  return numbers
}
