/**
 * A libvirt daemon of a test's own: in a mount namespace with its own configuration, state and users, so that nothing of the
 * system's is touched. It takes root.
 */

import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { folder, hasQemu } from './guests.js'

const PROGRAMS = ['libvirtd', 'virsh', 'unshare']
const DRIVER = '/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so'

/** Why there is none here; `null`: there can be one. */
export const whyNoLibvirtd = ((): string | null => {
  const missing = PROGRAMS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
  if (!hasQemu) missing.push('qemu-system-x86_64')
  if (missing.length > 0) return `${missing.join(', ')} not installed`
  if (!existsSync(DRIVER)) return "libvirt's driver for QEMU is not installed"
  if (process.geteuid?.() !== 0) return 'it takes root'
  return spawnSync('unshare', ['-m', 'true']).status === 0 ? null : 'mount namespaces are not allowed here'
})()

export interface Libvirtd {
  readonly uri: string
  /** What virsh prints. */
  virsh(...args: string[]): string
  /** Ends the domains that it still runs, and the daemon. */
  stop(): Promise<void>
  /** Ends the daemon at once; the domains stay, and the next daemon finds them. */
  kill(): Promise<void>
}

/** With which user a domain would run is asked of the system before the configuration is read: that user has to be there. */
const USER = 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n'

export async function startLibvirtd(): Promise<Libvirtd> {
  const home = join(folder, 'libvirt')
  for (const name of ['etc', 'run', 'var']) mkdirSync(join(home, name), { recursive: true })
  const [conf, passwd, group] = ['libvirtd.conf', 'passwd', 'group'].map((name) => join(home, name))
  writeFileSync(conf!, `unix_sock_dir = "${home}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n`)
  const lines = [
    'user = "root"',
    'group = "root"',
    'security_driver = "none"',
    'namespaces = []',
    'stdio_handler = "file"',
  ]
  writeFileSync(join(home, 'etc/qemu.conf'), `${lines.join('\n')}\n`)
  cpSync('/etc/passwd', passwd!)
  cpSync('/etc/group', group!)
  if (!/^libvirt-qemu:/m.test(readFileSync(passwd!, 'utf8'))) appendFileSync(passwd!, USER)
  if (!/^libvirt-qemu:/m.test(readFileSync(group!, 'utf8'))) appendFileSync(group!, 'libvirt-qemu:x:64055:\n')
  const mounts = {
    'etc/libvirt': 'etc',
    'run/libvirt': 'run',
    'var/lib/libvirt': 'var',
    'etc/passwd': 'passwd',
    'etc/group': 'group',
  }
  for (const target of ['/etc/libvirt', '/run/libvirt', '/var/lib/libvirt']) mkdirSync(target, { recursive: true })
  const binds = Object.entries(mounts).map(([target, own]) => `mount --bind ${home}/${own} /${target}`)
  const script = `${binds.join(' && ')} && exec libvirtd -f ${conf} -p ${home}/pid`
  const socket = join(home, 'libvirt-sock')
  // Of a daemon that was killed before.
  rmSync(socket, { force: true })
  const daemon = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  daemon.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const ended = new Promise<void>((resolve) => daemon.once('close', () => resolve()))
  process.on('exit', () => daemon.kill('SIGKILL'))
  const uri = `qemu+unix:///system?socket=${socket}`
  const virsh = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('virsh', ['-q', '-c', uri, ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`virsh ${args.join(' ')}: ${stderr}\n${errors.slice(-2000)}`)
    return stdout.trim()
  }
  for (let tries = 0; !existsSync(socket); tries++) {
    if (daemon.exitCode !== null || tries > 600) throw new Error(`libvirtd did not start: ${errors}`)
    await sleep(50)
  }
  const stop = async () => {
    for (const name of virsh('list', '--name').split('\n').filter(Boolean)) virsh('destroy', name)
    daemon.kill('SIGTERM')
    await ended
  }
  const kill = async () => {
    const pids = join(home, 'run/qemu')
    for (const name of readdirSync(pids).filter((file) => file.endsWith('.pid'))) {
      const pid = Number(readFileSync(join(pids, name), 'utf8'))
      process.on('exit', () => endIfThere(pid, name.slice(0, -'.pid'.length)))
    }
    daemon.kill('SIGKILL')
    await ended
  }
  return { uri, virsh, stop, kill }
}

/** The QEMU of a domain that no daemon has taken over. */
function endIfThere(pid: number, domain: string): void {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`guest=${domain},`)) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
