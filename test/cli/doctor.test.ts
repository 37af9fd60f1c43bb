/** Every finding of `doctor`, caused by a system that answers as told. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AffinityStatus, FoundVm, KvmStatus, MbindStatus, Refused } from '../../executor/index.js'
import type { Check } from '../../src/cli/doctor/check.js'
import { examine } from '../../src/cli/doctor/examine.js'
import { type Probes, systemProbes } from '../../src/cli/doctor/probes.js'
import { showChecks } from '../../src/cli/doctor.js'
import { styleOf } from '../../src/cli/output.js'
import { InputError } from '../../src/errors.js'
import { syntheticHost } from '../../src/topology/index.js'
import type { Host } from '../../src/types.js'

const INTEL = 'vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n'
const AMD = 'vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm sse\n'

interface System {
  readonly kvm?: KvmStatus
  readonly mbind?: MbindStatus
  readonly affinity?: AffinityStatus
  readonly host?: Host
  /** Over those of a machine without faults. */
  readonly files?: Readonly<Record<string, string | null>>
  readonly directories?: Readonly<Record<string, readonly string[]>>
  readonly guests?: readonly FoundVm[]
  readonly probes?: Partial<Probes>
}

function huge(host: Host, free = 64): Host {
  const pool = { size: 2 ** 21, total: 64, free }
  return { ...host, nodes: host.nodes.map((node) => ({ ...node, pages: [...node.pages, pool] })) }
}

function system(given: System): Probes {
  const files: Record<string, string | null> = {
    '/etc/group': 'root:x:0:\nkvm:x:104:libvirt\n',
    '/proc/cpuinfo': INTEL,
    '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
    '/proc/self/cgroup': '0::/user.slice\n',
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory\n',
    '/proc/loadavg': '0.52 0.40 0.30 2/200 4711\n',
    '/proc/pressure/cpu':
      'some avg10=0.00 avg60=1.25 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    '/proc/sys/kernel/numa_balancing': '0\n',
    '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
    ...given.files,
  }
  return {
    platform: 'linux',
    arch: 'x64',
    nodeVersion: '20.11.0',
    kernelRelease: '6.1.0-18-amd64',
    groups: [0],
    readText: (path) => files[path] ?? null,
    list: (path) => given.directories?.[path] ?? [],
    guests: async () => given.guests ?? [],
    host: async () => given.host ?? huge(syntheticHost('numa:2 core:2 pu:1')),
    executor: async () => ({
      kvm: () => given.kvm ?? { usable: true, maxVcpus: 1024 },
      mbind: () => given.mbind ?? { usable: true, node: 0 },
      affinity: () => given.affinity ?? { usable: true, cpus: [0, 1, 2, 3] },
    }),
    ...given.probes,
  }
}

function refused(code: string, text = `open(/dev/kvm): ${code}`, hint = ''): Refused {
  return { usable: false, code, text, hint }
}

async function find(id: string, given: System): Promise<Check> {
  const check = (await examine(system(given))).find((candidate) => candidate.id === id)
  if (check === undefined) throw new Error(`no check ${id}`)
  return check
}

/** Expects a check with this status, and its mend to say this. */
async function expect(id: string, status: Check['status'], says: RegExp, given: System): Promise<void> {
  const check = await find(id, given)
  assert.is(check.status, status, JSON.stringify(check))
  assert.match(`${check.found} | ${check.means} | ${check.mend ?? ''}`, says)
}

test('on a machine without faults all is well, and nothing is to be mended', async () => {
  const checks = await examine(system({}))
  assert.equal(
    checks.filter(({ status }) => status !== 'ok'),
    [],
  )
  assert.ok(checks.every(({ mend }) => mend === undefined))
})

test('what is not well says how to mend it', async () => {
  const files = { '/proc/self/status': 'CapEff:\t0000000000000000\n', '/sys/fs/cgroup/cgroup.controllers': null }
  const host = syntheticHost('numa:1 core:1 pu:1')
  const probes = { nodeVersion: '18.0.0', kernelRelease: '4.19.0' }
  const checks = await examine(system({ kvm: refused('ENOENT'), mbind: refused('EPERM'), files, host, probes }))
  const faulty = checks.filter(({ status }) => status !== 'ok')
  assert.is(faulty.length, 8)
  for (const { id, mend } of faulty) assert.ok(mend, id)
})

test('no /dev/kvm on an Intel CPU: its module', () =>
  expect('kvm', 'warning', /sudo modprobe kvm_intel/, { kvm: refused('ENOENT') }))

