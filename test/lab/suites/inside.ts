/** What the suites have in common, inside of a machine: which one it is, homenode's command, what the kernel shows. */

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Host, plan, type VerifiedPlan, verifyPlan } from 'homenode'
import { boundMappings } from '../../executor/process.js'
import { machineNamed } from '../machines.js'

export const MiB = 1024 ** 2
/** How long guests run. CPUs take turns of a tenth of a second: in 0.4 s one vCPU in a hundred did not come to its turn. */
export const SECONDS = 1.5
export const NODES = '/sys/devices/system/node'
export const CPUS = '/sys/devices/system/cpu'

/** The machine that this runs in. */
export const machine = machineNamed(process.env.LAB_MACHINE ?? '')!

/** Numbers of the nodes with CPUs; with memory. */
export const withCpus = numbers((node) => node.cpus !== undefined)
export const withMemory = numbers((node) => node.memoryMiB !== undefined)

function numbers(condition: (node: (typeof machine.nodes)[number]) => boolean): number[] {
  return machine.nodes.flatMap((node, id) => (condition(node) ? [id] : []))
}

/** A request with these VMs, each given by what differs from one vCPU with 4 MiB. */
export function requestOf(...vms: readonly object[]): object {
  return { schemaVersion: 1, kind: 'Request', vms: vms.map((vm) => ({ vcpus: 1, memory: '4MiB', ...vm })) }
}

/** One vCPU on this node. */
export const onNode = (node: number, name = `n${node}`) => ({ name, devices: [{ node, strict: true }] })

/** Planned and verified; every VM is placed. */
export async function planned(host: Host, request: object): Promise<VerifiedPlan> {
  const verified = verifyPlan(host, request, await plan(host, request))
  if (verified.refused.length > 0) throw new Error(`refused: ${JSON.stringify(verified.refused)}`)
  return verified
}

/**
 * The host as if no other node had memory: a strict plan for it puts the memory of every vCPU there, also of those that
 * run on other nodes.
 */
export function onlyMemoryOn(host: Host, node: number): Host {
  const none = { total: 0, free: 0 }
  const nodes = host.nodes.map((each) =>
    each.id === node ? each : { ...each, memory: none, pages: each.pages.map(({ size }) => ({ size, ...none })) },
  )
  return { ...host, nodes }
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `homenode`, with a request on its standard input. */
export function homenode(args: readonly string[], request?: object): Promise<Ended> {
  const cli = join(process.env.LAB_PACKAGE ?? '', 'dist/cli.js')
  const child = spawn(process.execPath, [...process.execArgv, cli, ...args])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(request === undefined ? '' : JSON.stringify(request))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

/** What procfs shows of a thread: the CPUs that it may use, and the one that it was on last. */
export function threadOf(
  tid: number,
  process: number | 'self' = 'self',
): { readonly allowed: string; readonly last: number } {
  const status = readFileSync(`/proc/${process}/task/${tid}/status`, 'utf8')
  const stat = readFileSync(`/proc/${process}/task/${tid}/stat`, 'utf8')
  return {
    allowed: /^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!,
    // Field 39; the second one is in parentheses.
    last: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[36]),
  }
}

/**
 * Bytes by node in a process's memory that is bound to nodes, as numa_maps shows them: by policy (`bind:1`), then by
 * the node where the pages are.
 */
export function boundMemory(
  process: number | 'self' = 'self',
): Readonly<Record<string, Readonly<Record<string, number>>>> {
  const found: Record<string, Record<string, number>> = {}
  for (const line of readFileSync(`/proc/${process}/numa_maps`, 'utf8').split('\n')) {
    const policy = /^\w+ (bind\S*)/.exec(line)?.[1]
    if (policy === undefined) continue
    const pageSize = Number(/kernelpagesize_kB=(\d+)/.exec(line)?.[1] ?? 4) * 1024
    for (const [, node, pages] of line.matchAll(/ N(\d+)=(\d+)/g)) add(found, policy, node!, Number(pages) * pageSize)
  }
  return found
}

function add(sums: Record<string, Record<string, number>>, policy: string, node: string, bytes: number): void {
  const nodes = sums[policy] ?? {}
  sums[policy] = { ...nodes, [node]: (nodes[node] ?? 0) + bytes }
}

/** What `boundMemory` has to show while a plan runs. */
export function boundAsPlanned({ vms }: VerifiedPlan): ReturnType<typeof boundMemory> {
  const expected: Record<string, Record<string, number>> = {}
  for (const { cells } of vms) {
    for (const { node, bytes } of cells.flatMap((cell) => cell.memory)) {
      add(expected, `bind:${node}`, `${node}`, bytes)
    }
  }
  return expected
}

/** That a run left no memory bound, and no thread of its own. */
export function leftBehind(): readonly unknown[] {
  return boundMappings()
}

export function write(path: string, value: string | number): void {
  writeFileSync(path, `${value}`)
}

/** The message of the error that a promise ends with. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing failed')
}
