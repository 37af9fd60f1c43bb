/** A recorded system of two nodes with four CPUs and one QEMU of two vCPUs, whose files can be changed between two readings. */

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ProcessSpec, treeOf } from '../found/tree.js'

export const PID = 100
const VCPUS = [101, 102]

export const nameOf = (tid: number) => `CPU ${tid - VCPUS[0]!}/KVM`

export const QEMU: ProcessSpec = {
  pid: PID,
  argv: ['qemu-system-x86_64', '-name', 'guest=db,debug-threads=on', '-smp', '2', '-m', '64'],
  threads: [
    { tid: PID, name: 'qemu-system-x86' },
    { tid: 101, name: 'CPU 0/KVM' },
    { tid: 102, name: 'CPU 1/KVM' },
  ],
  descriptors: { 3: '/dev/kvm', 9: 'anon_inode:kvm-vm', 10: 'anon_inode:kvm-vcpu:0', 11: 'anon_inode:kvm-vcpu:1' },
}

interface StatSpec {
  readonly name?: string
  readonly ticks?: number
  readonly lastCpu?: number
  readonly threads?: number
}

/** `stat` of a thread or process. */
export function statText({ name = 'qemu-system-x86', ticks = 0, lastCpu = 0, threads = 3 }: StatSpec): string {
  const upToThreads = ['S', 1, 1, 1, 0, -1, 0, 0, 0, 0, 0, ticks, 0, 0, 0, 20, 0, threads, 0, 90_000]
  return `7 (${name}) ${[...upToThreads, 1000, 500, ...Array(14).fill(0), lastCpu].join(' ')} 0 0 0\n`
}

/** As Linux 6 writes it. */
export function schedText(migrations: number, faults: readonly (readonly [number, number])[]): string {
  const lines = faults.map(([mine, shared], node) => {
    return `numa_faults node=${node} task_private=${mine} task_shared=${shared} group_private=0 group_shared=0`
  })
  const name = 'CPU 0/KVM (101, #threads: 3)\n-------------------------------------------------------------------\n'
  const fields = [
    'se.exec_start                                :      14085711.640774',
    `se.nr_migrations                             :       ${String(migrations).padStart(14)}`,
    'nr_switches                                  :                    1',
    'mm->numa_scan_seq                            :                    0',
    'total_numa_faults                            :                    9',
    'current_node=0, numa_group_id=0',
    ...lines,
  ]
  return `${name}${fields.join('\n')}\n`
}

export function numastatText(hit: number, miss: number, other: number): string {
  return `numa_hit ${hit}\nnuma_miss ${miss}\nnuma_foreign 3\ninterleave_hit 0\nlocal_node ${hit - other}\nother_node ${other}\n`
}

function cpuLine(cpu: string | number, busy: number, idle: number): string {
  return `cpu${cpu} ${busy} 0 0 ${idle} 0 0 0 0 0 0\n`
}

export function cpuTimes(busy: readonly number[], idle: readonly number[]): string {
  return `${cpuLine(' ', 1, 1)}${busy.map((ticks, cpu) => cpuLine(cpu, ticks, idle[cpu]!)).join('')}intr 5\n`
}

export class Recorded {
  readonly root: string

  constructor(processes: readonly ProcessSpec[] = [QEMU]) {
    this.root = treeOf(processes)
    this.write('sys/devices/system/cpu/online', '0-3\n')
    this.write('sys/devices/system/node/online', '0-1\n')
    for (const node of [0, 1]) {
      const dir = `sys/devices/system/node/node${node}`
      this.write(`${dir}/cpulist`, `${2 * node}-${2 * node + 1}\n`)
      this.write(
        `${dir}/meminfo`,
        `Node ${node} MemTotal: 4096000 kB\nNode ${node} MemFree: ${1000 * (node + 1)} kB\nNode ${node} Active(file): 2048 kB\n`,
      )
      this.write(`${dir}/numastat`, numastatText(1000, 0, 100))
    }
    this.write('proc/stat', cpuTimes([100, 100, 100, 100], [100, 100, 100, 100]))
    this.write('proc/pressure/cpu', 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n')
    this.write(
      'proc/vmstat',
      'nr_free_pages 5\npgmigrate_success 100\nnuma_hint_faults 50\nnuma_hint_faults_local 20\n',
    )
    for (const { pid } of processes) {
      this.write(`proc/${pid}/stat`, statText({ ticks: 1000 }))
      this.write(`proc/${pid}/numa_maps`, '7f0000000000 default anon=300 N0=100 N1=300 kernelpagesize_kB=4\n')
    }
    for (const tid of VCPUS) this.thread(tid, { ns: 1e9, delayNs: 1e8, lastCpu: 0, migrations: 5 })
  }

  /** Counters of a vCPU's thread. */
  thread(
    tid: number,
    {
      ns,
      delayNs,
      lastCpu,
      migrations,
      faults = [],
    }: Readonly<{
      ns: number
      delayNs: number
      lastCpu: number
      migrations: number
      faults?: readonly (readonly [number, number])[]
    }>,
  ): void {
    const dir = `proc/${PID}/task/${tid}`
    this.write(`${dir}/schedstat`, `${ns} ${delayNs} 7\n`)
    this.write(`${dir}/stat`, statText({ name: nameOf(tid), ticks: Math.floor(ns / 1e7), lastCpu }))
    this.write(`${dir}/sched`, schedText(migrations, faults))
  }

  write(path: string, text: string): void {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }

  move(from: string, to: string): void {
    renameSync(join(this.root, from), join(this.root, to))
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true })
  }
}