test('no /dev/kvm on an AMD CPU: its module', () =>
  expect('kvm', 'warning', /sudo modprobe kvm_amd/, { kvm: refused('ENODEV'), files: { '/proc/cpuinfo': AMD } }))

test('no virtualization extensions: firmware or nested virtualization', () => {
  const files = { '/proc/cpuinfo': AMD.replace('svm ', '') }
  return expect('kvm', 'warning', /AMD-V \(SVM\).*firmware.*nested/, { kvm: refused('ENOENT'), files })
})

test('the module is there and the device is not: a container', () =>
  expect('kvm', 'warning', /kvm_intel is loaded.*--device \/dev\/kvm/, {
    kvm: refused('ENOENT'),
    directories: { '/sys/module/kvm_intel': ['parameters'] },
  }))

test('another architecture has no module to load', () =>
  expect('kvm', 'warning', /CONFIG_KVM/, { kvm: refused('ENOENT'), probes: { arch: 'arm64' } }))

test('no permission: the group kvm', async () => {
  await expect('kvm', 'warning', /usermod -aG kvm/, { kvm: refused('EACCES') })
  await expect('kvm-group', 'warning', /not in group kvm \(104\).*usermod -aG kvm/, { kvm: refused('EACCES') })
})

test('no permission and no group kvm: who owns the device', () =>
  expect('kvm', 'warning', /ls -l \/dev\/kvm/, { kvm: refused('EACCES'), files: { '/etc/group': 'root:x:0:\n' } }))

test('no permission although in the group: the group is not blamed', () =>
  expect('kvm-group', 'ok', /in group kvm \(104\)/, { kvm: refused('EACCES'), probes: { groups: [0, 104] } }))

test('another hypervisor has the CPU', () => expect('kvm', 'warning', /VirtualBox/, { kvm: refused('EBUSY') }))

test('a guest program for another architecture', () =>
  expect('kvm', 'warning', /x86-64, not arm64/, {
    kvm: refused('unsupported', 'KVM: the guest is for x86-64, not arm64'),
  }))

test('a device that is none says what it is', () =>
  expect('kvm', 'warning', /ENOTTY: \/dev\/kvm is another device.*dmesg/, {
    kvm: refused('ENOTTY', 'ioctl: ENOTTY', '/dev/kvm is another device'),
  }))

test('without KVM a run still works: no problem', async () => {
  const checks = await examine(system({ kvm: refused('ENOENT') }))
  assert.not(checks.some(({ status }) => status === 'problem'))
})

test('mbind denied in a container', () =>
  expect('mbind', 'problem', /cap-add SYS_NICE/, { mbind: refused('EPERM', 'mbind(node 0): EPERM') }))

test('a kernel without NUMA support says what the kernel said', () =>
  expect('mbind', 'problem', /ENOSYS.*CONFIG_NUMA/, { mbind: refused('ENOSYS', 'mbind: ENOSYS', 'CONFIG_NUMA') }))

test('threads that cannot be pinned', () =>
  expect('cpus', 'problem', /sched_setaffinity: EPERM.*seccomp/, {
    affinity: refused('EPERM', 'sched_setaffinity: EPERM'),
  }))

test('a cpuset that keeps CPUs away', () => {
  const host = syntheticHost('numa:2 core:2 pu:1')
  const cpus = host.cpus.map((cpu) => ({ ...cpu, allowed: cpu.id < 2 }))
  return expect('cpus', 'warning', /^2 of 4 online CPUs \(0-1\).*cpuset/, { host: { ...host, cpus } })
})

test('an affinity mask is told from a cpuset', () =>
  expect('cpus', 'ok', /4 of 4 online CPUs \(0-3\), of which this process starts on 1/, {
    affinity: { usable: true, cpus: [1] },
  }))

test('CAP_SYS_NICE is bit 23', async () => {
  await expect('cap-sys-nice', 'ok', /^held/, { files: { '/proc/self/status': 'CapEff:\t0000000000800000\n' } })
  await expect('cap-sys-nice', 'warning', /not held.*SYS_NICE/, {
    files: { '/proc/self/status': 'CapEff:\t000001ffff7fffff\n' },
  })
})

test('one node: memory cannot be placed', () =>
  expect('nodes', 'warning', /^1 node \(0\).*cannot matter/, { host: syntheticHost('numa:1 core:2 pu:1') }))

