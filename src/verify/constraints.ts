/** The constraints of docs/model.md, of a finished plan and of a state on the way there. */

import type { Request } from '../types.js'
import { checkCells } from './cells.js'
import { checkCellNodes, checkEmulator, checkExclusive, checkThreadPolicy, checkTrust, checkUsable } from './cpus.js'
import type { Machine } from './machine.js'
import { checkMemory } from './memory.js'
import { checkDevices, checkOvercommit, checkRelations } from './nodes.js'
import type { Occupancy } from './occupancy.js'
import type { PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

/** Whether each vCPU has a usable CPU that is its own, or shares those that are for sharing. */
export function checkSeats(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return [...checkUsable(machine, vms), ...checkExclusive(occupancy, vms)]
}

/** All other constraints. */
export function checkPlacement(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  return [
    ...checkOnTheWay(machine, occupancy, request, vms),
    ...checkEmulator(machine, occupancy, vms),
    ...checkMemory(machine, vms, true),
  ]
}

/** The same of a state in which VMs are still to move: what is left is left for them, the VMMs' own threads are somewhere. */
export function checkState(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  return [
    ...checkSeats(machine, occupancy, vms),
    ...checkOnTheWay(machine, occupancy, request, vms),
    ...checkMemory(machine, vms, false),
  ]
}

function checkOnTheWay(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  return [
    ...vms.flatMap((vm) => checkCells(machine, vm)),
    ...checkCellNodes(machine, vms),
    ...checkThreadPolicy(machine, occupancy, vms),
    ...checkTrust(occupancy),
    ...checkDevices(vms),
    ...checkRelations(vms),
    ...checkOvercommit(machine, occupancy, request, vms),
  ]
}
