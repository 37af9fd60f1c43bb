/** VMs of all kinds, in a /proc that is made of files. */

import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findVms } from '../../../executor/found/find.js'
import type { FoundVm } from '../../../executor/found/types.js'
import { type ProcessSpec, treeOf } from './tree.js'

const VM = { 3: '/dev/kvm', 4: 'anon_inode:kvm-vm', 5: 'anon_inode:kvm-vcpu:0', 6: 'anon_inode:kvm-vcpu:1' }

const MAPS = ['10000000-50000000 rw-p 00000000 00:00 0 ', '60000000-60100000 rw-p 00000000 00:00 0 ', ''].join('\n')
const NUMA = '10000000 default anon=6 N0=4 N1=2 kernelpagesize_kB=4\n'

async function one(process: ProcessSpec, files: Readonly<Record<string, string>> = {}): Promise<FoundVm> {
  const { vms } = await findVms({ root: treeOf([process], files) })
  assert.is(vms.length, 1)
  return vms[0]!
}

function pidsOf(vms: readonly FoundVm[]): number[] {
  return vms.map(({ pid }) => pid)
}

const firecracker: ProcessSpec = {
  pid: 40,
  argv: ['/usr/bin/firecracker', '--id', 'fn-7', '--api-sock', '/run/a.sock'],
  threads: [
    { tid: 40, name: 'firecracker' },
    { tid: 41, name: 'fc_api' },
    { tid: 42, name: 'fc_vcpu 0', cpus: '2', lastCpu: 2 },
    { tid: 43, name: 'fc_vcpu 1', cpus: '0-1', lastCpu: 1 },
  ],
  descriptors: VM,
  maps: MAPS,
  numaMaps: NUMA,
}

test('Firecracker: vCPUs by the names of their threads, memory as the largest range', async () => {
  const vm = await one(firecracker)
  assert.equal(vm.name, { value: 'fn-7', source: 'arguments' })
  assert.equal(vm.vmm, { value: 'firecracker', source: 'program-name' })
  assert.equal(vm.accelerator, { value: 'kvm', source: 'kernel' })
  assert.equal(vm.vcpuCount, { value: 2, source: 'kernel' })
  assert.equal(
    vm.vcpus.map(({ vcpu, tid, cpus, lastCpu, load, source }) => [vcpu, tid, cpus, lastCpu, load, source]),
    [
      [0, 42, '2', 2, 0.25, 'thread-name'],
      [1, 43, '0-1', 1, 0.25, 'thread-name'],
    ],
  )
  assert.equal(
    vm.emulator.map(({ tid }) => tid),
    [40, 41],
  )
  assert.equal(
    vm.mappings.map(({ bytes, source }) => [bytes, source]),
    [[2 ** 30, 'largest']],
  )
  assert.equal(vm.mappings[0]!.resident, [
    { node: 0, bytes: 16384 },
    { node: 1, bytes: 8192 },
  ])
  assert.is(vm.memory, null)
  assert.is(vm.cells, null)
  assert.equal(
    vm.missing.map(({ what }) => what),
    ["the guest's nodes"],
  )
})

test('Cloud Hypervisor, crosvm and kvmtool by their names and arguments', async () => {
  const process = (program: string, args: readonly string[], vcpu: (number: number) => string): ProcessSpec => ({
    ...firecracker,
    argv: [`/opt/${program}`, ...args],
    threads: [
      { tid: 40, name: program.slice(0, 15) },
      { tid: 42, name: vcpu(0) },
      { tid: 43, name: vcpu(1) },
    ],
  })
  const found = [
    await one(process('cloud-hypervisor', ['--cpus', 'boot=2', '--memory', 'size=1G,shared=on'], (n) => `vcpu${n}`)),
    await one(
      process('crosvm', ['run', '--cpus', 'num-cores=2', '--mem', '1024', '--name', 'cros'], (n) => `crosvm_vcpu${n}`),
    ),
    await one(process('lkvm', ['run', '-c', '2', '-m', '1024', '--name=tool'], (n) => `kvm-vcpu-${n}`)),
  ]
  assert.equal(
    found.map(({ name, vmm }) => [name.value, vmm.value]),
    [
      ['cloud-hypervisor-40', 'cloud-hypervisor'],
      ['cros', 'crosvm'],
      ['tool', 'kvmtool'],
    ],
  )
  for (const vm of found) {
    assert.equal(vm.memory, { value: 2 ** 30, source: 'arguments' })
    assert.equal(
      vm.mappings.map(({ source }) => source),
      ['size'],
    )
    assert.equal(
      vm.vcpus.map(({ tid }) => tid),
      [42, 43],
    )
  }
})

