/**
 * A guest asked through QEMU's monitor (QMP). It serves one client at a time and may never answer: there is a deadline, and a
 * limit to what is read. Only questions are asked.
 * Source: docs/interop/qmp-spec.rst of QEMU
 */

import { createConnection, type Socket } from 'node:net'
import type * as z from 'zod'
import * as answers from './qmp-answers.js'
import type { FoundCell } from './types.js'

/** What QEMU says of its guest; fields that it did not answer are `null`. */
export interface QmpFacts {
  readonly name: string | null
  readonly uuid: string | null
  readonly accelerator: 'kvm' | 'tcg' | null
  readonly vcpus: readonly { readonly vcpu: number; readonly tid: number }[] | null
  readonly iothreads: readonly { readonly id: string; readonly tid: number }[] | null
  /** Bytes. */
  readonly memory: number | null
  /** Memory backends; an address is somewhere in it. */
  readonly backends: readonly { readonly id: string; readonly bytes: number; readonly address: number | null }[] | null
  /** The guest's nodes; none where it has no NUMA. */
  readonly cells: readonly FoundCell[] | null
}

/** Why there are no facts. */
export class QmpError extends Error {
  override readonly name = 'QmpError'
}

/** More than any answer; a process that sends more is not QEMU. */
const MOST_BYTES = 8 * 2 ** 20

/**
 * @param path of a socket on which QEMU listens
 * @param deadlineMs for all of it
 * @throws {QmpError} where it does not answer in time, or as QEMU does
 */
export async function askQemu(path: string, deadlineMs: number): Promise<QmpFacts> {
  const socket = createConnection(path)
  const timer = setTimeout(() => socket.destroy(new QmpError(`no answer within ${deadlineMs} ms`)), deadlineMs)
  try {
    return await askAll(new Conversation(socket))
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

async function askAll(qemu: Conversation): Promise<QmpFacts> {
  await qemu.greeting()
  const cpus = await qemu.ask('query-cpus-fast', answers.cpus)
  const iothreads = await qemu.ask('query-iothreads', answers.iothreads)
  const size = await qemu.ask('query-memory-size-summary', answers.memorySize)
  const memory = size === null ? null : size['base-memory'] + (size['plugged-memory'] ?? 0)
  const numa = await qemu.monitor('info numa')
  const cells = numa === null ? null : answers.parseNuma(numa)
  const backends = await qemu.ask('query-memdev', answers.backends)
  const named = backends?.flatMap(({ id, size }) => (id === undefined ? [] : [{ id, bytes: size }])) ?? null
  const kvm = await qemu.ask('query-kvm', answers.kvm)
  return {
    name: (await qemu.ask('query-name', answers.name))?.name ?? null,
    uuid: (await qemu.ask('query-uuid', answers.uuid))?.UUID ?? null,
    accelerator: kvm?.enabled ? 'kvm' : null,
    vcpus: cpus?.map((cpu) => ({ vcpu: cpu['cpu-index'], tid: cpu['thread-id'] })) ?? null,
    iothreads: iothreads?.map((thread) => ({ id: thread.id, tid: thread['thread-id'] })) ?? null,
    memory,
    backends: named === null ? null : await withAddresses(qemu, named, cells ?? [], memory ?? 0),
    cells,
  }
}

const MIB = 2 ** 20
/** Beyond the hole below 4 GiB memory goes on so much further up, by the kind of machine. */
const HOLES = [0, 2048 * MIB, 1024 * MIB, 1280 * MIB, 512 * MIB]
const MOST_QUESTIONS = 320

/** QEMU says which backend a guest's address is in: it is asked for the middle of each node. */
async function withAddresses(
  qemu: Conversation,
  backends: readonly { readonly id: string; readonly bytes: number }[],
  cells: readonly FoundCell[],
  memory: number,
): Promise<NonNullable<QmpFacts['backends']>> {
  const found = new Map<string, number>()
  let start = 0
  let questions = 0
  for (const size of cells.length === 0 ? [memory] : cells.map((cell) => cell.memory)) {
    const middle = start + Math.floor(size / 2)
    start += size
    for (const hole of HOLES) {
      if (found.size === backends.length || ++questions > MOST_QUESTIONS) break
      const answer = await qemu.monitor(`gpa2hva ${middle + hole}`)
      const known = answer === null ? null : answers.parseAddress(answer)
      if (known !== null && backends.some(({ id }) => id === known.backend)) found.set(known.backend, known.address)
    }
  }
  return backends.map((backend) => ({ ...backend, address: found.get(backend.id) ?? null }))
}

/** One question at a time, one line each way. */
class Conversation {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(socket: Socket) {
    this.#socket = socket
    this.#lines = linesOf(socket)
  }

  async greeting(): Promise<void> {
    const first = await this.#next()
    if (!('QMP' in first)) throw new QmpError('it does not greet as QEMU does')
    this.#send({ execute: 'qmp_capabilities' })
    if (!('return' in (await this.#answer()))) throw new QmpError('it does not answer as QEMU does')
  }

  /** `null` where QEMU refuses the question, or the answer is not in the format. */
  async ask<Schema extends z.ZodType>(
    execute: string,
    schema: Schema,
    given?: object,
  ): Promise<z.output<Schema> | null> {
    this.#send(given === undefined ? { execute } : { execute, arguments: given })
    const answer = await this.#answer()
    const { success, data } = schema.safeParse('return' in answer ? answer.return : undefined)
    return success ? data : null
  }

  monitor(command: string): Promise<string | null> {
    return this.ask('human-monitor-command', answers.monitorText, { 'command-line': command })
  }

  #send(message: object): void {
    this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  /** What is no event. */
  async #answer(): Promise<object> {
    for (;;) {
      const message = await this.#next()
      if (!('event' in message)) return message
    }
  }

  async #next(): Promise<object> {
    const { value, done } = await this.#lines.next()
    if (done) throw new QmpError('it closed the connection')
    return value === '' ? {} : objectOf(value)
  }
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let total = 0
  let rest = ''
  socket.setEncoding('utf8')
  for await (const chunk of socket as AsyncIterable<string>) {
    total += chunk.length
    if (total > MOST_BYTES) throw new QmpError(`it sent more than ${MOST_BYTES} bytes`)
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    yield* parts
  }
}

function objectOf(line: string): object {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Said below.
  }
  throw new QmpError('it sent something that is no JSON object')
}
