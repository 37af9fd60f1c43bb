/** Ganeti itself, some nodes of it on this machine, in namespaces of its own below a temporary folder. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import type { PlanVm } from '../../../src/types.js'
import { cli, type Ended } from '../../cli/command.js'

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
const NAMESPACES = ['--net', '--mount', '--pid', '--uts']
const RAPI = 'https://192.0.2.10:5080'
/** What Ganeti is told of each instance. */
export const INSTANCE = {
  disk_template: 'diskless',
  disks: [],
  nics: [],
  os_type: 'none+default',
  name_check: false,
  ip_check: false,
}

/** What `ganeti-create --json` says. */
export interface Made {
  readonly node: string
  readonly lostMore: number
  readonly plan: PlanVm
  readonly hvparams: Readonly<Record<string, string>>
}

/** What is missing for it; `null`: nothing. */
export function missing(): string | null {
  if (process.getuid?.() !== 0) return 'namespaces take root'
  if (!existsSync('/usr/lib/ganeti/tools/vcluster-setup')) return "Debian's ganeti is not installed"
  const absent = ['kvm', 'socat', 'ip', 'openssl', 'nsenter'].find(
    (name) => spawnSync('which', [name], { env: { PATH } }).status !== 0,
  )
  if (absent !== undefined) return `there is no ${absent}`
  if (spawnSync('/usr/bin/python3', ['-c', 'import psutil']).status !== 0) return 'python3-psutil is not installed'
  if (!existsSync('/srv')) return 'there is no /srv to mount an operating system on'
  if (spawnSync('unshare', [...NAMESPACES, '--fork', 'true']).status !== 0) return 'namespaces are not allowed here'
  return null
}

export class Cluster {
  readonly folder: string
  readonly #script: ChildProcess
  readonly #first: number

  private constructor(folder: string, script: ChildProcess, first: number) {
    this.folder = folder
    this.#script = script
    this.#first = first
  }

  /** @param nodes `node1`, the master, to `nodeN`; `vm1` to `vm40` have addresses */
  static async start(nodes: number): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'hn-gnt-'))
    // Ganeti's daemons are users of their own.
    chmodSync(folder, 0o755)
    for (const name of ['iallocators', 'hosts', 'here', 'there']) mkdirSync(join(folder, name))
    writeFileSync(join(folder, 'password'), 'secret\n')
    const allocator = join(folder, 'iallocators/homenode')
    // Each question is kept, for the test. It waits while there is a pipe "allocate".
    writeFileSync(
      allocator,
      `#!/bin/sh
cp "$1" ${folder}/asked.json
[ ! -p ${folder}/allocate ] || cat ${folder}/allocate
exec ${process.execPath} ${cli} ganeti-iallocator --hosts ${folder}/hosts -- "$@"
`,
    )
    chmodSync(allocator, 0o755)
    const script = join(dirname(fileURLToPath(import.meta.url)), 'cluster.sh')
    const args = [...NAMESPACES, '--fork', '--kill-child', '--mount-proc', 'bash', script, folder, `${nodes}`, '40']
    const child = spawn('unshare', args, { env: { PATH }, stdio: ['pipe', 'pipe', 'pipe'] })
    const said: string[] = []
    child.stderr!.on('data', (part) => said.push(String(part)))
    for await (const line of createInterface(child.stdout!)) {
      if (line === 'ready') break
      said.push(`${line}\n`)
    }
    const children =
      child.exitCode === null ? readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8') : ''
    const first = Number(children.trim())
    if (first === 0) {
      rmSync(folder, { recursive: true, force: true })
      throw new Error(`the cluster did not start: ${said.join('')}`)
    }
    return new Cluster(folder, child, first)
  }

  /** A program in its namespaces, to its end. */
  run(program: string, args: readonly string[], started?: (child: ChildProcess) => void): Promise<Ended> {
    const enter = ['--target', `${this.#first}`, '--net', '--mount', '--uts', '--', program, ...args]
    const child = spawn('nsenter', enter, { env: { PATH, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
    return new Promise((resolve, reject) => {
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', (part) => {
        stdout += part
      })
      child.stderr.on('data', (part) => {
        stderr += part
      })
      child.on('error', reject)
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
      started?.(child)
    })
  }

  homenode(args: readonly string[], started?: (child: ChildProcess) => void): Promise<Ended> {
    return this.run(process.execPath, [cli, ...args], started)
  }

  /**
   * Arguments for an instance: `NAME.json` is its request.
   * @param instance file of what Ganeti is told of it
   * @param hosts folder of the nodes that it may go to
   */
  creation(name: string, instance: string, hosts: string, user = 'homenode'): string[] {
    const at = (file: string) => join(this.folder, file)
    const login = ['--user', user, '--password-file', at('password'), '--certificate', at('rapi.pem'), '--rapi', RAPI]
    const what = ['-f', at(`${name}.json`), '--vm', name, '--instance', at(instance), '--hosts', at(hosts)]
    return ['ganeti-create', ...what, ...login, '--json']
  }

  async made(creation: readonly string[]): Promise<Made> {
    const { code, stdout, stderr } = await this.homenode(creation)
    assert.is(code, 0, stderr)
    return JSON.parse(stdout)
  }

  /** A command of Ganeti on the master. */
  ganeti(...args: readonly string[]): Promise<Ended> {
    return this.run('env', [`GANETI_ROOTDIR=${this.folder}/node1`, 'GANETI_HOSTNAME=node1', ...args])
  }

  /** What `gnt-instance list` says of each instance, by its name. */
  async instances(...fields: readonly string[]): Promise<Map<string, readonly string[]>> {
    const columns = ['name', ...fields].join()
    const { code, stdout, stderr } = await this.ganeti(
      'gnt-instance',
      'list',
      '--no-headers',
      '--separator=|',
      '-o',
      columns,
    )
    if (code !== 0) throw new Error(stderr)
    const rows = stdout.trim().split('\n').filter(Boolean)
    return new Map(rows.map((row) => [row.split('|')[0]!, row.split('|').slice(1)]))
  }

  /** Jobs that have not come to their end. */
  async underWay(): Promise<string[]> {
    const { stdout } = await this.ganeti('gnt-job', 'list', '--no-headers', '--separator=|', '-o', 'status,summary')
    return stdout.split('\n').filter((row) => /^(queued|waiting|running|canceling)\|/.test(row))
  }

  /** What is run meanwhile waits at this point of a job, until it is told to go on. */
  hold(point: 'allocate' | 'install'): () => void {
    const pipe = join(this.folder, point)
    spawnSync('mkfifo', [pipe], { env: { PATH } })
    return () => {
      // Opened for both it does not wait for a reader.
      const end = openSync(pipe, 'r+')
      rmSync(pipe)
      closeSync(end)
    }
  }

  file(name: string, content: unknown): string {
    const path = join(this.folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  /** Everything in its namespaces ends with their first process. */
  async end(): Promise<void> {
    const ended = once(this.#script, 'close')
    this.#script.stdin!.end()
    this.#script.kill('SIGTERM')
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}
