/** Makes a VM's devices in the thread of one vCPU. */

import { assertNever } from '../../src/errors.js'
import { REPORT_PORT } from '../guests/walk.js'
import type { DeviceSpec } from '../wire/device-spec.js'
import type { VcpuBlock, VcpuMessage } from '../wire/shared.js'
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
export function createDevices(specs: readonly DeviceSpec[], room: DeviceRoom): Promise<Device[]> {
  return Promise.all(specs.map((spec, index) => createDevice(spec, index, room)))
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
      return guarded(module.createDevice(what.options, context), what.url)
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

/** A device that says where it is from when it throws. */
function guarded(device: Device, url: string): Device {
  const call = (method: 'read' | 'write') => (address: number, data: Uint8Array) => {
    try {
      device[method]?.(address, data)
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
