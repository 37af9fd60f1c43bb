/** What has to move, and what of it has to move together. */

import { firstNode, isCellMoved, isDividedAlike, withCells } from './layout.js'
import type { Change, Relations } from './rules.js'
import type { Guest, Site } from './site.js'

/** Cells that go to where the plan has them in one step. */
export interface Step {
  readonly parts: readonly Part[]
  /** Bytes of the cells, the first guide to an order. */
  readonly bytes: number
}

export interface Part {
  readonly guest: number
  readonly cells: ReadonlySet<number>
  /** Does the plan divide the VM into other cells. */
  readonly redivides: boolean
}

/** Each cell is a step. Exceptions: VMs that are divided anew or interleaved over their nodes, and first nodes of VMs that have to stay near. */
export function stepsOf(guests: readonly Guest[], { near }: Relations): Step[] {
  const parts = guests.flatMap((guest, at) => partsOf(guest, at))
  const followers = new Map(
    parts.filter((part) => movesFirstNode(guests[part.guest]!, part)).map((part) => [part.guest, part]),
  )
  const steps: Part[][] = []
  const done = new Set<Part>()
  for (const part of parts) {
    if (done.has(part)) continue
    const group = [part]
    done.add(part)
    if (followers.get(part.guest) === part) {
      for (const { guest } of group) {
        for (const other of near[guest]!) {
          const follower = followers.get(other)
          const wereNear = firstNode(guests[guest]!.start) === firstNode(guests[other]!.start)
          if (follower === undefined || done.has(follower) || !wereNear) continue
          group.push(follower)
          done.add(follower)
        }
      }
    }
    steps.push(group)
  }
  return steps.map((group) => ({ parts: group, bytes: bytesOf(guests, group) }))
}

function partsOf({ vm, start, final }: Guest, guest: number): Part[] {
  const redivides = !isDividedAlike(start, final)
  const all = [...final.cells.keys()]
  const moved = redivides ? all : all.filter((cell) => isCellMoved(start, final, cell))
  if (moved.length === 0) return []
  const isWhole = redivides || (vm.memoryPolicy === 'interleave' && all.length > 1)
  return (isWhole ? [moved] : moved.map((cell) => [cell])).map((cells) => ({
    guest,
    cells: new Set(cells),
    redivides,
  }))
}

function movesFirstNode({ start, final }: Guest, { cells, redivides }: Part): boolean {
  return (redivides || cells.has(0)) && firstNode(start) !== firstNode(final)
}

function bytesOf(guests: readonly Guest[], group: readonly Part[]): number {
  let sum = 0
  for (const { guest, cells } of group) {
    for (const cell of cells) for (const { bytes } of guests[guest]!.final.cells[cell]!.memory) sum += bytes
  }
  return sum
}

/** The changes that take a step's cells from where they are now to where the plan has them. */
export function changesOf(site: Site, { parts }: Step): Change[] {
  return parts.map(({ guest, cells, redivides }) => {
    const from = site.layouts[guest]!
    const { final } = site.guests[guest]!
    return { guest, from, to: redivides ? final : withCells(from, final, cells), redivides }
  })
}
