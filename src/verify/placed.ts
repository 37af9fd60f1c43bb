/** VMs where `current` has them: whether all of that holds together. */

import type { Finding } from '../errors.js'
import type { Host, PlanVm, Request } from '../types.js'
import { checkSeats, checkState } from './constraints.js'
import { machineOf } from './machine.js'
import { checkShape } from './placement.js'
import { stateReader } from './states.js'
import { findingOf } from './violation.js'

/**
 * @param request all of its VMs have `current`. Of the VMMs' own threads nothing is known, so shared vCPUs float over what their node has to share
 * without these, whatever `current` says
 */
export function examinePlaced(host: Host, request: Request): Finding[] {
  const machine = machineOf(host, request)
  const vms = request.vms.map(({ name, current, iothreads }): PlanVm => {
    const cost = { lostVcpus: 0, terms: {} }
    return { name, cost, ...current!, emulator: '', iothreads: Array.from({ length: iothreads }, () => '') }
  })
  const shape = checkShape(machine, request, { vms, refused: [] })
  if (shape.length > 0) return shape
  const current = new Map(request.vms.map((vm) => [vm.name, vm.current!]))
  const { placed, occupancy } = stateReader(machine, request)(current)
  const seats = checkSeats(machine, occupancy, placed)
  const violations = seats.length > 0 ? seats : checkState(machine, occupancy, request, placed)
  return violations.map(findingOf)
}
