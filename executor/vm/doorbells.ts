/** Writes of a guest that the kernel counts in eventfds, and the thread that waits for them. */

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { closeAll } from '../ffi/close.js'
import { closeFd, createEventFd, takeEvents } from '../ffi/files.js'
import { runInThread } from '../threads/pool.js'

/** A counter of writes. */
export interface Doorbell {
  /** An eventfd, to be given to others (`/proc/PID/fd`); closed with the VM. */
  readonly fd: number
  /** The writes since the last call; 0 where somebody else has taken them. */
  take(): number
}

interface Listened {
  readonly fd: number
  readonly listener: ((count: number) => void) | undefined
}

export class Doorbells {
  readonly #bells: Listened[] = []
  readonly #stop = new Int32Array(new SharedArrayBuffer(4))
  #port: MessagePort | null = null
  #watching: Promise<void> = Promise.resolve()

  /** @param register has the kernel count into the eventfd */
  add(register: (fd: number) => void, listener: ((count: number) => void) | undefined): Doorbell {
    const fd = createEventFd()
    try {
      register(fd)
    } catch (error) {
      closeFd(fd)
      throw error
    }
    this.#bells.push({ fd, listener })
    return { fd, take: () => takeEvents(fd) }
  }

  /** Starts the thread that waits, if anybody listens. `failed` is told what a listener throws. */
  start(failed: (error: unknown) => void): void {
    const listened = this.#bells.filter(({ listener }) => listener !== undefined)
    if (listened.length === 0) return
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', ({ index, count }: { index: number; count: number }) => {
      try {
        listened[index]?.listener?.(count)
      } catch (error) {
        failed(error)
      }
    })
    const task = { fds: listened.map(({ fd }) => fd), stop: this.#stop, port: port2 }
    this.#watching = runInThread('watchEvents', task, [port2]).catch(failed)
  }

  async close(): Promise<void> {
    Atomics.store(this.#stop, 0, 1)
    await this.#watching
    this.#port?.close()
    closeAll(this.#bells.splice(0).map(({ fd }) => ({ close: () => closeFd(fd) })))
  }
}
