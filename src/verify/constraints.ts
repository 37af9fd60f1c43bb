/** The constraints of docs/model.md, of a finished plan and of a state on the way there. */

import type { Request } from '../types.js'
import { checkCells } from './cells.js'
import { checkThreadPolicy, checkTrust } from './cores.js'
import { checkCellNodes, checkExclusive, checkUsable } from './cpus.js'
import { checkEmulator } from './housekeeping.js'
import type { Machine } from './machine.js'
import { checkMemory } from './memory.js'
import { checkDeviceNodes, checkDevices, checkOvercommit, checkRelations, relationsOf } from './nodes.js'
import type { Occupancy } from './occupancy.js'
import type { PlacedVm } from './placement.js'
import type { Violation } from './violation.js'

/** Whether each vCPU has a usable CPU that is its own, or shares those that are for sharing. */
export function checkSeats(machine: Machine, occupancy: Occupancy, vms: readonly PlacedVm[]): Violation[] {
  return [...checkUsable(machine, occupancy), ...checkExclusive(machine, occupancy, vms)]
}

/** All other constraints. */
export function checkPlacement(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  return [...checkRest(machine, occupancy, request, vms, true), ...checkEmulator(machine, occupancy, vms)]
}

/** The same of a state in which VMs are still to move: what is left is left for them, the VMMs' own threads are somewhere. */
export function checkState(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
): Violation[] {
  return [...checkSeats(machine, occupancy, vms), ...checkRest(machine, occupancy, request, vms, false)]
}

function checkRest(
  machine: Machine,
  occupancy: Occupancy,
  request: Request,
  vms: readonly PlacedVm[],
  isFinal: boolean,
): Violation[] {
  const relations = relationsOf(vms)
  return [
    ...vms.flatMap((vm) => checkCells(machine, vm)),
    ...checkCellNodes(machine, vms),
    ...checkThreadPolicy(machine, occupancy, vms),
    ...checkTrust(occupancy),
    ...checkDevices(machine, vms),
    ...checkDeviceNodes(request, vms),
    ...checkRelations(vms, relations),
    ...checkOvercommit(machine, occupancy, request, vms),
    ...checkMemory(machine, request, vms, relations, isFinal),
  ]
}
