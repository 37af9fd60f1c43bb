/** `homenode capacity`: how many more VMs fit, like one of a request or of the sizes that it expects. */

import { expectedCapacity, capacity as findCapacity } from '../capacity.js'
import { InputError } from '../errors.js'
import type { Capacity, ExpectedCapacity } from '../types.js'
import { formatBytes } from '../units.js'
import { type HostSource, readHost } from './host-source.js'
import { inFile, nameOf, requireOneStdin } from './input.js'
import { countLost } from './numbers.js'
import { type ColorWhen, print, printJson, type Style, styleOf } from './output.js'
import { readRequest } from './request-source.js'
import { type Column, count, paragraph, table } from './table.js'

interface CapacityCommandOptions extends HostSource {
  readonly request: string
  readonly vm?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function capacity(options: CapacityCommandOptions): Promise<void> {
  requireOneStdin({ '-f': options.request, '--host': options.host, '--measured': options.measured })
  const { vm } = options
  const request = await readRequest(options.request)
  if (vm === undefined && request.expect.length === 0) {
    throw new InputError('--vm', 'the name of a VM, for a request without "expect"', 'nothing')
  }
  const host = await readHost(options)
  const find = async () => (vm === undefined ? expectedCapacity(host, request) : findCapacity(host, request, vm))
  const found = await inFile(nameOf(options.request), find)
  if (options.json) return printJson(found)
  const style = styleOf(process.stdout, options.color)
  print(found.kind === 'Capacity' ? showCapacity(found, style) : showExpected(found, style))
}

function showCapacity({ vm, more, lostVcpus, because }: Capacity, style: Style): string {
  const fitting = `${count(more, 'more VM')} like "${vm}" ${more === 1 ? 'fits' : 'fit'}, with ${countLost(lostVcpus)} in all`
  const reasons = because.map(({ constraint, text }) => paragraph(style, `${constraint}: ${text}`, '  '))
  return [paragraph(style, fitting), 'what stops the next:', ...reasons].join('\n')
}

const COLUMNS: readonly Column[] = [
  { head: 'VCPUS', align: 'right' },
  { head: 'MEMORY', align: 'right' },
  { head: 'SHARE', align: 'right' },
  { head: 'ROOM', align: 'right' },
  { head: 'FIT', align: 'right' },
]

function showExpected({ lostVcpus, refused, room, sizes }: ExpectedCapacity, style: Style): string {
  const mean = Math.round(room * 100) / 100
  const said = `room for VMs to come: ${mean} in the mean, beside a plan with ${countLost(lostVcpus)}`
  const rows = sizes.map((size) => [
    `${size.vcpus}`,
    formatBytes(size.memory),
    `${size.share}`,
    `${size.room}`,
    `${size.more}`,
  ])
  const without = refused.length === 0 ? [] : [paragraph(style, `not placed: ${refused.join(', ')}`)]
  return [[paragraph(style, said), ...without].join('\n'), table(style, COLUMNS, rows)].join('\n\n')
}
