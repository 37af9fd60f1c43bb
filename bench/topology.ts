/**
 * How long the detection of a host with 256 CPUs takes, in process, against lstopo's whole run on the same tree.
 * Both take turns, so that a busy machine slows both.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { formatCpulist, formatCpumask } from '../src/cpulist.js'
import { detectHost } from '../src/topology/node-fs.js'
import { type Bench, type BenchModule, type BenchOptions, hostFacts, median, rounded } from './bench.js'

const PACKAGES = 2
const CORES_PER_PACKAGE = 64
const CPUS_PER_LLC_THREAD = 8
const CORES = PACKAGES * CORES_PER_PACKAGE
const ROUNDS = 15

async function run({ quick }: BenchOptions): Promise<Bench> {
  const root = mkdtempSync(join(tmpdir(), 'homenode-bench-topology-'))
  try {
    writeTree(root)
    const first = await timeDetection(root)
    const detections: number[] = []
    const peers: number[] = []
    for (let round = 0; round < (quick ? 1 : ROUNDS); round++) {
      detections.push(await timeDetection(root))
      const peer = timeLstopo(root)
      if (peer !== undefined) peers.push(peer)
    }
    const detection = median(detections)
    const peer = peers.length > 0 ? median(peers) : null
    const row = (what: string, ms: number | null) => ({
      what,
      ms: ms === null ? null : rounded(ms),
      ratioToLstopo: ms === null || peer === null ? null : rounded(ms / peer),
    })
    return {
      kind: 'Bench',
      name: 'topology',
      host: hostFacts(),
      rows: [row('detectHost, first call', first), row('detectHost, median', detection), row('lstopo, median', peer)],
      ...(peer === null ? { notes: ['lstopo is not installed: no ratio'] } : {}),
    }
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function timeDetection(root: string): Promise<number> {
  const start = performance.now()
  const host = await detectHost({ root })
  const elapsed = performance.now() - start
  if (host.cpus.length !== 2 * CORES) throw new Error(`${host.cpus.length} CPUs were detected`)
  return elapsed
}

function timeLstopo(root: string): number | undefined {
  const start = performance.now()
  const { status } = spawnSync('lstopo', ['--input', root, '--if', 'fsroot', '--of', 'xml'], { stdio: 'ignore' })
  return status === 0 ? performance.now() - start : undefined
}

/** The files that a current x86-64 kernel shows for two packages of 64 cores with two threads each. */
function writeTree(root: string): void {
  const write = (path: string, content: string | number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${content}\n`)
  }
  const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)
  const threads = (cores: readonly number[]) => [...cores, ...cores.map((core) => core + CORES)]
  const system = 'sys/devices/system'
  for (const file of ['online', 'possible', 'present']) write(`${system}/cpu/${file}`, `0-${2 * CORES - 1}`)
  write(`${system}/cpu/isolated`, '')

  for (const id of range(0, 2 * CORES)) {
    const core = id % CORES
    const socket = Math.floor(core / CORES_PER_PACKAGE)
    const inPackage = threads(range(socket * CORES_PER_PACKAGE, CORES_PER_PACKAGE))
    const inLlc = threads(range(core - (core % CPUS_PER_LLC_THREAD), CPUS_PER_LLC_THREAD))
    const cpu = `${system}/cpu/cpu${id}`
    if (id > 0) write(`${cpu}/online`, 1)
    write(`${cpu}/topology/core_id`, core % CORES_PER_PACKAGE)
    write(`${cpu}/topology/physical_package_id`, socket)
    for (const [list, mask, members] of [
      ['core_cpus_list', 'core_cpus', threads([core])],
      ['thread_siblings_list', 'thread_siblings', threads([core])],
      ['package_cpus_list', 'package_cpus', inPackage],
      ['core_siblings_list', 'core_siblings', inPackage],
      ['die_cpus_list', 'die_cpus', inPackage],
    ] as const) {
      write(`${cpu}/topology/${list}`, formatCpulist(members))
      write(`${cpu}/topology/${mask}`, formatCpumask(members))
    }
    const caches = [
      [1, 'Data', 32, threads([core])],
      [1, 'Instruction', 32, threads([core])],
      [2, 'Unified', 1024, threads([core])],
      [3, 'Unified', 32_768, inLlc],
    ] as const
    caches.forEach(([level, type, kilobytes, members], index) => {
      const cache = `${cpu}/cache/index${index}`
      write(`${cache}/level`, level)
      write(`${cache}/type`, type)
      write(`${cache}/size`, `${kilobytes}K`)
      write(`${cache}/shared_cpu_list`, formatCpulist(members))
      write(`${cache}/shared_cpu_map`, formatCpumask(members))
    })
    write(`${cpu}/cpufreq/base_frequency`, 2_000_000)
    write(`${cpu}/cpufreq/cpuinfo_max_freq`, 3_500_000)
    symlinkSync(`../../node/node${socket}`, join(root, cpu, `node${socket}`))
  }

  for (const id of range(0, PACKAGES)) {
    const node = `${system}/node/node${id}`
    const members = threads(range(id * CORES_PER_PACKAGE, CORES_PER_PACKAGE))
    write(`${node}/cpulist`, formatCpulist(members))
    write(`${node}/cpumap`, formatCpumask(members))
    write(`${node}/distance`, id === 0 ? '10 32' : '32 10')
    write(`${node}/meminfo`, `Node ${id} MemTotal: 268435456 kB\nNode ${id} MemFree: 260000000 kB`)
    for (const kilobytes of [2048, 1_048_576]) {
      write(`${node}/hugepages/hugepages-${kilobytes}kB/nr_hugepages`, 0)
      write(`${node}/hugepages/hugepages-${kilobytes}kB/free_hugepages`, 0)
    }
    for (const cpu of members) symlinkSync(`../../cpu/cpu${cpu}`, join(root, node, `cpu${cpu}`))
  }
  write(`${system}/node/online`, `0-${PACKAGES - 1}`)
  write('proc/meminfo', 'MemTotal: 536870912 kB\nMemFree: 520000000 kB')
  write('proc/mounts', 'cgroup2 /sys/fs/cgroup cgroup2 rw 0 0')
  write('proc/self/cgroup', '0::/')
}

const bench: BenchModule = { name: 'topology', run }
export default bench
