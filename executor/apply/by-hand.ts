/** Changes to one VM that somebody asks for by hand, in the way of `virsh vcpupin` and `migratepages`. Nothing is touched. */

import { requireObject } from '../../src/checks.js'
import { canonicalCpulist, parseCpulist } from '../../src/cpulist.js'
import { InputError, show } from '../../src/errors.js'
import { requireFoundVm } from '../found/arguments.js'
import type { FoundVm } from '../found/types.js'
import { requireStateOptions } from './arguments.js'
import { domainOf, NO_CPUSETS } from './domains.js'
import { type Draft, type DraftThread, draftOf } from './draft.js'
import { online } from './look.js'
import { cpusetsFor } from './obstacles.js'
import { settle } from './settle.js'
import { on, sumOf } from './spread.js'
import { isWithin } from './threads.js'
import type { BytesByNode, Changes, StateOptions } from './types.js'

/** Threads of a VM: a vCPU by its number, an I/O thread by its place, or all that are neither. */
export type ThreadChoice =
  | { readonly role: 'vcpu' | 'iothread'; readonly number: number }
  | { readonly role: 'emulator' }

/**
 * What has to be done for threads of a VM to run on these CPUs.
 * @param cpus cpulist
 * @throws {InputError} for a thread that the VM does not have or that is not known, and for CPUs that are not online
 */
export async function preparePin(
  vm: FoundVm,
  choice: ThreadChoice,
  cpus: string,
  options: StateOptions = {},
): Promise<Changes> {
  requireFoundVm('vm', vm)
  requireObject('choice', choice)
  requireStateOptions(options)
  const to = onlineOnly('cpus', cpus, 'cpu')
  const draft = begin(vm)
  const chosen = draft.vm.threads.filter((thread) => isChosen(thread, choice))
  if (chosen.length === 0) {
    const has =
      choice.role === 'vcpu'
        ? `${vm.vcpus.length} vCPUs`
        : choice.role === 'iothread'
          ? `${vm.iothreads.length} I/O threads`
          : 'no such threads'
    const which = choice.role === 'emulator' ? 'the emulator' : `${choice.number}`
    throw new InputError(
      choice.role,
      `one of the threads of ${show(vm.name.value)} that are known, which has ${has}`,
      which,
    )
  }
  draft.add(1, { threads: new Map(chosen.map(({ tid }) => [tid, to])), memory: new Map() })
  return settled(vm, draft, choice.role === 'emulator' ? to : null, options)
}

function isChosen({ role, number }: DraftThread, choice: ThreadChoice): boolean {
  return role === choice.role && (choice.role === 'emulator' || number === choice.number)
}

/** Nodes of a move by hand. */
export interface NodeChoice {
  /** cpulist of the nodes that are left; without it all others. */
  readonly from?: string
  /** The node that the memory goes to. */
  readonly to: number
}

/**
 * What has to be done for a VM's memory to leave some nodes for another one.
 * @throws {InputError} for nodes that are not there, and for a VM of which it is not known where its memory is
 */
export async function prepareMemory(vm: FoundVm, nodes: NodeChoice, options: StateOptions = {}): Promise<Changes> {
  requireFoundVm('vm', vm)
  requireObject('nodes', nodes)
  requireStateOptions(options)
  const { from, to } = nodes
  onlineOnly('to', `${to}`, 'node')
  const leave = new Set(parseCpulist(from === undefined ? online('node') : onlineOnly('from', from, 'node')))
  const draft = begin(vm)
  if (draft.vm.memory.length === 0) {
    const why = vm.missing.map((missing) => missing.why).join('; ')
    throw new InputError(vm.name.value, 'a VM of which it is known where its memory is', why || 'one without')
  }
  const memory = draft.vm.memory.map(({ start, on: parts }) => [start, movedTo(to, leave, parts)] as const)
  draft.add(1, { threads: new Map(), memory: new Map(memory) })
  return settled(vm, draft, null, options)
}

function movedTo(to: number, leave: ReadonlySet<number>, parts: BytesByNode): BytesByNode {
  const stay = parts.filter(({ node }) => node !== to && !leave.has(node))
  const there = { node: to, bytes: sumOf(parts) - sumOf(stay) }
  return [...stay, there].filter(({ node, bytes }) => bytes > 0 || on(parts, node) > 0).sort((a, b) => a.node - b.node)
}

function begin(vm: FoundVm): Draft {
  const draft = draftOf(vm)
  if (draft === null) throw new InputError(vm.name.value, 'a VM that runs', 'one that has ended')
  return draft
}

async function settled(
  vm: FoundVm,
  draft: Draft,
  newcomers: string | null,
  { connect }: StateOptions,
): Promise<Changes> {
  const domain = await domainOf(vm, draft, connect)
  const cpusets = domain === null ? cpusetsFor(vm, draft) : NO_CPUSETS
  return settle([{ draft, uid: vm.uid, newcomers, cpusets, domain }])
}

function onlineOnly(where: string, list: string, what: 'cpu' | 'node'): string {
  const text = canonicalCpulist(list, { where })
  const there = online(what)
  if (!isWithin(text, there))
    throw new InputError(where, `${what === 'cpu' ? 'CPUs' : 'nodes'} of ${there}, which are online`, show(list))
  return text
}
