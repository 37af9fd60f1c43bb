/** Makes a VM's devices in the thread of one vCPU. */

import { assertNever } from '../../src/errors.js'
import { REPORT_PORT } from '../guests/walk.js'
import type { DeviceSpec } from '../wire/device-spec.js'
import { DEVICE, type VcpuBlock, type VcpuMessage } from '../wire/shared.js'
import type { Device, DeviceContext, DeviceModule } from './device.js'
import type { Mailbox } from './remote.js'
import { createSerial } from './serial.js'

interface DeviceRoom {
  readonly block: VcpuBlock
  readonly mailbox: Mailbox
  readonly post: (message: VcpuMessage) => void
  readonly context: DeviceContext
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
  const { block, mailbox, post, context } = room
  switch (what.kind) {
    case 'main':
      return mailbox.device(index)
    case 'module': {
      const module: Partial<DeviceModule> = await import(what.url)
      if (typeof module.createDevice !== 'function') {
        throw new TypeError(`expected a function createDevice in ${what.url}, got ${typeof module.createDevice}`)
      }
      return guarded(module.createDevice(what.options, context), what.url, index, block)
    }
    case 'serial':
      return createSerial(start, what.shared, block, () => post({ kind: 'output', device: index }))
    case 'exit':
      return { write: (_, data) => context.exit(littleEndian(data)) }
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

/** A device that says where it is from when it throws, and while it is at work. */
function guarded(device: Device, url: string, index: number, { control }: VcpuBlock): Device {
  const call = (method: 'read' | 'write') => (address: number, data: Uint8Array) => {
    control[DEVICE] = index + 1
    try {
      device[method]?.(address, data)
      control[DEVICE] = 0
    } catch (error) {
      throw new Error(`the device of ${url} threw: ${error instanceof Error ? error.message : error}`, { cause: error })
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
