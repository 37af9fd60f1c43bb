/** Memory that does not fit, that is gone when it is wanted, and that ends up elsewhere. */

import { readFileSync } from 'node:fs'
import { detectHost } from 'homenode'
import { runPlan } from 'homenode/executor'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  boundMemory,
  failure,
  homenode,
  leftBehind,
  MiB,
  NODES,
  onNode,
  planned,
  requestOf,
  SECONDS,
  withCpus,
  withMemory,
  write,
} from './inside.js'

const PAGE = 4096
const host = await detectHost()
/** A node with CPUs and memory that is not the first, and another one with memory. */
const node = withCpus.filter((id) => withMemory.includes(id)).at(-1)!
const other = withMemory.find((id) => id !== node)!

function freeMiB(): number {
  return Number(/MemFree:\s+(\d+) kB/.exec(readFileSync(`${NODES}/node${node}/meminfo`, 'utf8'))![1]) / 1024
}

test('a VM that is larger than its node is refused, with the numbers', async () => {
  const vm = { ...onNode(node, 'big'), memory: '1500MiB', cells: 1 }
  const { code, stdout } = await homenode(['run', '-f', '-', '--json'], requestOf(vm))
  assert.is(code, 3)
  const [refusal] = JSON.parse(stdout).refused
  assert.is(refusal.name, 'big')
  assert.ok(refusal.because.some((reason: { constraint: string }) => reason.constraint === 'memory-capacity'))
})

test('memory that was free when it was planned and is taken now is refused before any of it is touched', async () => {
  const wanted = Math.floor(freeMiB() * 0.6)
  const plan = await planned(host, requestOf({ ...onNode(node), memory: `${wanted}MiB` }))
  // Reserving huge pages takes the memory away from everybody else, and is quickly done.
  const pool = `${NODES}/node${node}/hugepages/hugepages-2048kB/nr_hugepages`
  write(pool, Math.floor((freeMiB() * 0.7) / 2))
  try {
    const before = freeMiB()
    const error = await failure(runPlan(plan, { seconds: SECONDS }))
    assert.is(error.name, 'UnsupportedError')
    assert.match(error.message, new RegExp(`memory-capacity: .* is needed from node ${node}.* is free now`))
    assert.ok(Math.abs(freeMiB() - before) < 16, 'memory was taken')
    assert.equal(leftBehind(), [])
  } finally {
    write(pool, 0)
  }
})

test('memory that is moved to another node while the guest runs is found there', async () => {
  const plan = await planned(host, requestOf(onNode(node)))
  let looks = 0
  const report = await runPlan(plan, {
    seconds: SECONDS,
    onProgress: () => {
      if (looks++ === 0) moveGuest(other)
    },
  })
  assert.is(report.verified, false)
  // A page that the guest uses at that moment stays where it is.
  const { [other]: moved = 0, [node]: stayed = 0 } = report.memory[0]!.residentBytes
  assert.is(moved + stayed, 4 * MiB)
  assert.ok(moved > 3 * MiB)
  assert.equal(
    report.findings.map(({ constraint, vm, cell }) => ({ constraint, vm, cell })),
    [{ constraint: 'residency', vm: `n${node}`, cell: 0 }],
  )
  assert.match(report.findings[0]!.text, new RegExp(`puts 4 MiB on node ${node}, the kernel has .* on node ${other}`))
  assert.equal(boundMemory(), {})
})

test('memory that is away for a while in the middle of a run is found, though it is back at the end', async () => {
  const plan = await planned(host, requestOf(onNode(node)))
  let wentAt = 0
  let looks = 0
  let isBack = false
  const report = await runPlan(plan, {
    seconds: 15,
    onProgress: () => {
      if (wentAt === 0) {
        moveGuest(other)
        wentAt = performance.now()
      } else if (!isBack && ++looks > 3 && performance.now() - wentAt > 10_000) {
        isBack = true
        moveGuest(node)
      }
    },
  })
  assert.ok(isBack)
  assert.equal(report.memory[0]!.residentBytes, { [node]: 4 * MiB })
  assert.is(report.verified, false)
  assert.is(report.findings[0]?.constraint, 'residency')
  assert.ok(report.watched.memoryLooks > 1, `${report.watched.memoryLooks} looks`)
})

test('memory that is away and back between two looks is not seen there, but its pages are counted', async () => {
  const plan = await planned(host, requestOf(onNode(node)))
  let looks = 0
  const report = await runPlan(plan, {
    seconds: SECONDS,
    onProgress: () => {
      if (looks++ > 0) return
      moveGuest(other)
      moveGuest(node)
    },
  })
  assert.equal(report.memory[0]!.residentBytes, { [node]: 4 * MiB })
  // Of 4 MiB in pages of 4 KiB, there and back; a page that is in use stays.
  assert.ok(report.watched.pagesMigrated! > 1536, `${report.watched.pagesMigrated} pages`)
})

/**
 * Moves the guest's 4 MiB alone: the process has far more, which emulated CPUs take minutes to move there and back.
 * move_pages(2), 279 on x86-64, with MPOL_MF_MOVE.
 */
function moveGuest(to: number): void {
  const [, start] = /^(\w+) bind\S* /m.exec(readFileSync('/proc/self/numa_maps', 'utf8'))!
  const pages = (4 * MiB) / PAGE
  const addresses = BigUint64Array.from({ length: pages }, (_, page) => BigInt(`0x${start}`) + BigInt(page * PAGE))
  const call = koffi.load(null).func('long syscall(long, int, ulong, void *, void *, void *, int)')
  const left = call(279, 0, pages, addresses, new Int32Array(pages).fill(to), new Int32Array(pages), 2)
  assert.ok(left >= 0, `move_pages: errno ${koffi.errno()}`)
}

test.run()
