/** Huge pages that only one node has enough of. */

import { mkdirSync, readFileSync } from 'node:fs'
import { detectHost, plan, verifyPlan } from 'homenode'
import { runPlan } from 'homenode/executor'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  boundMemory,
  failure,
  leftBehind,
  MiB,
  machine,
  NODES,
  onNode,
  planned,
  requestOf,
  SECONDS,
  write,
} from './inside.js'

const pool = (node: number) => `${NODES}/node${node}/hugepages/hugepages-2048kB`
const freePages = (node: number) => Number(readFileSync(`${pool(node)}/free_hugepages`, 'utf8'))
const reserved = machine.nodes.map(({ hugePages = 0 }) => hugePages)
const reserve = (node: number, pages: number) => write(`${pool(node)}/nr_hugepages`, pages)

const less = reserved.indexOf(Math.min(...reserved))
const more = reserved.indexOf(Math.max(...reserved))
/** More than the one node has, less than the other. */
const memory = (reserved[less]! + 8) * 2 * MiB
const vm = { name: 'huge', cells: 1, pageSize: '2MiB', memory: `${memory / MiB}MiB` }

test.after.each(() => {
  reserved.forEach((pages, node) => {
    reserve(node, pages)
  })
})

test('a VM goes to the node that has the huge pages for it, and takes them there', async () => {
  const verified = await planned(await detectHost(), requestOf(vm))
  const during: unknown[] = []
  const report = await runPlan(verified, {
    seconds: SECONDS,
    onProgress: () => during.push([freePages(less), freePages(more), boundMemory()]),
  })
  assert.equal(report.findings, [])
  assert.is(report.verified, true)
  assert.equal(report.memory, [{ vm: 'huge', cell: 0, node: more, bytes: memory, residentBytes: { [more]: memory } }])
  assert.equal(during[0], [
    reserved[less],
    reserved[more]! - memory / (2 * MiB),
    { [`bind:${more}`]: { [more]: memory } },
  ])
  assert.equal(
    reserved.map((_, node) => freePages(node)),
    reserved,
  )
})

test('a VM that has to be on the node with too few is refused, with the numbers', async () => {
  const host = await detectHost()
  const request = requestOf({ ...vm, devices: onNode(less).devices })
  const { refused } = verifyPlan(host, request, await plan(host, request))
  assert.is(refused.length, 1)
  assert.ok(refused[0]!.because.some(({ constraint }) => constraint === 'memory-capacity'))
})

test('huge pages on one node only', async () => {
  reserve(less, 0)
  const host = await detectHost()
  assert.equal(
    host.nodes.map(({ pages }) => pages.find(({ size }) => size === 2 * MiB)?.free),
    reserved.map((pages, node) => (node === less ? 0 : pages)),
  )
  const report = await runPlan(await planned(host, requestOf({ ...vm, memory: '8MiB' })), { seconds: SECONDS })
  assert.is(report.verified, true)
  assert.equal(report.memory[0]!.residentBytes, { [more]: 8 * MiB })
})

test('huge pages that are gone when they are wanted are refused before any is taken', async () => {
  const verified = await planned(await detectHost(), requestOf(vm))
  reserve(more, reserved[less]!)
  const error = await failure(runPlan(verified, { seconds: SECONDS }))
  assert.is(error.name, 'UnsupportedError')
  assert.match(error.message, new RegExp(`memory-capacity: .* node ${more}, in pages of 2 MiB, where 64 MiB is free`))
  assert.is(freePages(more), reserved[less]!)
  assert.equal(leftBehind(), [])
})

const libc = koffi.load('libc.so.6')
const mmap = libc.func('intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)')
const munmap = libc.func('int munmap(intptr_t, size_t)')
const READ_WRITE = 3
const PRIVATE_ANONYMOUS_HUGE = 0x02 | 0x20 | 0x40000

test('huge pages that a mapping has reserved are of no node, and cannot be had', async () => {
  const all = reserved.reduce((sum, pages) => sum + pages)
  const bytes = (all - 5) * 2 * MiB
  const address = mmap(0, bytes, READ_WRITE, PRIVATE_ANONYMOUS_HUGE, -1, 0)
  assert.ok(address > 0)
  const { nodes, limits } = await detectHost()
  assert.is(munmap(address, bytes), 0)
  assert.equal(
    nodes.map(({ pages }) => pages.find(({ size }) => size === 2 * MiB)?.free),
    reserved,
  )
  assert.equal(limits, [{ size: 2 * MiB, pages: 5, cause: 'resv_hugepages' }])
  assert.not('limits' in (await detectHost()))
})

test('the limits of the cgroup and of those above it are detected', async () => {
  const root = '/sys/fs/cgroup'
  mkdirSync(`${root}/limits`)
  write(`${root}/limits/cgroup.subtree_control`, '+memory +hugetlb')
  mkdirSync(`${root}/limits/inner`)
  write(`${root}/limits/memory.max`, 400 * MiB)
  write(`${root}/limits/inner/hugetlb.2MB.max`, 14 * MiB)
  write(`${root}/limits/inner/cgroup.procs`, process.pid)
  const { limits = [] } = await detectHost()
  write(`${root}/cgroup.procs`, process.pid)
  assert.equal(
    limits.map(({ size, cause }) => [size, cause]),
    [
      [4096, 'memory.max of /limits'],
      [2 * MiB, 'hugetlb.2MB.max of /limits/inner'],
    ],
  )
  // A process takes its memory along only from what it asks for in its new group.
  const [base, huge] = limits.map(({ pages }) => pages)
  assert.ok(base! > (300 * MiB) / 4096 && base! <= (400 * MiB) / 4096, `${base} base pages`)
  assert.is(huge, 7)
})

test.run()
