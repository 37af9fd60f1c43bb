/** A QEMU that was started by a script of ours, under emulation, asked by QMP. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const LIMIT_MS = 60_000

export class RunningQemu {
  readonly #child: ChildProcess
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  private constructor(child: ChildProcess, socket: Socket, lines: Interface) {
    this.#child = child
    this.#socket = socket
    this.#lines = lines[Symbol.asyncIterator]()
  }

  /** `sh script start`, in `folder`; stopped before the guest's first instruction. */
  static async start(script: string, folder: string): Promise<RunningQemu> {
    const path = join(folder, 'qmp.sock')
    const args = ['-accel', 'tcg', '-display', 'none', '-nodefaults', '-S', '-qmp', `unix:${path},server=on,wait=off`]
    const child = spawn('sh', [script, 'start', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let complaint = ''
    child.stderr!.on('data', (chunk) => {
      complaint += chunk
    })
    const end = Date.now() + LIMIT_MS
    while (Date.now() < end && child.exitCode === null) {
      const socket = createConnection(path)
      const isOpen = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false)
      if (isOpen) {
        const qemu = new RunningQemu(child, socket, createInterface(socket))
        await qemu.ask('qmp_capabilities')
        return qemu
      }
      await sleep(50)
    }
    child.kill('SIGKILL')
    throw new Error(`QEMU did not start: ${complaint}`)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What a command returns. */
  async ask(execute: string): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute })}\n`)
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new Error(`QEMU ended before it answered ${execute}`)
      const answer = JSON.parse(value)
      if ('error' in answer) throw new Error(`${execute}: ${JSON.stringify(answer.error)}`)
      if ('return' in answer) return answer.return
    }
  }

  /** Its exit code. */
  async quit(): Promise<number | null> {
    const ended = once(this.#child, 'exit')
    this.#socket.write(`${JSON.stringify({ execute: 'quit' })}\n`)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LIMIT_MS)
    const [code] = await ended
    clearTimeout(timer)
    this.#socket.destroy()
    return code
  }
}
