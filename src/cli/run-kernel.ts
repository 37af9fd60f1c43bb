/** `homenode run --kernel`: a Linux guest in the VM of a request, with its console here, or one command in it. */

import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import type { GuestCommand, GuestDisk, LinuxGuest, LinuxReport, RunLinuxOptions } from '../../executor/index.js'
import { InputError, show } from '../errors.js'
import { parseRequest } from '../request.js'
import type { Host } from '../types.js'
import { CommandError, EXIT } from './errors.js'
import { readThisHost } from './host-source.js'
import { nameOf, readBinary, requireOneStdin } from './input.js'
import { kernelVersionOf, modulesOf } from './kernel-modules.js'
import { showLinux } from './kernel-view.js'
import { loadExecutor } from './load-executor.js'
import { type ColorWhen, styleOf } from './output.js'
import { showPlan } from './plan-view.js'
import { readRequest } from './request-source.js'
import { planVerified } from './verified-plan.js'

/** Options of `run` that are about a kernel. */
export interface KernelOptions {
  /** `true`: the one of this machine. */
  readonly kernel?: string | true
  /** What was measured of this machine. */
  readonly measured?: string
  readonly initrd?: string
  readonly append?: string
  readonly exec?: string
  readonly file?: readonly string[]
  readonly busybox?: string
  readonly modules?: string
  readonly disk?: readonly string[]
  readonly silence: number
}

interface KernelCommandOptions extends KernelOptions {
  readonly kernel: string | true
  readonly request?: string
  readonly relaxed?: boolean
  readonly json?: true
  readonly color: ColorWhen
}

/** Ctrl-], which ends a guest, as it ends telnet. */
const ESCAPE = 0x1d
const AUTO = 'auto'
/** Of a root file system whose type is not said. */
const ROOT_TYPE = 'ext4'
/** For a guest that no request is given for: what a distribution's kernel starts with. */
const MIB_PER_VM = 512
/** Lines of the console that tell why a guest has not come to its end. */
const LAST_LINES = 20

/** @throws {InputError} for options that need others */
export function requireKernelOptions(options: KernelOptions): void {
  const { kernel, initrd, append, exec, file, busybox, modules, disk } = options
  const given = {
    '--initrd': initrd,
    '--append': append,
    '--exec': exec,
    '--file': file,
    '--busybox': busybox,
    '--modules': modules,
    '--disk': disk,
  }
  if (kernel === undefined) {
    const first = Object.entries(given).find(([, value]) => value !== undefined)
    if (first !== undefined) throw new InputError(first[0], 'also --kernel', 'none')
    return
  }
  const isMade = initrd === AUTO || (exec !== undefined && initrd === undefined)
  if (exec !== undefined && !isMade) throw new InputError('--exec', '--initrd auto', `--initrd ${show(initrd)}`)
  for (const [name, value] of Object.entries({ '--file': file, '--busybox': busybox, '--modules': modules })) {
    if (value !== undefined && !isMade)
      throw new InputError(name, '--initrd auto', initrd === undefined ? 'none' : show(initrd))
  }
}

