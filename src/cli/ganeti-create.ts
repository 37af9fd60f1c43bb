/** `homenode ganeti-create`: an instance of Ganeti where a plan has it, or none. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { InputError, show } from '../errors.js'
import { type Created, createInstance } from '../fleet/ganeti/create.js'
import { parseTemplate } from '../fleet/ganeti/instance.js'
import { Rapi } from '../fleet/ganeti/rapi.js'
import { HostFiles } from '../fleet/http/host-files.js'
import type { PlanOptions } from '../planner/planner.js'
import { formatBytes } from '../units.js'
import { CommandError, EXIT } from './errors.js'
import { inFile, nameOf, readJson, readText, requireOneStdin } from './input.js'
import { formatCost } from './numbers.js'
import { print, printJson } from './output.js'
import { pinsText } from './pins.js'
import { readAsked } from './rank.js'

interface CreateOptions extends PlanOptions {
  readonly request: string
  readonly vm: string
  readonly instance: string
  readonly hosts: string
  readonly rapi: string
  readonly user: string
  readonly passwordFile: string
  readonly certificate?: string
  readonly allocator: string
  readonly json?: true
}

/** Says to a process that it is the one that does the work. */
const KEEPER = 'HOMENODE_GANETI_KEEPER'

/**
 * The work is done by a process of its own, out of reach of what ends this one. It sees when this one is gone, by whatever signal, and leaves no
 * instance then.
 */
export async function ganetiCreate(options: CreateOptions): Promise<void> {
  if (process.env[KEEPER] !== undefined) return keep(options)
  const [, script = '', ...args] = process.argv
  const keeper = fork(script, args, { detached: true, stdio: 'inherit', env: { ...process.env, [KEEPER]: '1' } })
  const stop = () => keeper.connected && keeper.disconnect()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  const [code, signal] = (await once(keeper, 'exit')) as [number | null, NodeJS.Signals | null]
  for (const name of signals) process.off(name, stop)
  if (code === null) {
    throw new CommandError(
      `what makes the instance was ended by ${signal}: "gnt-job list" says what is under way`,
      EXIT.failed,
    )
  }
  process.exitCode = code
}

async function keep(options: CreateOptions): Promise<void> {
  const stopping = new AbortController()
  process.once('disconnect', () => stopping.abort())
  // The one that started it was gone before it could look.
  if (!process.connected) stopping.abort()
  try {
    await create(options, stopping.signal)
  } finally {
    // As long as there is a connection the process does not end.
    if (process.connected) process.disconnect()
  }
}

async function create(options: CreateOptions, signal: AbortSignal): Promise<void> {
  const { request, vm: name, instance, hosts, passwordFile, certificate, allocator, steps, seed } = options
  requireOneStdin({ '-f': request, '--instance': instance, '--password-file': passwordFile })
  const { vm, flavours } = await readAsked(request, name)
  const content = await readJson(instance)
  const template = await inFile(nameOf(instance), () => parseTemplate(content))
  const rapi = new Rapi({
    url: options.rapi,
    user: options.user,
    password: await readPassword(passwordFile),
    ...(certificate === undefined ? {} : { certificate: await readText(certificate) }),
  })
  const search = { ...(steps === undefined ? {} : { steps }), ...(seed === undefined ? {} : { seed }) }
  const wanted = { vm: vm as { name: string }, flavours, template, iallocator: allocator, search }
  const created = await createInstance(rapi, new HostFiles(hosts), wanted, signal)
  if (options.json) printJson({ schemaVersion: 1, kind: 'GanetiInstance', ...created })
  else print(shown(created))
}

async function readPassword(file: string): Promise<string> {
  const [password = ''] = (await readText(file)).split(/\r?\n/, 1)
  if (password === '') throw new InputError(nameOf(file), 'a password in its first line', show(password))
  return password
}

function shown({ instance, node, job, lostMore, plan }: Created): string {
  const memory = plan.cells.flatMap((cell) =>
    cell.memory.map((part) => `${formatBytes(part.bytes)} on node ${part.node}`),
  )
  return [
    `"${instance}" is on ${node} (job ${job}), which loses ${formatCost(lostMore)} more by it`,
    `  vCPUs -> CPUs: ${pinsText(plan.vcpus)}`,
    `  memory: ${memory.join(', ')}`,
  ].join('\n')
}
