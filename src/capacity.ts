/** How many more VMs like one of a request a host takes. */

import { requireHost, requireObject } from './checks.js'
import { InputError, show } from './errors.js'
import { Planner, type PlanOptions } from './planner/planner.js'
import { MAX_VCPUS, MAX_VMS } from './request/schema.js'
import { parseRequest, withVms } from './request.js'
import type { Capacity, ExpectedCapacity, ExpectedVm, Host, Plan, Request, RequestVm } from './types.js'
import { roomBeside, verifyPlan } from './verify.js'

/**
 * How many more VMs like the one named `vm` fit beside those of the request that are placed, and what stops the next. The number is
 * backed by a plan that holds; the planner's search is heuristic, so there may be room for more.
 * @param request the content of a request file, or what `parseRequest` made of it
 * @throws {InputError} where the request is not valid, does not go with the host or has no such VM
 * @throws {PlanError} if the plan behind the number does not hold: a defect of the planner
 */
export async function capacity(host: Host, request: unknown, vm: string, options: PlanOptions = {}): Promise<Capacity> {
  requireHost(host)
  requireObject('options', options)
  const parsed = parseRequest(request)
  const model = parsed.vms.find(({ name }) => name === vm)
  if (model === undefined) {
    const names = parsed.vms.map(({ name }) => show(name)).join(', ')
    throw new InputError('vm', `the name of a VM of the request (${names})`, show(vm))
  }
  const planner = await Planner.load()
  const refusedAnyway = new Set(planner.plan(host, parsed, options).refused.map(({ name }) => name))
  const most = mostMore(parsed, model)
  const planOf = (more: number, how = options) => planner.plan(host, withMore(parsed, model, more), how)
  const stopper = (plan: Plan) => plan.refused.find(({ name }) => !refusedAnyway.has(name))
  const soon = { ...options, steps: 0 }

  // With steps of search no fewer VMs are placed than without: the search begins with that plan.
  const atLeast = largest(0, most, (more) => stopper(planOf(more, soon)) === undefined)
  const fits = largest(atLeast, most, (more) => stopper(planOf(more)) === undefined)
  const grown = withMore(parsed, model, fits)
  const plan = verifyPlan(host, grown, planner.plan(host, grown, options))
  const because =
    fits === most
      ? [{ constraint: 'limit', text: `a request has at most ${MAX_VMS} VMs and ${MAX_VCPUS} vCPUs` }]
      : (stopper(planOf(fits + 1))?.because ?? [])
  return { schemaVersion: 1, kind: 'Capacity', vm, more: fits, lostVcpus: plan.cost.lostVcpus, because }
}

/**
 * How many more VMs of each size that the request expects fit beside its plan, whose VMs stay where they are.
 * @param request the content of a request file, or what `parseRequest` made of it; with `expect`
 * @throws {InputError} where the request is not valid, does not go with the host or expects nothing
 * @throws {PlanError} if the plan does not hold: a defect of the planner
 */
export async function expectedCapacity(
  host: Host,
  request: unknown,
  options: PlanOptions = {},
): Promise<ExpectedCapacity> {
  requireHost(host)
  requireObject('options', options)
  const parsed = parseRequest(request)
  if (parsed.expect.length === 0) throw new InputError('expect', 'sizes of VMs that may come', 'none')
  const planner = await Planner.load()
  const { vms, refused, cost } = verifyPlan(host, parsed, planner.plan(host, parsed, options))
  const { mean, sizes } = roomBeside(host, parsed, vms)
  return {
    schemaVersion: 1,
    kind: 'ExpectedCapacity',
    lostVcpus: cost.lostVcpus,
    refused: refused.map(({ name }) => name),
    room: mean,
    sizes: sizes.map((size) => ({ ...size, more: planner.roomFor(oneOf(parsed, size)) })),
  }
}

/** A VM of a size, with the default wishes. */
function oneOf({ deviceNodes }: Request, { vcpus, memory }: ExpectedVm): RequestVm {
  const vms = [{ name: 'expected', vcpus, memory: '4KiB' }]
  const [vm] = parseRequest({ deviceNodes: deviceNodes.join(), vms }).vms
  return { ...vm!, memory }
}

/** The largest number up to `most` that fits, where `from` fits. First the distance is doubled until one does not fit, then halved. */
function largest(from: number, most: number, doesFit: (number: number) => boolean): number {
  let fits = from
  let fails = most + 1
  for (let step = 1; fits + step < fails; step *= 2) {
    if (doesFit(fits + step)) fits += step
    else fails = fits + step
  }
  while (fails - fits > 1) {
    const middle = Math.floor((fits + fails) / 2)
    if (doesFit(middle)) fits = middle
    else fails = middle
  }
  return fits
}

/** As many as the format of a request takes. */
function mostMore(request: Request, model: RequestVm): number {
  const vcpus = request.vms.reduce((sum, vm) => sum + vm.vcpus, 0)
  return Math.min(MAX_VMS - request.vms.length, Math.floor((MAX_VCPUS - vcpus) / model.vcpus))
}

/** The request with `more` VMs like the model, new ones, each with a name of its own. */
function withMore(request: Request, model: RequestVm, more: number): Request {
  const taken = new Set(request.vms.map(({ name }) => name))
  const vms = [...request.vms]
  for (let number = 1; vms.length < request.vms.length + more; number++) {
    const name = `${model.name} +${number}`
    if (taken.has(name)) continue
    vms.push({ ...model, name, current: null })
  }
  return withVms(request, vms)
}
