/** A 16550 as a driver uses it. Interrupts are counted by an eventfd, as the kernel counts them. */

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { allocateSerial, createSerial, giveInput, takeOutput } from '../../../executor/devices/serial.js'
import { closeFd, createEventFd, takeEvents } from '../../../executor/ffi/files.js'
import { SerialLine } from '../../../executor/vm/serial-line.js'
import { allocateBlock, blockOf } from '../../../executor/wire/shared.js'

const COM1 = 0x3f8
const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7]
const [NOTHING, ALL_SENT, RECEIVED] = [1, 2, 4]

function uart(use: (line: ReturnType<typeof lineOf>) => void): void {
  const interrupt = createEventFd()
  try {
    use(lineOf(interrupt))
  } finally {
    closeFd(interrupt)
  }
}

function lineOf(interrupt: number) {
  const shared = allocateSerial()
  const device = createSerial(COM1, shared, interrupt, blockOf(allocateBlock()), () => {})
  const byte = new Uint8Array(1)
  return {
    in: (register: number) => {
      device.read!(COM1 + register, byte)
      return byte[0]!
    },
    out: (register: number, value: number) => device.write!(COM1 + register, Uint8Array.of(value)),
    give: (bytes: string | Uint8Array) => giveInput(shared, interrupt, Buffer.from(bytes)),
    taken: () => Buffer.from(takeOutput(shared)).toString(),
    interrupts: () => takeEvents(interrupt),
  }
}

test('whoever writes is told when the guest has made room for all of it', async () => {
  const shared = allocateSerial()
  const device = createSerial(COM1, shared, null, blockOf(allocateBlock()), () => {})
  const line = new SerialLine(shared, null, () => true)
  const told: string[] = []
  line.write(new Uint8Array(4096), () => told.push('first'))
  assert.equal(told, ['first'])
  const second = new Promise<void>((resolve) => line.write(Uint8Array.of(7), resolve)).then(() => told.push('second'))
  line.write(new Uint8Array(0), () => told.push('empty'))
  await new Promise(setImmediate)
  assert.equal(told, ['first'])
  device.read!(COM1 + DATA, new Uint8Array(1))
  // Its timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  await second
  clearInterval(alive)
  assert.equal(told.sort(), ['empty', 'first', 'second'])
})

test('without interrupts enabled none comes, in either direction', () => {
  uart((line) => {
    line.out(DATA, 65)
    line.give('x')
    assert.is(line.interrupts(), 0)
    assert.is(line.in(IIR), NOTHING)
    assert.is(line.in(LSR), 0x61)
  })
})

test('enabling the interrupt for what is sent raises it at once, each time, and reading takes it back', () => {
  uart((line) => {
    for (let i = 0; i < 2; i++) {
      line.out(IER, 2)
      assert.is(line.interrupts(), 1)
      assert.is(line.in(IIR), ALL_SENT)
      assert.is(line.in(IIR), NOTHING)
      line.out(IER, 0)
    }
  })
})

test('each byte that is sent raises it again', () => {
  uart((line) => {
    line.out(IER, 2)
    line.in(IIR)
    line.interrupts()
    for (const byte of Buffer.from('hey')) {
      line.out(DATA, byte)
      assert.is(line.interrupts(), 1)
      assert.is(line.in(IIR), ALL_SENT)
    }
    assert.is(line.taken(), 'hey')
  })
})

test('input raises an interrupt, which stays until the last byte is read', () => {
  uart((line) => {
    line.out(IER, 3)
    line.interrupts()
    assert.is(line.give('ab'), 2)
    assert.is(line.interrupts(), 1)
    assert.is(line.in(IIR), RECEIVED)
    assert.is(line.in(DATA), 97)
    assert.is(line.in(IIR), RECEIVED)
    assert.is(line.in(DATA), 98)
    assert.is(line.in(LSR), 0x60)
    assert.is(line.in(IIR), ALL_SENT)
    assert.is(line.in(DATA), 0)
  })
})

test('input that came before its interrupt was enabled raises it then', () => {
  uart((line) => {
    line.give('a')
    assert.is(line.interrupts(), 0)
    line.out(IER, 1)
    assert.is(line.interrupts(), 1)
  })
})

test('it is what drivers take for a 16550A: loopback, FIFOs, scratch, masked registers', () => {
  uart((line) => {
    line.out(MCR, 0x1a)
    assert.is(line.in(MSR) & 0xf0, 0x90)
    line.out(DATA, 65)
    assert.is(line.taken(), '')
    line.out(MCR, 0xff)
    assert.is(line.in(MCR), 0x1f)
    line.out(MCR, 0)
    line.out(IIR, 1)
    assert.is(line.in(IIR), 0xc1)
    line.out(IER, 0xff)
    assert.is(line.in(IER), 0x0f)
    line.out(SCR, 0x5a)
    assert.is(line.in(SCR), 0x5a)
    line.out(LCR, 0x80)
    line.out(IER, 0x12)
    assert.is(line.in(IER), 0x12)
    line.out(LCR, 3)
    assert.is(line.in(IER), 0x0f)
  })
})

test('what there is no room for is not taken, and what is taken arrives in its order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3000), { maxLength: 8 }), (lengths) => {
      uart((line) => {
        const sent: number[] = []
        const read: number[] = []
        for (const [i, length] of lengths.entries()) {
          const bytes = Uint8Array.from({ length }, (_, at) => (7 * i + at) % 251)
          const taken = line.give(bytes)
          assert.ok(taken === length || sent.length + taken - read.length === 4096)
          sent.push(...bytes.subarray(0, taken))
          for (let n = 0; n < 1500 && read.length < sent.length; n++) read.push(line.in(DATA))
        }
        while ((line.in(LSR) & 1) !== 0) read.push(line.in(DATA))
        assert.equal(read, sent)
      })
    }),
  )
})

test('clearing the FIFO drops what has not been read', () => {
  uart((line) => {
    line.give('old')
    line.out(IIR, 3)
    assert.is(line.in(LSR), 0x60)
    line.give('n')
    assert.is(line.in(DATA), 110)
  })
})

test('whatever a guest writes and reads, no access throws', () => {
  const access = fc.record({ write: fc.boolean(), register: fc.nat(7), value: fc.nat(255) })
  fc.assert(
    fc.property(fc.array(access, { maxLength: 200 }), (accesses) => {
      uart((line) => {
        for (const { write, register, value } of accesses) {
          if (write) line.out(register, value)
          else assert.ok(line.in(register) < 256)
          line.give('x')
        }
      })
    }),
  )
})

test.run()
