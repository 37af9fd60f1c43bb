/** Virtio devices with drivers that keep the rules, and with drivers that do not. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { closeFd, openFile } from '../../../executor/ffi/files.js'
import { allocateInputRing, giveBytes } from '../../../executor/virtio/input-ring.js'
import { allocateOutputCount, countHandedOn, OUTPUT_MAX } from '../../../executor/virtio/output-count.js'
import type { VirtioWork } from '../../../executor/wire/virtio.js'
import { type Descriptor, type Driver, INDIRECT, NEXT, PAGE, WRITE, withDriver } from './driver.js'

const NEEDS_RESET = 64
const ENTROPY = { type: 4, features: [0, 1], queues: 1 } as const
const CONSOLE = { type: 3, features: [0, 1], queues: 2 } as const
const BLOCK = { type: 2, features: [0, 1], queues: 1 } as const
const [IN, OUT, FLUSH, GET_ID] = [0, 1, 4, 8]

const folder = mkdtempSync(join(tmpdir(), 'homenode-virtio-'))
const SECTORS = 16
const sectorOf = (sector: number) => Buffer.alloc(512, sector + 1)

/** A disk of 16 sectors, each full of its number and one. */
function withDisk(
  readOnly: boolean,
  use: (driver: Driver, path: string) => void,
  access: 'read' | 'read and write' = readOnly ? 'read' : 'read and write',
): void {
  const path = join(folder, 'disk')
  writeFileSync(path, Buffer.concat(Array.from({ length: SECTORS }, (_, sector) => sectorOf(sector))))
  const fd = openFile(path, access)
  try {
    withDriver({ kind: 'block', fd, sectors: SECTORS, readOnly }, BLOCK, (driver) => {
      driver.start()
      use(driver, path)
    })
  } finally {
    closeFd(fd)
  }
}

/** Offers a request with its header at 0x4000 and its status at 0x4100, and has it served. */
function request(driver: Driver, type: number, sector: bigint, data: readonly Descriptor[]): number {
  const header = driver.memory(0x4000, 16)
  new DataView(header.buffer, header.byteOffset).setUint32(0, type, true)
  new DataView(header.buffer, header.byteOffset).setBigUint64(8, sector, true)
  driver.memory(0x4100, 1)[0] = 0xee
  driver.offer([{ gpa: 0x4000, bytes: 16 }, ...data, { gpa: 0x4100, bytes: 1, flags: WRITE }])
  driver.device.serve()
  return driver.memory(0x4100, 1)[0]!
}

test('a device says what it is, and takes no queue that it has not', () => {
  withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
    assert.equal(
      [0, 4, 8].map((offset) => driver.read(offset)),
      [0x74726976, 2, 4],
    )
    assert.is(driver.read(0x034), 256)
    driver.write(0x014, 1)
    assert.is(driver.read(0x010), 1)
    driver.write(0x014, 7)
    assert.is(driver.read(0x010), 0)
    driver.write(0x030, 1)
    assert.is(driver.read(0x034), 0)
    driver.write(0x044, 1)
    assert.is(driver.read(0x044), 0)
  })
})

test('random bytes fill what the driver gives, and an interrupt says so', () => {
  withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
    driver.start()
    driver.offer([{ gpa: 0x5000, bytes: 64, flags: WRITE }])
    assert.is(driver.device.serve(), false)
    assert.equal(driver.used(), [{ head: 0, written: 64 }])
    assert.ok(new Set(driver.memory(0x5000, 64)).size > 20)
    assert.is(driver.interrupts(), 1)
    assert.is(driver.read(0x060), 1)
    driver.write(0x064, 1)
    assert.is(driver.read(0x060), 0)
  })
})

test('a driver that wants no interrupt gets none', () => {
  withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
    driver.start()
    driver.memory(0x2000, 1)[0] = 1
    driver.offer([{ gpa: 0x5000, bytes: 8, flags: WRITE }])
    driver.device.serve()
    assert.is(driver.used().length, 1)
    assert.is(driver.interrupts(), 0)
  })
})

