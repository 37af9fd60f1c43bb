/** `homenode topo`: what the host has. */

import { InputError } from '../errors.js'
import { sceneOfHost } from '../picture/of-plan.js'
import { recordHost } from '../topology/record-node.js'
import type { Host } from '../types.js'
import { type HostSource, readHost } from './host-source.js'
import { type ColorWhen, print, printJson, styleOf } from './output.js'
import { type PictureOptions, pictures } from './picture.js'
import { count, paragraph } from './table.js'
import { showHost } from './topo-view.js'

interface TopoOptions extends HostSource, PictureOptions {
  readonly record?: string
  readonly json?: true
  readonly color: ColorWhen
}

export async function topo(options: TopoOptions): Promise<void> {
  const drawing = await pictures(options)
  const host = options.record === undefined ? await readHost(options) : await record(options.record, options)
  await drawing.draw(() => sceneOfHost(host))
  if (options.json) printJson(host)
  if (options.json || drawing.isOutput) return
  const style = styleOf(process.stdout, options.color)
  print(showHost(host, style))
  if (isThisMachine(options)) print(`\n${paragraph(style, `Running: ${await guests()}`, '  ', '')}`)
}

function isThisMachine({ root, host, synthetic }: HostSource): boolean {
  return root === undefined && host === undefined && synthetic === undefined
}

async function guests(): Promise<string> {
  const { guestsText, runningGuests } = await import('./guests.js')
  return guestsText(await runningGuests())
}

async function record(directory: string, { root }: HostSource): Promise<Host> {
  if (directory === '') throw new InputError('--record', 'a name for a new directory', 'an empty name')
  const { host, files } = await recordHost(directory, root === undefined ? {} : { root })
  console.error(`${count(files, 'file')} copied: "homenode topo --root ${directory}" shows the same host`)
  return host
}