test('a program that nobody knows: KVM says in debugfs which thread runs which vCPU', async () => {
  const spec: ProcessSpec = {
    ...firecracker,
    argv: ['/opt/own-vmm'],
    threads: [40, 41, 42].map((tid) => ({ tid, name: 'own-vmm' })),
  }
  const debugfs = {
    'proc/self/mountinfo': '36 23 0:6 / /sys/kernel/debug rw - debugfs debugfs rw\n',
    // Numbers of interrupt controllers: the second vCPU has another than 1.
    'sys/kernel/debug/kvm/40-4/vcpu0/pid': '42\n',
    'sys/kernel/debug/kvm/40-4/vcpu4/pid': '41\n',
    'sys/kernel/debug/kvm/999-4/vcpu0/pid': '40\n',
  }
  const vm = await one(spec, debugfs)
  assert.equal(vm.vmm, { value: 'other', source: 'kernel' })
  assert.equal(
    vm.vcpus.map(({ vcpu, tid, source }) => [vcpu, tid, source]),
    [
      [0, 42, 'debugfs'],
      [1, 41, 'debugfs'],
    ],
  )
  const without = await one(spec)
  assert.equal(without.vcpus, [])
  assert.equal(
    without.unknownThreads.map(({ tid }) => tid),
    [40, 41, 42],
  )
  assert.match(without.missing[0]!.why, /debugfs is not mounted/)
  const another = await one(spec, { ...debugfs, 'sys/kernel/debug/kvm/40-4/vcpu4/pid': '4711\n' })
  assert.equal(another.vcpus, [], 'a thread of another process')
})

test('too few vCPUs with a name are none', async () => {
  const threads = firecracker.threads.map((thread) => (thread.tid === 43 ? { ...thread, name: 'fc_vcpu 0' } : thread))
  const vm = await one({ ...firecracker, threads })
  assert.equal(vm.vcpus, [])
  assert.is(vm.unknownThreads.length, 4)
})

test('several VMs in one process are said, and their vCPUs not mixed up', async () => {
  const vm = await one({ ...firecracker, argv: ['/opt/own-vmm'], descriptors: { ...VM, 9: 'anon_inode:kvm-vm' } })
  assert.match(vm.missing[0]!.why, /2 VMs/)
})

test('processes without a VM, threads of the kernel and what is half gone are not found', async () => {
  const plain = { ...firecracker, argv: ['/bin/cat'], threads: [{ tid: 50, name: 'cat' }], pid: 50 }
  const root = treeOf([
    firecracker,
    { ...plain, descriptors: { 0: '/dev/null' } },
    {
      ...plain,
      pid: 51,
      threads: [{ tid: 51, name: 'qemu-img' }],
      descriptors: { 3: '/dev/kvm', 4: 'anon_inode:kvm-vm' },
    },
    { ...plain, pid: 52, argv: [''], threads: [{ tid: 52, name: 'kvm' }], descriptors: VM },
    { ...firecracker, pid: 60, threads: firecracker.threads.map((thread) => ({ ...thread, tid: thread.tid + 20 })) },
  ])
  assert.equal(pidsOf((await findVms({ root })).vms), [40, 60])
  rmSync(join(root, 'proc/60/stat'))
  rmSync(join(root, 'proc/40/task/41'), { recursive: true })
  const { vms } = await findVms({ root })
  assert.equal(pidsOf(vms), [40])
  assert.equal(
    vms[0]!.emulator.map(({ tid }) => tid),
    [40],
  )
})

test('QEMU without KVM is found by its name, and its vCPUs by theirs', async () => {
  const vm = await one({
    pid: 70,
    argv: [
      'qemu-system-aarch64',
      '-name',
      'guest=a\u001b[2Jb,debug-threads=on',
      '-m',
      '1024',
      '-smp',
      '2',
      '-numa',
      'node,cpus=0-1,mem=1024',
    ],
    threads: [
      { tid: 70, name: 'qemu-system-aar' },
      { tid: 71, name: 'CPU 1/TCG' },
      { tid: 72, name: 'CPU 0/TCG' },
      { tid: 73, name: 'IO disk0' },
      { tid: 74, name: 'IO mon_iothread' },
    ],
    maps: MAPS,
    numaMaps: NUMA,
  })
  assert.equal(vm.name, { value: 'a?[2Jb', source: 'arguments' })
  assert.equal(vm.accelerator, { value: 'tcg', source: 'thread-name' })
  assert.equal(
    vm.vcpus.map(({ tid }) => tid),
    [72, 71],
  )
  assert.equal(
    vm.iothreads.map(({ id, source }) => [id, source]),
    [['disk0', 'thread-name']],
  )
  assert.equal(vm.cells, { value: [{ cell: 0, vcpus: [0, 1], memory: 2 ** 30 }], source: 'arguments' })
  assert.equal(
    vm.mappings.map(({ source, backend }) => [source, backend]),
    [['size', null]],
  )
})

