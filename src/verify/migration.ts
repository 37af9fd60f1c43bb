/** The cost term `migration`: what it takes to get from a VM's current placement to this one. */

import type { CostModel, CurrentPlacement } from '../types.js'
import { MICRO, round } from './micro.js'
import type { PlacedVm } from './placement.js'

const MICRO_PER_REPIN = 1000

export function migration(model: CostModel, vm: PlacedVm): number {
  const { current, vcpus } = vm.request
  if (current === null) return 0
  const seconds = movedBytes(current, vm) / model.copyBytesPerSecond
  const copying = round(((MICRO * seconds) / model.horizonSeconds) * vcpus)
  return copying + MICRO_PER_REPIN * repinned(current, vm)
}

/** Bytes that each cell has on a node beyond those that it has there now. */
function movedBytes(current: CurrentPlacement, vm: PlacedVm): number {
  let moved = 0
  for (const { cell, memory } of vm.cells) {
    const before = new Map(current.cells[cell]?.memory.map(({ node, bytes }) => [node, bytes]))
    for (const { node, bytes } of memory) moved += Math.max(0, bytes - (before.get(node) ?? 0))
  }
  return moved
}

function repinned(current: CurrentPlacement, vm: PlacedVm): number {
  return vm.vcpus.filter(({ vcpu, cpulist }) => current.vcpus[vcpu]?.cpus !== cpulist).length
}
