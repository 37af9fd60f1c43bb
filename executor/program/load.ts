/** Puts programs into a guest's memory. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { requireBytes } from '../../src/checks.js'
import { isElf, parseElf } from './elf.js'

const COPY_BYTES = 4 * 1024 ** 2

/** Memory by guest physical addresses. */
export interface GuestMemory {
  /** @throws {InputError} where there is no memory */
  requireMemory(gpa: number, length: number): void
  write(gpa: number, bytes: Uint8Array): void
}

/**
 * A static ELF64 executable where it says, anything else at `gpa`. Others have their turn every few MiB.
 * @returns where it starts
 * @throws {InputError} for an ELF file that is no static x86-64 program, or lies where no memory is: nothing is written then
 */
export async function loadImage(
  memory: GuestMemory,
  image: Uint8Array,
  gpa: number,
): Promise<{ readonly entry: number }> {
  requireBytes('image', image)
  if (!isElf(image)) {
    memory.requireMemory(gpa, image.length)
    await copyIn(memory, gpa, image)
    return { entry: gpa }
  }
  const { entry, segments } = parseElf(image)
  for (const { gpa: at, bytes } of segments) memory.requireMemory(at, bytes)
  for (const { gpa: at, content, bytes } of segments) {
    await copyIn(memory, at, content)
    for (let filled = content.length; filled < bytes; filled += COPY_BYTES) {
      await copyIn(memory, at + filled, new Uint8Array(Math.min(COPY_BYTES, bytes - filled)))
    }
  }
  return { entry }
}

/** Others have their turn every few MiB. */
export async function copyIn(memory: GuestMemory, gpa: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += COPY_BYTES) {
    if (at > 0) await nextTurn()
    memory.write(gpa + at, bytes.subarray(at, at + COPY_BYTES))
  }
}
