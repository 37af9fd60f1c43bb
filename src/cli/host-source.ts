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
}

/** @throws {InputError} with the name of the option's file or directory, and the place in it */
export async function readHost({ root, host, synthetic }: HostSource): Promise<Host> {
  if (synthetic !== undefined) return inFile('--synthetic', () => syntheticHost(synthetic))
  if (host !== undefined) {
    const content = await readJson(host)
    // With zod, which only a saved host needs.
    const { parseHost } = await import('../topology/hostfile.js')
    return inFile(nameOf(host), () => parseHost(content))
  }
  if (root === '') throw new InputError('--root', 'a directory with sys/devices/system/cpu', 'an empty name')
  return detectHost(root === undefined ? {} : { root })
}
