/**
 * What a thread of the pool does: run one vCPU, or work on memory. It is an entry point of its own, because the pool loads it
 * by its file name. Functions return failures as data, since errors lose their class on the way between threads. Other tasks
 * use the thread again, so each function leaves it as it was.
 */

import { type MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads'
import { InputError, show } from '../../src/errors.js'
import { kvm_run } from '../abi/kvm.js'
import { DeviceBus } from '../devices/bus.js'
import { CoalescedRing } from '../devices/coalesced.js'
import { createDevices } from '../devices/create.js'
import { Mailbox } from '../devices/remote.js'
import { announceLoaded } from '../ffi/gate.js'
import { type RunPage, viewRunPage } from '../kvm/kvm-vcpu.js'
import { serveVirtio } from '../virtio/serve.js'
import { beginTask } from '../wire/claim.js'
import type { DeviceSpec } from '../wire/device-spec.js'
import { failureOf, type GuestEnd, type VcpuEnd } from '../wire/failure.js'
import {
  blockOf,
  COMMAND,
  COOKIE_OF,
  Command,
  type CommandValue,
  PHASE,
  PHASE_OF,
  Phase,
  type PhaseValue,
  THREAD,
  TID,
  type VcpuBlock,
  type VcpuMessage,
  waitUntilFree,
} from '../wire/shared.js'
import { collectGarbage } from './collect.js'
import { watchEvents } from './event-work.js'
import { runGuest } from './guest-loop.js'
import { chaseMemory, countRate, handOver } from './measure-work.js'
import { closeFile, giveBack, moveSpan, prefaultSpan, readBack } from './memory-work.js'
import { type Schedule, type Scheduling, takeSchedule } from './schedule.js'
import { walkMemory } from './walk-loop.js'

export interface GuestWork {
  readonly kind: 'guest'
  readonly vcpu: number
  readonly fd: number
  readonly page: RunPage
  readonly devices: readonly DeviceSpec[]
  /** Where the ring of coalesced writes is in the page, and the lock for it; `null`: none are coalesced. */
  readonly ring: { readonly offset: number; readonly lock: SharedArrayBuffer } | null
}

export interface WalkWork {
  readonly kind: 'walk'
  readonly address: number
  readonly bytes: number
}

export interface VcpuTask {
  readonly shared: SharedArrayBuffer
  readonly port: MessagePort
  readonly cpus: readonly number[]
  readonly scheduling: Scheduling
  /** `null`: it comes through the port, before the command to prepare. */
  readonly work: GuestWork | WalkWork | null
}

/** What a vCPU's thread has to do with the main thread. */
class Line {
  readonly block: VcpuBlock
  readonly #port: MessagePort

  constructor({ shared, port }: VcpuTask) {
    this.block = blockOf(shared)
    this.#port = port
  }

  readonly post = (message: VcpuMessage): void => this.#port.postMessage(message)

  enter(phase: PhaseValue): void {
    Atomics.store(this.block.control, PHASE, phase)
    this.post({ kind: 'phase' })
  }

  /** The last word: everything of the VM has been let go of. */
  end(end: VcpuEnd): void {
    // The message first: a thread that sees the phase then finds it.
    this.post({ kind: 'end', end })
    Atomics.store(this.block.control, PHASE, Phase.done)
  }

  /** Waits for this command; `false`: it is to stop. */
  until(wanted: CommandValue): boolean {
    const { control } = this.block
    for (;;) {
      const command = Atomics.load(control, COMMAND) as CommandValue
      if (command === Command.stop) return false
      if (command === wanted) return true
      this.enter(PHASE_OF[command])
      Atomics.wait(control, COMMAND, command)
    }
  }

  /** Does what the commands say; returns when it is to run, or with `false` when it is to stop. */
  attend(whenRunning: () => void): boolean {
    const { control } = this.block
    for (;;) {
      whenRunning()
      const command = Atomics.load(control, COMMAND)
      if (command === Command.stop) return false
      if (command === Command.go) {
        if (Atomics.load(control, PHASE) !== Phase.running) this.enter(Phase.running)
        return true
      }
      this.enter(Phase.held)
      Atomics.wait(control, COMMAND, Command.hold)
    }
  }
}

/** Pins itself, waits for the command to go, and works until the command to stop. */
async function runVcpu(task: VcpuTask): Promise<void> {
  announceLoaded()
  const line = new Line(task)
  const schedule = takeSchedule(task.cpus, task.scheduling, (failure) => line.post({ kind: 'refused', failure }))
  line.end(await workAsTold(task, line, schedule))
  waitUntilFree(line.block)
  if (schedule.restore()) return
  line.post({ kind: 'useless' })
  // The main thread ends this one.
  await new Promise(() => {})
}

async function workAsTold(task: VcpuTask, line: Line, schedule: Schedule): Promise<VcpuEnd> {
  const { control } = line.block
  try {
    Atomics.store(control, THREAD, threadId)
    Atomics.store(control, TID, schedule.tid)
    schedule.apply()
    if (task.work === null && !line.until(Command.prepare)) return { kind: 'told' }
    const work = await prepare(task.work ?? receiveMessageOnPort(task.port)!.message, line)
    if (!line.until(Command.go)) return { kind: 'told' }
    schedule.shareCore(Atomics.load(control, COOKIE_OF))
    return work()
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) }
  }
}

