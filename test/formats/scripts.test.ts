/** Scripts for QEMU, Cloud Hypervisor, Firecracker and numactl: what their commands get, whatever the VM is called. */

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cloudHypervisorArguments, toCloudHypervisor } from '../../src/formats/cloud-hypervisor.js'
import { machineConfig, toFirecracker } from '../../src/formats/firecracker.js'
import type { Converted, Guest } from '../../src/formats/guest.js'
import { toNumactl } from '../../src/formats/numactl.js'
import { qemuArguments, toQemu } from '../../src/formats/qemu.js'
import { quote } from '../../src/formats/shell.js'
import { topologyOf } from '../../src/formats/topology.js'
import { parseRequest } from '../../src/request.js'
import { makeHost } from '../planner/cases.js'
import { GIB, guest, guestBy, MIB, TWO_NODES } from './guests.js'

const HALF = 512 * MIB
const folder = mkdtempSync(join(tmpdir(), 'homenode-scripts-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** Stand-ins for all programs that a script starts: they note what they were called with, each word behind a NUL. */
const bin = join(folder, 'bin')
mkdirSync(bin)
for (const name of ['taskset', 'numactl', 'firecracker']) {
  writeFileSync(join(bin, name), `#!/bin/sh\nprintf '%s\\0' ${name} "$@" >>"$CALLS"\n`)
  chmodSync(join(bin, name), 0o755)
}

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Words of all calls. */
  readonly calls: readonly string[]
}

/** A script run with these arguments by `sh`. */
function run({ text }: Converted, ...args: string[]): Ended {
  const file = join(folder, 'vm.sh')
  const notes = join(folder, 'calls')
  writeFileSync(file, text)
  writeFileSync(notes, '')
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, CALLS: notes }
  const { status, stdout, stderr } = spawnSync('sh', [file, ...args], { env, encoding: 'utf8' })
  return { status, stdout, stderr, calls: readFileSync(notes, 'utf8').split('\0').slice(0, -1) }
}

const named = (name: string, more: Partial<Guest> = {}): Guest => ({ ...guest(), ...more, name })

test('QEMU gets the cells, their memory, the distances and the I/O threads', () => {
  const planned = guestBy(
    [
      { cpus: ['0', '1', '2', '3'], memory: { 0: HALF } },
      { cpus: ['16', '17', '18', '19'], memory: { 1: HALF }, pageSize: 2 * MIB },
    ],
    { iothreads: ['8'] },
  )
  assert.equal(qemuArguments(planned, TWO_NODES), [
    ['-name', 'guest=db,debug-threads=on'],
    ['-smp', '8,sockets=2,dies=1,cores=2,threads=2'],
    ['-m', '1048576k'],
    ['-object', 'memory-backend-ram,id=ram0,size=524288k,host-nodes=0,policy=bind,prealloc=on'],
    [
      '-object',
      'memory-backend-memfd,hugetlb=on,hugetlbsize=2048k,id=ram1,size=524288k,host-nodes=1,policy=bind,prealloc=on',
    ],
    ['-numa', 'node,nodeid=0,cpus=0-3,memdev=ram0'],
    ['-numa', 'node,nodeid=1,cpus=4-7,memdev=ram1'],
    ['-numa', 'dist,src=0,dst=0,val=10'],
    ['-numa', 'dist,src=0,dst=1,val=20'],
    ['-numa', 'dist,src=1,dst=0,val=20'],
    ['-numa', 'dist,src=1,dst=1,val=10'],
    ['-object', 'iothread,id=iothread1'],
  ])
})

test('policies of QEMU, and lists with gaps', () => {
  const cells = [{ cpus: ['0', '2'], memory: { 0: HALF, 2: HALF, 3: HALF } }]
  const backend = (policy: Guest['policy']) => qemuArguments(guestBy(cells, { policy }), null)[3]![1]
  assert.match(backend('strict'), 'host-nodes=0,host-nodes=2-3,policy=bind,')
  assert.match(backend('interleave'), 'host-nodes=0,host-nodes=2-3,policy=interleave,')
  assert.match(backend('preferred'), 'host-nodes=0,policy=preferred,')
  assert.equal(toQemu(guestBy(cells), null).notes, [
    'cell 0 is planned with 512 MiB on node 0, 512 MiB on node 2, 512 MiB on node 3; QEMU binds it to nodes 0,2-3, and the kernel divides it',
  ])
  assert.throws(
    () => qemuArguments(guestBy([{ cpus: ['0'], memory: { 0: 4096 } }]), null),
    /expected memory in a multiple of 8 KiB, for QEMU, got 4096 bytes/,
  )
})