export async function runKernel(options: KernelCommandOptions): Promise<void> {
  const { request: requestFile, kernel, initrd, append, exec, silence, relaxed = false, json } = options
  const kernelFile = kernel === true ? ownKernel() : kernel
  const readsFile = options.file?.includes('-') ? '-' : undefined
  requireOneStdin({
    ...{ '--measured': options.measured, '--request': requestFile, '--kernel': kernelFile, '--initrd': initrd },
    ...{ '--busybox': options.busybox, '--file': readsFile },
  })
  const style = styleOf(process.stderr, options.color)
  const say = (text: string) => process.stderr.write(`${text}\n`)
  const given = requestFile === undefined ? undefined : await readRequest(requestFile)
  const host = await readThisHost(options)
  const request = given ?? parseRequest(kernelRequest(host))
  const image = await readBinary(kernelFile)
  const initramfs = await initramfsOf(options, image)
  const planned = await planVerified(host, request, requestFile === undefined ? 'the request' : nameOf(requestFile))
  if (planned.vms.length + planned.refused.length !== 1) {
    const count = planned.vms.length + planned.refused.length
    throw new InputError(`${nameOf(requestFile ?? '-')}: vms`, 'one VM, which the kernel is for', `${count}`)
  }
  if (planned.refused.length > 0) {
    process.exitCode = EXIT.unfit
    say(showPlan(planned, style))
    return
  }
  if (!json) say(`${showPlan(planned, style)}\n`)

  const { runLinux } = await loadExecutor()
  const tail = new Tail()
  const controller = new AbortController()
  const interrupt = (what: string) =>
    controller.abort(new CommandError(`interrupted by ${what}: the guest was stopped and given back`, EXIT.interrupted))
  const onSignal = (signal: NodeJS.Signals) => interrupt(signal)
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const terminal = new Terminal(exec === undefined, () => interrupt('Ctrl-]'))
  const runOptions: RunLinuxOptions = {
    kernel: image,
    ...(initramfs === undefined ? {} : { initrd: initramfs }),
    ...(append === undefined ? {} : { append }),
    disks: (options.disk ?? []).map(diskOf),
    silenceSeconds: Math.ceil(silence),
    relaxed,
    signal: controller.signal,
    onConsole: (bytes) => {
      tail.add(bytes)
      if (exec === undefined) process.stdout.write(bytes)
    },
    onStdout: (bytes) => process.stdout.write(bytes),
    onStderr: (bytes) => process.stderr.write(bytes),
    onStart: (guest) => terminal.open(guest),
  }
  let report: LinuxReport
  try {
    report = await runLinux(planned, runOptions)
  } catch (error) {
    // What the guest has said last tells why, where nobody has seen it.
    if (exec !== undefined && !(error instanceof InputError) && !controller.signal.aborted) say(tail.text)
    throw error
  } finally {
    terminal.close()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
  if (json) say(JSON.stringify(report, null, 2))
  else say(`\n${showLinux(report, planned, style)}`)
  process.exitCode = exitCodeOf(report)
  if (report.by !== 'guest' && exec !== undefined) {
    throw new CommandError(
      `the guest ended (${report.by}) before the command did; its console's last lines:\n${tail.text}`,
      EXIT.failed,
    )
  }
}

/** The guest's own, unless something else went wrong. */
function exitCodeOf({ by, exitCode, verified, findings }: LinuxReport): number {
  // A code of more than a byte is not taken for 0.
  if (by === 'guest' && exitCode !== 0) return (exitCode ?? 0) & 0xff || EXIT.failed
  if (by === 'reset' || by === 'halt') return EXIT.failed
  if (verified) return EXIT.done
  return findings.some(({ constraint }) => constraint === 'refused') ? EXIT.partial : EXIT.failed
}

const WRITABLE = ',rw'

/** `disk.img` or `disk.img,rw`. */
function diskOf(text: string): GuestDisk {
  return text.endsWith(WRITABLE) ? { path: text.slice(0, -WRITABLE.length), writable: true } : { path: text }
}

/** One VM with half of the usable CPUs, in as many cells as are best. */
function kernelRequest({ cpus }: Host): object {
  const usable = cpus.filter(({ online, allowed, node }) => online && allowed && node !== null).length
  const vcpus = Math.max(1, Math.floor(usable / 2))
  const vm = { name: 'linux', vcpus, memory: `${MIB_PER_VM}MiB`, cells: 'auto' }
  return { schemaVersion: 1, kind: 'Request', vms: [vm] }
}

/** @throws {InputError} where there is none */
function ownKernel(): string {
  const path = `/boot/vmlinuz-${release()}`
  if (existsSync(path)) return path
  throw new InputError('--kernel', 'the name of a kernel', `none, and this machine has no ${path}`)
}

async function initramfsOf(options: KernelOptions, kernel: Uint8Array): Promise<Uint8Array | GuestCommand | undefined> {
  const { initrd, exec, file = [], busybox } = options
  if (initrd !== undefined && initrd !== AUTO) return readBinary(initrd)
  if (initrd === undefined && exec === undefined) return undefined
  const files = await Promise.all(
    file.map(async (path) => ({ path: `bin/${basename(path)}`, content: await readBinary(path), executable: true })),
  )
  const modules = await driversOf(options, kernel)
  return { busybox: await readBinary(busybox ?? ownBusybox()), command: exec ?? null, files, modules }
}

/** Modules of the drivers that the guest needs; none where nothing is known of the kernel's: they may be part of it. */
async function driversOf({ modules, disk = [], append = '' }: KernelOptions, kernel: Uint8Array) {
  const words = append.split(/\s+/)
  const lastOf = (name: string) =>
    words
      .filter((word) => word.startsWith(`${name}=`))
      .at(-1)
      ?.slice(name.length + 1)
  const drivers = [
    ...(disk.length === 0 ? [] : ['virtio_blk']),
    ...(words.some((word) => /^console=hvc0/.test(word)) ? ['virtio_console'] : []),
  ]
  const fileSystems = lastOf('root') === undefined ? [] : [lastOf('rootfstype') ?? ROOT_TYPE]
  const names = [...(drivers.length === 0 ? [] : ['virtio_mmio']), ...drivers, ...fileSystems]
  const folder = modules ?? join('/lib/modules', kernelVersionOf(kernel) ?? '-')
  return names.length === 0 || (modules === undefined && !existsSync(folder)) ? [] : modulesOf(folder, names)
}

/** @throws {InputError} where there is none */
function ownBusybox(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, 'busybox')).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new InputError('--busybox', 'a static busybox (Debian: busybox-static)', 'none, and there is none in PATH')
}

/** This process's terminal as the guest's console: each key goes there, but the one that ends it. */
class Terminal {
  readonly #isConsole: boolean
  readonly #end: () => void
  #guest: LinuxGuest | null = null

  constructor(isConsole: boolean, end: () => void) {
    this.#isConsole = isConsole
    this.#end = end
  }

  readonly #onData = (bytes: Buffer): void => {
    const line = this.#guest?.console ?? this.#guest?.serial[0]
    if (process.stdin.isTTY) {
      if (bytes.includes(ESCAPE)) this.#end()
      else line?.write(bytes)
      return
    }
    // A file or a pipe may have more than the guest ever reads.
    process.stdin.pause()
    line?.write(bytes, () => process.stdin.resume())
  }

  open(guest: LinuxGuest): void {
    if (!this.#isConsole) return
    this.#guest = guest
    if (process.stdin.isTTY) process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onData)
  }

  close(): void {
    if (this.#guest === null) return
    process.stdin.off('data', this.#onData)
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}

/** The last lines of a console. */
class Tail {
  #text = ''

  add(bytes: Uint8Array): void {
    this.#text = (this.#text + Buffer.from(bytes).toString('utf8')).slice(-16_384)
  }

  get text(): string {
    const lines = this.#text.split(/\r?\n/).filter((line) => line.trim() !== '')
    return lines
      .slice(-LAST_LINES)
      .map((line) => `  ${line}`)
      .join('\n')
  }
}
