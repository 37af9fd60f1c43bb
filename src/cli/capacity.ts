/** `homenode capacity`: how many more VMs like one of a request fit. */

import { capacity as findCapacity } from '../capacity.js'
import type { Capacity } from '../types.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, requireOneStdin } from './input.js'
import { countLost } from './numbers.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { readRequest } from './request-source.js'
import { count, paragraph } from './table.js'

interface CapacityCommandOptions extends HostSource {
  readonly request: string
  readonly vm: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function capacity(options: CapacityCommandOptions): Promise<void> {
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
