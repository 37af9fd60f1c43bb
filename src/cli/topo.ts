/** `homenode topo`: what the host has. */

import { type Command, Option } from 'commander'
import { InputError } from '../errors.js'
import { recordHost } from '../topology/index.js'
import type { Host } from '../types.js'
import { addHostOptions, type HostSource, readHost } from './host-source.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { count } from './table.js'
import { showHost } from './topo-view.js'

interface TopoOptions extends HostSource {
  readonly record?: string
  readonly json?: true
  readonly color: ColorWhen
}

const EXAMPLES = `
Examples:
  homenode topo                       this machine
  homenode topo --json > host.json    saved, for --host
  homenode topo --root ./copy         a copy of another machine's /sys and /proc
  homenode topo --record ./copy       makes such a copy, for a bug report
  homenode topo --synthetic "pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2"`

export function addTopo(program: Command): void {
  addHostOptions(program.command('topo').summary('show the CPUs, caches, nodes and memory of a host'))
    .description('Shows a host: nodes with their CPUs and memory, distances, last-level caches, CPUs not to be used.')
    .addOption(
      new Option('--record <dir>', 'copy the files that the host is read from, for --root').conflicts([
        'host',
        'synthetic',
      ]),
    )
    .option('--json', 'print the host as a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(topo)
}

async function topo(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<TopoOptions>()
  const host = options.record === undefined ? await readHost(options) : await record(options.record, options)
  if (options.json) printJson(host)
  else print(showHost(host, styleOf(process.stdout, options.color)))
}

async function record(directory: string, { root }: HostSource): Promise<Host> {
  if (directory === '') throw new InputError('--record', 'a name for a new directory', 'an empty name')
  const { host, files } = await recordHost(directory, root === undefined ? {} : { root })
  console.error(`${count(files, 'file')} copied: "homenode topo --root ${directory}" shows the same host`)
  return host
}
