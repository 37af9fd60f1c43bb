/** What is on a host, as plans put it there and VMs leave it. Values: nothing is changed in place. */

import { InputError, show } from '../errors.js'
import { parsePlaced, withVms } from '../request.js'
import type { CurrentPlacement, Plan, Request, RequestVm } from '../types.js'
import { readPlacedVm } from './vm.js'

/** An empty host, with the settings that a request has by default. */
export const NOTHING = parsePlaced({ vms: [] })

/**
 * A request as a plan for it leaves the host: each VM of the plan with its place as `current`; those that it refuses are not there.
 * What `rank` takes as placed.
 * @param request what the plan was made for, as `parseRequest` or `placedRequest` returned it
 * @throws {InputError} where the plan has a VM that the request has not
 */
export function placedRequest(request: Request, plan: Pick<Plan, 'vms'>): Request {
  const places = new Map(plan.vms.map(({ name, cells, vcpus }) => [name, { cells, vcpus }]))
  const vms = request.vms.flatMap((vm) => {
    const current = places.get(vm.name)
    return current === undefined ? [] : [{ ...vm, pageSize: pageSizeOf(vm, current), current }]
  })
  if (vms.length === places.size) return withVms(request, vms.map(among(places)))
  const known = new Set(request.vms.map(({ name }) => name))
  const unknown = [...places.keys()].find((name) => !known.has(name))
  throw new InputError('plan.vms', 'VMs of the request', show(unknown))
}

/** Its memory has the pages that it got: other sizes would be a move. Cells of several sizes stay as they were asked for. */
function pageSizeOf({ pageSize }: RequestVm, { cells }: CurrentPlacement): RequestVm['pageSize'] {
  const [first] = cells
  return cells.every((cell) => cell.pageSize === first!.pageSize) ? first!.pageSize : pageSize
}

/**
 * The same host with further VMs that are there: each as a request has it, with its place as `current`.
 * @throws {InputError} at the place in it
 */
export function placedWith(placed: Request, vms: readonly object[]): Request {
  const further = vms.map((vm, at) => readPlacedVm(`vms[${at}]`, vm, placed)).map(withItsPages)
  const names = new Set(placed.vms.map(({ name }) => name))
  for (const [at, { name }] of further.entries()) {
    if (names.has(name)) throw new InputError(`vms[${at}].name`, 'the name of a VM that is not there yet', show(name))
    names.add(name)
  }
  return withVms(placed, [...placed.vms, ...further].map(among(names)))
}

/** A VM that is there: it keeps the pages that it has. */
export function withItsPages(vm: RequestVm): RequestVm {
  const pageSize = pageSizeOf(vm, vm.current!)
  return pageSize === vm.pageSize ? vm : { ...vm, pageSize }
}

/**
 * The same host without one of its VMs.
 * @throws {InputError} where it is not there
 */
export function withoutVm(placed: Request, name: string): Request {
  const names = new Set(placed.vms.map((vm) => vm.name))
  if (!names.delete(name)) throw new InputError('name', 'a VM that is placed', show(name))
  return withVms(placed, placed.vms.filter((vm) => vm.name !== name).map(among(names)))
}

/** A VM without what it asks of those that are not there: of them it asks nothing (docs/model.md, "Constraints"). */
export function among(names: { has(name: string): boolean }): (vm: RequestVm) => RequestVm {
  return (vm) => {
    const near = vm.near.filter((name) => names.has(name))
    const separateFrom = vm.separateFrom.filter((name) => names.has(name))
    return { ...vm, near, separateFrom }
  }
}
