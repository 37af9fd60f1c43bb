/** libvirt takes the domains that are written for it: its schema, its daemon, and QEMU as the daemon starts it. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCpulist } from '../../src/cpulist.js'
import { type Guest, guestOf } from '../../src/formats/guest.js'
import { fromLibvirt } from '../../src/formats/libvirt/read.js'
import { intoDomain, toLibvirt } from '../../src/formats/libvirt/write.js'
import { detectHost } from '../../src/topology/node-fs.js'
import { skipUnless } from '../skip.js'
import { BY_HAND, KUBEVIRT, NOVA, UNTUNED } from './domains.js'
import { GIB, guest, guestBy, MIB, planFor, TWO_NODES } from './guests.js'
import { Libvirtd } from './libvirtd.js'

const has = (program: string) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${program}`]).status === 0
const withSchema = skipUnless(
  has('virt-xml-validate') && has('xmllint'),
  'libvirt-clients or libxml2-utils is not installed',
)
const withDaemon = skipUnless(
  has('libvirtd') && has('virsh') && has('setpriv') && has('qemu-system-x86_64'),
  'libvirt-daemon, its QEMU driver or QEMU is not installed',
)

const folder = mkdtempSync(join(tmpdir(), 'homenode-domains-'))
const libvirtd = new Libvirtd()
let isStarted = false
test.after(async () => {
  await libvirtd.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function daemon(): Promise<Libvirtd> {
  if (!isStarted) await libvirtd.start()
  isStarted = true
  return libvirtd
}

/** The least that libvirt takes, of a VM's size, under emulation. */
function bare({ name, bytes, vcpus }: Guest): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='b'>${bytes}</memory>
  <vcpu>${vcpus.length}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
