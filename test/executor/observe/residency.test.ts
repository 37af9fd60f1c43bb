import { closeSync, openSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MADV_HUGEPAGE } from '../../../executor/abi/linux.js'
import * as libc from '../../../executor/ffi/libc.js'
import { BASE_PAGE, discard, Mapping, prefault } from '../../../executor/ffi/mapping.js'
import { hugeRanges } from '../../../executor/ffi/pagemap.js'
import { residentBytes, residentPages } from '../../../executor/observe/residency.js'
import { skipUnless } from '../../skip.js'
import { MiB, nodes } from '../plans.js'

const HUGE = 2 * MiB

/** A mapping whose part that starts at a multiple of 2 MiB is given to the test. */
function withMemory(bytes: number, body: (address: number) => void): void {
  using mapping = Mapping.anonymous(bytes + HUGE)
  body(Math.ceil(mapping.address / HUGE) * HUGE)
}

/** Whether the kernel joins pages where it is asked to, and says where it did. */
function joinsPages(): boolean {
  let joined = false
  withMemory(HUGE, (address) => {
    libc.madvise(address, HUGE, MADV_HUGEPAGE)
    prefault(address, HUGE)
    joined = residentPages({ address, bytes: HUGE, pageSize: BASE_PAGE })[0]?.pageSize === HUGE
  })
  return joined
}

const testWithHugePages = skipUnless(
  joinsPages(),
  'the kernel joins no pages (transparent_hugepage/enabled), or does not say so (before Linux 6.7)',
)

test('pages are counted where they are, and those that are nowhere are not', () => {
  withMemory(64 * BASE_PAGE, (address) => {
    const span = { address, bytes: 64 * BASE_PAGE, pageSize: BASE_PAGE }
    assert.equal(residentBytes(span), {})
    assert.equal(residentPages(span), [])
    prefault(address + 8 * BASE_PAGE, 16 * BASE_PAGE)
    discard(address + 8 * BASE_PAGE, 4 * BASE_PAGE)
    const [{ node, bytes } = { node: -1, bytes: 0 }, ...others] = residentPages(span)
    assert.ok(nodes.includes(node))
    assert.is(bytes, 12 * BASE_PAGE)
    assert.equal(others, [])
    assert.equal(residentBytes(span), { [node]: bytes })
  })
})

testWithHugePages('base pages and pages that the kernel has joined are told apart', () => {
  withMemory(8 * HUGE, (address) => {
    libc.madvise(address, 4 * HUGE, MADV_HUGEPAGE)
    prefault(address, 3 * HUGE)
    prefault(address + 5 * HUGE, 100 * BASE_PAGE)
    const found = residentPages({ address, bytes: 8 * HUGE, pageSize: BASE_PAGE })
    const bytesOf = (size: number) =>
      found.filter(({ pageSize }) => pageSize === size).reduce((sum, { bytes }) => sum + bytes, 0)
    assert.is(bytesOf(HUGE) + bytesOf(BASE_PAGE), 3 * HUGE + 100 * BASE_PAGE)
    // A kernel short of memory may have joined fewer.
    assert.ok(bytesOf(HUGE) >= HUGE && bytesOf(HUGE) <= 3 * HUGE, `${bytesOf(HUGE)} in huge pages`)
  })
})

testWithHugePages('more huge ranges than one call reports are all found', () => {
  // 170 fit into the page that the kernel writes them to.
  const count = 180
  withMemory(2 * count * HUGE, (address) => {
    const starts = Array.from({ length: count }, (_, i) => address + 2 * i * HUGE)
    for (const start of starts) {
      libc.madvise(start, HUGE, MADV_HUGEPAGE)
      prefault(start, BASE_PAGE)
    }
    const pagemap = openSync('/proc/self/pagemap', 'r')
    try {
      const found = hugeRanges(pagemap, { start: address, end: address + 2 * count * HUGE })!
      const joined = starts.filter(
        (address) => residentPages({ address, bytes: HUGE, pageSize: BASE_PAGE })[0]?.pageSize === HUGE,
      )
      assert.equal(
        found,
        joined.map((start) => ({ start, end: start + HUGE })),
      )
      assert.ok(found.length > 170, `only ${found.length} were joined`)
    } finally {
      closeSync(pagemap)
    }
  })
})

test('what is not a pagemap is refused', () => {
  const file = openSync('/proc/self/status', 'r')
  try {
    assert.is(hugeRanges(file, { start: 0, end: BASE_PAGE }), null)
  } finally {
    closeSync(file)
  }
  assert.throws(() => hugeRanges(-1, { start: 0, end: BASE_PAGE }), /PAGEMAP_SCAN.*EBADF/)
})

test.run()
