/** The host that a command is about: this machine, a copy of its files, a saved file, a description. */

import { InputError } from '../errors.js'
import { detectHost } from '../topology/node-fs.js'
import { syntheticHost } from '../topology/synthetic.js'
import type { Host } from '../types.js'
import { inFile, nameOf, readJson } from './input.js'

export interface HostSource {
  readonly root?: string
  readonly host?: string
  readonly synthetic?: string
  /** With none of the others. */
  readonly measured?: string
}

/** @throws {InputError} with the name of the option's file or directory, and the place in it */
export async function readHost({ root, host, synthetic, measured }: HostSource): Promise<Host> {
  if (synthetic !== undefined) return inFile('--synthetic', () => syntheticHost(synthetic))
  if (host !== undefined) {
    const content = await readJson(host)
    // With zod, which only a saved host needs.
    const { parseHost } = await import('../topology/hostfile.js')
    return inFile(nameOf(host), () => parseHost(content))
  }
  if (measured !== undefined) return readThisHost({ measured })
  if (root === '') throw new InputError('--root', 'a directory with sys/devices/system/cpu', 'an empty name')
  return detectHost(root === undefined ? {} : { root })
}

/**
 * This machine, with what was measured on it where a file says so.
 * @throws {InputError} with the file's name, where it is of another machine
 */
export async function readThisHost({ measured }: { readonly measured?: string }): Promise<Host> {
  const host = await detectHost()
  if (measured === undefined) return host
  const file = await readHost({ host: measured })
  const { withMeasures } = await import('../topology/measured.js')
  return inFile(nameOf(measured), () => withMeasures(host, file))
}
