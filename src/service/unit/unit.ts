/** The unit of systemd that runs `homenode balance`. Source: systemd.service(5), systemd.exec(5) */

import { isIP } from 'node:net'
import type { ListenAddress } from '../address.js'
import { lateAfter } from '../health.js'

export const UNIT_NAME = 'homenode-balance.service'

/** What the unit is made for. */
export interface UnitOptions {
  /** Node.js and the command, each with its absolute path. */
  readonly program: readonly [node: string, script: string]
  /** What follows `balance`. */
  readonly args: readonly string[]
  /** Of these, where it answers. */
  readonly metrics?: ListenAddress
  /** Seconds from one round to the next. */
  readonly interval: number
  /** Its state folder, where that is not systemd's own /var/lib/homenode. */
  readonly state?: string
}

/** What it takes to be ended in order: moves have 10 s to come to their end. */
const STOP_SECONDS = 60

/** All of its text. */
export function unitText(options: UnitOptions): string {
  const { program, args, interval, state } = options
  const command = [...program, 'balance', ...args].map(quoted).join(' ')
  const folder =
    state === undefined ? ['StateDirectory=homenode', 'StateDirectoryMode=0700'] : [`ReadWritePaths=${quoted(state)}`]
  return `[Unit]
Description=homenode: keeps the VMs of this host well placed
Documentation=man:homenode(1)
After=libvirtd.service virtqemud.service

[Service]
Type=notify
NotifyAccess=main
ExecStart=${command}
ExecReload=/bin/kill -HUP $MAINPID
# Only a round that ended in time feeds it.
WatchdogSec=${Math.ceil(2 * lateAfter(interval))}
Restart=on-failure
RestartSec=10
# Bad input stays bad.
RestartPreventExitStatus=2
TimeoutStopSec=${STOP_SECONDS}
${folder.join('\n')}
UMask=0077

# Threads and pages of other users, what /proc shows of them, and their QMP sockets.
CapabilityBoundingSet=${capabilities(options).join(' ')}
NoNewPrivileges=yes
# cgroups are written. QMP sockets may be anywhere, in /tmp and in homes, too: these are seen, and not written.
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=no
ProtectControlGroups=no
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
${network(options).join('\n')}
SystemCallArchitectures=native
SystemCallFilter=@system-service pidfd_getfd
SystemCallErrorNumber=EPERM
# Node.js compiles while it runs.
MemoryDenyWriteExecute=no

[Install]
WantedBy=multi-user.target
`
}

function capabilities({ metrics }: UnitOptions): string[] {
  const isPrivileged = metrics !== undefined && metrics.port > 0 && metrics.port < 1024
  return ['CAP_SYS_NICE', 'CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE', ...(isPrivileged ? ['CAP_NET_BIND_SERVICE'] : [])]
}

/** As little as it needs. Sockets with abstract names are of the host's network, which it therefore shares. */
function network({ metrics }: UnitOptions): string[] {
  if (metrics === undefined) return ['RestrictAddressFamilies=AF_UNIX', 'IPAddressDeny=any']
  const families = 'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6'
  const { host } = metrics
  const isLoopback = isIP(host) === 4 ? host.startsWith('127.') : host === '::1' || host === 'localhost'
  return isLoopback ? [families, 'IPAddressDeny=any', 'IPAddressAllow=localhost'] : [families]
}

/** A word of a command line. Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers" */
function quoted(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  if (/^[\w/.,:@%$=+-]+$/.test(literal)) return literal
  const escaped = literal.replace(/[\\"]/g, '\\$&').replace(/\p{Cc}/gu, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${escaped}"`
}
