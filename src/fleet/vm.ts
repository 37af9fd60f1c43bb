/** One VM of a request alone, complete for a host's settings. */

import { requireObject } from '../checks.js'
import { InputError, show } from '../errors.js'
import { parseRequest } from '../request.js'
import type { Request, RequestVm } from '../types.js'

/** Of the host: what a VM's defaults and rules depend on. */
type Settings = Pick<Request, 'deviceNodes' | 'reserve'>

function settingsFor({ deviceNodes, reserve }: Settings): object {
  return { deviceNodes: deviceNodes.join(), reserve: { nodes: reserve.nodes.join() } }
}

/**
 * The VM that is to be placed. Those that it wants to be near to or apart from need not be there.
 * @throws {InputError} at the place in it
 */
export function readVm(vm: unknown, settings: Settings): RequestVm {
  const read = readOne('vm', vm, settings)
  if (read.current === null) return read
  throw new InputError('vm.current', 'nothing: a VM that is nowhere yet', 'a place')
}

/**
 * A VM that is there. Those that it wants to be near to or apart from need not be.
 * @throws {InputError} at the place in it
 */
export function readPlacedVm(where: string, vm: unknown, settings: Settings): RequestVm {
  const read = readOne(where, vm, settings)
  if (read.current !== null) return read
  throw new InputError(`${where}.current`, 'where the VM is: its cells and vcpus, as a plan has them', 'nothing')
}

function readOne(where: string, vm: unknown, settings: Settings): RequestVm {
  requireObject(where, vm)
  const { near, separateFrom, name } = vm as Readonly<Record<string, unknown>>
  const others = [near, separateFrom].flatMap((names) => (Array.isArray(names) ? names : []))
  const stubs = [...new Set(others)].filter((other) => typeof other === 'string' && other !== name)
  const vms = [vm, ...stubs.map((other) => ({ name: other, vcpus: 1, memory: '4KiB' }))]
  const [read] = parse(where, () => parseRequest({ ...settingsFor(settings), vms }).vms)
  return read!
}

/** @throws {InputError} at the place in them */
export function readFlavours(flavours: readonly unknown[], settings: Settings): RequestVm[] {
  return flavours.map((flavour, at) => {
    const where = `options.flavours[${at}]`
    requireObject(where, flavour)
    const named = { name: `flavour ${at}`, ...(flavour as object) }
    return parse(where, () => parseRequest({ ...settingsFor(settings), vms: [named] }).vms[0]!)
  })
}

/** Errors name the VM as it was given. */
function parse<Value>(where: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const place = error.where.replace(/^vms\[0\]/, where)
    throw new InputError(place, error.expected, error.got === '' ? show(undefined) : error.got)
  }
}