test('sectors are read, also into pieces and across runs of memory', () => {
  withDisk(true, (driver) => {
    const across = 16 * PAGE - 256
    const data = [
      { gpa: 0x5000, bytes: 512, flags: WRITE },
      { gpa: across, bytes: 512, flags: WRITE },
    ]
    assert.is(request(driver, IN, 3n, data), 0)
    assert.equal(driver.used(), [{ head: 0, written: 1025 }])
    assert.equal(Buffer.from(driver.memory(0x5000, 512)), sectorOf(3))
    assert.equal(Buffer.from(driver.memory(across, 256)), sectorOf(4).subarray(256))
    assert.equal(Buffer.from(driver.memory(16 * PAGE, 256)), sectorOf(4).subarray(256))
  })
})

test('sectors are written, and reach the file', () => {
  withDisk(false, (driver, path) => {
    driver.memory(0x5000, 512).fill(0x77)
    assert.is(request(driver, OUT, 15n, [{ gpa: 0x5000, bytes: 512 }]), 0)
    assert.is(request(driver, FLUSH, 0n, []), 0)
    const disk = readFileSync(path)
    assert.equal(disk.subarray(15 * 512), Buffer.alloc(512, 0x77))
    assert.equal(disk.subarray(14 * 512, 15 * 512), sectorOf(14))
  })
})

test('a disk that may only be read is not written, even where its file could be', () => {
  for (const access of ['read', 'read and write'] as const) {
    withDisk(
      true,
      (driver, path) => {
        assert.is(request(driver, OUT, 0n, [{ gpa: 0x5000, bytes: 512 }]), 1)
        assert.equal(readFileSync(path).subarray(0, 512), sectorOf(0))
      },
      access,
    )
  }
})

test('after a reset the device begins anew, where its driver then says', () => {
  withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
    driver.start()
    for (let i = 0; i < 3; i++) {
      driver.offer([{ gpa: 0x5000, bytes: 8, flags: WRITE }])
      driver.device.serve()
    }
    assert.is(driver.used().length, 3)
    driver.write(0x070, 0)
    driver.device.serve()
    assert.is(driver.read(0x044), 0)
    for (const ring of [0x2000, 0x3000]) driver.memory(ring, 128).fill(0)
    driver.start(8, { used: 0x8000 })
    driver.offer([{ gpa: 0x5000, bytes: 8, flags: WRITE }])
    driver.device.serve()
    assert.equal(driver.used(8, 0x8000), [{ head: 0, written: 8 }])
    assert.equal(driver.used(), [])
  })
})

test('what lies beyond the disk, is no whole sector or is no request is an error of the guest alone', () => {
  withDisk(false, (driver, path) => {
    const before = readFileSync(path)
    const one = [{ gpa: 0x5000, bytes: 512, flags: WRITE }]
    for (const sector of [16n, 2n ** 55n, 2n ** 64n - 1n]) {
      assert.is(request(driver, IN, sector, one), 1)
      assert.is(request(driver, OUT, sector, [{ gpa: 0x5000, bytes: 512 }]), 1)
    }
    assert.is(request(driver, IN, 15n, [{ gpa: 0x5000, bytes: 1024, flags: WRITE }]), 1)
    assert.is(request(driver, IN, 0n, [{ gpa: 0x5000, bytes: 100, flags: WRITE }]), 1)
    assert.is(request(driver, 77, 0n, []), 2)
    assert.is(request(driver, GET_ID, 0n, [{ gpa: 0x5000, bytes: 20, flags: WRITE }]), 0)
    assert.is(Buffer.from(driver.memory(0x5000, 8)).toString(), 'homenode')
    assert.equal(readFileSync(path), before)
    assert.is(driver.status & NEEDS_RESET, 0)
  })
})

test('a console prints what the driver sends, and reads what it is given, when there is room for it', () => {
  const input = allocateInputRing()
  withDriver({ kind: 'console', input, output: allocateOutputCount() }, CONSOLE, (driver) => {
    driver.start(8, { queue: 1 })
    driver.memory(0x5000, 5).set(Buffer.from('hello'))
    driver.offer([{ gpa: 0x5000, bytes: 5 }])
    driver.device.serve()
    assert.is(driver.printed(), 'hello')
  })
  withDriver({ kind: 'console', input, output: allocateOutputCount() }, CONSOLE, (driver) => {
    driver.start(8, { queue: 0 })
    driver.offer([{ gpa: 0x5000, bytes: 3, flags: WRITE }])
    driver.device.serve()
    assert.equal(driver.used(), [])
    giveBytes(input, Buffer.from('keys'))
    driver.device.serve()
    assert.equal(driver.used(), [{ head: 0, written: 3 }])
    assert.is(Buffer.from(driver.memory(0x5000, 3)).toString(), 'key')
  })
})

