/** A libvirt daemon of our own: an ordinary user's, with all of its files in a folder that goes with it. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const LIMIT_MS = 60_000
/** `nobody` and `nogroup`: root's daemon would want users and folders that packages make. */
const NOBODY = 65_534

export class Libvirtd {
  readonly folder = mkdtempSync(join(tmpdir(), 'homenode-libvirt-'))
  #daemon: ChildProcess | undefined
  readonly #isRoot = process.getuid?.() === 0

  async start(): Promise<void> {
    if (this.#isRoot) chownSync(this.folder, NOBODY, NOBODY)
    const [command = '', ...args] = this.#command('libvirtd')
    this.#daemon = spawn(command, args, { env: this.#env(), stdio: 'ignore' })
    const end = Date.now() + LIMIT_MS
    while (!existsSync(join(this.folder, 'libvirt/libvirt-sock'))) {
      if (Date.now() > end || this.#daemon.exitCode !== null) throw new Error('libvirtd did not start')
      await sleep(50)
    }
  }

  async stop(): Promise<void> {
    const daemon = this.#daemon
    if (daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
      const ended = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      await ended
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** What virsh prints. @throws with what it complains about */
  virsh(...args: string[]): string {
    const [command = '', ...rest] = this.#command('virsh')
    const connection = ['-c', 'qemu:///session']
    const done = spawnSync(command, [...rest, ...connection, ...args], {
      env: this.#env(),
      encoding: 'utf8',
      timeout: LIMIT_MS,
    })
    if (done.status !== 0) throw new Error(`virsh ${args.join(' ')}: ${done.stderr}`)
    return done.stdout
  }

  /** A file that the daemon's user can read. */
  file(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o644 })
    return path
  }

  #command(program: string): string[] {
    const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
    return this.#isRoot ? ['setpriv', ...ids, program] : [program]
  }

  #env(): NodeJS.ProcessEnv {
    const { folder } = this
    const own = {
      HOME: folder,
      XDG_RUNTIME_DIR: folder,
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_CACHE_HOME: join(folder, 'cache'),
    }
    return { ...process.env, ...own, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
  }
}
