/** A terminal whose whole screen is drawn and whose keys are read one by one, and that is as it was afterwards. */

import { emitKeypressEvents } from 'node:readline'
import type { ReadStream, WriteStream } from 'node:tty'
import type { Key } from './top-keys.js'

const CSI = '\u001b['
/** The other screen, no cursor, and no line goes on in the next. Source: ctlseqs of xterm */
const ENTER = `${CSI}?1049h${CSI}?25l${CSI}?7l`
const LEAVE = `${CSI}?7h${CSI}?25h${CSI}?1049l`

export interface ScreenEvents {
  readonly key: (key: Key) => void
  /** The terminal has another size, or may have lost what was drawn. */
  readonly redraw: () => void
  /** By a signal. */
  readonly end: (signal: NodeJS.Signals) => void
}

const ENDS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Holds the terminal until it is closed, or the process ends. */
export class Screen implements Disposable {
  readonly #input: ReadStream
  readonly #output: WriteStream
  readonly #events: ScreenEvents
  readonly #onKey = (_: string | undefined, key: Key) => this.#events.key(key)
  readonly #onResize = () => this.#events.redraw()
  readonly #onContinue = () => {
    this.#enter()
    this.#events.redraw()
  }
  readonly #onExit = () => this.#leave()
  readonly #onEnd = (signal: NodeJS.Signals) => this.#events.end(signal)
  #isOurs = false

  constructor(input: ReadStream, output: WriteStream, events: ScreenEvents) {
    this.#input = input
    this.#output = output
    this.#events = events
    emitKeypressEvents(input)
    input.on('keypress', this.#onKey)
    output.on('resize', this.#onResize)
    process.on('SIGCONT', this.#onContinue)
    process.on('exit', this.#onExit)
    for (const signal of ENDS) process.on(signal, this.#onEnd)
    this.#enter()
    input.resume()
  }

  get height(): number {
    return this.#output.rows || 24
  }

  draw(lines: readonly string[]): void {
    if (!this.#isOurs) return
    this.#output.write(`${CSI}H${lines.map((line) => `${line}${CSI}K`).join('\r\n')}${CSI}J`)
  }

  /** Stops the process, as Ctrl-Z does; it goes on with SIGCONT. */
  suspend(): void {
    this.#leave()
    process.kill(process.pid, 'SIGSTOP')
  }

  #enter(): void {
    if (this.#isOurs) return
    this.#isOurs = true
    this.#input.setRawMode(true)
    this.#output.write(ENTER)
  }

  #leave(): void {
    if (!this.#isOurs) return
    this.#isOurs = false
    this.#output.write(LEAVE)
    this.#input.setRawMode(false)
  }

  /** Gives the terminal back; again: nothing. */
  close(): void {
    this.#leave()
    this.#input.off('keypress', this.#onKey)
    this.#input.pause()
    this.#output.off('resize', this.#onResize)
    process.off('SIGCONT', this.#onContinue)
    process.off('exit', this.#onExit)
    for (const signal of ENDS) process.off(signal, this.#onEnd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
