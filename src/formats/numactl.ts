/** A placed VM as numactl's and taskset's commands, for any VMM. */

import { formatCpulist } from '../cpulist.js'
import { type Converted, cpusOf, type Guest, nodesOfGuest } from './guest.js'
import { MORE, type Part, pinPart, scriptOf } from './shell.js'

/** `command` in front of the script's arguments, on the VM's nodes and CPUs (`--all`: also those that the shell is not on). */
export function numactlPart(guest: Guest, command: string, takes: readonly string[], does: string): Part {
  return {
    name: 'start',
    takes,
    does,
    lines: [`exec numactl --all ${memoryOption(guest)} --physcpubind=${cpusOf(guest)} -- ${command}"$@"`],
  }
}

/** numactl prefers one node: that of the first cell. */
function memoryOption(guest: Guest): string {
  const nodes = formatCpulist(nodesOfGuest(guest))
  switch (guest.policy) {
    case 'strict':
      return `--membind=${nodes}`
    case 'interleave':
      return `--interleave=${nodes}`
    case 'preferred':
      return `--preferred=${guest.cells[0]!.nodes[0]}`
  }
}

/** What one policy for a whole process leaves open: which cell's memory is on which of the nodes. */
export function processNotes(guest: Guest): string[] {
  const nodes = nodesOfGuest(guest)
  const isOne = nodes.length === 1 && guest.cells.every(({ memory }) => memory.length === 1)
  if (isOne || guest.policy === 'interleave') return []
  const instead =
    guest.policy === 'preferred'
      ? `node ${guest.cells[0]!.nodes[0]} is preferred for all of it`
      : `all of it is bound to nodes ${formatCpulist(nodes)}`
  return [`numactl has one policy for a process: ${instead}, and the kernel divides it, not the cells`]
}

export function toNumactl(guest: Guest): Converted {
  const start = numactlPart(guest, '', ['COMMAND', MORE], 'runs a VMM, its memory placed')
  return { text: scriptOf(guest, 'placed, for any VMM', [start, pinPart(guest)]), notes: processNotes(guest) }
}
