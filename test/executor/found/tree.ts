/** A /proc and /sys of processes that do not exist, as files below a folder. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface ThreadSpec {
  readonly tid: number
  readonly name: string
  /** cpulist. */
  readonly cpus?: string
  readonly lastCpu?: number
  readonly cgroup?: string
}

export interface ProcessSpec {
  readonly pid: number
  readonly argv: readonly string[]
  /** The first is the main thread, whose number is the pid. */
  readonly threads: readonly ThreadSpec[]
  readonly descriptors?: Readonly<Record<number, string>>
  readonly maps?: string
  readonly numaMaps?: string
  readonly uid?: number
}

const roots: string[] = []
process.on('exit', () => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

/** A folder for `findVms({ root })`; gone when the process ends. */
export function treeOf(processes: readonly ProcessSpec[], files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'homenode-tree-'))
  roots.push(root)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  write('proc/uptime', '1000.00 900.00\n')
  write('proc/self/mountinfo', '')
  for (const spec of processes) writeProcess(root, write, spec)
  for (const [path, text] of Object.entries(files)) write(path, text)
  return root
}

function writeProcess(root: string, write: (path: string, text: string) => void, spec: ProcessSpec): void {
  const { pid, argv, threads, descriptors = {}, maps = '', numaMaps = '', uid = 1000 } = spec
  const dir = `proc/${pid}`
  write(`${dir}/cmdline`, `${argv.join('\0')}\0`)
  write(`${dir}/stat`, statText(threads[0]!))
  write(`${dir}/status`, statusText(threads[0]!, uid))
  write(`${dir}/maps`, maps)
  write(`${dir}/numa_maps`, numaMaps)
  write(`${dir}/cgroup`, `0::${threads[0]!.cgroup ?? '/'}\n`)
  for (const thread of threads) {
    write(`${dir}/task/${thread.tid}/stat`, statText(thread))
    write(`${dir}/task/${thread.tid}/status`, statusText(thread, uid))
    write(`${dir}/task/${thread.tid}/cgroup`, `0::${thread.cgroup ?? '/'}\n`)
  }
  mkdirSync(join(root, dir, 'fd'))
  for (const [fd, link] of Object.entries(descriptors)) symlinkSync(link, join(root, dir, 'fd', fd))
}

/** 900 s after the start of the system; it ran 25 s of the 100 s since. */
function statText({ tid, name, lastCpu = 0 }: ThreadSpec): string {
  const fields = ['S', 1, 1, 1, 0, -1, 0, 0, 0, 0, 0, 2000, 500, 0, 0, 20, 0, 1, 0, 90_000]
  const after = Array.from({ length: 16 }, () => 0)
  return `${tid} (${name}) ${[...fields, ...after, lastCpu].join(' ')} 0 0\n`
}

function statusText({ cpus = '0-3' }: ThreadSpec, uid: number): string {
  return `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nCpus_allowed_list:\t${cpus}\n`
}