test('Cloud Hypervisor gets affinities and a zone for each node of a cell', () => {
  const planned = guestBy([
    { cpus: ['0', '4-7,9'], memory: { 0: HALF, 1: GIB } },
    { cpus: ['16', '17'], memory: { 1: HALF }, pageSize: 2 * MIB },
  ])
  assert.equal(cloudHypervisorArguments(planned, null), [
    ['--cpus', 'boot=4,topology=1:2:1:2,affinity=[0@[0],1@[4-7,9],2@[16],3@[17]]'],
    ['--memory', 'size=0'],
    [
      '--memory-zone',
      'id=cell0node0,size=524288K,host_numa_node=0,prealloc=on',
      'id=cell0node1,size=1048576K,host_numa_node=1,prealloc=on',
      'id=cell1node1,size=524288K,host_numa_node=1,prealloc=on,hugepages=on,hugepage_size=2048K',
    ],
    [
      '--numa',
      'guest_numa_id=0,cpus=[0-1],memory_zones=[cell0node0,cell0node1]',
      'guest_numa_id=1,cpus=[2-3],memory_zones=[cell1node1]',
    ],
  ])
  const near = guestBy([
    { cpus: ['0'], memory: { 0: HALF } },
    { cpus: ['16'], memory: { 1: HALF } },
  ])
  assert.match(cloudHypervisorArguments(near, TWO_NODES)[3]![1]!, 'guest_numa_id=0,cpus=[0],distances=[1@20],')
  const many = guestBy([{ cpus: Array.from({ length: 256 }, () => '0-3'), memory: { 0: GIB } }])
  assert.throws(() => cloudHypervisorArguments(many, null), /expected at most 255 vCPUs, for Cloud Hypervisor, got 256/)
})

test('what Cloud Hypervisor does otherwise is said', () => {
  const notes = (more: object) => toCloudHypervisor(guest(more), TWO_NODES).notes.join('\n')
  assert.is(notes({}), '')
  assert.match(notes({ memoryPolicy: 'interleave' }), 'not page by page')
  assert.match(notes({ memoryPolicy: 'preferred' }), 'does not take others')
  assert.match(notes({ iothreads: 1 }), 'no I/O threads of this kind')
})

test('Firecracker gets a machine without NUMA, and says so', () => {
  const two = guestBy([
    { cpus: ['0', '1'], memory: { 0: HALF } },
    { cpus: ['16', '17'], memory: { 1: HALF } },
  ])
  const { calls } = run(toFirecracker(two, TWO_NODES), 'start', '--api-sock', 'a b')
  assert.equal(calls, [
    'numactl',
    '--all',
    '--membind=0-1',
    '--physcpubind=0-1,16-17',
    '--',
    'firecracker',
    '--api-sock',
    'a b',
  ])
  assert.equal(JSON.parse(run(toFirecracker(two, TWO_NODES), 'config').stdout), {
    vcpu_count: 4,
    mem_size_mib: 1024,
    smt: true,
  })
  assert.is(run(toFirecracker(two, null), 'jailer').stdout, '--cgroup cpuset.mems=0-1 --cgroup cpuset.cpus=0-1,16-17\n')
  assert.equal(toFirecracker(two, null).notes, [
    'Firecracker has no NUMA: its guest sees one node instead of 2 cells',
    'numactl has one policy for a process: all of it is bound to nodes 0-1, and the kernel divides it, not the cells',
  ])
  assert.equal(toFirecracker(guest({ cells: 1 }), null).notes, [])
})