test('a guest that prints faster than its console is read waits', () => {
  const output = allocateOutputCount()
  withDriver({ kind: 'console', input: allocateInputRing(), output }, CONSOLE, (driver) => {
    driver.start(8, { queue: 1 })
    const at = 32 * 1024
    const most = OUTPUT_MAX / at
    let printed = 0
    const print = () => {
      driver.offer([{ gpa: 0x5000, bytes: at }])
      driver.device.serve()
      printed += driver.printed().length
    }
    for (let i = 0; i < most + 3; i++) print()
    assert.is(driver.used().length, most)
    assert.is(printed, OUTPUT_MAX)
    assert.is(countHandedOn(output, at), true)
    driver.device.serve()
    assert.is(driver.used().length, most + 1)
    assert.is(countHandedOn(output, 2 * at), true)
    assert.is(countHandedOn(output, at), false)
    driver.device.serve()
    assert.is(driver.used().length, most + 3)
  })
})

test('a device that is told to stop serves nothing more', () => {
  withDisk(true, (driver) => {
    driver.stop()
    assert.is(request(driver, IN, 0n, [{ gpa: 0x5000, bytes: 512, flags: WRITE }]), 0xee)
    assert.equal(driver.used(), [])
  })
})

test('features that are not offered are not agreed to, neither are too few', () => {
  const FEATURES_OK = 8
  const cases = [
    [[0, 1], FEATURES_OK],
    [[0, 0], 0],
    [[1 << 28, 1], 0],
    [[0, 3], 0],
    [[0, 1 << 31], 0],
  ] as const
  for (const [features, expected] of cases) {
    withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
      driver.agree(features)
      assert.is(driver.status & FEATURES_OK, expected)
    })
  }
})

test('a driver cannot take back that its device needs a reset', () => {
  withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
    driver.start()
    driver.offer([], 8)
    driver.device.serve()
    for (const status of [15, 1, 128]) {
      driver.write(0x070, status)
      assert.is(driver.status & NEEDS_RESET, NEEDS_RESET)
    }
    driver.interrupts()
    driver.device.serve()
    assert.is(driver.interrupts(), 0)
  })
})

const chains: Readonly<Record<string, (driver: Driver) => void>> = {
  'a loop': (driver) => {
    driver.describe(0, { gpa: 0x5000, bytes: 8, flags: WRITE | NEXT, next: 1 })
    driver.describe(1, { gpa: 0x5000, bytes: 8, flags: WRITE | NEXT, next: 0 })
    driver.offer([], 0)
  },
  'a descriptor beyond the table': (driver) => {
    driver.describe(0, { gpa: 0x5000, bytes: 8, flags: WRITE | NEXT, next: 8 })
    driver.offer([], 0)
  },
  'a head beyond the table': (driver) => driver.offer([], 8),
  'an address outside of memory': (driver) => driver.offer([{ gpa: 40 * PAGE, bytes: 8, flags: WRITE }]),
  'a buffer that ends outside of memory': (driver) => driver.offer([{ gpa: 68 * PAGE - 4, bytes: 8, flags: WRITE }]),
  'an address of 64 bits': (driver) => driver.offer([{ gpa: 2 ** 63, bytes: 8, flags: WRITE }]),
  'a length of 32 bits': (driver) => driver.offer([{ gpa: 0, bytes: 2 ** 32 - 1, flags: WRITE }]),
  'an indirect descriptor': (driver) => driver.offer([{ gpa: 0x5000, bytes: 16, flags: INDIRECT }]),
  'reading after writing': (driver) =>
    driver.offer([
      { gpa: 0x5000, bytes: 8, flags: WRITE },
      { gpa: 0x6000, bytes: 8 },
    ]),
  'more requests than the queue has': (driver) => driver.memory(0x2000, 4).set([0, 0, 9, 0]),
}

