/** A terminal of 80 columns and 16 lines in which `homenode` runs, by script(1): keys go in, what is written comes out. */

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { cli } from './command.js'

export const hasScript = spawnSync('script', ['--version']).status === 0
export const NO_SCRIPT = 'script (bsdutils) is not installed'

const CSI = '\u001b['
/** The other screen; the cursor and the first screen. */
const TAKEN = `${CSI}?1049h`
const GIVEN_BACK = `${CSI}?25h${CSI}?1049l`

const LIMIT_MS = 30_000

export interface AfterIt {
  readonly code: number
  /** The terminal's settings before and after. */
  readonly settings: readonly [string, string]
  /** The whole screen was drawn on. */
  readonly wasTaken: boolean
  /** The first screen and the cursor are back, as at the beginning. */
  readonly isBack: boolean
}

export class Terminal {
  readonly #child
  readonly #ended: Promise<void>
  #output = ''

  constructor(args: readonly string[]) {
    const command = [
      // Ctrl-C goes to this shell too: it is to live on and say how the command ended.
      'trap : INT',
      'stty rows 16 cols 80',
      'echo "SET=$(stty -g)"',
      'echo "TTY=$(tty)"',
      `sh -c 'echo PID=$$; exec "${process.execPath}" "${cli}" ${args.join(' ')}'`,
      'echo "CODE=$?"',
      'echo "SET=$(stty -g)"',
    ].join('; ')
    const { COLUMNS: _, LINES: __, ...env } = process.env
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...env, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1' },
    })
    this.#child.stdout.on('data', (chunk) => {
      this.#output += chunk
    })
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()))
  }

  /** The last screen that was drawn, in lines. */
  get screen(): string[] {
    return stripVTControlCharacters(this.#output.split(`${CSI}H`).at(-1)!).split(/\r*\n/)
  }

  /** The process of the command. */
  get pid(): number {
    return Number(/PID=(\d+)/.exec(this.#output)![1])
  }

  /** Waits for a screen that has this in it. */
  async until(pattern: RegExp): Promise<void> {
    await this.untilTrue(() => pattern.test(this.screen.join('\n')), `${pattern}`)
  }

  /** Waits until this is so. */
  async untilTrue(condition: () => boolean, what = 'it'): Promise<void> {
    for (const end = Date.now() + LIMIT_MS; !condition(); await sleep(20)) {
      if (Date.now() > end) throw new Error(`${what} never came: ${JSON.stringify(this.screen)}`)
    }
  }

  /** The first screen and the cursor are back, or never were away, and nothing was drawn since. */
  get isBack(): boolean {
    return !this.#output.includes(TAKEN) || !this.#output.split(GIVEN_BACK).at(-1)!.includes(CSI)
  }

  /** The command is stopped, as by SIGSTOP. */
  get isStopped(): boolean {
    return /\) T /.test(readFileSync(`/proc/${this.pid}/stat`, 'utf8'))
  }

  press(keys: string): void {
    this.#child.stdin.write(keys)
  }

  resize(rows: number, columns: number): void {
    const tty = /TTY=(\S+)/.exec(this.#output)![1]!
    spawnSync('stty', ['-F', tty, 'rows', String(rows), 'cols', String(columns)])
  }

  async end(): Promise<AfterIt> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
    const settings = [...this.#output.matchAll(/SET=(\S+)/g)].map(([, text]) => text!)
    const [before = '', after = ''] = settings
    return {
      code: Number(/CODE=(\d+)/.exec(this.#output)?.[1]),
      settings: [before, after],
      wasTaken: this.#output.includes(TAKEN),
      isBack: this.isBack,
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