test('nodes without CPUs or memory are named', () => {
  const host = syntheticHost('numa:2 core:2 pu:1')
  const nodes = [
    ...host.nodes,
    { ...host.nodes[0]!, id: 4 },
    { ...host.nodes[0]!, id: 5, memory: { total: 0, free: 0 } },
  ]
  return expect('nodes', 'ok', /4 nodes \(0-1,4-5\), without CPUs: 4-5, without memory: 5/, {
    host: { ...host, nodes },
  })
})

test('huge pages: none in the kernel, none reserved, all taken, some free', async () => {
  const host = syntheticHost('numa:2 core:2 pu:1')
  await expect('huge-pages', 'warning', /CONFIG_HUGETLBFS/, { host })
  const empty = { size: 2 ** 21, total: 0, free: 0 }
  const none = { ...host, nodes: host.nodes.map((node) => ({ ...node, pages: [...node.pages, empty] })) }
  await expect('huge-pages', 'warning', /none reserved \(2 MiB\).*nr_hugepages/, { host: none })
  await expect('huge-pages', 'warning', /2 MiB free: node 0: 0, node 1: 0.*taken/, { host: huge(host, 0) })
  await expect('huge-pages', 'ok', /2 MiB free: node 0: 3, node 1: 3/, { host: huge(host, 3) })
})

test('cgroup v1, none, and v2 without cpusets', async () => {
  const files = { '/sys/fs/cgroup/cgroup.controllers': null }
  const directories = { '/sys/fs/cgroup': ['cpu', 'cpuset', 'memory'] }
  await expect('cgroup', 'warning', /^cgroup v1.*unified_cgroup_hierarchy/, { files, directories })
  await expect('cgroup', 'warning', /^no cgroup file system/, { files })
  await expect('cgroup', 'warning', /without the cpuset controller/, {
    files: { '/sys/fs/cgroup/cgroup.controllers': 'cpu memory\n' },
  })
  await expect('cgroup', 'ok', /^cgroup v2, this process in \/user\.slice/, {})
})

test('what can be won by placing: nodes, caches, siblings, slow cores, each with its price', async () => {
  const far = syntheticHost('pack:2 [numa(memory=8GiB)] core:2 pu:2')
  const slit = [
    [10, 21],
    [21, 10],
  ]
  const host = { ...far, distances: slit }
  await expect('placement', 'ok', /^2 nodes, memory up to 2\.1 times as far, 2 last-level caches, 2 threads a core/, {
    host,
  })
  await expect('placement', 'ok', /0\.33 with its memory on the farthest node, 0\.21 with its peers.*0\.38 beside/, {
    host,
  })
  const slow = { ...host, cpus: host.cpus.map((cpu) => ({ ...cpu, capacity: cpu.id === 0 ? 512 : 1024 })) }
  await expect('placement', 'ok', /0\.50 on the slowest kind of core/, { host: slow })
  await expect('placement', 'ok', /1 node, 2 last-level.*0\.10 with its peers/, {
    host: syntheticHost('numa:1 l3:2 core:2 pu:1'),
  })
  await expect('placement', 'ok', /alike.*wins nothing/, { host: syntheticHost('numa:1 core:2 pu:1') })
})

test('how large a guest fits on one node', async () => {
  const host = syntheticHost('numa:2(memory=8GiB) core:2 pu:1')
  const cpus = host.cpus.map((cpu) => ({ ...cpu, allowed: cpu.id !== 3 }))
  await expect('guest-size', 'ok', /^node 0: 2 CPUs, 8 GiB free; node 1: 1 CPU, 8 GiB free.*divided into cells/, {
    host: { ...host, cpus },
  })
  const many = syntheticHost('numa:8(memory=8GiB) core:2 pu:1')
  const fewer = { ...many, cpus: many.cpus.map((cpu) => ({ ...cpu, allowed: cpu.id !== 9 })) }
  await expect(
    'guest-size',
    'ok',
    /^from the largest to the smallest node 0: 2 CPUs, .*; node 4: 1 CPU, 8 GiB free \|/,
    {
      host: fewer,
    },
  )
  await expect('guest-size', 'ok', /^node 0: .*does not fit/, { host: syntheticHost('numa:1 core:2 pu:1') })
})

