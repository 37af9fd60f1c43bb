/** `homenode balance --json` that runs beside guests, for suites: its lines, as they come. */

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './guests.js'

export interface Line {
  readonly kind: string
  readonly round?: number
  readonly decision?: string
  readonly reason?: string
  readonly why?: string
  readonly moves?: readonly { readonly vm: string; readonly to: string; readonly bytes: number }[]
  readonly figures?: { readonly gain: number | null; readonly held: number }
  readonly action?: {
    readonly kind: string
    readonly result: string
    readonly vms: readonly string[]
    readonly bytes: number
    readonly undoFile: string | null
    readonly why: readonly string[]
  } | null
  readonly notes?: readonly string[]
}

export interface Balancing {
  readonly lines: readonly Line[]
  /** The first line that is so, of those after the first `from`. */
  until(isMeant: (line: Line) => boolean, from?: number): Promise<Line>
  /** Waits for so many rounds from now on: their lines. */
  rounds(count: number): Promise<readonly Line[]>
  kill(signal: NodeJS.Signals): Promise<number | null>
}

/** More lines than anything takes. */
const MOST_LINES = 60

export function startBalancing(args: readonly string[]): Balancing {
  const cli = join(process.env.LAB_PACKAGE ?? '', 'dist/cli.js')
  const child = spawn(process.execPath, [...process.execArgv, cli, 'balance', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Line[] = []
  let [rest, wake] = ['', () => {}]
  let [isClosed, code] = [false, null as number | null]
  child.stdout.on('data', (chunk) => {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop()!
    lines.push(...parts.map((text) => JSON.parse(text)))
    wake()
  })
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (status) => {
      isClosed = true
      code = status
      wake()
      resolve(status)
    })
  })
  const until: Balancing['until'] = async (isMeant, from = 0) => {
    for (;;) {
      const found = lines.slice(from).find(isMeant)
      if (found !== undefined) return found
      const last = JSON.stringify(lines.at(-1))
      if (isClosed) throw new Error(`balance ended with ${code}: ${last}`)
      if (lines.length - from > MOST_LINES) throw new Error(`it does not come: ${last}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    lines,
    until,
    rounds: async (count) => {
      const from = lines.length
      const isEnough = () => lines.slice(from).filter(isRound).length >= count
      await until(isEnough, from)
      return lines.slice(from).filter(isRound)
    },
    kill: (signal) => {
      child.kill(signal)
      return ended
    },
  }
}

export const isRound = ({ kind }: Line): boolean => kind === 'BalanceRound'
export const isDone = ({ action }: Line): boolean => action?.result === 'done'

/** A policy file. */
export function policyFile(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
