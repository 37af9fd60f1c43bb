/** The vCPU threads of one VM: commands to them, what they tell, and how each comes to its end. */

import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { endProcess, installKickHandler, kickThread } from '../ffi/threads.js'
import { type Failure, failureOf, textOf, type VcpuEnd } from '../wire/failure.js'
import {
  allocateBlock,
  blockOf,
  Command,
  type CommandValue,
  command,
  DEVICE,
  keepThread,
  PHASE_OF,
  Phase,
  type PhaseValue,
  phaseOf,
  THREAD,
  TID,
  type VcpuBlock,
  type VcpuMessage,
} from '../wire/shared.js'
import type { VcpuTask } from '../worker/vcpu-worker.js'
import { comesBack, endThread, runInThread } from './pool.js'

/**
 * How long the main thread itself looks whether threads do what they were told, before it leaves that to the event loop. Most
 * do it within 0.1 ms. A thread that sleeps may be woken milliseconds late, while V8's own threads have its CPU.
 */
const LOOK_MS = 0.3
/** How long a thread that was told something may take before it is told again. */
const REPEAT_MS = 2
/** What one such wait counts as at the most, where patience with threads is counted. */
const LONGEST_TURN_MS = 4 * REPEAT_MS
/** How long a thread that is told to stop may take before it is ended. Only a device that does not return takes longer. */
const PATIENCE_MS = 3000
/** How long a thread that is being ended may take. Only one in a system call takes longer, and it may never come back. */
const LAST_PATIENCE_MS = 4000
/** How often it is looked whether such a thread has gone after all. */
const HELD_MS = 500

interface Member {
  readonly index: number
  readonly block: VcpuBlock
  readonly port: MessagePort
  /** Makes KVM_RUN return as soon as it is entered again. */
  readonly interrupt: () => void
  /** Its thread, when that is being ended. */
  ended: ReturnType<typeof endThread> | null
  /** Why it could not be woken up the last time. */
  refusal: unknown
  end: VcpuEnd | null
  /** Its thread has not ended, and is not waited for any more. */
  isHeld: boolean
}

/** A vCPU whose thread does not come back. */
export interface HeldVcpu {
  readonly index: number
  readonly failure: Failure
}

export interface CrewEvents {
  /** A vCPU's thread has let go of everything. */
  ended(index: number, end: VcpuEnd): void
  told(index: number, message: VcpuMessage): void
  /** A device, for messages. */
  nameOf(device: number): string
}

export class Crew {
  /** Of each vCPU, from when it is asked for first. */
  readonly #blocks: SharedArrayBuffer[] = []
  readonly #events: CrewEvents
  readonly #members: Member[] = []
  /** A thread has had its work done: it is back in the pool, or gone. */
  readonly #back: Promise<unknown>[] = []
  /** Called when a thread has told something, or ended. */
  #wake: () => void = () => {}

  constructor(events: CrewEvents) {
    installKickHandler()
    this.#events = events
  }

