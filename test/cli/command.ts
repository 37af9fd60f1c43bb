/** Runs the built command as a user does: as a process, with its streams and its exit code. */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
export const cli = join(root, 'dist/cli.js')
if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run node build.mjs')

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Circumstances {
  /** Standard input; empty without it. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with the process when it has started. */
  readonly started?: (child: ReturnType<typeof spawn>) => void
}

/**
 * `homenode <args>`, to its end.
 * @param program another one than the built command
 */
export function homenode(
  args: readonly string[],
  { input = '', env = {}, started }: Circumstances = {},
  program = cli,
): Promise<Ended> {
  const { NO_COLOR: _, COLUMNS: __, ...inherited } = process.env
  const child = spawn(process.execPath, [program, ...args], { env: { ...inherited, ...env } })
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    // A command that ends without reading its input breaks the pipe.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    started?.(child)
  })
}

/** A directory for the files of one test file; gone when the process ends. */
export function scratch(): (name: string, content: string | Buffer) => string {
  const directory = mkdtempSync(join(tmpdir(), 'homenode-cli-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return (name, content) => {
    const file = join(directory, name)
    writeFileSync(file, content)
    return file
  }
}

export const TWO_NODES = 'pack:2 [numa(memory=64GB)] l3:2 core:4 pu:2'

export function requestOf(...vms: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 1, kind: 'Request', vms })
}

export const SMALL = requestOf({ name: 'db', vcpus: 2, memory: '1GiB' })