test('cgroups with their cpusets, and who made them', async () => {
  const scope = '/machine.slice/machine-qemu\\x2d3\\x2dweb\\x2d1.scope'
  const mount = '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'
  const cpuset = (path: string, cpus: string, mems: string) => ({
    [`sys/fs/cgroup${path}/cpuset.cpus.effective`]: `${cpus}\n`,
    [`sys/fs/cgroup${path}/cpuset.mems.effective`]: `${mems}\n`,
  })
  const threads = firecracker.threads.map((thread) => {
    const number = /fc_vcpu (\d)/.exec(thread.name)?.[1]
    return { ...thread, name: 'x', cgroup: `${scope}/libvirt/${number === undefined ? 'emulator' : `vcpu${number}`}` }
  })
  const vm = await one(
    { ...firecracker, argv: ['qemu-system-x86_64', '-m', '1024', '-smp', '2'], threads },
    { 'proc/self/mountinfo': mount, ...cpuset(`${scope}/libvirt/vcpu0`, '2', '0'), ...cpuset(scope, '0-3', '0-1') },
  )
  assert.equal(vm.cgroups, [
    { path: `${scope}/libvirt/emulator`, version: 2, threads: 2, cpus: '0-3', mems: '0-1' },
    { path: `${scope}/libvirt/vcpu0`, version: 2, threads: 1, cpus: '2', mems: '0' },
    { path: `${scope}/libvirt/vcpu1`, version: 2, threads: 1, cpus: '0-3', mems: '0-1' },
  ])
  assert.equal(vm.manager, { value: { name: 'libvirt', id: 'web-1' }, source: 'cgroup-name' })
  assert.equal(
    vm.vcpus.map(({ tid, source, cgroup }) => [tid, source, cgroup]),
    [
      [42, 'cgroup-name', 1],
      [43, 'cgroup-name', 2],
    ],
  )
})

test('other managers, by the names of their cgroups', async () => {
  const managerIn = async (cgroup: string) => {
    const vm = await one(
      { ...firecracker, threads: firecracker.threads.map((thread) => ({ ...thread, cgroup })) },
      {
        'proc/self/mountinfo': '31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
      },
    )
    return vm.manager === null ? null : `${vm.manager.value.name} ${vm.manager.value.id}`
  }
  assert.is(await managerIn('/machine/qemu-12-db.libvirt-qemu/emulator'), 'libvirt db')
  assert.is(await managerIn('/qemu.slice/104.scope'), 'proxmox 104')
  assert.is(
    await managerIn('/kubepods.slice/kubepods-pod1.slice/cri-2.scope'),
    'kubernetes kubepods.slice/kubepods-pod1.slice/cri-2.scope',
  )
  assert.is(await managerIn('/system.slice/guest@a.service'), 'systemd guest@a.service')
  assert.is(
    await managerIn('/user.slice/user-1000.slice/user@1000.service/app.slice/my-vm.service'),
    'systemd my-vm.service',
  )
  assert.is(await managerIn('/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope'), null)
  assert.is(await managerIn('/user.slice/user-1000.slice/session-3.scope'), null)
})

const isRoot = process.geteuid?.() === 0

test('what may not be read is said, with as whom to read it', async () => {
  const root = treeOf([
    firecracker,
    { ...firecracker, pid: 80, argv: ['/opt/own'], threads: [{ tid: 80, name: 'own' }] },
  ])
  for (const pid of [40, 80]) chmodSync(join(root, `proc/${pid}/fd`), 0)
  chmodSync(join(root, 'proc/40/numa_maps'), 0)
  const { vms, missing } = await findVms({ root })
  for (const pid of [40, 80]) chmodSync(join(root, `proc/${pid}/fd`), 0o755)
  // Root reads whatever its mode is.
  if (isRoot) {
    assert.equal(pidsOf(vms), [40, 80])
    return
  }
  assert.equal(pidsOf(vms), [40])
  assert.equal(vms[0]!.vmm, { value: 'firecracker', source: 'program-name' })
  assert.equal(vms[0]!.accelerator, { value: 'kvm', source: 'program-name' })
  assert.is(vms[0]!.vcpus.length, 2)
  const [memory] = vms[0]!.missing
  assert.equal([memory?.what, memory?.runAs], ['where its memory is', 'root'])
  assert.match(missing[0]!.why, /\(1 whose names/)
})

test('a system without /proc has no VMs, and says why', async () => {
  const { vms, missing } = await findVms({ root: '/nowhere/at/all' })
  assert.equal(vms, [])
  assert.match(missing[0]!.why, /not mounted/)
})

test.run()
