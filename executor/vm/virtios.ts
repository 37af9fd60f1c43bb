/** The virtio devices of a VM, on the main thread: what each is made of, and the thread that serves it. */

import { fstatSync } from 'node:fs'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { requireBoolean, requireBytes, requireCallback, requireObject, requirePath } from '../../src/checks.js'
import { InputError, SyscallError, show } from '../../src/errors.js'
import { closeAll } from '../ffi/close.js'
import { closeFd, createEventFd, lockFile, openFile, signalEvent } from '../ffi/files.js'
import { runInThread } from '../threads/pool.js'
import { SECTOR } from '../virtio/block.js'
import { allocateInputRing, giveBytes } from '../virtio/input-ring.js'
import { allocateOutputCount, countHandedOn } from '../virtio/output-count.js'
import type { VirtioTask } from '../virtio/serve.js'
import {
  allocateVirtio,
  type GuestSpan,
  QUEUE_MAX,
  VERSION_1,
  type VirtioIdentity,
  type VirtioWork,
  virtioOf,
} from '../wire/virtio.js'

/** A disk of a guest: a raw file. */
export interface GuestDisk {
  /** The file's name. Its size is the disk's, in whole sectors of 512 bytes. */
  readonly path: string
  /** Whether the guest may write to it; default: not. Nobody else may have it locked then. */
  readonly writable?: boolean
}

/** Bits of the features' lower word. */
const BLOCK_SEGMENTS = 1 << 2
const BLOCK_READ_ONLY = 1 << 5
const BLOCK_FLUSH = 1 << 9
const BLOCK_SEGMENTS_AT = 12
/** How often it is looked whether a console has room for more input. */
const RETRY_MS = 10

/** What a device is before it has an address. */
export interface VirtioPlan {
  readonly work: VirtioWork
  readonly identity: VirtioIdentity
  readonly config: Uint8Array
  /** Gets what a console prints. */
  readonly onOutput?: (bytes: Uint8Array) => void
  /** Gives back what `work` has open. */
  close(): void
}

/** What is wrong with the name of a file, by the error. */
const NOT_OPENED: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file (a part of the path is no directory)',
  EISDIR: 'a directory',
  ELOOP: 'a symbolic link that leads in a circle',
  ENXIO: 'something else than a file',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'a file system that is read-only',
  ETXTBSY: 'a program that runs',
  ENAMETOOLONG: 'a name that is too long',
}

/** @throws {InputError} where the file cannot be */
function openDisk(path: string, writable: boolean): number {
  const access = writable ? 'read and write' : 'read'
  try {
    return openFile(path, access)
  } catch (error) {
    if (!(error instanceof SyscallError) || NOT_OPENED[error.code] === undefined) throw error
    throw new InputError(`disk ${show(path)}`, `a file to ${access}`, NOT_OPENED[error.code]!)
  }
}

/**
 * @throws {InputError} for what is no disk
 * @throws {SyscallError} EMFILE, ...
 */