  #sharedOf(index: number): SharedArrayBuffer {
    this.#blocks[index] ??= allocateBlock()
    return this.#blocks[index]!
  }

  block(index: number): VcpuBlock {
    return blockOf(this.#sharedOf(index))
  }

  /** The thread's number; 0 before it has one, and when it has ended. */
  tid(index: number): number {
    return this.isOver(index) ? 0 : Atomics.load(this.block(index).control, TID)
  }

  /** Whether the thread has ended. */
  isOver(index: number): boolean {
    // A thread tells its end before its phase says so.
    return phaseOf(this.block(index)) === Phase.done || (this.#members[index]?.end ?? null) !== null
  }

  /**
   * Does something with a vCPU's thread, which stays with it until then.
   * @param act gets its number; 0 before it has one
   * @throws {Error} for one that has ended
   */
  withThread<T>(index: number, act: (tid: number) => T): T {
    return keepThread(this.block(index), (tid) => {
      if (this.isOver(index)) throw new Error('it has halted, and has no thread any more')
      return act(tid)
    })
  }

  /** Starts the thread of the next vCPU: it pins itself, and waits for `go`. */
  start(task: Omit<VcpuTask, 'shared' | 'port'>, interrupt: () => void): void {
    const index = this.#members.length
    const { port1: port, port2 } = new MessageChannel()
    const member: Member = {
      index,
      block: this.block(index),
      port,
      interrupt,
      ended: null,
      refusal: null,
      end: null,
      isHeld: false,
    }
    this.#members.push(member)
    live.add(this)
    const whole: VcpuTask = { ...task, shared: this.#sharedOf(index), port: port2 }
    const run = runInThread('runVcpu', whole, [port2])
    port.on('message', (message: VcpuMessage) => this.#hear(index, message))
    this.#back.push(this.#whenBack(index, run))
  }

  async #whenBack(index: number, run: Promise<void>): Promise<void> {
    const { port, block } = this.#members[index]!
    const error = await run.catch((error: unknown) => error)
    await this.#hearAll()
    const device = deviceOf(block)
    const failure: Failure =
      device === null
        ? failureOf(error)
        : { kind: 'device', text: `${this.#events.nameOf(device)} has ended its thread: ${textOf(error)}` }
    // If the thread has told its end, that one stays.
    this.#settle(index, { kind: 'failed', failure })
    port.close()
  }

  #hear(index: number, message: VcpuMessage): void {
    const member = this.#members[index]!
    if (message.kind === 'end') {
      comesBack(this.#back[index]!)
      this.#settle(index, message.end)
    } else if (message.kind === 'useless') endThread(Atomics.load(member.block.control, THREAD))
    else if (message.kind !== 'phase' && member.end === null) this.#events.told(index, message)
    this.#wake()
  }

  /** What threads have told, without waiting for a turn of the event loop. */
  async #hearAll(): Promise<void> {
    // Handlers do not run inside of the call that leads here.
    await undefined
    for (const { index, port } of this.#members) {
      for (let heard = receiveMessageOnPort(port); heard !== undefined; heard = receiveMessageOnPort(port)) {
        this.#hear(index, heard.message)
      }
    }
  }

  #settle(index: number, end: VcpuEnd): void {
    const member = this.#members[index]!
    if (member.end !== null) return
    member.end = end
    if (this.#rest().length === 0) live.delete(this)
    this.#events.ended(index, end)
    this.#wake()
  }

  /**
   * Waits until all threads that were started, but one, run code of their own. If all start at once, they hold up the main
   * thread for tens of milliseconds at a time: it waits for locks of the C library's heap, whose holders wait for a CPU.
   * @param abandoned asked again and again: whether to wait no longer
   */
  async begun(abandoned: () => boolean): Promise<void> {
    const isLate = ({ block, end }: Member) => end === null && Atomics.load(block.control, TID) === 0
    while (this.#members.filter(isLate).length > 1 && !abandoned()) await this.#news()
  }

  /** Gives a thread that was started without it what it works on, before the command to go. */
  assign(index: number, work: NonNullable<VcpuTask['work']>): void {
    this.#members[index]!.port.postMessage(work)
  }

  /**
   * Gives a command and waits until every thread that has not ended is in the phase that it leads to.
   * @param abandoned asked again and again: whether to wait no longer
   */
  async command(value: CommandValue, abandoned: () => boolean): Promise<void> {
    const phase = PHASE_OF[value]
    for (const { block } of this.#members) command(block, value)
    const late = () => this.#members.filter(({ block, end }) => end === null && phaseOf(block) !== phase)
    if (value === Command.hold) kickAndLook(late(), phase)
    while (late().length > 0 && !abandoned()) {
      await this.#news()
      if (value === Command.hold) for (const member of late()) kick(member)
    }
    await this.#hearAll()
  }

  /** Something has been told, or it is time to look again. */
  #news(): Promise<unknown> {
    const news = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    return Promise.race([news, delay(REPEAT_MS)])
  }

  /**
   * Stops every vCPU, wherever it is, and resolves when all of them have let go of memory and descriptors.
   * @returns those that have not, after 7 s (more on a busy machine): a device is in a system call that does not end
   */
  async stop(): Promise<readonly HeldVcpu[]> {
    const held: HeldVcpu[] = []
    for (const { block } of this.#members) command(block, Command.stop)
    kickAndLook(this.#rest(), Phase.done)
    await this.#hearAll()
    let waited = 0
    while (this.#rest().length > 0) {
      const before = performance.now()
      await this.#news()
      for (const member of this.#rest()) kick(member)
      // Where a turn takes long the machine is busy: the threads that are waited for hardly run, either.
      waited += Math.min(performance.now() - before, LONGEST_TURN_MS)
      const late = waited - PATIENCE_MS
      if (late <= 0) continue
      // A thread that is still loading koffi is left: ending it would abort the process.
      for (const member of this.#rest().filter(({ block }) => block.control[TID] !== 0)) {
        member.ended ??= endThread(Atomics.load(member.block.control, THREAD))
        if (late > LAST_PATIENCE_MS) held.push(this.#letGo(member))
      }
    }
    return held
  }

  /** Waits no longer for a thread, and does not let it keep the process alive. */
  #letGo(member: Member): HeldVcpu {
    const { index, block, port, ended } = member
    const tid = Atomics.load(block.control, TID)
    const device = deviceOf(block)
    const who = device === null ? 'its thread' : this.#events.nameOf(device)
    const seconds = (PATIENCE_MS + LAST_PATIENCE_MS) / 1000
    const why = member.refusal === null ? '' : `: ${textOf(member.refusal)}`
    const text = `${who} has not come back for ${seconds} s, and thread ${tid}, which it is in, cannot be ended${why}`
    const failure: Failure = { kind: 'device', text }
    member.isHeld = true
    ended?.letGo()
    port.close()
    leaveBehind(tid)
    this.#settle(index, { kind: 'failed', failure })
    return { index, failure }
  }

  /**
   * Resolves when no thread is one of this crew any more: each is back in the pool, as it was, or gone.
   * @param goneAfterAll told of one that `stop()` did not wait for, when it has ended
   * @returns those
   */
  async disband(goneAfterAll: (index: number) => void): Promise<ReadonlySet<number>> {
    const held = this.#members.filter(({ isHeld }) => isHeld).map(({ index }) => index)
    for (const index of held) {
      const tid = this.#members[index]!.block.control[TID]!
      void threadIsGone(tid).then(() => goneAfterAll(index))
    }
    await Promise.all(this.#back.filter((_, index) => !held.includes(index)))
    return new Set(held)
  }

  /** As `stop()`, without the event loop: the process is about to end, and Node waits for threads in system calls. */
  stopNow(): void {
    for (const { block } of this.#members) command(block, Command.stop)
    const startedAt = performance.now()
    const rest = () => this.#members.filter(({ block }) => phaseOf(block) !== Phase.done && block.control[TID] !== 0)
    for (let late = rest(); late.length > 0 && performance.now() - startedAt < PATIENCE_MS; late = rest()) {
      for (const member of late) kick(member)
      Atomics.wait(pause, 0, 0, REPEAT_MS)
    }
    for (const { block } of rest()) leaveBehind(Atomics.load(block.control, TID))
  }

  #rest(): Member[] {
    return this.#members.filter(({ end }) => end === null)
  }
}

function kick(member: Member): void {
  const { block, interrupt } = member
  const tid = Atomics.load(block.control, TID)
  if (tid === 0 || phaseOf(block) === Phase.done) return
  interrupt()
  try {
    kickThread(tid)
    member.refusal = null
  } catch (error) {
    // The wake-up is tried again. If that does not help either, the error is told.
    member.refusal = error
  }
}

/** The device that is at work in a vCPU's thread; `null`: none. */
function deviceOf({ control }: VcpuBlock): number | null {
  const device = Atomics.load(control, DEVICE) - 1
  return device < 0 ? null : device
}

/** Wakes threads up wherever they are, and looks for a moment whether they are in a phase. */
function kickAndLook(members: readonly Member[], phase: PhaseValue): void {
  const until = performance.now() + LOOK_MS
  for (const member of members) kick(member)
  const isThere = ({ block }: Member) => phaseOf(block) === phase || phaseOf(block) === Phase.done
  while (!members.every(isThere) && performance.now() < until);
}

const isThere = (tid: number) => tid !== 0 && existsSync(`/proc/self/task/${tid}`)

/** Does not keep the process alive. */
async function threadIsGone(tid: number): Promise<void> {
  while (isThere(tid)) await delay(HELD_MS, undefined, { ref: false })
}

const pause = new Int32Array(new SharedArrayBuffer(4))

/** Threads in system calls that do not end. */
const leftBehind = new Set<number>()
const leaveBehind = (tid: number) => leftBehind.add(tid)

/** Crews with threads. */
const live = new Set<Crew>()
process.on('exit', (code) => {
  for (const crew of live) crew.stopNow()
  // Node.js would wait for these threads.
  if ([...leftBehind].some(isThere)) endProcess(code)
})
