/** QEMU, numactl and taskset take what is written for them, and do as planned. */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../src/cpulist.js'
import { toFirecracker } from '../../src/formats/firecracker.js'
import type { Converted, Guest } from '../../src/formats/guest.js'
import { toNumactl } from '../../src/formats/numactl.js'
import { toQemu } from '../../src/formats/qemu.js'
import { detectHost } from '../../src/topology/node-fs.js'
import { skipUnless } from '../skip.js'
import { guestBy, MIB } from './guests.js'
import { RunningQemu } from './qemu-program.js'

const host = await detectHost()
const cpus = host.cpus.filter(({ online, allowed }) => online && allowed).map(({ id }) => id)
const nodes = host.nodes.filter(({ memory, allowed }) => memory.total !== 0 && allowed !== false).map(({ id }) => id)
const [nodeA = 0, nodeB = nodeA] = nodes
const first = `${cpus[0]}`
const last = `${cpus.at(-1)}`
const all = formatCpulist(cpus)

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const withTaskset = has('taskset')
const withQemu = skipUnless(withTaskset && has('qemu-system-x86_64'), 'qemu-system-x86 is not installed')
const withNumactl = skipUnless(withTaskset && has('numactl'), 'numactl is not installed')
const folder = mkdtempSync(join(tmpdir(), 'homenode-programs-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

function script({ text }: Converted): string {
  const file = join(folder, 'vm.sh')
  writeFileSync(file, text)
  return file
}

function allowedCpus(pid: number, tid: number): string {
  const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')
  return /^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]!
}

/** Four vCPUs in two cells on the CPUs and nodes that there are. */
function planned(policy: Guest['policy'], pageSize = 4096): Guest {
  return guestBy(
    [
      { cpus: [first, all], memory: { [nodeA]: 32 * MIB }, pageSize },
      { cpus: [last, all], memory: { [nodeB]: 16 * MIB }, pageSize },
    ],
    { policy, host, name: `db, "one" of $two`, emulator: last, iothreads: [first] },
  )
}

async function inQemu(vm: Guest, work: (qemu: RunningQemu, file: string) => Promise<void>): Promise<void> {
  const file = script(toQemu(vm, host))
  const qemu = await RunningQemu.start(file, folder)
  let code: number | null = null
  try {
    await work(qemu, file)
  } finally {
    code = await qemu.quit()
  }
  assert.is(code, 0)
}

for (const [policy, name] of [
  ['strict', 'bind'],
  ['preferred', 'preferred'],
  ['interleave', 'interleave'],
] as const) {
  withQemu(`QEMU has the cells and their memory, ${policy}`, async () => {
    await inQemu(planned(policy), async (qemu) => {
      const backends = (await qemu.ask('query-memdev')) as Record<string, unknown>[]
      const seen = backends.map(({ id, size, policy: used, prealloc, 'host-nodes': on }) => ({
        id,
        size,
        used,
        prealloc,
        on,
      }))
      assert.equal(
        seen.sort((a, b) => `${a.id}`.localeCompare(`${b.id}`)),
        [
          { id: 'ram0', size: 32 * MIB, used: name, prealloc: true, on: [nodeA] },
          { id: 'ram1', size: 16 * MIB, used: name, prealloc: true, on: [nodeB] },
        ],
      )
      const places = (await qemu.ask('query-hotpluggable-cpus')) as { props: Record<string, number> }[]
      const of = ({ props }: { props: Record<string, number> }) => [
        props['socket-id'],
        props['core-id'],
        props['node-id'],
      ]
      assert.equal(places.map(of).sort().join(' '), '0,0,0 0,1,0 1,0,1 1,1,1')
      const { 'base-memory': memory } = (await qemu.ask('query-memory-size-summary')) as Record<string, number>
      assert.is(memory, 48 * MIB)
    })
  })
}

withQemu("QEMU's threads are on their CPUs once they are pinned", async () => {
  await inQemu(planned('strict'), async (qemu, file) => {
    const pinned = spawnSync('sh', [file, 'pin', `${qemu.pid}`], { encoding: 'utf8' })
    assert.equal([pinned.status, pinned.stdout, pinned.stderr], [0, '', ''])
    const vcpus = (await qemu.ask('query-cpus-fast')) as Record<string, number>[]
    const allowed = vcpus.map(({ 'cpu-index': index, 'thread-id': tid }) => [index, allowedCpus(qemu.pid, tid!)])
    assert.equal(allowed, [
      [0, first],
      [1, all],
      [2, last],
      [3, all],
    ])
    const [iothread] = (await qemu.ask('query-iothreads')) as Record<string, number>[]
    assert.is(allowedCpus(qemu.pid, iothread!['thread-id']!), first)
    const others = readdirSync(`/proc/${qemu.pid}/task`)
      .map(Number)
      .filter((tid) => tid !== iothread!['thread-id'] && !vcpus.some((vcpu) => vcpu['thread-id'] === tid))
    assert.ok(others.includes(qemu.pid))
    for (const tid of others) assert.is(allowedCpus(qemu.pid, tid), last)
  })
})

const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'
const freeHugePages = existsSync(pool) ? Number(readFileSync(pool, 'utf8')) : 0
skipUnless(
  withTaskset && has('qemu-system-x86_64') && nodes.length === 1 && freeHugePages >= 4,
  'QEMU and 4 free huge pages on one node are needed',
)('QEMU takes its memory from the huge pages', async () => {
  const vm = guestBy([{ cpus: [first], memory: { [nodeA]: 8 * MIB }, pageSize: 2 * MIB }], { emulator: last })
  await inQemu(vm, async (qemu) => {
    const [backend] = (await qemu.ask('query-memdev')) as Record<string, unknown>[]
    assert.is(backend!.size, 8 * MIB)
    const maps = readFileSync(`/proc/${qemu.pid}/smaps`, 'utf8')
    assert.match(maps, /^Private_Hugetlb: +8192 kB|^Shared_Hugetlb: +8192 kB/m)
  })
})

withNumactl('numactl runs a command with the policy and on the CPUs', () => {
  const cells = [{ cpus: [first, all], memory: { [nodeA]: 32 * MIB } }]
  const shown = (policy: Guest['policy']) => {
    const file = script(toNumactl(guestBy(cells, { policy, emulator: last })))
    const { stdout, stderr, status } = spawnSync('sh', [file, 'start', 'numactl', '--show'], { encoding: 'utf8' })
    assert.equal([status, stderr], [0, ''])
    return Object.fromEntries(stdout.split('\n').map((line) => line.split(/:\s*/).map((part) => part.trim())))
  }
  const strict = shown('strict')
  assert.equal([strict.policy, strict.membind, strict.physcpubind], ['bind', `${nodeA}`, cpus.join(' ')])
  assert.equal([shown('preferred').policy, shown('preferred')['preferred node']], ['preferred', `${nodeA}`])
  assert.equal([shown('interleave').policy, shown('interleave').interleavemask], ['interleave', `${nodeA}`])
})

skipUnless(withTaskset, 'taskset is not installed')('threads are known by the names that VMMs give them', async () => {
  const names = ['vcpu0', 'fc_vcpu 0', 'crosvm_vcpu0', 'kvm-vcpu-0', 'CPU 0/KVM']
  const file = script(toFirecracker(guestBy([{ cpus: [last], memory: { 0: MIB } }], { emulator: first }), null))
  for (const name of names) {
    const child = spawn('sh', ['-c', `printf '%s' '${name}' >/proc/$$/comm; echo ready; read -r end`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve))
      const { status, stderr } = spawnSync('sh', [file, 'pin', `${child.pid}`], { encoding: 'utf8' })
      assert.equal([status, stderr], [0, ''], name)
      assert.is(allowedCpus(child.pid!, child.pid!), last, name)
    } finally {
      child.stdin.end()
    }
  }
})

test.run()
