/** Bad input of a megabyte is refused in little time and memory, whatever is wrong with it, and by name. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { homenode, scratch, TWO_NODES } from './command.js'

const file = scratch()
const BYTES = 1024 ** 2
const CPU_MS = 2000
const RESIDENT_MIB = 300

const repeat = (text: string, bytes = BYTES) => text.repeat(Math.ceil(bytes / text.length))
const many = <Value>(count: number, make: (at: number) => Value) => Array.from({ length: count }, (_, at) => make(at))
/** As many as make a megabyte. */
const listOf = (element: unknown) => many(Math.ceil(BYTES / (JSON.stringify(element).length + 1)), () => element)
const vm = (fields: object) => ({ name: 'a', vcpus: 1, memory: '1MiB', ...fields })
const withVm = (fields: object) => JSON.stringify({ vms: [vm(fields)] })
const withReserve = (reserve: object) => JSON.stringify({ vms: [vm({})], reserve })
const here = { cell: 0, pageSize: 4096, memory: [{ node: 0, bytes: 4096 }] }
const vcpu = { vcpu: 0, cell: 0, node: 0, cpus: '0-65535', dedicated: true }

const REQUESTS: Readonly<Record<string, string>> = {
  'overlapping ranges of CPUs': withReserve({ cpus: `${repeat('0-65535,')}x` }),
  'overlapping strides of CPUs': withReserve({ cpus: repeat('0-65535:2,') }),
  'vCPUs that may be everywhere now': JSON.stringify({
    vms: [
      ...many(3000, (at) =>
        vm({ name: `v${at}`, vcpus: 4, current: { cells: [here], vcpus: many(4, (n) => ({ ...vcpu, vcpu: n })) } }),
      ),
      {},
    ],
  }),
  'more current vCPUs than any VM has': withVm({ current: { cells: [here], vcpus: listOf(vcpu) } }),
  'sets of vCPUs beyond the VM': JSON.stringify({
    vms: many(4000, (at) => vm({ name: `v${at}`, cpuPolicy: 'mixed', dedicatedVcpus: '0-65535' })),
  }),
  'cells with the same vCPUs': JSON.stringify({
    vms: many(6, (at) =>
      vm({ name: `v${at}`, vcpus: 4096, cells: many(4096, () => ({ vcpus: '0-4095', memory: '1MiB' })) }),
    ),
  }),
  'VMs that are none': JSON.stringify({ vms: listOf(0) }),
  'VMs with everything wrong': JSON.stringify({
    vms: many(4000, (at) => ({
      name: `v${at}`,
      vcpus: -1,
      memory: 5,
      cells: 'x',
      span: 3,
      demand: 9,
      devices: 1,
      near: 1,
      traffic: 5,
    })),
  }),
  'names that are none': withVm({ near: listOf(0) }),
  'a long name': withVm({ name: repeat('x') }),
  'a long size': withVm({ memory: `${repeat('1')}MiB` }),
  'devices that are none': withVm({ devices: listOf({}) }),
  'too many devices': withVm({ devices: listOf({ node: 0 }) }),
  'traffic of no numbers': withVm({ traffic: [listOf(-1)] }),
  'rows of traffic': withVm({ traffic: listOf([]) }),
  'cells that are none': withVm({ current: { cells: listOf(0), vcpus: [] } }),
  'fields that are not known': `{"vms":[{${many(100_000, (at) => `"k${at}":0`).join()}}]}`,
  'more pairs of VMs than the planner holds': JSON.stringify({
    vms: many(4000, (at) => vm({ name: `v${at}`, separateFrom: many(25, (n) => `v${(at + n + 1) % 4000}`) })),
  }),
}

const TEXTS: Readonly<Record<string, string | Buffer>> = {
  'brackets that open': repeat('['),
  'brackets within brackets': '['.repeat(BYTES / 2) + ']'.repeat(BYTES / 2),
  'objects within objects': `${repeat('{"a":', (BYTES * 5) / 6)}1${'}'.repeat(BYTES / 6)}`,
  'one name over and over': `{${repeat('"a":1,')}"a":1}`,
  'many names, one twice': `{${many(100_000, (at) => `"k${at}":1`).join()},"k0":1}`,
  'a string without end': `"${repeat('a')}`,
  'a string of escapes': `"${repeat('\\u0041')}`,
  'white space': `${repeat(' ')}x`,
  digits: `${repeat('1')}x`,
  zeros: JSON.stringify(listOf(0)),
  'bytes that are no text': Buffer.alloc(BYTES, 0xff),
  'code points above all others': repeat('\u{10ffff}'),
}

/** On its last line of standard error: the most memory that was resident, in KiB, and the CPU time, in us. */
const METER = `data:text/javascript,${encodeURIComponent(`
import { writeSync } from 'node:fs'
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  writeSync(2, 'used ' + maxRSS + ' ' + (userCPUTime + systemCPUTime) + '\\n')
})`)}`

async function refused(args: readonly string[], what: string): Promise<void> {
  const { code, stderr } = await homenode(args, { env: { NODE_OPTIONS: `--import=${METER}` } })
  const [, resident = '0', cpu = '0'] = /^used (\d+) (\d+)$/m.exec(stderr) ?? []
  assert.is(code, 2, `${what}: ${stderr.slice(0, 300)}`)
  assert.match(stderr, /^homenode: .*: expected .*, got /, what)
  assert.ok(stderr.length < 2000, `${what}: an error of ${stderr.length} characters`)
  assert.ok(Number(cpu) > 0 && Number(cpu) / 1000 <= CPU_MS, `${what}: ${cpu} us of CPU time`)
  assert.ok(Number(resident) / 1024 <= RESIDENT_MIB, `${what}: ${resident} KiB`)
}

test('requests of a megabyte that are wrong in one way', async () => {
  for (const [what, text] of Object.entries({ ...REQUESTS, ...TEXTS })) {
    await refused(['plan', '-f', file('request.json', text), '--synthetic', TWO_NODES], what)
  }
})

test('hosts of a megabyte that are wrong in one way', async () => {
  for (const [what, text] of Object.entries(TEXTS)) await refused(['topo', '--host', file('host.json', text)], what)
})

test.run()
