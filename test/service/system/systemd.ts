/**
 * A systemd of its own for a test: process 1 of namespaces of its own, with units of the test alone. What is written to /etc and /var/lib
 * is gone with it.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const SYSTEMD = '/lib/systemd/systemd'

/** Overlays, on a file system that may be below one. */
const SETUP = `
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
over() {
  mkdir -p /run/over$1/upper /run/over$1/work
  mount -t overlay overlay -o lowerdir=$1,upperdir=/run/over$1/upper,workdir=/run/over$1/work $1
}
over /etc
over /var/lib
rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system
for target in sysinit basic multi-user shutdown; do
  printf '[Unit]\\nDefaultDependencies=no\\n' >/etc/systemd/system/$target.target
done
`

const NAMESPACES = 'unshare --fork --pid --mount --cgroup --kill-child'

/** Where cgroup v2 is mounted here; `null`: nowhere. */
function cgroups(): string | null {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((one) => one.includes(' - cgroup2 '))
  return line?.split(' ')[4] ?? null
}

/** A cgroup of its own is the root of all that it sees: what it does to cgroups, and what it leaves there, is nobody else's. */
function begin(cgroup: string, script: string): ChildProcess {
  mkdirSync(cgroup)
  const within = `echo $$ >${cgroup}/cgroup.procs; exec ${NAMESPACES} sh -c "$SCRIPT"`
  return spawn('sh', ['-ec', within], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, SCRIPT: script } })
}

/** Once nothing runs in it any more. */
async function removeCgroup(cgroup: string): Promise<void> {
  while (/^populated 1$/m.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8'))) await sleep(20)
  spawnSync('find', [cgroup, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
}

/** Why there can be none here; `null`: there can. */
export function whyNoSystemd(): string | null {
  if (process.getuid?.() !== 0) return 'it takes root to run a systemd'
  if (spawnSync(SYSTEMD, ['--version']).status !== 0) return `${SYSTEMD} is not installed (Debian: systemd)`
  if (cgroups() === null) return 'cgroup v2 is not mounted'
  const { status, stderr } = spawnSync('sh', ['-c', `exec ${NAMESPACES} sh -c "$SCRIPT"`], {
    encoding: 'utf8',
    env: { ...process.env, SCRIPT: SETUP },
  })
  return status === 0 ? null : `namespaces and mounts for a systemd are not allowed: ${stderr.trim()}`
}

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

let started = 0

export class Systemd {
  readonly #unshare: ChildProcess
  readonly #folder: string
  readonly #cgroup: string
  /** Of process 1, outside. */
  #pid = 0

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'homenode-systemd-'))
    const environment = 'PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system container=test'
    const start = `${SETUP}\nexec env -i ${environment} ${SYSTEMD} --system --log-target=null --unit=multi-user.target`
    this.#cgroup = join(cgroups()!, `homenode-test-${process.pid}-${started++}`)
    this.#unshare = begin(this.#cgroup, start)
  }

  static async start(): Promise<Systemd> {
    const systemd = new Systemd()
    const { pid } = systemd.#unshare
    while (systemd.#unshare.exitCode === null) {
      systemd.#pid = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
      // Its socket is there when it is up.
      if (systemd.#pid > 0 && systemd.run('systemctl', 'is-system-running', '--wait').stdout === 'running\n')
        return systemd
      await sleep(50)
    }
    throw new Error('systemd has ended')
  }

  /** A program beside it. */
  run(program: string, ...args: readonly string[]): Ended {
    const within = ['--target', String(this.#pid), '--mount', '--pid', '--cgroup', '--', program, ...args]
    return spawnSync('nsenter', within, { encoding: 'utf8', env: { ...process.env, SYSTEMD_PAGER: '' } })
  }

  /** Writes a unit. */
  unit(name: string, text: string): void {
    const file = join(this.#folder, 'unit')
    writeFileSync(file, text)
    this.must('install', '-D', '-m', '644', file, `/etc/systemd/system/${name}`)
    this.must('systemctl', 'daemon-reload')
  }

  /** As `run`, to its good end. */
  must(program: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.run(program, ...args)
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}: ${stderr}${stdout}`)
    return stdout
  }

  /** A property of a unit. */
  show(unit: string, property: string): string {
    return this.must('systemctl', 'show', '--value', '--property', property, unit).trim()
  }

  /** Ends all that runs in it. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#unshare.once('close', resolve))
    if (this.#pid > 0) process.kill(this.#pid, 'SIGKILL')
    else this.#unshare.kill('SIGKILL')
    if (this.#unshare.exitCode === null && this.#unshare.signalCode === null) await ended
    await removeCgroup(this.#cgroup)
    rmSync(this.#folder, { recursive: true })
  }
}