`
}

/** Domains of all kinds with a plan in them. */
function domains(): [string, string][] {
  const half = 512 * MIB
  const cells = [
    { cpus: ['0', '1'], memory: { 0: half } },
    { cpus: ['16', '17-18'], memory: { 0: half, 1: half } },
  ]
  const guests: [string, Guest][] = [
    ['plain', guest({ cells: 1, pageSize: '4KiB' })],
    ['huge', guest({ cells: 2, pageSize: '2MiB', iothreads: 2, emulator: 'dedicated' })],
    ['preferred', guestBy(cells, { policy: 'preferred' })],
    ['interleave', guestBy(cells, { policy: 'interleave' })],
    ['distances', guestBy([cells[0]!, { cpus: ['16'], memory: { 1: GIB } }], { iothreads: ['3', '4-5'] })],
  ]
  const made = guests.map(([name, vm]): [string, string] => [name, intoDomain(vm, TWO_NODES, bare(vm)).text])
  const given = [BY_HAND, UNTUNED, NOVA, KUBEVIRT].map((text): [string, string] => {
    const { vm } = fromLibvirt(text)
    const [planned] = planFor({ vms: [{ ...vm, pageSize: '2MiB' }] }).vms
    return [`${vm.name}`, intoDomain(guestOf(planned!, 'strict', TWO_NODES), TWO_NODES, text).text]
  })
  return [...made, ...given]
}

withSchema("libvirt's schema has nothing against the domains", () => {
  for (const [name, text] of domains()) {
    const file = join(folder, 'domain.xml')
    writeFileSync(file, text)
    const { status, stdout, stderr } = spawnSync('virt-xml-validate', [file, 'domain'], { encoding: 'utf8' })
    assert.is(status, 0, `${name}: ${stdout}${stderr}\n${text}`)
  }
})

/** The tags of a text that are part of the tuning, in libvirt's style. */
function tuning(text: string): string[] {
  const names = /<(?:vcpupin|emulatorpin|iothreadpin|memory mode|memnode|page|cell|sibling)\b[^>]*>/g
  return [...text.matchAll(names)]
    .map(([all]) =>
      all
        .replaceAll('"', "'")
        .replace(/\s*\/?>$/, '')
        .replace(/\s+/g, ' '),
    )
    .sort()
}

withDaemon('virsh define takes the domains, and libvirt has in them what was planned', async () => {
  const { virsh, file } = bound(await daemon())
  for (const [name, text] of domains()) {
    // KVM is not asked for here: whether it is there is not the question.
    const emulated = text
      .replace(/<domain type=.kvm.( id='7')?/, "<domain type='qemu'")
      .replace(/mode="host-passthrough"|mode="host-model" check="partial"/, '')
    virsh('define', file('domain.xml', emulated), '--validate')
    const kept = virsh('dumpxml', '--inactive', fromLibvirt(text).vm.name as string)
    assert.ok(tuning(text).length > 5)
    assert.equal(tuning(kept), tuning(text), name)
    // What libvirt keeps is what is wanted: nothing is left to change.
    assert.equal(fromLibvirt(kept).vm, fromLibvirt(text).vm, name)
    virsh('undefine', fromLibvirt(text).vm.name as string)
  }
})

withDaemon('a domain starts with its threads and its memory where they were planned', async () => {
  const { virsh, file } = bound(await daemon())
  const { cpus, nodes } = await detectHost()
  const ids = cpus.filter(({ online, allowed }) => online && allowed).map(({ id }) => id)
  const [first, last, all] = [`${ids[0]}`, `${ids.at(-1)}`, formatCpulist(ids)]
  const node = nodes.find(({ memory }) => memory.total !== 0)!.id
  const vm = guestBy(
    [
      { cpus: [first, all], memory: { [node]: 32 * MIB } },
      { cpus: [last, last], memory: { [node]: 16 * MIB } },
    ],
    { iothreads: [first], emulator: last, name: 'runs' },
  )
  virsh('define', file('runs.xml', intoDomain(vm, null, bare(vm)).text))
  virsh('start', 'runs', '--paused')
  try {
    const pid = readFileSync(join(libvirtd.folder, 'libvirt/qemu/run/runs.pid'), 'utf8').trim()
    const allowed = new Map(
      readdirSync(`/proc/${pid}/task`).map((task) => {
        const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')
        return [/^Name:\t(.*)$/m.exec(status)![1]!, /^Cpus_allowed_list:\t(.*)$/m.exec(status)![1]!]
      }),
    )
    const threads = ['CPU 0/TCG', 'CPU 1/TCG', 'CPU 2/TCG', 'CPU 3/TCG', 'IO iothread1', 'qemu-system-x86']
    assert.equal(
      threads.map((name) => allowed.get(name)),
      [first, all, last, last, first, last],
    )
    const backends = virsh('qemu-monitor-command', 'runs', '{"execute": "query-memdev"}')
    const seen = JSON.parse(backends).return.map((one: Record<string, unknown>) => [
      one.size,
      one.policy,
      `${one['host-nodes']}`,
    ])
    assert.equal(seen.sort(), [
      [16 * MIB, 'bind', `${node}`],
      [32 * MIB, 'bind', `${node}`],
    ])
  } finally {
    virsh('destroy', 'runs')
    virsh('undefine', 'runs')
  }
})

withDaemon('the parts alone fill a domain that has what else it needs', async () => {
  const { virsh, file } = bound(await daemon())
  const vm = { ...guest({ cells: 2, pageSize: '4KiB' }), name: `a<b> & 'c' "d"` }
  const { text } = toLibvirt(vm, TWO_NODES)
  const filled = text
    .replace('<domain>', "<domain type='qemu'>")
    .replace('</domain>', "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>")
  virsh('define', file('alone.xml', filled), '--validate')
  assert.match(virsh('list', '--all', '--name'), vm.name)
  virsh('undefine', vm.name)
})

/** The daemon's methods by themselves. */
function bound(to: Libvirtd): Pick<Libvirtd, 'virsh' | 'file'> {
  return { virsh: (...args) => to.virsh(...args), file: (name, text) => to.file(name, text) }
}

test.run()
