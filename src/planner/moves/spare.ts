/** What would have to be free for moves that have no order. It is found by giving it to the host and going on. */

import type { NodeId, Spare } from '../../types.js'
import { formatBytes } from '../../units.js'
import { CPU } from '../generated/abi.js'
import { EFFORT_TO_SPARE, isSpent } from './effort.js'
import { advance, type Run, unblock, undoTo } from './order.js'
import type { Obstacle } from './rules.js'
import { addCpu, addTo, removeCpu, type Site, type SiteCpu } from './site.js'
import type { Step } from './steps.js'

/** CPUs, each on a core of its own, and bytes that the host does not have. */
interface Gifts {
  readonly cpus: SiteCpu[]
  readonly memory: { readonly node: NodeId; readonly pageSize: number; readonly bytes: number }[]
}

interface Need {
  cpus: number
  bytes: number
  readonly cells: Set<string>
}

/** More than these are not weighed against each other. */
const WEIGHED = 64

/** @param run that is stuck; it goes on, on a host that has what was missing */
export function spareFor(run: Run): Spare[] {
  const needs = new Map<NodeId | null, Need>()
  run.effort.left = EFFORT_TO_SPARE
  while (run.pending.size > 0) {
    const best = cheapest(run)
    if (best === undefined) break
    const gifts = grant(run, best)
    if (gifts === undefined) break
    run.pending.delete(best)
    for (const { node } of gifts.cpus) needOn(needs, node, run.site, best).cpus++
    for (const { node, bytes } of gifts.memory) needOn(needs, node, run.site, best).bytes += bytes
    advance(run)
  }
  for (const step of run.pending) {
    const need = needOn(needs, null, run.site, step)
    need.bytes += step.bytes
    for (const { guest, cells } of step.parts) {
      need.cpus += run.site.guests[guest]!.final.seats.filter((seat) => seat.dedicated && cells.has(seat.cell)).length
    }
  }
  const wantsCores = run.site.guests.some(({ vm }) => vm.threadPolicy === 'isolate' || vm.threadPolicy === 'require')
  return [...needs]
    .sort(([a], [b]) => (a ?? Number.POSITIVE_INFINITY) - (b ?? Number.POSITIVE_INFINITY))
    .map(([node, need]) => ({ node, cpus: need.cpus, bytes: need.bytes, text: textOf(node, need, wantsCores) }))
}

/** The step that can be made with the least: the fewest bytes, then the fewest CPUs. */
function cheapest(run: Run): Step | undefined {
  const begin = run.made.length
  let best: { step: Step; bytes: number; cpus: number } | undefined
  for (const step of [...run.pending].slice(0, WEIGHED)) {
    if (isSpent(run.effort)) break
    const gifts = grant(run, step)
    if (gifts === undefined) continue
    const bytes = gifts.memory.reduce((sum, gift) => sum + gift.bytes, 0)
    const cpus = gifts.cpus.length
    undoTo(run, begin)
    takeBack(run.site, gifts)
    if (best === undefined || bytes < best.bytes || (bytes === best.bytes && cpus < best.cpus)) {
      best = { step, bytes, cpus }
    }
    if (bytes === 0 && cpus <= 1) break
  }
  return best?.step
}

/** Makes the step with what it takes; `undefined`, with nothing changed, where no CPUs and bytes help. */
function grant(run: Run, step: Step): Gifts | undefined {
  const gifts: Gifts = { cpus: [], memory: [] }
  if (unblock(run, step, false, (obstacle) => give(run.site, gifts, obstacle))) return gifts
  takeBack(run.site, gifts)
  return undefined
}

function give(site: Site, gifts: Gifts, { constraint, node, cpus, bytes, pageSize, blockers }: Obstacle): boolean {
  if (constraint === 'memory-capacity') {
    gifts.memory.push({ node, pageSize, bytes })
    addTo(site.room, pageSize, node, bytes)
    return true
  }
  // One after the other, up to a CPU for each vCPU of the cells in the way.
  const most = blockers().reduce((sum, { guest, cell }) => {
    return sum + site.layouts[guest]!.seats.filter((seat) => seat.cell === cell).length
  }, 0)
  const more = constraint === 'overcommit' ? cpus : constraint === 'cpu-exclusive' && gifts.cpus.length < most ? 1 : 0
  for (let number = 0; number < more; number++) {
    const cpu = { id: --site.lowest.cpu, node, core: --site.lowest.core, use: CPU.GUESTS, held: 0 }
    gifts.cpus.push(cpu)
    addCpu(site, cpu)
  }
  return more > 0
}

function takeBack(site: Site, { cpus, memory }: Gifts): void {
  for (const cpu of cpus) removeCpu(site, cpu)
  for (const { node, pageSize, bytes } of memory) addTo(site.room, pageSize, node, -bytes)
}

function needOn(needs: Map<NodeId | null, Need>, node: NodeId | null, site: Site, { parts }: Step): Need {
  const need = needs.get(node) ?? { cpus: 0, bytes: 0, cells: new Set<string>() }
  needs.set(node, need)
  for (const { guest, cells } of parts) {
    for (const cell of cells) need.cells.add(`cell ${cell} of ${site.guests[guest]!.vm.name}`)
  }
  return need
}

function textOf(node: NodeId | null, { cpus, bytes, cells }: Need, wantsCores: boolean): string {
  const parts = [
    ...(cpus === 0 ? [] : [`${cpus} more free CPU${cpus === 1 ? '' : 's'}${wantsCores ? ' on idle cores' : ''}`]),
    ...(bytes === 0 ? [] : [`${formatBytes(bytes)} more free memory`]),
  ]
  const what = parts.length === 0 ? 'more room' : parts.join(' and ')
  const where = node === null ? 'on a node that is free of the other VMs' : `on node ${node}`
  return `${[...cells].join(', ')} cannot go on: ${what} ${where} would help`
}
