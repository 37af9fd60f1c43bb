/** A request file's content -> Request: validated, complete, in bytes. */

import * as z from 'zod'
import { InputError } from './errors.js'
import { freezeDeep } from './freeze.js'
import { avoidsDevices, checkCount, checkExpected, checkTogether, checkTotal } from './request/rules.js'
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
  checkExpected(given.expect)
  const vms = given.vms.map((vm, at) => readVcpuSets(vm, `vms[${at}]`))
  checkTogether(vms, given)
  const { reserve, freeMemoryOnly, deviceNodes, overcommit, strategy, model, expect } = given
  const request: Request = freezeDeep({
    reserve,
    freeMemoryOnly,
    deviceNodes,
    overcommit,
    strategy,
    model,
    expect,
    vms: vms.map((vm) => complete(vm, deviceNodes)),
  })
  parsed.add(request)
  return request
}

/** A VM for where the format wants one. */
const STUB = { name: 'none', vcpus: 1, memory: '4KiB' }

/**
 * What is on a host: the content of a request file whose VMs all have `current`; it may have no VM (`vms: []`).
 * @throws {InputError} that names the place, such as `vms[2].current`
 */
export function parsePlaced(input: unknown): Request {
  const isThere = typeof input === 'object' && input !== null
  const isEmpty = isThere && !parsed.has(input) && 'vms' in input && Array.isArray(input.vms) && input.vms.length === 0
  if (isEmpty) return withVms(parseRequest({ ...input, vms: [STUB] }), [])
  const request = parseRequest(input)
  const at = request.vms.findIndex(({ current }) => current === null)
  if (at >= 0)
    throw new InputError(`vms[${at}].current`, 'where the VM is: its cells and vcpus, as a plan has them', 'nothing')
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
