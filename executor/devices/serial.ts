/**
 * The transmitting half of a 16550 UART, on which a guest prints (COM1). All vCPUs of a VM share its registers and the bytes
 * that are on their way to the main thread.
 * Source: PC16550D data sheet, section 8.
 */

import { isStopped, type VcpuBlock } from '../wire/shared.js'
import type { Device } from './device.js'
import { StoppedError } from './remote.js'

const REGISTERS = 8
/** Offsets; `data` and `interruptEnable` are the divisor while LCR has DLAB. */
const DATA = 0
const INTERRUPT_ENABLE = 1
const INTERRUPT_ID = 2
const LINE_CONTROL = 3
const LINE_STATUS = 5
const MODEM_STATUS = 6
const DLAB = 0x80
/** Nothing to be read, all sent: THRE and TEMT. */
const ALL_SENT = 0x60
/** Carrier, data set ready, clear to send. */
const CONNECTED = 0xb0
const NO_INTERRUPT = 1

const HEADER_BYTES = 64
const CAPACITY = 64 * 1024
/** Indices into the header: bytes written and bytes taken so far, a lock, whether the main thread has been told. */
const WRITTEN = 0
const TAKEN = 1
const LOCK = 2
const TOLD = 3

interface Shared {
  readonly header: Int32Array
  readonly registers: Uint8Array
  readonly divisor: Uint8Array
  readonly bytes: Uint8Array
}

export function allocateSerial(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + CAPACITY)
}

function sharedOf(buffer: SharedArrayBuffer): Shared {
  return {
    header: new Int32Array(buffer, 0, 4),
    registers: new Uint8Array(buffer, 16, REGISTERS),
    divisor: new Uint8Array(buffer, 16 + REGISTERS, 2),
    bytes: new Uint8Array(buffer, HEADER_BYTES, CAPACITY),
  }
}

/** @param tell called when the main thread has to fetch what is there */
export function createSerial(start: number, buffer: SharedArrayBuffer, block: VcpuBlock, tell: () => void): Device {
  const shared = sharedOf(buffer)
  const { registers, divisor } = shared
  const isDivisor = (register: number) => register <= INTERRUPT_ENABLE && (registers[LINE_CONTROL]! & DLAB) !== 0
  return {
    read(address, data) {
      const register = address - start
      data.fill(0)
      if (isDivisor(register)) data[0] = divisor[register]!
      else if (register === INTERRUPT_ID) data[0] = NO_INTERRUPT
      else if (register === LINE_STATUS) data[0] = ALL_SENT
      else if (register === MODEM_STATUS) data[0] = CONNECTED
      else if (register !== DATA) data[0] = registers[register]!
    },
    write(address, data) {
      const register = address - start
      if (isDivisor(register)) divisor[register] = data[0]!
      else if (register === DATA) send(shared, data[0]!, block, tell)
      else registers[register] = data[0]!
    },
  }
}

function send({ header, bytes }: Shared, byte: number, block: VcpuBlock, tell: () => void): void {
  lock(header, block)
  try {
    const written = header[WRITTEN]!
    while (((written - Atomics.load(header, TAKEN)) | 0) >= CAPACITY) {
      if (isStopped(block)) throw new StoppedError('stopped while the serial console was full')
      Atomics.wait(header, TAKEN, (written - CAPACITY) | 0, 10)
    }
    bytes[(written >>> 0) % CAPACITY] = byte
    Atomics.store(header, WRITTEN, written + 1)
  } finally {
    unlock(header)
  }
  if (Atomics.exchange(header, TOLD, 1) === 0) tell()
}

/** A thread that died with the lock keeps it. Then the VM has failed, and the others are told to stop. */
function lock(header: Int32Array, block: VcpuBlock): void {
  while (Atomics.compareExchange(header, LOCK, 0, 1) !== 0) {
    if (isStopped(block)) throw new StoppedError('stopped while another vCPU used the serial console')
    Atomics.wait(header, LOCK, 1, 10)
  }
}

function unlock(header: Int32Array): void {
  Atomics.store(header, LOCK, 0)
  Atomics.notify(header, LOCK, 1)
}

/** Takes out what the guest has printed since the last time. */
export function takeOutput(buffer: SharedArrayBuffer): Uint8Array {
  const { header, bytes } = sharedOf(buffer)
  Atomics.store(header, TOLD, 0)
  const taken = header[TAKEN]!
  const count = (Atomics.load(header, WRITTEN) - taken) | 0
  const output = Uint8Array.from({ length: count }, (_, i) => bytes[((taken + i) >>> 0) % CAPACITY]!)
  Atomics.store(header, TAKEN, taken + count)
  Atomics.notify(header, TAKEN)
  return output
}
