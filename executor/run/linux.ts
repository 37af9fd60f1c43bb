/** Runs a planned VM with a Linux guest to its end, and holds what the kernel and the guest say against the plan. */

import { setTimeout as delay } from 'node:timers/promises'
import {
  requireBoolean,
  requireBytes,
  requireCallback,
  requireList,
  requireNumber,
  requireObject,
  requireSignal,
  requireText,
} from '../../src/checks.js'
import { type Finding, InputError, show } from '../../src/errors.js'
import type { RunMemory, RunVcpu, RunWatch, VerifiedPlan } from '../../src/types.js'
import { isVerified } from '../../src/verified.js'
import { EXEC_LINES, execInitramfs, type GuestFile, type GuestModule } from '../program/exec-initramfs.js'
import type { LinuxGuest } from '../vm/linux.js'
import type { GuestDisk } from '../vm/virtios.js'
import { Vm } from '../vm/vm.js'
import type { VmEnd } from '../vm/vm-state.js'
import { VmError } from '../wire/failure.js'
import { GuestReport, type GuestTopologyReport, guestFindings } from './guest-says.js'
import { MemoryWatch } from './memory-watch.js'
import { Watch } from './watch.js'

export type { GuestFile, GuestModule }

/** A command that is run in an initramfs made for it. */
export interface GuestCommand {
  /** A static busybox. */
  readonly busybox: Uint8Array
  /**
   * For the guest's shell; `null`: a shell on the console. With `root=` in `append` it is the shell of that file system; `null`
   * then: its `/sbin/init`, or a shell where it has none.
   */
  readonly command: string | null
  /** Other files for the guest. */
  readonly files?: readonly GuestFile[]
  /** Modules of the kernel, which are loaded in this order: drivers of disks and their file systems. */
  readonly modules?: readonly GuestModule[]
}

