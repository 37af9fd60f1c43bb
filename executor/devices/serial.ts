/**
 * A 16550 UART, on which a guest prints and from which it reads (COM1). All vCPUs of a VM share its registers, the bytes
 * that are on their way to the main thread, and those that the main thread has for the guest. It sends at once.
 * Source: PC16550D data sheet, section 8.
 */

import { signalEvent } from '../ffi/files.js'
import { isStopped, type VcpuBlock } from '../wire/shared.js'
import type { Device } from './device.js'
import { StoppedError } from './remote.js'

const REGISTERS = 8
/** Offsets; `data` and `interruptEnable` are the divisor while LCR has DLAB. */
const DATA = 0
const INTERRUPT_ENABLE = 1
/** Read: which interrupt; written: control of the FIFOs. */
const INTERRUPT_ID = 2
const LINE_CONTROL = 3
const MODEM_CONTROL = 4
const LINE_STATUS = 5
const MODEM_STATUS = 6
const DLAB = 0x80
const ENABLE_BITS = 0x0f
const ENABLE_RECEIVED = 1
const ENABLE_SENT = 2
const NO_INTERRUPT = 1
const SENT_INTERRUPT = 2
const RECEIVED_INTERRUPT = 4
const FIFO_ENABLED = 1
const FIFO_CLEAR_RECEIVED = 2
const FIFO_BITS = 0xc0
const MODEM_CONTROL_BITS = 0x1f
const LOOPBACK = 0x10
/** All sent: THRE and TEMT. */
const ALL_SENT = 0x60
const DATA_READY = 1
/** Carrier, data set ready, clear to send. */
const CONNECTED = 0xb0

const HEADER_BYTES = 64
const CAPACITY = 64 * 1024
const INPUT_CAPACITY = 4096
/** Indices into the header: bytes written and bytes taken so far, a lock, whether the main thread has been told. */
const WRITTEN = 0
const TAKEN = 1
const LOCK = 2
const TOLD = 3
/** Bytes for the guest: given, and read by it. */
const GIVEN = 4
const READ = 5
/** 1: sending has ended, and the guest has not been told. */
const SENT = 6
/** What the guest wrote to the FIFOs' control. */
const FIFO = 7

interface Shared {
  readonly header: Int32Array
  readonly registers: Uint8Array
  readonly divisor: Uint8Array
  readonly bytes: Uint8Array
  readonly input: Uint8Array
}

export function allocateSerial(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + CAPACITY + INPUT_CAPACITY)
}

function sharedOf(buffer: SharedArrayBuffer): Shared {
  return {
    header: new Int32Array(buffer, 0, 8),
    registers: new Uint8Array(buffer, 32, REGISTERS),
    divisor: new Uint8Array(buffer, 32 + REGISTERS, 2),
    bytes: new Uint8Array(buffer, HEADER_BYTES, CAPACITY),
    input: new Uint8Array(buffer, HEADER_BYTES + CAPACITY, INPUT_CAPACITY),
  }
}

/**
 * @param interrupt an eventfd that raises its interrupt; `null`: it has none
 * @param tell called when the main thread has to fetch what is there
 */
