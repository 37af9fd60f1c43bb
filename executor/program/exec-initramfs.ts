/** An initramfs that runs one command, and says what the guest sees of its machine: made of busybox and a few files. */

import { InputError, show } from '../../src/errors.js'
import { CPIO_TRAILER, type CpioEntry, cpioArchive } from './cpio.js'
import { staticProgramHeaders } from './elf.js'

/** A file for the guest. */
export interface GuestFile {
  /** Where it is in the guest, without a slash in front. */
  readonly path: string
  /** Its bytes. */
  readonly content: Uint8Array
  /** Whether it may be run. */
  readonly executable: boolean
}

/** A module of the kernel. */
export interface GuestModule {
  /** The name by which the kernel has it. */
  readonly name: string
  /** Its ELF file, not compressed. */
  readonly content: Uint8Array
}

export interface ExecInitramfs {
  /** A static busybox. */
  readonly busybox: Uint8Array
  /** For the guest's shell; `null`: a shell on the console, or the first process of the root file system. */
  readonly command: string | null
  readonly files?: readonly GuestFile[]
  /** Loaded in this order, before anything else is done. */
  readonly modules?: readonly GuestModule[]
}

/** The lines of the guest by what goes through them: `ttyS0` is the console. */
export const EXEC_LINES = { stdout: 1, stderr: 2, report: 3 } as const

/** The port to which the exit code is written: see `Vm.exitPort`. */
const EXIT_PORT = 0xf4

/** The folder of the modules, and of the list of them. */
const MODULES = 'modules'

/** Where the root file system is while a command runs in it. */
const ROOT = '/mnt'
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The first process. A line that is closed has been sent to its end. The exit code ends the machine at once.
 * Each line of the report is a word and its values. `root=`, `rootfstype=`, `ro`, `rw` and `init=` on the kernel's command
 * line are what they are to the kernel itself. Source: Linux, Documentation/admin-guide/kernel-parameters.txt
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
export PATH=/bin HOME=/root TERM=linux
if [ -e /${MODULES} ]; then while read -r module; do insmod "/${MODULES}/$module"; done </${MODULES}/order; fi

root= type=ext4 mode=ro first=
set -f
for word in $(cat /proc/cmdline); do
  case $word in
    root=*) root=\${word#root=} ;;
    rootfstype=*) type=\${word#rootfstype=} ;;
    init=*) first=\${word#init=} ;;
    ro | rw) mode=$word ;;
  esac
done
set +f
case $root in LABEL=* | UUID=*) root=$(findfs "$root") ;; esac

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
  if [ -n "$root" ]; then sync; mount -o remount,ro ${ROOT} 2>/dev/null; fi
  printf "\\\\$(printf %o $1)" | dd of=/dev/port bs=1 seek=${EXIT_PORT} count=1 conv=notrunc 2>/dev/null
  poweroff -f
}

# Mounts the root file system, with what is mounted here.
enter() {
  mkdir ${ROOT}
  mount -t "$type" -o "$mode" "$root" ${ROOT} || return 1
  for folder in proc sys dev tmp; do mount -o bind "/$folder" "${ROOT}/$folder" || return 1; done
  export PATH=${SYSTEM_PATH}
}

# A shell on the console, from the folder that is its root.
shell() {
  console=/dev/$(sed 's/.* //' /sys/class/tty/console/active)
  setsid -c chroot "$1" /bin/sh -l <$console >$console 2>&1
}

# The first program that there is of those that the kernel looks for; else a shell.
start() {
  for program in "$first" /sbin/init /etc/init /bin/init; do
    file=${ROOT}$program
    # A link may lead to a file of that root.
    if [ -n "$program" ] && [ -x "$file" -o -h "$file" ]; then exec switch_root ${ROOT} "$program"; fi
  done
  shell ${ROOT}
}

run() {
  if [ -z "$root" ]; then sh /command; return; fi
  enter && chroot ${ROOT} /bin/sh -c "$(cat /command)"
}

report
if [ -e /command ]; then
  stty -F /dev/ttyS1 raw -echo
  stty -F /dev/ttyS2 raw -echo
  run </dev/null >/dev/ttyS1 2>/dev/ttyS2
elif [ -n "$root" ]; then
  enter && start
else
  shell /
fi
finish $?
`

/** @throws {InputError} for a busybox that is no static program, and for names of files that cannot be */
export function execInitramfs({ busybox, command, files = [], modules = [] }: ExecInitramfs): Uint8Array {
  requireStatic('busybox', busybox)
  const folders = new Set(['bin', 'dev', ...(modules.length === 0 ? [] : [MODULES])])
  for (const { path } of files) {
    const parts = partsOf(path)
    for (let i = 1; i < parts.length; i++) folders.add(parts.slice(0, i).join('/'))
  }
  const text = (value: string) => new Uint8Array(Buffer.from(value, 'utf8'))
  const entries: CpioEntry[] = [
    ...[...folders].map((path): CpioEntry => ({ kind: 'folder', path })),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: busybox, executable: true },
    { kind: 'file', path: 'init', content: text(INIT), executable: true },
    ...files.map((file): CpioEntry => ({ kind: 'file', ...file })),
    ...modules.map((module): CpioEntry => moduleFile(module.name, module.content)),
    ...(modules.length === 0 ? [] : [moduleFile('order', text(modules.map(({ name }) => `${name}\n`).join('')))]),
    ...(command === null
      ? []
      : [{ kind: 'file', path: 'command', content: text(`${command}\n`), executable: false } as const]),
  ]
  requireOnce(entries)
  return cpioArchive(entries)
}

/** Linux leaves out what has a longer name; an archive ends with what is called like its trailer. */
const PATH_MAX = 4096
const NAME_MAX = 255

/** @throws {InputError} for a path that no file in an archive can have */
function partsOf(path: string): string[] {
  const parts = path.split('/')
  const isWrong =
    parts.some((part) => part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > NAME_MAX) ||
    path.includes('\0') ||
    path === CPIO_TRAILER ||
    Buffer.byteLength(path) >= PATH_MAX
  if (isWrong) throw new InputError('files', 'paths such as bin/program', show(path))
  return parts
}

/** @throws {InputError} where a file would take the place of another, or of what the first process needs */
function requireOnce(entries: readonly CpioEntry[]): void {
  const seen = new Set<string>()
  for (const { path } of entries) {
    if (seen.has(path)) throw new InputError('files', 'another place for each file and folder', `${show(path)} twice`)
    seen.add(path)
  }
}

function moduleFile(name: string, content: Uint8Array): CpioEntry {
  if (!/^[\w-]+$/.test(name)) throw new InputError('modules', 'names such as virtio_blk', show(name))
  return { kind: 'file', path: `${MODULES}/${name}`, content, executable: false }
}

/** @throws {InputError} for what no guest without libraries can start */
function requireStatic(where: string, file: Uint8Array): void {
  try {
    staticProgramHeaders(file)
  } catch (error) {
    throw error instanceof InputError
      ? new InputError(where, 'a static program for x86-64 (ELF; Debian: busybox-static)', error.got)
      : error
  }
}
