/** Linux guests of the suites: which ones, and how homenode is called for them. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const packageRoot = process.env.LAB_PACKAGE ?? ''
const boot = join(packageRoot, '../boot')
const kernel = join(boot, 'kernel')
/** Removed by the suite. */
export const folder = mkdtempSync(join(tmpdir(), 'linux-'))
export const CELL_MIB = 128
/** Four vCPUs in two cells, on two nodes. */
export const request = join(folder, 'request.json')
const cells = [0, 2].map((first) => ({ vcpus: `${first}-${first + 1}`, memory: `${CELL_MIB}MiB` }))
const vm = { name: 'linux', vcpus: 4, cells, memory: `${2 * CELL_MIB}MiB` }
// With three CPUs of each node left, two cells of two vCPUs are not on one.
const reserve = { cpus: '3,7' }
writeFileSync(request, JSON.stringify({ schemaVersion: 1, kind: 'Request', vms: [vm], reserve }))
/** One vCPU. */
export const single = join(folder, 'single.json')
writeFileSync(
  single,
  JSON.stringify({ schemaVersion: 1, kind: 'Request', vms: [{ name: 'one', vcpus: 1, memory: '192MiB' }] }),
)

/**
 * The emulated CPU counts time as one counter for all, without saying so, and sets the state that XSAVE saves without telling
 * its KVM: a guest that trusts the one and leaves the other alone has nothing to warn of.
 */
export const APPEND = 'quiet nokaslr mitigations=off tsc=reliable noxsave'

export interface Run {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
  /** Resolves when the output has this. */
  until(pattern: RegExp): Promise<void>
}

export function homenode(args: readonly string[], file: string): Run {
  const cli = join(packageRoot, 'dist/cli.js')
  const run = ['run', '--kernel', kernel, '--append', APPEND, '-f', file, ...args]
  const child = spawn('taskset', ['-c', '0-7', process.execPath, ...process.execArgv, cli, ...run])
  const text = { stdout: '', stderr: '' }
  let look = () => {}
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk) => {
      text[stream] += chunk
      look()
    })
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      look = () => {
        if (pattern.test(text.stdout)) resolve()
      }
      look()
      void ended.then(() => reject(new Error(`it ended before ${pattern}: ${text.stdout}\n${text.stderr}`)))
    })
  return { child, ended, until, stdout: () => text.stdout, stderr: () => text.stderr }
}

/** Files of modules, with those that they need first. */
export function modulesOf(...names: readonly string[]): string[] {
  const [version] = readdirSync(join(boot, 'lib/modules'))
  const root = join(boot, 'lib/modules', version!)
  const dependencies = new Map(
    readFileSync(join(root, 'modules.dep'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [path, rest = ''] = line.split(':')
        return [path!, rest.trim().split(' ').filter(Boolean)]
      }),
  )
  const pathOf = (name: string) =>
    [...dependencies.keys()].find(
      (path) =>
        path
          .split('/')
          .at(-1)!
          .replace(/\.ko.*$/, '')
          .replaceAll('-', '_') === name,
    )!
  const all = names.map(pathOf).flatMap((path) => [...[...dependencies.get(path)!].reverse(), path])
  return [...new Set(all)].map((path) => join(root, path))
}