export function createSerial(
  start: number,
  buffer: SharedArrayBuffer,
  interrupt: number | null,
  block: VcpuBlock,
  tell: () => void,
): Device {
  const shared = sharedOf(buffer)
  const { header, registers, divisor } = shared
  const isDivisor = (register: number) => register <= INTERRUPT_ENABLE && (registers[LINE_CONTROL]! & DLAB) !== 0
  const raise = () => {
    if (interrupt !== null) signalEvent(interrupt)
  }
  const sent = () => {
    Atomics.store(header, SENT, 1)
    if ((registers[INTERRUPT_ENABLE]! & ENABLE_SENT) !== 0) raise()
  }
  return {
    read(address, data) {
      const register = address - start
      data.fill(0)
      if (isDivisor(register)) data[0] = divisor[register]!
      else if (register === DATA) data[0] = receive(shared, block)
      else if (register === INTERRUPT_ID) data[0] = identify(shared)
      else if (register === LINE_STATUS) data[0] = ALL_SENT | (hasInput(header) ? DATA_READY : 0)
      else if (register === MODEM_STATUS) data[0] = modemStatus(registers[MODEM_CONTROL]!)
      else data[0] = registers[register]!
    },
    write(address, data) {
      const register = address - start
      const value = data[0]!
      if (isDivisor(register)) divisor[register] = value
      else if (register === DATA) {
        if ((registers[MODEM_CONTROL]! & LOOPBACK) === 0) send(shared, value, block, tell)
        sent()
      } else if (register === INTERRUPT_ENABLE) {
        const before = registers[INTERRUPT_ENABLE]!
        registers[INTERRUPT_ENABLE] = value & ENABLE_BITS
        // It is told anew that nothing is left to be sent.
        if ((value & ~before & ENABLE_SENT) !== 0) sent()
        if ((value & ENABLE_RECEIVED) !== 0 && hasInput(header)) raise()
      } else if (register === INTERRUPT_ID) {
        Atomics.store(header, FIFO, value)
        if ((value & FIFO_CLEAR_RECEIVED) !== 0) Atomics.store(header, READ, Atomics.load(header, GIVEN))
      } else registers[register] = register === MODEM_CONTROL ? value & MODEM_CONTROL_BITS : value
    },
  }
}

/** The most urgent interrupt. Reading that all is sent takes it back. */
function identify({ header, registers }: Shared): number {
  const enabled = registers[INTERRUPT_ENABLE]!
  const fifo = (Atomics.load(header, FIFO) & FIFO_ENABLED) === 0 ? 0 : FIFO_BITS
  if ((enabled & ENABLE_RECEIVED) !== 0 && hasInput(header)) return fifo | RECEIVED_INTERRUPT
  if ((enabled & ENABLE_SENT) !== 0 && Atomics.exchange(header, SENT, 0) === 1) return fifo | SENT_INTERRUPT
  return fifo | NO_INTERRUPT
}

/** In loopback the modem's outputs are its inputs. */
function modemStatus(control: number): number {
  if ((control & LOOPBACK) === 0) return CONNECTED
  const [dtr, rts, outputs] = [control & 1, (control >> 1) & 1, (control >> 2) & 3]
  return (rts << 4) | (dtr << 5) | (outputs << 6)
}

function hasInput(header: Int32Array): boolean {
  return Atomics.load(header, GIVEN) !== Atomics.load(header, READ)
}

function receive({ header, input }: Shared, block: VcpuBlock): number {
  lock(header, block)
  try {
    const read = Atomics.load(header, READ)
    if (read === Atomics.load(header, GIVEN)) return 0
    const byte = input[(read >>> 0) % INPUT_CAPACITY]!
    Atomics.store(header, READ, (read + 1) | 0)
    return byte
  } finally {
    unlock(header)
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

/**
 * Gives the guest bytes to read, as many as there is room for; on the main thread.
 * @returns how many it took
 */
export function giveInput(buffer: SharedArrayBuffer, interrupt: number | null, bytes: Uint8Array): number {
  const { header, registers, input } = sharedOf(buffer)
  const given = Atomics.load(header, GIVEN)
  const room = INPUT_CAPACITY - ((given - Atomics.load(header, READ)) | 0)
  const count = Math.min(room, bytes.length)
  for (let i = 0; i < count; i++) input[((given + i) >>> 0) % INPUT_CAPACITY] = bytes[i]!
  Atomics.store(header, GIVEN, (given + count) | 0)
  if (count > 0 && interrupt !== null && (registers[INTERRUPT_ENABLE]! & ENABLE_RECEIVED) !== 0) signalEvent(interrupt)
  return count
}