test('what the page cache holds can be had', async () => {
  const host = syntheticHost('numa:2(memory=8GiB) core:2 pu:1')
  const [first, second] = host.nodes as [Host['nodes'][number], Host['nodes'][number]]
  const memory = { total: 2 ** 33, free: 2 ** 31, reclaimable: 2 ** 32 }
  await expect(
    'guest-size',
    'ok',
    /^node 0: 2 CPUs, 6 GiB free with 4 GiB of page cache; node 1: 2 CPUs, 8 GiB free \|/,
    {
      host: { ...host, nodes: [{ ...first, memory }, second] },
    },
  )
})

test('CPUs of a node that is offline are those of the node that they get memory from', async () => {
  const host = syntheticHost('numa:2(memory=8GiB) core:2 pu:1')
  const cpus = host.cpus.map((cpu) => (cpu.id < 2 ? { ...cpu, node: null, package: 1 } : { ...cpu, package: 1 }))
  await expect('guest-size', 'ok', /^node 0: 0 CPUs, .*; node 1: 4 CPUs, /, { host: { ...host, cpus } })
})

test('limits of memory: none, those of cgroups', async () => {
  const host = syntheticHost('numa:2(memory=8GiB) core:2 pu:1')
  await expect('memory-limits', 'ok', /^none/, { host })
  const limits = [
    { size: 4096, pages: 2 ** 20, cause: 'memory.max of /outer' },
    { size: 2 ** 21, pages: 3, cause: 'hugetlb.2MB.max of /outer/inner' },
  ]
  const found =
    /^4 GiB in pages of 4 KiB \(memory\.max of \/outer\); 6 MiB in pages of 2 MiB \(hugetlb\.2MB\.max.*MemoryMax=/
  await expect('memory-limits', 'warning', found, { host: { ...host, limits } })
})

test('random access: what is remote whatever one does', async () => {
  const host = syntheticHost('numa:4(memory=8GiB) core:2 pu:1')
  await expect('random-access', 'ok', /over 4 nodes with memory 75 %.*interleave/, { host })
  const nodes = host.nodes.map((node) => ({ ...node, memory: node.id < 2 ? node.memory : { total: 0, free: 0 } }))
  await expect('random-access', 'ok', /over 2 nodes with memory 50 %/, { host: { ...host, nodes } })
  await expect('random-access', 'ok', /0 %.*no other node/, { host: syntheticHost('numa:1 core:2 pu:1') })
})

test('load: light, busy, short of CPUs, unknown', async () => {
  const load = (loadavg: string | null, waiting = '0.00') => ({
    files: {
      '/proc/loadavg': loadavg,
      '/proc/pressure/cpu': `some avg10=99.00 avg60=${waiting} avg300=99.00 total=1\n`,
    },
  })
  await expect('load', 'ok', /^1\.99 tasks on 4 CPUs.*Lightly loaded/, load('1.99 1 1 1/9 9'))
  await expect('load', 'ok', /^2\.01 tasks.*Busy/, load('2.01 1 1 1/9 9'))
  await expect('load', 'warning', /^4\.10 tasks.*short.*reserve\.cpus/, load('4.10 1 1 1/9 9'))
  await expect('load', 'warning', /waited for a CPU 12\.50 %.*short/, load('0.10 1 1 1/9 9', '12.50'))
  await expect('load', 'ok', /^0\.10 tasks on 4 CPUs \|/, {
    files: { '/proc/loadavg': '0.10 1 1 1/9 9', '/proc/pressure/cpu': null },
  })
  await expect('load', 'ok', /^unknown/, load(null))
})

test('automatic NUMA balancing matters where it is on and there are nodes', async () => {
  const on = { files: { '/proc/sys/kernel/numa_balancing': '1\n' } }
  await expect('numa-balancing', 'warning', /numa_balancing = 1.*sysctl kernel\.numa_balancing=0/, on)
  await expect('numa-balancing', 'ok', /= 1 .*moves no memory/, { ...on, host: syntheticHost('numa:1 core:2 pu:1') })
  await expect('numa-balancing', 'ok', /not in this kernel/, { files: { '/proc/sys/kernel/numa_balancing': null } })
})

test('transparent huge pages: always, asked for, never, none', async () => {
  const mode = (text: string | null) => ({ files: { '/sys/kernel/mm/transparent_hugepage/enabled': text } })
  await expect('transparent-huge-pages', 'ok', /^always.*where it can be/, mode('[always] madvise never\n'))
  await expect('transparent-huge-pages', 'ok', /^madvise.*asked for/, mode('always [madvise] never\n'))
  await expect('transparent-huge-pages', 'warning', /^never.*TLB.*echo madvise/, mode('always madvise [never]\n'))
  await expect('transparent-huge-pages', 'warning', /^not in this kernel/, mode(null))
})

test('isolated CPUs: none, for dedicated vCPUs, kept away by the cpuset', async () => {
  const host = syntheticHost('numa:2 core:2 pu:1')
  const isolated = (allowed: boolean) => ({
    host: { ...host, cpus: host.cpus.map((cpu) => (cpu.id < 2 ? cpu : { ...cpu, isolated: true, allowed })) },
  })
  await expect('isolated-cpus', 'ok', /^none/, { host })
  await expect('isolated-cpus', 'ok', /^2-3 .*dedicated/, isolated(true))
  await expect('isolated-cpus', 'ok', /^2-3 .*leave them out/, isolated(false))
})

test('versions that are too old', async () => {
  await expect('nodejs', 'problem', /18\.19\.1.*20 or later/, { probes: { nodeVersion: '18.19.1' } })
  await expect('nodejs', 'ok', /22\.1\.0/, { probes: { nodeVersion: '22.1.0' } })
  await expect('kernel', 'warning', /5\.10\.0.*5\.14/, { probes: { kernelRelease: '5.10.0-28-amd64' } })
  await expect('kernel', 'ok', /5\.14\.0/, { probes: { kernelRelease: '5.14.0' } })
})

test('another operating system is a problem, and the doctor still reports', async () => {
  const host = () => Promise.reject(new InputError('/', 'a directory with sys/devices/system/cpu', 'none'))
  const executor = () => Promise.reject(new Error('koffi has no binary'))
  const probes = { platform: 'darwin', kernelRelease: '23.1.0', host, executor }
  await expect('kernel', 'problem', /darwin.*Linux/, { probes })
  await expect('koffi', 'problem', /koffi has no binary/, { probes })
  await expect('topology', 'problem', /sys\/devices\/system\/cpu/, { probes })
})

test('the table says each status, what it means and how to mend it', async () => {
  const checks = await examine(system({ kvm: refused('ENOENT'), mbind: refused('EPERM', 'mbind: EPERM') }))
  const text = showChecks(checks, styleOf({ columns: 60 }, 'never'))
  assert.match(text, /^ok {7}nodejs: Node\.js 20\.11\.0$/m)
  assert.match(text, /^warning {2}kvm: open\(\/dev\/kvm\): ENOENT\n {9}No guest can run here/m)
  assert.match(text, /^PROBLEM {2}mbind: mbind: EPERM\n(?: {9}.*\n)+ {9}Mend: In a container/m)
  assert.match(text, /\n\n17 ok, 1 warning, 1 problem$/)
  assert.ok(text.split('\n').every((line) => line.length <= 60))
})

test('guests are counted, and those of which too little can be read are named', async () => {
  const thread = { tid: 7, name: 'CPU 0/KVM', cpus: '0-1', lastCpu: 0, load: 0, cgroup: null }
  const guest = (name: string, vcpus: FoundVm['vcpus']): FoundVm => ({
    name: { value: name, source: 'arguments' },
    vmm: { value: 'qemu', source: 'program-name' },
    accelerator: null,
    pid: 5,
    startTime: 1,
    uid: 0,
    vcpuCount: { value: 1, source: 'arguments' },
    vcpus,
    iothreads: [],
    emulator: [],
    unknownThreads: [],
    memory: null,
    mappings: [],
    cells: null,
    cgroups: [],
    manager: null,
    metadata: [],
    missing: [],
  })
  const known = guest('db', [{ ...thread, vcpu: 0, source: 'thread-name' }])
  await expect('guests', 'ok', /^none/, {})
  await expect('guests', 'ok', /1 VM: db \(1 vCPU\)/, { guests: [known] })
  await expect('guests', 'warning', /2 VMs: .* Of web files do not show/, { guests: [known, guest('web', [])] })
})

test('this machine answers every probe', async () => {
  const probes = systemProbes()
  assert.is(probes.nodeVersion, process.versions.node)
  assert.match(probes.readText('/proc/self/status')!, /^CapEff:/m)
  assert.is(probes.readText('/nowhere/at/all'), null)
  assert.equal(probes.list('/nowhere'), [])
  assert.ok(probes.list('/sys').includes('devices'))
  const { kvm, mbind, affinity } = await probes.executor()
  for (const status of [kvm(), mbind(), affinity()]) assert.type(status.usable, 'boolean')
})

test.run()
