/** A request file's content -> Request: validated, complete, in bytes. */

import * as z from 'zod'
import { freezeDeep } from './freeze.js'
import { avoidsDevices, checkCount, checkTogether, checkTotal } from './request/rules.js'
import { requestFormat } from './request/schema.js'
import { readVcpuSets, type VmWithSets } from './request/vcpu-sets.js'
import { parseWith } from './schema.js'
import type { Request, RequestVm } from './types.js'

const parsed = new WeakSet<object>()

/**
 * The request that `input` (the parsed JSON of a request file) stands for: every default filled in, sizes in bytes,
 * sets as ascending arrays; deeply frozen. A Request that this function returned is returned as it is.
 * `schemaVersion` and `kind` may be left out. Fields that are not known are refused.
 * @throws {InputError} that names the place, such as `vms[2].memory`
 */
export function parseRequest(input: unknown): Request {
  if (typeof input === 'object' && input !== null && parsed.has(input)) return input as Request
  checkCount(input)
  const given = parseWith(requestFormat, input)
  checkTotal(given.vms)
  const vms = given.vms.map((vm, at) => readVcpuSets(vm, `vms[${at}]`))
  checkTogether(vms, given)
  const { reserve, freeMemoryOnly, deviceNodes, overcommit, strategy, model } = given
  const request: Request = freezeDeep({
    reserve,
    freeMemoryOnly,
    deviceNodes,
    overcommit,
    strategy,
    model,
    vms: vms.map((vm) => complete(vm, deviceNodes)),
  })
  parsed.add(request)
  return request
}

/** The same request with these VMs, each of which is, but for its name, one of its own: nothing that needs to be validated. */
export function withVms(request: Request, vms: readonly RequestVm[]): Request {
  const changed: Request = freezeDeep({ ...request, vms: [...vms] })
  parsed.add(changed)
  return changed
}

/** JSON Schema of a request file, for editors and other languages. What holds between fields is not in it. */
export function requestSchema(): object {
  return z.toJSONSchema(requestFormat, { io: 'input' })
}

function complete(vm: VmWithSets, deviceNodes: readonly number[]): RequestVm {
  return {
    ...vm,
    dedicatedVcpus: vm.dedicatedVcpus ?? [],
    memoryNodes: vm.memoryNodes ?? null,
    avoidDeviceNodes: avoidsDevices(vm, deviceNodes),
    trust: vm.trust ?? null,
    traffic: vm.traffic === 'uniform' ? null : vm.traffic,
    current: vm.current ?? null,
  }
}
