/** `homenode topo`: what the host has. */

import type { Command } from 'commander'
import { addHostOptions, type HostSource, readHost } from './host-source.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { showHost } from './topo-view.js'

interface TopoOptions extends HostSource {
  readonly json?: true
  readonly color: ColorWhen
}

const EXAMPLES = `
Examples:
  homenode topo                       this machine
  homenode topo --json > host.json    saved, for --host
  homenode topo --root ./copy         a copy of another machine's /sys and /proc
  homenode topo --synthetic "pack:2 [numa(memory=64GB)] l3:2 core:8 pu:2"`

export function addTopo(program: Command): void {
  addHostOptions(program.command('topo').summary('show the CPUs, caches, nodes and memory of a host'))
    .description('Shows a host: nodes with their CPUs and memory, distances, last-level caches, CPUs not to be used.')
    .option('--json', 'print the host as a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(topo)
}

async function topo(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<TopoOptions>()
  const host = await readHost(options)
  if (options.json) printJson(host)
  else print(showHost(host, styleOf(process.stdout, options.color)))
}
