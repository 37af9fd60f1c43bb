/** Makes a VM's devices in the thread of one vCPU. */

import { assertNever, show } from '../../src/errors.js'
import { REPORT_PORT } from '../guests/walk.js'
import type { DeviceSpec } from '../wire/device-spec.js'
import { type GuestEnd, textOf } from '../wire/failure.js'
import { DEVICE, type VcpuBlock, type VcpuMessage } from '../wire/shared.js'
import type { Device, DeviceContext, DeviceModule } from './device.js'
import { createPower } from './power.js'
import type { Mailbox } from './remote.js'
import { createSerial } from './serial.js'
import { createVirtioMmio } from './virtio-mmio.js'

interface DeviceRoom {
  readonly block: VcpuBlock
  readonly mailbox: Mailbox
  readonly post: (message: VcpuMessage) => void
  readonly context: DeviceContext
  /** The guest has ended itself. */
  readonly end: (how: GuestEnd) => void
}

/** In the order of `specs`. A module that cannot be loaded, or throws, is the thread's failure. */
export async function createDevices(specs: readonly DeviceSpec[], room: DeviceRoom): Promise<Device[]> {
  const { control } = room.block
  const devices: Device[] = []
  // One after the other, so that the one that does not return can be named.
  for (const [index, spec] of specs.entries()) {
    control[DEVICE] = index + 1
    devices.push(await createDevice(spec, index, room))
  }
  control[DEVICE] = 0
  return devices
}

async function createDevice({ what, start }: DeviceSpec, index: number, room: DeviceRoom): Promise<Device> {
  const { block, mailbox, post, context, end } = room
  switch (what.kind) {
    case 'main':
      return mailbox.device(index)
    case 'module':
      return guarded(await load(what.url, what.options, context), what.url, index, block)
    case 'serial':
      return createSerial(start, what.shared, what.interrupt, block, () => post({ kind: 'output', device: index }))
    case 'exit':
      return { write: (_, data) => context.exit(littleEndian(data)) }
    case 'virtio':
      return createVirtioMmio({ start, ...what }, block)
    case 'power':
      return createPower(end)
    case 'nothing':
      return { read: (_, data) => data.fill(0xff), write: () => {} }
    case 'report':
      return {
        write: (_, data) => {
          block.progress[0] = littleEndian(data)
        },
      }
    default:
      return assertNever(what)
  }
}

/** The device that a module makes. What goes wrong says of which module. */
async function load(url: string, options: unknown, context: DeviceContext): Promise<Device> {
  try {
    const { createDevice }: Partial<DeviceModule> = await import(url)
    if (typeof createDevice !== 'function') {
      throw new TypeError(`expected a function createDevice, got ${show(createDevice)}`)
    }
    return requireDevice(createDevice(options, context))
  } catch (error) {
    throw new Error(`the device of ${url} cannot be made: ${textOf(error)}`, { cause: error })
  }
}

function requireDevice(made: unknown): Device {
  const isFunction = (value: unknown) => value === undefined || typeof value === 'function'
  const { read, write, then } = Object(made)
  if (typeof made === 'object' && made !== null && then === undefined && isFunction(read) && isFunction(write)) {
    return made as Device
  }
  const got = then === undefined ? show(made) : 'a promise: a device has to be made at once'
  throw new TypeError(`expected createDevice to return an object with functions read, write, or both, got ${got}`)
}

/** A device that says where it is from when it throws, and while it is at work. */
function guarded(device: Device, url: string, index: number, { control }: VcpuBlock): Device {
  const call = (method: 'read' | 'write') => (address: number, data: Uint8Array) => {
    control[DEVICE] = index + 1
    try {
      const answer: unknown = device[method]?.(address, data)
      // A promise: the guest would go on without what it reads, and what the device throws would be lost.
      if (answer !== undefined && answer instanceof Promise) {
        answer.catch(() => {})
        throw new TypeError('it answers with a promise, and has to answer at once')
      }
      control[DEVICE] = 0
    } catch (error) {
      throw new Error(`the device of ${url} threw: ${textOf(error)}`, { cause: error })
    }
  }
  return {
    ...(device.read === undefined ? {} : { read: call('read') }),
    ...(device.write === undefined ? {} : { write: call('write') }),
  }
}

/** What the guests of a run report their progress to. */
export const reportDevice = { range: { start: REPORT_PORT }, what: { kind: 'report' } } as const

function littleEndian(data: Uint8Array): number {
  let value = 0
  for (let i = data.length - 1; i >= 0; i--) value = value * 256 + data[i]!
  return value
}