/** How a Linux guest is run. */
export interface RunLinuxOptions {
  /** A bzImage or a vmlinux. */
  readonly kernel: Uint8Array
  /** An initramfs, or a command that one is made for. Default: none. */
  readonly initrd?: Uint8Array | GuestCommand
  /** Words for the kernel's command line. Where `console=hvc0` is the last console of it, the guest has a virtio console. */
  readonly append?: string
  /** Disks: `/dev/vda`, `/dev/vdb`, ... where the kernel has virtio's drivers. It has a source of random bytes in any case. */
  readonly disks?: readonly GuestDisk[]
  /** Gets what is printed on the console: `ttyS0`; `hvc0`, where it is that, from its first word on. */
  readonly onConsole?: (bytes: Uint8Array) => void
  /** Gets what the command prints on its standard output. */
  readonly onStdout?: (bytes: Uint8Array) => void
  /** The same of its standard error. */
  readonly onStderr?: (bytes: Uint8Array) => void
  /** Told when the guest runs, of the line to its console. */
  readonly onStart?: (guest: LinuxGuest) => void
  /** For how long the guest may be silent on its console until it has said its first word; default 300. */
  readonly silenceSeconds?: number
  /** As for `runPlan`. */
  readonly relaxed?: boolean
  /** Ends the guest: everything is given back, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What happened to a Linux guest, and what the kernels say of where it was. */
export interface LinuxReport {
  /** Of this format. */
  readonly schemaVersion: 1
  /** What this object is. */
  readonly kind: 'LinuxReport'
  /** The name of the VM. */
  readonly vm: string
  /** How it ended: see `VmEnd`. */
  readonly by: VmEnd['by']
  /** What it wrote to the exit port; `null`: it ended in another way. */
  readonly exitCode: number | null
  /** From its start to its end. */
  readonly seconds: number
  /** From its start to its first word on the console; `null`: it said none. */
  readonly firstWordSeconds: number | null
  /** From its start to the report of its first process; `null`: there was none. */
  readonly initSeconds: number | null
  /** What each vCPU did, and where. */
  readonly vcpus: readonly RunVcpu[]
  /** Where the memory was found at the end. */
  readonly memory: readonly RunMemory[]
  /** How closely it was watched. */
  readonly watched: RunWatch
  /** What it says of its own machine; `null`: it has not said. */
  readonly guest: GuestTopologyReport | null
  /** No finding. */
  readonly verified: boolean
  /** What was otherwise than planned. */
  readonly findings: readonly Finding[]
}

const TICK_MS = 100
const SILENCE_SECONDS = 300

/** @throws {InputError} */
function requireRunLinuxOptions(options: RunLinuxOptions): void {
  requireObject('options', options)
  const { initrd, onConsole, onStdout, onStderr, onStart, silenceSeconds, relaxed, signal } = options
  if (initrd !== undefined && !(initrd instanceof Uint8Array)) requireGuestCommand(initrd)
  for (const [name, callback] of Object.entries({ onConsole, onStdout, onStderr, onStart })) {
    requireCallback(name, callback)
  }
  requireNumber('silenceSeconds', silenceSeconds)
  if (silenceSeconds !== undefined && silenceSeconds < 1) {
    throw new InputError('silenceSeconds', '1 or more', show(silenceSeconds))
  }
  requireBoolean('relaxed', relaxed)
  requireSignal('signal', signal)
}

function requireGuestCommand(given: GuestCommand): void {
  requireObject('initrd', given)
  const { busybox, command, files = [], modules = [] } = given
  requireBytes('initrd.busybox', busybox)
  if (command !== null) requireText('initrd.command', command ?? null)
  requireList('initrd.files', files)
  for (const [i, file] of files.entries()) {
    requireObject(`initrd.files[${i}]`, file)
    requireBytes(`initrd.files[${i}].content`, file.content)
    requireText(`initrd.files[${i}].path`, file.path ?? null)
  }
  requireList('initrd.modules', modules)
  for (const [i, module] of modules.entries()) {
    requireObject(`initrd.modules[${i}]`, module)
    requireBytes(`initrd.modules[${i}].content`, module.content)
    requireText(`initrd.modules[${i}].name`, module.name ?? null)
  }
}

/** Whether the kernel's last console, which is `/dev/console`, is the virtio console. */
function isOnVirtio(append: string): boolean {
  const consoles = append.split(/\s+/).filter((word) => word.startsWith('console='))
  return /^console=hvc0(,|$)/.test(consoles.at(-1) ?? '')
}

/**
 * Boots a Linux kernel in the VM of a plan, and resolves when the guest has ended itself.
 * @param plan has one VM
 * @throws {InputError} for anything but such a plan, for what is no 64-bit kernel, and where it has no room in the memory
 * @throws {UnsupportedError} where the system lacks what it takes (memory, KVM)
 * @throws {VmError} where the guest fails (a triple fault), or never says a word
 */
export async function runLinux(plan: VerifiedPlan, options: RunLinuxOptions): Promise<LinuxReport> {
  if (!isVerified(plan)) throw new InputError('plan', 'the object that verifyPlan() returned', show(plan))
  requireRunLinuxOptions(options)
  if (plan.vms.length !== 1) throw new InputError('plan.vms', 'one VM that is placed', `${plan.vms.length}`)
  const { kernel, initrd, append, signal, relaxed = false, silenceSeconds = SILENCE_SECONDS } = options
  signal?.throwIfAborted()
  const place = signal === undefined ? { relaxed } : { relaxed, signal }
  const [{ name }] = plan.vms as [(typeof plan.vms)[0]]
  const ignore = () => {}
  let startedAt = 0
  const since = () => (performance.now() - startedAt) / 1000
  let firstWord: number | null = null
  let init: number | null = null
  const report = new GuestReport()
  const isMade = initrd !== undefined && !(initrd instanceof Uint8Array)
  // What is wrong with it is said before anything is asked of the system.
  const initramfs = isMade ? execInitramfs(initrd) : initrd
  const hasVirtio = isOnVirtio(append ?? '')
  let isVirtioHeard = false
  const onVirtio = (bytes: Uint8Array) => {
    firstWord ??= since()
    isVirtioHeard = true
    options.onConsole?.(bytes)
  }
  const lines = {
    0: (bytes: Uint8Array) => {
      firstWord ??= since()
      // A virtio console has the kernel's messages from the first one on.
      if (!isVirtioHeard) options.onConsole?.(bytes)
    },
    [EXEC_LINES.stdout]: options.onStdout ?? ignore,
    [EXEC_LINES.stderr]: options.onStderr ?? ignore,
    [EXEC_LINES.report]: (bytes: Uint8Array) => {
      init ??= since()
      report.add(bytes)
    },
  }
  const vm = await Vm.create(plan, name, { ...place, irqchip: true })
  try {
    const guest = await vm.bootLinux({
      kernel,
      ...(initramfs === undefined ? {} : { initrd: initramfs }),
      ...(append === undefined ? {} : { append }),
      ...(options.disks === undefined ? {} : { disks: options.disks }),
      ...(hasVirtio ? { console: onVirtio } : {}),
      entropy: true,
      serial: isMade ? [lines[0], lines[1]!, lines[2]!, lines[3]!] : [lines[0]],
    })
    await vm.prepare(place)
    const watch = new Watch(plan, [vm])
    const memoryWatch = new MemoryWatch()
    startedAt = performance.now()
    await vm.run(place)
    options.onStart?.(guest)
    const ended = vm.wait()
    ended.catch(ignore)
    while (vm.state.name === 'running') {
      await Promise.race([ended, delay(TICK_MS, undefined, signal === undefined ? {} : { signal })])
      if (vm.state.name !== 'running') break
      watch.look()
      memoryWatch.tick([vm])
      if (firstWord === null && since() > silenceSeconds) throw silent(vm, silenceSeconds)
    }
    const { by, exitCode } = await ended
    const seconds = since()
    await memoryWatch.settled()
    const memory = await memoryWatch.look([vm])
    const topology = report.topology
    const findings = [
      ...vm.refusals,
      // A vCPU that the guest does not use has nothing to do, but wait.
      ...watch.findings(new Set()).filter(({ constraint }) => constraint !== 'no-progress'),
      ...memoryWatch.findings,
      ...(topology === null ? [] : guestFindings(name, guest.machine, topology)),
    ]
    return {
      schemaVersion: 1,
      kind: 'LinuxReport',
      vm: name,
      by,
      exitCode,
      seconds,
      firstWordSeconds: firstWord,
      initSeconds: init,
      vcpus: watch.rows('kvm', seconds),
      memory,
      watched: {
        threadLooks: watch.looks,
        memoryLooks: memoryWatch.looks,
        pagesMigrated: memoryWatch.pagesMigrated,
      },
      guest: topology,
      verified: findings.length === 0,
      findings,
    }
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : error
  } finally {
    await vm.close()
  }
}

/** Where a guest is that has never said a word. */
function silent(vm: Vm, seconds: number): VmError {
  const [{ exits }] = vm.sample() as [ReturnType<Vm['sample']>[0]]
  const count = Object.values(exits).reduce((sum, n) => sum + n, 0)
  const text = `the guest has said nothing on its console (ttyS0) for ${seconds} s; its first vCPU has left it ${count} times`
  return new VmError(vm.name, null, { kind: 'thread', text })
}
