/** `homenode capacity`: how many more VMs like one of a request fit. */

import type { Command } from 'commander'
import { capacity as findCapacity } from '../capacity.js'
import type { Capacity } from '../types.js'
import { addHostOptions, type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, requireOneStdin } from './input.js'
import { countLost } from './numbers.js'
import { requires } from './options.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { readRequest } from './plan.js'
import { count, paragraph } from './table.js'

interface CapacityCommandOptions extends HostSource {
  readonly request: string
  readonly vm: string
  readonly json?: true
  readonly color: ColorWhen
}

const EXAMPLES = `
Examples:
  homenode capacity -f request.json --vm web
  homenode capacity -f request.json --vm web --host host.json --json`

export function addCapacity(program: Command): void {
  addHostOptions(program.command('capacity').summary('how many more VMs like one of a request fit'))
    .description('Says how many more VMs like one of a request fit beside it, and what stops the next.')
    .option('-f, --request <file>', 'the request, in JSON; - is standard input')
    .option('--vm <name>', 'the VM that the others are like')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .hook('preAction', requires('request', 'vm'))
    .action(capacity)
}

async function capacity(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CapacityCommandOptions>()
  requireOneStdin({ '-f': options.request, '--host': options.host })
  const request = await readRequest(options.request)
  const host = await readHost(options)
  const found = await inFile(nameOf(options.request), () => findCapacity(host, request, options.vm))
  if (options.json) printJson(found)
  else print(showCapacity(found, styleOf(process.stdout, options.color)))
}

function showCapacity({ vm, more, lostVcpus, because }: Capacity, style: Style): string {
  const fitting = `${count(more, 'more VM')} like "${vm}" ${more === 1 ? 'fits' : 'fit'}, with ${countLost(lostVcpus)} in all`
  const reasons = because.map(({ constraint, text }) => paragraph(style, `${constraint}: ${text}`, '  '))
  return [paragraph(style, fitting), 'what stops the next:', ...reasons].join('\n')
}
