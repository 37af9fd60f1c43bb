/** The host that a command is about: this machine, a copy of its files, a saved file, a description. */

import { type Command, Option } from 'commander'
import { InputError } from '../errors.js'
import { detectHost, parseHost, syntheticHost } from '../topology/index.js'
import type { Host } from '../types.js'
import { inFile, nameOf, readJson } from './input.js'

export interface HostSource {
  readonly root?: string
  readonly host?: string
  readonly synthetic?: string
}

export function addHostOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--root <dir>', 'read dir/sys and dir/proc instead of /sys and /proc').conflicts([
        'host',
        'synthetic',
      ]),
    )
    .addOption(
      new Option('--host <file>', 'a host saved by "topo --json"; - is standard input').conflicts([
        'root',
        'synthetic',
      ]),
    )
    .addOption(
      new Option('--synthetic <spec>', 'a host that does not exist, in hwloc\'s syntax: "pack:2 [numa] core:4 pu:2"'),
    )
}

/** @throws {InputError} with the name of the option's file or directory, and the place in it */
export async function readHost({ root, host, synthetic }: HostSource): Promise<Host> {
  if (synthetic !== undefined) return inFile('--synthetic', () => syntheticHost(synthetic))
  if (host !== undefined) {
    const content = await readJson(host)
    return inFile(nameOf(host), () => parseHost(content))
  }
  if (root === '') throw new InputError('--root', 'a directory with sys/devices/system/cpu', 'an empty name')
  return detectHost(root === undefined ? {} : { root })
}