for (const [what, offer] of Object.entries(chains)) {
  test(`${what} stops the device until its driver resets it`, () => {
    withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
      driver.start()
      offer(driver)
      assert.is(driver.device.serve(), false)
      assert.is(driver.status & NEEDS_RESET, NEEDS_RESET)
      assert.is(driver.interrupts(), 1)
      assert.equal(driver.used(), [])
      driver.offer([{ gpa: 0x5000, bytes: 8, flags: WRITE }])
      driver.device.serve()
      assert.equal(driver.used(), [])

      driver.write(0x070, 0)
      driver.device.serve()
      for (const ring of [0x2000, 0x3000]) driver.memory(ring, 128).fill(0)
      driver.start()
      driver.offer([{ gpa: 0x5000, bytes: 8, flags: WRITE }])
      driver.device.serve()
      assert.equal(driver.used(), [{ head: 0, written: 8 }])
    })
  })
}

const places = [
  { size: 0 },
  { size: 3 },
  { size: 512 },
  { descriptors: 0x1004 },
  { available: 0x2001 },
  { used: 0x3002 },
  { descriptors: 40 * PAGE },
  { used: 68 * PAGE - 8 },
  { available: 2 ** 63 },
  { descriptors: 16 * PAGE - 16 },
]
for (const { size = 8, ...place } of places as readonly ({ size?: number } & Record<string, number>)[]) {
  test(`a queue with ${JSON.stringify({ size, ...place })} stops the device`, () => {
    withDriver({ kind: 'entropy' }, ENTROPY, (driver) => {
      driver.start(size, place)
      driver.device.serve()
      assert.is(driver.status & NEEDS_RESET, NEEDS_RESET)
    })
  })
}

/** What a hostile driver does: accesses to registers, and bytes anywhere in its queues. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('register'),
    offset: fc.nat(0x120),
    value: fc.oneof(fc.nat(300), fc.nat(2 ** 32 - 1)),
  }),
  fc.record({ kind: fc.constant('memory'), offset: fc.integer({ min: 0x1000, max: 0x30ff }), value: fc.nat(255) }),
  fc.record({
    kind: fc.constant('chain'),
    offset: fc.nat(7),
    value: fc.constantFrom(0, 0x5000, 15 * PAGE + 4000, 31 * PAGE, 67 * PAGE, 2 ** 40),
  }),
)

function play(driver: Driver, steps: readonly { kind: string; offset: number; value: number }[]): void {
  driver.start()
  for (const { kind, offset, value } of steps) {
    if (kind === 'register') driver.write(offset, value)
    else if (kind === 'memory') driver.memory(offset, 1)[0] = value
    else
      driver.offer(
        [
          { gpa: value, bytes: 16 + offset * 513 },
          { gpa: value, bytes: 513, flags: WRITE },
        ],
        offset % 7,
      )
    driver.read(offset)
    driver.device.serve()
  }
}

test('whatever a driver does, no device throws, and none writes outside of the memory', () => {
  const path = join(folder, 'fuzzed')
  writeFileSync(path, Buffer.alloc(SECTORS * 512))
  const fd = openFile(path, 'read and write')
  const input = allocateInputRing()
  const works: readonly (readonly [VirtioWork, Parameters<typeof withDriver>[1]])[] = [
    [{ kind: 'entropy' }, ENTROPY],
    [{ kind: 'block', fd, sectors: SECTORS, readOnly: false }, BLOCK],
    [{ kind: 'console', input, output: allocateOutputCount() }, CONSOLE],
  ]
  try {
    fc.assert(
      fc.property(fc.nat(2), fc.array(step, { maxLength: 60 }), (which, steps) => {
        giveBytes(input, Buffer.from('keys'))
        withDriver(...works[which]!, (driver) => play(driver, steps))
      }),
      { numRuns: 400 },
    )
    assert.is(readFileSync(path).length, SECTORS * 512)
  } finally {
    closeFd(fd)
  }
})

test.after(() => rmSync(folder, { recursive: true }))

test.run()
