/** What benches boot: a kernel and a static busybox of this machine, or why there is none. */

import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the lab has its kernel, which is not compressed. */
const LAB_KERNEL = fileURLToPath(new URL('../../.cache/lab/boot/kernel', import.meta.url))

export interface BootFiles {
  readonly kernelFile: string
  readonly kernel: Uint8Array
  readonly busybox: Uint8Array
}

/** @returns the files, or why they are missing */
export function bootFiles(): BootFiles | string {
  const kernels = [process.env.HOMENODE_KERNEL ?? '', LAB_KERNEL, `/boot/vmlinuz-${release()}`]
  const kernelFile = kernels.find((file) => file !== '' && existsSync(file))
  if (kernelFile === undefined) return 'no kernel: set HOMENODE_KERNEL, or boot a machine of the lab once'
  const folders = (process.env.PATH ?? '').split(delimiter)
  const busybox = folders.map((folder) => join(folder, 'busybox')).find((file) => existsSync(file))
  if (busybox === undefined) return 'no busybox (Debian: busybox-static)'
  return { kernelFile, kernel: readFileSync(kernelFile), busybox: readFileSync(busybox) }
}

/**
 * For a kernel that runs on emulated hardware, too: it is told to trust the time stamp counter, and to leave alone what
 * emulators get wrong of XSAVE.
 */
export const APPEND = 'quiet nokaslr mitigations=off tsc=reliable noxsave'
