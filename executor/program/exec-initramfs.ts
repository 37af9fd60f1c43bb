/** An initramfs that runs one command, and says what the guest sees of its machine: made of busybox and a few files. */

import { InputError, show } from '../../src/errors.js'
import { type CpioEntry, cpioArchive } from './cpio.js'
import { isElf } from './elf.js'

/** A file for the guest. */
export interface GuestFile {
  /** Where it is in the guest, without a slash in front. */
  readonly path: string
  /** Its bytes. */
  readonly content: Uint8Array
  /** Whether it may be run. */
  readonly executable: boolean
}

export interface ExecInitramfs {
  /** A static busybox. */
  readonly busybox: Uint8Array
  /** For the guest's shell; `null`: a shell on the console. */
  readonly command: string | null
  readonly files?: readonly GuestFile[]
}

/** The lines of the guest by what goes through them: `ttyS0` is the console. */
export const EXEC_LINES = { stdout: 1, stderr: 2, report: 3 } as const

/** The port to which the exit code is written: see `Vm.exitPort`. */
const EXIT_PORT = 0xf4

/**
 * The first process. A line that is closed has been sent to its end. The exit code ends the machine at once.
 * Each line of the report is a word and its values.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
export PATH=/bin HOME=/root TERM=linux

report() {
  stty -F /dev/ttyS3 raw -echo
  {
    echo "cpus $(nproc)"
    for node in /sys/devices/system/node/node[0-9]*; do
      id=\${node##*node}
      echo "node $id cpus $(cat $node/cpulist)"
      echo "node $id distances $(cat $node/distance)"
      echo "node $id pages $(awk -v id=$id '/^Node/ { here = ($2 == id ",") } here && $1 == "present" { sum += $2 } END { print sum + 0 }' /proc/zoneinfo)"
    done
    echo end
  } >/dev/ttyS3
}

finish() {
  printf "\\\\$(printf %o $1)" | dd of=/dev/port bs=1 seek=${EXIT_PORT} count=1 conv=notrunc 2>/dev/null
  poweroff -f
}

report
if [ -e /command ]; then
  stty -F /dev/ttyS1 raw -echo
  stty -F /dev/ttyS2 raw -echo
  sh /command </dev/null >/dev/ttyS1 2>/dev/ttyS2
else
  setsid -c sh -c 'exec sh -l </dev/ttyS0 >/dev/ttyS0 2>&1'
fi
finish $?
`

/** @throws {InputError} for a busybox that is no static program, and for names of files that cannot be */
export function execInitramfs({ busybox, command, files = [] }: ExecInitramfs): Uint8Array {
  requireStatic('busybox', busybox)
  const folders = new Set(['bin', 'dev'])
  for (const { path } of files) {
    const parts = path.split('/')
    if (path === '' || parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0')) {
      throw new InputError('files', 'paths such as bin/program', show(path))
    }
    for (let i = 1; i < parts.length; i++) folders.add(parts.slice(0, i).join('/'))
  }
  const text = (value: string) => new Uint8Array(Buffer.from(value, 'utf8'))
  const entries: CpioEntry[] = [
    ...[...folders].map((path): CpioEntry => ({ kind: 'folder', path })),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: busybox, executable: true },
    { kind: 'file', path: 'init', content: text(INIT), executable: true },
    ...files.map((file): CpioEntry => ({ kind: 'file', ...file })),
    ...(command === null
      ? []
      : [{ kind: 'file', path: 'command', content: text(`${command}\n`), executable: false } as const]),
  ]
  return cpioArchive(entries)
}

const PT_INTERP = 3

/** @throws {InputError} for what no guest without libraries can start */
function requireStatic(where: string, file: Uint8Array): void {
  if (!isElf(file) || file.length < 64)
    throw new InputError(where, 'a program (ELF)', `${file.length} bytes that are none`)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const [start, size, count] = [Number(view.getBigUint64(32, true)), view.getUint16(54, true), view.getUint16(56, true)]
  for (let i = 0; i < count && start + (i + 1) * size <= file.length; i++) {
    if (view.getUint32(start + i * size, true) !== PT_INTERP) continue
    throw new InputError(where, 'a static program (Debian: busybox-static)', 'one that wants a dynamic linker')
  }
}