test('what Firecracker cannot have is refused', () => {
  const config =
    (cpus: number, memory: number, ...pageSizes: number[]) =>
    () =>
      machineConfig(
        guestBy(
          pageSizes.map((pageSize) => ({
            cpus: Array.from({ length: cpus }, () => '0-3'),
            memory: { 0: memory },
            pageSize,
          })),
        ),
        null,
      )
  assert.equal(config(1, GIB, 2 * MIB, 2 * MIB)(), { vcpu_count: 2, mem_size_mib: 2048, smt: false, huge_pages: '2M' })
  assert.throws(config(33, GIB, 4096), /expected at most 32 vCPUs, for Firecracker, got 33/)
  assert.throws(config(1, GIB + 4096, 4096), /expected memory in whole MiB, for Firecracker, got 1073745920 bytes/)
  assert.throws(config(1, GIB, GIB), /base size or of 2 MiB .*, got 1 GiB in cell 0/)
  assert.throws(config(1, GIB, 4096, 2 * MIB), /got 2 MiB in cell 1/)
})

test('numactl gets the nodes, and the CPUs of all threads', () => {
  const cells = [
    { cpus: ['1', '2-3'], memory: { 0: HALF } },
    { cpus: ['16', '17'], memory: { 1: GIB } },
  ]
  const call = (policy: Guest['policy']) => {
    const made = toNumactl(guestBy(cells, { policy, emulator: '8-9', iothreads: ['12'] }))
    return { calls: run(made, 'start', 'vmm', '-x').calls.slice(0, 4), notes: made.notes.length }
  }
  const cpus = '--physcpubind=1-3,8-9,12,16-17'
  assert.equal(call('strict'), { calls: ['numactl', '--all', '--membind=0-1', cpus], notes: 1 })
  assert.equal(call('interleave'), { calls: ['numactl', '--all', '--interleave=0-1', cpus], notes: 0 })
  assert.equal(call('preferred'), { calls: ['numactl', '--all', '--preferred=0', cpus], notes: 1 })
})

const FORMATS = {
  qemu: (vm: Guest) => toQemu(vm, TWO_NODES),
  'cloud-hypervisor': (vm: Guest) => toCloudHypervisor(vm, TWO_NODES),
  firecracker: (vm: Guest) => toFirecracker(vm, TWO_NODES),
  numactl: toNumactl,
} as const

test('whatever a VM is called, its script does the same', () => {
  const hostile = [
    "$(touch x)'`touch x`",
    '"; exit 7 #',
    'a\\',
    '-rf',
    "'",
    '*',
    '\u{1f600}',
    "it's",
    '%s',
    'EOF',
    '$PATH',
    '!!',
  ]
  const names = [...hostile, ...fc.sample(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), 12)].filter(
    (name) => {
      try {
        return parseRequest({ vms: [{ name, vcpus: 1, memory: '1GiB' }] }).vms.length === 1
      } catch {
        return false
      }
    },
  )
  assert.ok(names.length > hostile.length)
  for (const [format, convert] of Object.entries(FORMATS)) {
    const expected = run(convert(named('db')), 'start', "'$x'\n").calls
    assert.is(expected.at(-1), "'$x'\n")
    for (const name of names) {
      const { status, calls, stdout, stderr } = run(convert(named(name)), 'start', "'$x'\n")
      assert.equal([status, stdout, stderr], [0, '', ''], `${format}: ${name}`)
      const known = calls.map((word) =>
        word === `guest=${name.replaceAll(',', ',,')},debug-threads=on` ? 'guest=db,debug-threads=on' : word,
      )
      assert.equal(known, expected, `${format}: ${name}`)
    }
  }
})

test('a script that is called otherwise says how, and does nothing', () => {
  for (const [format, convert] of Object.entries(FORMATS)) {
    for (const args of [[], ['stop'], ['start me'], ['pin'], ['pin', '1', '2'], ['pin 2'], ['', 'start']]) {
      const { status, calls, stdout, stderr } = run(convert(named('db')), ...args)
      assert.equal([status, calls, stdout], [2, [], ''], `${format} ${args}`)
      assert.match(stderr, /^sh FILE /)
    }
  }
})

