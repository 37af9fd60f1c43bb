/** Boots a machine, runs one command in it, and takes it away again. */

import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { LabMachine } from './machines.js'
import type { BootFiles } from './qemu.js'
import { qemuArguments } from './qemu.js'
import { scriptFor } from './script.js'

export interface VmOptions {
  readonly cwd: string
  readonly environment?: Readonly<Record<string, string>>
  /** Gets the command's output as it comes. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void
  /** Whether the machine's CPUs run at the same time rather than in turn. */
  readonly parallel?: boolean
  /** How long the boot may take. */
  readonly bootSeconds?: number
  /** How long the command may take; without it any time. */
  readonly commandSeconds?: number
}

export interface VmResult {
  /** Of the command. */
  readonly exitCode: number
  readonly bootSeconds: number
  readonly commandSeconds: number
}

/** The machine did not come to its end; the message has the last lines of its console. */
export class VmError extends Error {
  override readonly name = 'VmError'
}

const BOOT_SECONDS = 120
const CONSOLE_LINES = 20

/**
 * Runs a command in a machine of its own.
 * @param command its words; `null`: a shell on this terminal
 * @throws {VmError} where the machine does not boot, hangs or dies
 */
export async function runInMachine(
  machine: LabMachine,
  files: BootFiles,
  command: readonly string[] | null,
  options: VmOptions,
): Promise<VmResult> {
  const ports = { console: 3, control: 4, stdout: 5, stderr: 6 }
  const terminal = command === null
  const startedAt = performance.now()
  // setpriv: the machine ends with this process, however that ends.
  const qemu = [
    '--pdeathsig',
    'KILL',
    'qemu-system-x86_64',
    ...qemuArguments(machine, files, ports, terminal, options.parallel),
  ]
  const child = spawn('setpriv', qemu, {
    stdio: [terminal ? 'inherit' : 'ignore', terminal ? 'inherit' : 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const socket = (fd: number) => child.stdio[fd] as Socket

  const consoleTail = new Tail()
  for (const fd of terminal ? [2, ports.console] : [1, 2, ports.console]) {
    socket(fd).on('data', (chunk: Buffer) => consoleTail.add(chunk))
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    socket(ports[stream]).on('data', (chunk: Buffer) => options.onOutput?.(stream, chunk))
  }

  let readyAt: number | undefined
  let exit: { code: number; at: number } | undefined
  let problem: string | undefined
  const give = (seconds: number | undefined, what: string) =>
    seconds === undefined
      ? undefined
      : setTimeout(() => {
          problem = `${what} took more than ${seconds} s`
          child.kill('SIGKILL')
        }, seconds * 1000)
  let timer = give(options.bootSeconds ?? BOOT_SECONDS, 'the boot')
  let received = ''
  socket(ports.control).on('data', (chunk: Buffer) => {
    received += chunk.toString()
    if (readyAt === undefined && received.includes('ready\n')) {
      readyAt = performance.now()
      clearTimeout(timer)
      timer = give(options.commandSeconds, 'the command')
      socket(ports.control).write(`${scriptFor(machine, command, options)}\n# end\n`)
    }
    const code = /^exit (\d+)$/m.exec(received)?.[1]
    if (code !== undefined && exit === undefined) {
      exit = { code: Number(code), at: performance.now() }
      child.kill('SIGKILL')
    }
  })
  for (const fd of Object.values(ports)) {
    // The machine is killed, which resets its connections.
    socket(fd).on('error', () => {})
  }

  const ended = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal === null ? `QEMU ended with ${code}` : `QEMU got ${signal}`))
  })
  clearTimeout(timer)
  if (exit === undefined || readyAt === undefined) {
    throw new VmError(`${machine.name}: ${problem ?? ended}; its console's last lines:\n${consoleTail.lines()}`)
  }
  return {
    exitCode: exit.code,
    bootSeconds: (readyAt - startedAt) / 1000,
    commandSeconds: (exit.at - readyAt) / 1000,
  }
}

/** The end of a stream of text. */
class Tail {
  #text = ''

  add(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString()).slice(-65_536)
  }

  lines(): string {
    const lines = this.#text.split(/\r?\n/).filter((line) => line.trim() !== '')
    return lines.length === 0
      ? '  (nothing)'
      : lines
          .slice(-CONSOLE_LINES)
          .map((line) => `  ${line}`)
          .join('\n')
  }
}
