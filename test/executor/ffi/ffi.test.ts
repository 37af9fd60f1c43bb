import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ENOENT } from '../../../executor/abi/linux.js'
import { bitmap, fromBitmap } from '../../../executor/ffi/bitmap.js'
import { closeFd, ioctl, ioctlStruct, openDevice } from '../../../executor/ffi/files.js'
import { BASE_PAGE, discard, Mapping, prefault, touch } from '../../../executor/ffi/mapping.js'
import { bindMemory, pageNodes } from '../../../executor/ffi/numa.js'
import {
  currentThread,
  getAffinity,
  installKickHandler,
  KICK_SIGNAL,
  kickThread,
  setAffinity,
} from '../../../executor/ffi/threads.js'
import { SyscallError } from '../../../src/errors.js'
import { skipUnless } from '../../skip.js'
import { cpus, nodes } from '../plans.js'

const DEAD_FD = 987_654
/** Above user space, and not of any mapping. */
const BAD_ADDRESS = 2 ** 47
const NO_NODE = 1000

/** The error of a call that has to fail. */
function refusal(call: () => unknown): SyscallError {
  try {
    call()
  } catch (error) {
    assert.instance(error, SyscallError)
    return error as SyscallError
  }
  throw new Error('the call succeeded')
}

test('a file that is not there and one that is no device are refused by name', () => {
  const missing = refusal(() => openDevice('/nonexistent/kvm', { ENOENT: 'look elsewhere' }))
  assert.is(missing.code, 'ENOENT')
  assert.is(missing.errno, ENOENT)
  assert.is(missing.call, 'open(/nonexistent/kvm)')
  assert.match(missing.message, 'look elsewhere')
  assert.is(refusal(() => openDevice('/')).code, 'EISDIR')
})

test('calls on a dead descriptor end with EBADF', () => {
  assert.is(refusal(() => closeFd(DEAD_FD)).code, 'EBADF')
  assert.is(refusal(() => ioctl(DEAD_FD, 'KVM_RUN', 0xae80)).code, 'EBADF')
  assert.is(refusal(() => ioctlStruct(DEAD_FD, 'KVM_SET_REGS', 0x4090ae82, new Uint8Array(144))).code, 'EBADF')
  assert.is(refusal(() => Mapping.ofFile(DEAD_FD, BASE_PAGE)).code, 'EBADF')
})

test('a descriptor is closed once', () => {
  const fd = openDevice('/dev/null')
  closeFd(fd)
  assert.is(refusal(() => closeFd(fd)).code, 'EBADF')
})

test('calls on addresses that are not mapped are refused, and nothing crashes', () => {
  assert.is(refusal(() => bindMemory(BAD_ADDRESS, BASE_PAGE, nodes.slice(0, 1))).code, 'EFAULT')
  assert.is(refusal(() => bindMemory(1, BASE_PAGE, nodes.slice(0, 1))).code, 'EINVAL')
  assert.is(refusal(() => discard(1, BASE_PAGE)).code, 'EINVAL')
  assert.is(refusal(() => prefault(BAD_ADDRESS, BASE_PAGE)).code, 'ENOMEM')
  assert.throws(() => prefault(1, BASE_PAGE), RangeError)
  const status = new Int32Array(1)
  pageNodes(BAD_ADDRESS, BASE_PAGE, status)
  assert.ok(status[0]! < 0)
})

test('a node that does not exist is refused with a hint', () => {
  using mapping = Mapping.anonymous(BASE_PAGE)
  const error = refusal(() => bindMemory(mapping.address, mapping.bytes, [NO_NODE]))
  assert.is(error.code, 'EINVAL')
  assert.is(error.call, `mbind(node ${NO_NODE})`)
  assert.match(error.hint, 'the node does not exist')
})

test('memory has no page before it is touched, and is then on the node that it is bound to', () => {
  const node = nodes.at(-1)!
  using mapping = Mapping.anonymous(8 * BASE_PAGE)
  bindMemory(mapping.address, mapping.bytes, [node])
  const status = new Int32Array(8)
  pageNodes(mapping.address, BASE_PAGE, status)
  assert.equal([...status], Array(8).fill(-ENOENT))
  prefault(mapping.address + 2 * BASE_PAGE, 3 * BASE_PAGE)
  pageNodes(mapping.address, BASE_PAGE, status)
  assert.equal(
    [...status].map((found) => found >= 0),
    [false, false, true, true, true, false, false, false],
  )
  assert.ok(status.every((found) => found < 0 || found === node))
  const maps = readFileSync('/proc/self/numa_maps', 'utf8')
  assert.match(maps, `${mapping.address.toString(16)} bind:${node}`)
})

test('memory is there after touching, as on kernels that cannot populate', () => {
  using mapping = Mapping.anonymous(4 * BASE_PAGE)
  touch(mapping.address, 3 * BASE_PAGE)
  const status = new Int32Array(4)
  pageNodes(mapping.address, BASE_PAGE, status)
  assert.equal(
    [...status].map((node) => node >= 0),
    [true, true, true, false],
  )
})

test('memory that is given back is nowhere, and reads as zero', () => {
  using mapping = Mapping.anonymous(2 * BASE_PAGE)
  const bytes = new Uint8Array(mapping.view())
  bytes.fill(7)
  discard(mapping.address, BASE_PAGE)
  const status = new Int32Array(2)
  pageNodes(mapping.address, BASE_PAGE, status)
  assert.is(status[0], -ENOENT)
  assert.ok(status[1]! >= 0)
  assert.is(bytes[0], 0)
  assert.is(bytes[BASE_PAGE], 7)
})