export function planDisk(disk: GuestDisk): VirtioPlan {
  requireObject('disks', disk)
  const { path, writable = false } = disk
  requirePath('disks.path', path)
  requireBoolean('disks.writable', writable)
  if (typeof path !== 'string') throw new InputError('disks.path', 'the name of a file', show(path))
  const fd = openDisk(path, writable)
  try {
    const stat = fstatSync(fd)
    const sectors = Math.floor(stat.size / SECTOR)
    if (!stat.isFile() || sectors === 0) {
      const got = stat.isFile() ? `${stat.size} bytes` : 'something else than a file'
      throw new InputError(`disk ${show(path)}`, `a file of a sector of ${SECTOR} bytes or more`, got)
    }
    if (writable && !lockFile(fd))
      throw new InputError(`disk ${show(path)}`, 'a file that nobody else has locked', 'one that is')
    const config = new DataView(new ArrayBuffer(16))
    config.setBigUint64(0, BigInt(sectors), true)
    // Header and status take a descriptor each.
    config.setUint32(BLOCK_SEGMENTS_AT, QUEUE_MAX - 2, true)
    const features = BLOCK_SEGMENTS | (writable ? BLOCK_FLUSH : BLOCK_READ_ONLY)
    return {
      work: { kind: 'block', fd, sectors, readOnly: !writable },
      identity: { type: 2, features: [features, VERSION_1], queues: 1 },
      config: new Uint8Array(config.buffer),
      close: () => closeFd(fd),
    }
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

export function planEntropy(): VirtioPlan {
  const identity: VirtioIdentity = { type: 4, features: [0, VERSION_1], queues: 1 }
  return { work: { kind: 'entropy' }, identity, config: new Uint8Array(0), close: () => {} }
}

export function planConsole(onOutput: (bytes: Uint8Array) => void): VirtioPlan {
  return {
    work: { kind: 'console', input: allocateInputRing(), output: allocateOutputCount() },
    identity: { type: 3, features: [0, VERSION_1], queues: 2 },
    config: new Uint8Array(0),
    onOutput,
    close: () => {},
  }
}

/** A virtio device of a VM. */
export class VirtioHost {
  readonly shared = allocateVirtio()
  readonly identity: VirtioIdentity
  /** Eventfds: new buffers (the kernel counts there), something else to look at. */
  readonly notify: number
  readonly wake: number
  readonly #plan: VirtioPlan
  readonly #interrupt: number
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  #port: MessagePort | null = null
  #serving: Promise<unknown> = Promise.resolve()
  #waiting: { readonly bytes: Uint8Array; readonly taken: () => void }[] = []
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param interrupt an eventfd that raises its interrupt, which stays the caller's; the plan is this one's from now on */
  constructor(plan: VirtioPlan, interrupt: number) {
    this.#plan = plan
    this.identity = plan.identity
    this.#interrupt = interrupt
    virtioOf(this.shared).config.set(plan.config)
    this.notify = createEventFd()
    try {
      this.wake = createEventFd()
    } catch (error) {
      closeFd(this.notify)
      throw error
    }
  }

  /** Starts its thread. `failed` is told what goes wrong there, and what a listener throws. */
  start(memory: readonly GuestSpan[], failed: (error: unknown) => void): void {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', (bytes: Uint8Array) => {
      try {
        this.#plan.onOutput?.(bytes)
      } catch (error) {
        failed(error)
      }
      const { work } = this.#plan
      if (work.kind === 'console' && countHandedOn(work.output, bytes.length) && !this.#isClosed) signalEvent(this.wake)
    })
    const { shared, identity, notify, wake } = this
    const { queues } = identity
    const rest = { shared, queues, memory, notify, wake, interrupt: this.#interrupt, stop: this.#stop, port: port2 }
    const task: VirtioTask = { work: this.#plan.work, ...rest }
    this.#serving = runInThread('serveVirtio', task, [port2]).catch(failed)
  }

  /** Bytes for the guest to read from a console. `taken` is called when there was room for all of them. */
  write(bytes: Uint8Array, taken: () => void = () => {}): void {
    requireBytes('bytes', bytes)
    requireCallback('taken', taken)
    this.#waiting.push({ bytes: bytes.slice(), taken })
    this.#give()
  }

  #give(): void {
    const { work } = this.#plan
    clearTimeout(this.#timer)
    if (work.kind !== 'console' || this.#isClosed) return
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { bytes, taken } = first
      const count = giveBytes(work.input, bytes)
      if (count > 0) signalEvent(this.wake)
      if (count < bytes.length) {
        this.#waiting[0] = { bytes: bytes.subarray(count), taken }
        this.#timer = setTimeout(() => this.#give(), RETRY_MS).unref()
        return
      }
      this.#waiting.shift()
      taken()
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    Atomics.store(this.#stop, 0, 1)
    signalEvent(this.wake)
    await this.#serving
    this.#port?.close()
    closeAll([this.#plan, { close: () => closeFd(this.notify) }, { close: () => closeFd(this.wake) }])
  }
}