/** Everything that may wait, before the thread is ready. */
async function prepare(work: GuestWork | WalkWork, line: Line): Promise<() => VcpuEnd> {
  const { block } = line
  if (work.kind === 'walk') {
    return () => {
      walkMemory(block, work.address, work.bytes, () => line.attend(() => {}))
      return { kind: 'told' }
    }
  }
  const ending: { now: VcpuEnd | null } = { now: null }
  const exit = (code: number) => {
    if (!Number.isSafeInteger(code)) throw new InputError('exit', 'a whole number', show(code))
    ending.now ??= { kind: 'exited', code }
  }
  const end = (how: GuestEnd) => {
    ending.now ??= { kind: 'ended', how }
  }
  const mailbox = new Mailbox(block, line.post)
  const context = { vcpu: work.vcpu, exit }
  const devices = await createDevices(work.devices, { block, mailbox, post: line.post, context, end })
  const { fd, ring } = work
  return () => {
    // SAFETY: the vCPU's owner closes it only after this thread is done, and the views end with this function.
    const page = viewRunPage(work.page)
    const bytes = new Uint8Array(page)
    return runGuest(block, {
      fd,
      page,
      ports: new DeviceBus('port', work.devices, devices),
      mmio: new DeviceBus('mmio', work.devices, devices),
      mailbox,
      ring: ring === null ? null : new CoalescedRing(page, ring.offset, ring.lock, block),
      ending,
      // An exit that is requested after the command has been read stays requested.
      attend: () =>
        line.attend(() => {
          bytes[kvm_run.immediate_exit] = 0
        }),
    })
  }
}

const tasks = {
  runVcpu,
  watchEvents,
  serveVirtio,
  closeFile,
  giveBack,
  moveSpan,
  prefaultSpan,
  readBack,
  chaseMemory,
  countRate,
  handOver,
}
export type Tasks = typeof tasks

interface Order<Name extends keyof Tasks> {
  readonly name: Name
  readonly task: Parameters<Tasks[Name]>[0]
  readonly claim: Int32Array
}

/** What the pool calls. */
export function perform<Name extends keyof Tasks>({ name, task, claim }: Order<Name>): unknown {
  if (!beginTask(claim)) return undefined
  const work = tasks[name] as (task: Order<Name>['task']) => unknown
  return work(task)
}

collectGarbage()
// Runs when Node has come to the end of loading this file. A vCPU may begin before that.
setImmediate(announceLoaded)