test('a closed mapping is not in the address space, gives no view, and can be closed again', () => {
  const mapping = Mapping.anonymous(4 * BASE_PAGE)
  bindMemory(mapping.address, mapping.bytes, nodes.slice(0, 1))
  const line = `${mapping.address.toString(16)} bind`
  assert.match(readFileSync('/proc/self/numa_maps', 'utf8'), line)
  mapping.close()
  mapping.close()
  assert.not.match(readFileSync('/proc/self/numa_maps', 'utf8'), line)
  assert.throws(() => mapping.view(), TypeError)
})

const testTransparent = skipUnless(
  existsSync('/sys/kernel/mm/transparent_hugepage'),
  'this kernel has no transparent huge pages',
)

testTransparent('no huge page can lie in two mappings: each is a range of its own for the kernel', () => {
  const MiB = 2 ** 20
  // Far from where the kernel puts anything by itself.
  const address = 2 ** 44 + BASE_PAGE
  const mappings = [
    ...[1, 3, 4, 1].map((count) => Mapping.anonymous(count * MiB + BASE_PAGE)),
    Mapping.transparent(3 * MiB, 2 * MiB),
    Mapping.transparent(3 * MiB, 2 * MiB),
  ]
  const fixed = [0, 3, 6, 9].map((at) =>
    at === 0 || at === 9
      ? Mapping.anonymous(3 * MiB, BASE_PAGE, address + at * MiB)
      : Mapping.transparent(3 * MiB, 2 * MiB, address + at * MiB),
  )
  try {
    const ranges = readFileSync('/proc/self/smaps', 'utf8')
      .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
      .map((text) => {
        const [start = 0, end = 0] = text
          .split(' ', 1)[0]!
          .split('-')
          .map((hex) => Number.parseInt(hex, 16))
        return { start, end, mayBeHuge: !/^VmFlags:.* nh/m.test(text) }
      })
    for (const mapping of mappings) {
      const range = ranges.find(({ start, end }) => start <= mapping.address && mapping.address < end)
      assert.is(range?.end, mapping.address + mapping.bytes)
      assert.is(range?.start, mapping.address)
    }
    // These lie side by side: of them only what is huge pages as a whole may be such.
    const huge = ranges.filter(({ start, end, mayBeHuge }) => {
      return mayBeHuge && fixed.some((one) => one.address < end && start < one.address + one.bytes)
    })
    for (const { start, end } of huge) {
      const owner = fixed.find((one) => one.address <= start && end <= one.address + one.bytes)
      assert.ok(owner !== undefined, `${start.toString(16)}-${end.toString(16)}`)
    }
  } finally {
    for (const mapping of [...mappings, ...fixed]) mapping.close()
  }
})

test('a view stays inside of its mapping', () => {
  using mapping = Mapping.anonymous(2 * BASE_PAGE)
  assert.is(mapping.view(BASE_PAGE).byteLength, BASE_PAGE)
  for (const [offset, length] of [
    [0, 2 * BASE_PAGE + 1],
    [BASE_PAGE, BASE_PAGE + 1],
    [-1, 1],
    [2 * BASE_PAGE, 1],
    [0, 0],
    [Number.NaN, 1],
  ] as const) {
    assert.throws(() => mapping.view(offset, length), RangeError, `${length} from ${offset}`)
  }
})

test('mappings that the kernel cannot make are refused', () => {
  assert.is(refusal(() => Mapping.anonymous(2 ** 52)).code, 'ENOMEM')
  const noSuchSize = refusal(() => Mapping.anonymous(2 ** 36, 2 ** 35))
  assert.is(noSuchSize.code, 'EINVAL')
  assert.match(noSuchSize.hint, '/sys/kernel/mm/hugepages')
})

test('a thread is pinned, seen there, and let go again', () => {
  const tid = currentThread()
  assert.match(readFileSync(`/proc/self/task/${tid}/status`, 'utf8'), `Pid:\t${tid}`)
  const last = cpus.at(-1)!
  setAffinity(tid, [last])
  try {
    assert.equal(getAffinity(0), [last])
    assert.match(readFileSync(`/proc/self/task/${tid}/status`, 'utf8'), new RegExp(`Cpus_allowed_list:\\s${last}\n`))
  } finally {
    setAffinity(tid, cpus)
  }
  assert.equal(getAffinity(tid), cpus)
})

test('CPUs that do not exist and threads that are gone are refused', () => {
  const noCpu = refusal(() => setAffinity(0, [8191]))
  assert.is(noCpu.code, 'EINVAL')
  assert.match(noCpu.hint, 'none of these CPUs')
  assert.is(refusal(() => setAffinity(2 ** 22 - 1, cpus)).code, 'ESRCH')
  assert.is(refusal(() => getAffinity(2 ** 22 - 1)).code, 'ESRCH')
})

test('the kick does nothing to a thread that is not in the kernel, nor to one that is gone', () => {
  installKickHandler()
  kickThread(currentThread())
  kickThread(2 ** 22 - 1)
  const caught = /^SigCgt:\s(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!
  assert.is((BigInt(`0x${caught}`) >> BigInt(KICK_SIGNAL - 1)) & 1n, 1n)
})

test('sets become bitmaps of whole 64-bit words, and sets again', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(5000)), (numbers) => {
      const sorted = [...numbers].sort((a, b) => a - b)
      const bytes = bitmap(numbers)
      assert.is(bytes.length % 8, 0)
      assert.ok(bytes.length * 8 <= (sorted.at(-1) ?? 0) + 64)
      assert.equal(fromBitmap(bytes), sorted)
    }),
  )
})

test.run()
