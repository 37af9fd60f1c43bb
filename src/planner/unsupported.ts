/** What the request format has and this version of the planner does not plan yet: refused by name, never left aside. */

import { InputError, show } from '../errors.js'
import type { Request, RequestVm } from '../types.js'

type Field = Exclude<keyof RequestVm, 'name' | 'vcpus' | 'memory'>

/** By field: the values that are planned, and whether the VM's is one. */
const PLANNED: Partial<Record<Field, { readonly expected: string; readonly holds: (vm: RequestVm) => boolean }>> = {
  span: { expected: 'false', holds: (vm) => !vm.span },
  cpuPolicy: { expected: '"dedicated" or "shared"', holds: (vm) => vm.cpuPolicy !== 'mixed' },
  memoryPolicy: { expected: '"strict"', holds: (vm) => vm.memoryPolicy === 'strict' },
  traffic: { expected: '"uniform"', holds: (vm) => vm.traffic === null },
  current: { expected: 'no current placement', holds: (vm) => vm.current === null },
}

/**
 * @throws {InputError} for the first field whose value this planner does not plan yet
 */
export function refuseUnplanned(request: Request): void {
  for (const [at, vm] of request.vms.entries()) {
    for (const [field, { expected, holds }] of Object.entries(PLANNED)) {
      if (holds(vm)) continue
      const got = `${show(vm[field as Field])}, which this version does not plan yet`
      throw new InputError(`vms[${at}].${field}`, expected, got)
    }
  }
}