test('quoted, any text is one word that says the same', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { minLength: 1, maxLength: 30 }), (texts) => {
      const words = texts.map((text) => text.replaceAll('\0', '').replace(/\p{Cs}/gu, ''))
      const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${words.map(quote).join(' ')}`], { encoding: 'utf8' })
      assert.equal(stdout.split('\0').slice(0, -1), words)
    }),
    { numRuns: 30 },
  )
})

test('pins of a process that is not there, or that is no VM, end in a message', () => {
  const { status, stderr } = run(toNumactl(named('db')), 'pin', '4194305')
  assert.ok(status !== 0 && /4194305/.test(stderr), stderr)
  const mine = run(toNumactl(named('db')), 'pin', `${process.pid}`)
  assert.equal([mine.status, mine.stderr], [1, 'pinned 0 of 4 vCPUs\n'])
  assert.ok(mine.calls.length > 0 && mine.calls.every((word) => /^(taskset|-p|-c|[\d,-]+)$/.test(word)))
})

/** Sockets, dies, cores and threads in a row. */
function shape(vm: Guest, host = TWO_NODES): string {
  const { sockets, dies, cores, threads } = topologyOf(vm, host)
  return [sockets, dies, cores, threads].join(' ')
}

test('sockets are cells, dies LLCs, threads those of a core', () => {
  const one = (...cpus: string[]) => guestBy([{ cpus, memory: { 0: GIB } }], { host: TWO_NODES })
  assert.is(shape(one('0', '1', '2', '3')), '1 1 2 2')
  assert.is(shape(one('0', '2', '4', '6')), '1 1 4 1')
  assert.is(shape(one('0', '2', '1', '3')), '1 1 4 1', 'siblings that do not follow each other')
  assert.is(shape(one('0', '1', '8', '9')), '1 2 1 2')
  assert.is(shape(one('0', '1', '2', '8')), '1 4 1 1')
  assert.is(shape(one('0-3', '0-3', '0-3')), '1 1 3 1', 'those that float')
  assert.is(shape(one('0', '1', '2')), '1 1 3 1')
  const two = (a: string[], b: string[]) =>
    guestBy(
      [
        { cpus: a, memory: { 0: GIB } },
        { cpus: b, memory: { 1: GIB } },
      ],
      { host: TWO_NODES },
    )
  assert.is(shape(two(['0', '1', '2', '3'], ['16', '17'])), '3 1 1 2', 'cells of different sizes')
  assert.is(shape(two(['0', '1'], ['16'])), '3 1 1 1')
  assert.is(`${Object.values(topologyOf(two(['0', '1'], ['16', '17']), null))}`, '2,1,2,1', 'without a host')
})

test('no socket reaches over a cell, no die over an LLC, no core over a core', () => {
  const cpu = fc.integer({ min: 0, max: 31 })
  const host = makeHost({
    packages: 1,
    nodes: 2,
    llcs: 2,
    cores: 4,
    threads: 2,
    memory: [16],
    distance: 20,
    spoil: { offline: 0, disallowed: 0, slow: 0 },
  })
  fc.assert(
    fc.property(fc.array(fc.array(cpu, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }), (cells) => {
      const vm = guestBy(
        cells.map((cpus) => ({ cpus: cpus.map(String), memory: { 0: GIB } })),
        { host },
      )
      const { sockets, dies, cores, threads } = topologyOf(vm, host)
      assert.is(sockets * dies * cores * threads, vm.vcpus.length)
      const of = (size: number, key: (at: number) => unknown) => {
        for (let first = 0; first < vm.vcpus.length; first += size) {
          const group = Array.from({ length: size }, (_, at) => key(first + at))
          assert.is(new Set(group).size, 1)
        }
      }
      const on = (at: number) => host.cpus[Number(vm.vcpus[at]!.cpus)]!
      of(dies * cores * threads, (at) => vm.vcpus[at]!.cell)
      of(cores * threads, (at) => on(at).llc)
      if (threads > 1) of(threads, (at) => on(at).core)
    }),
    { numRuns: 500 },
  )
})

test.run()
