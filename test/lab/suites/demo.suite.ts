/** The demo of the integration guide: what it says about CPUs, nodes and addresses is what the kernel shows of its process. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseCpulist } from '../../../src/cpulist.js'
import { boundMemory, MiB, machine, threadOf, withCpus } from './inside.js'

const demo = spawn(process.execPath, [
  ...process.execArgv,
  join(process.env.LAB_PACKAGE ?? '', 'suites/numa-demo.mjs'),
  '--wait',
])
demo.stderr.pipe(process.stderr)
const output = await outputUntil(demo, /waits for Enter/)
const pid = demo.pid!

/** What a process prints, up to a text; all, where it ends before. */
function outputUntil(child: ChildProcess, text: RegExp): Promise<string> {
  let all = ''
  return new Promise((resolve) => {
    child.stdout!.on('data', (chunk) => {
      all += chunk
      if (text.test(all)) resolve(all)
    })
    child.on('close', () => resolve(all))
  })
}

/** The lines below a heading that look so, as what the expression captures. */
function said(heading: string, line: RegExp): string[][] {
  const section = output.split(/^== /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(line)].map(([, ...captured]) => captured)
}

const cpusOf = (node: number) => parseCpulist(machine.nodes[node]!.cpus ?? '', { allowEmpty: true })

test('it shows the nodes of the machine with their CPUs', () => {
  assert.equal(
    said('The topology', /^node (\d+): CPUs (.*)$/gm),
    machine.nodes.map((_, node) => [String(node), cpusOf(node).join(' ')]),
  )
})

test('each vCPU is a thread that the kernel keeps on the CPUs of its node, where it ran', () => {
  const threads = new Map(said('A guest', /^vCPU (\d+): thread (\d+)/gm).map(([id, tid]) => [id, Number(tid)]))
  const bound = said('Feature 3', /^vCPU (\d+): node (\d+), CPUs (.*)$/gm)
  assert.is(bound.length, 4)
  assert.equal(
    bound.map(([, node]) => Number(node)),
    bound.map((_, id) => withCpus[id % withCpus.length]),
  )
  for (const [id, node, cpus] of bound) {
    const { allowed, last } = threadOf(threads.get(id)!, pid)
    assert.equal(parseCpulist(allowed), cpus!.split(' ').map(Number))
    assert.ok(parseCpulist(allowed).every((cpu) => cpusOf(Number(node)).includes(cpu)))
    assert.ok(parseCpulist(allowed).includes(last))
  }
})

test('the guest and the optimizer have their memory on the nodes that it says, and nowhere else', () => {
  const regions = said('Feature 2', /bound to node (\d+), at 0x[\da-f]+ in this process, (\d+) MiB on node \1$/gm)
  assert.equal(
    regions.map(([node]) => Number(node)),
    withCpus,
  )
  const blocks = said('The optimizer', /^0x[\da-f]+: node (\d+) \(.*\), (\d+) MiB on node \1$/gm)
  assert.is(blocks.length, withCpus.length + 1)
  const expected: Record<string, Record<string, number>> = {}
  for (const [node, size] of [...regions, ...blocks]) {
    const before = expected[`bind:${node}`]?.[node!] ?? 0
    expected[`bind:${node}`] = { [node!]: before + Number(size) * MiB }
  }
  assert.equal(boundMemory(pid), expected)
})

test('each vCPU has counted in the memory of its node', () => {
  const counted = said('The guest runs', /^vCPU \d+: counted to (\d+)/gm).map(([count]) => Number(count))
  assert.is(counted.length, 4)
  assert.ok(
    counted.every((count) => count > 0),
    `${counted}`,
  )
})

test('the optimizer shows what the kernel counts on every node', () => {
  const nodes = said('The optimizer', /^node (\d+): \{/gm).map(([node]) => Number(node))
  assert.equal(nodes, [...machine.nodes.keys()])
  const hits = said('The optimizer', /numa_hit: ([\d.]+)/g).map(([rate]) => Number(rate))
  assert.is(hits.length, machine.nodes.length)
  // 16 MiB have come from each node with CPUs between the two updates.
  for (const node of withCpus) assert.ok(hits[node]! > 0, `${hits}`)
})

test('it gives everything back and ends well', async () => {
  const ended = new Promise((resolve) => demo.on('close', resolve))
  const rest = outputUntil(demo, /^$/)
  demo.stdin.end('\n')
  assert.is(await ended, 0)
  assert.match(await rest, /Everything is given back\n\{ enabled: false, nodes: 0, nodeIds: \[\] \}\n$/)
})

test.run()
