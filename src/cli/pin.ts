/** `homenode pin`: one thread of a running VM by hand, as `virsh vcpupin` and `emulatorpin` do. */

import type { FoundThread, FoundVm } from '../../executor/found/types.js'
import { parseCpulist } from '../cpulist.js'
import { InputError, show } from '../errors.js'
import { type CarryOutOptions, carryOutByHand } from './carry-out.js'
import { findOne } from './one-vm.js'
import { print, printJson, styleOf } from './output.js'
import { type Column, table } from './table.js'

type Role = { readonly role: 'vcpu' | 'iothread'; readonly number: number } | { readonly role: 'emulator' }

export async function pin(options: CarryOutOptions, name: string, thread?: string, cpus?: string): Promise<void> {
  if (cpus !== undefined) parseCpulist(cpus, { where: 'CPUS' })
  const vm = await findOne(name, options.connect)
  const chosen = thread === undefined ? null : threadOf(vm, thread)
  if (chosen === null || cpus === undefined) {
    showPins(vm, chosen, options)
    return
  }
  const { preparePin } = await import('../../executor/apply/by-hand.js')
  await carryOutByHand(await preparePin(vm, chosen, cpus, options), options)
}

/** @throws {InputError} for a thread that the VM does not have, or that nobody can have */
function threadOf(vm: FoundVm, text: string): Role {
  if (text === 'emulator') return { role: 'emulator' }
  const [, id] = /^iothread(?::(.*))?$/s.exec(text) ?? []
  if (text.startsWith('iothread')) return ioThreadOf(vm, text, id)
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (vm.vcpus.some(({ vcpu }) => vcpu === number)) return { role: 'vcpu', number }
  const known = vm.vcpus.map(({ vcpu }) => vcpu)
  const range = known.length === 0 ? 'none is known: "homenode ps" says why' : `${known[0]} to ${known.at(-1)}`
  throw new InputError('THREAD', `a vCPU of ${vm.name.value} (${range}), emulator or iothread`, show(text))
}

function ioThreadOf({ iothreads, name }: FoundVm, text: string, id: string | undefined): Role {
  const at = id === undefined ? (iothreads.length === 1 ? 0 : -1) : iothreads.findIndex((thread) => thread.id === id)
  if (at >= 0) return { role: 'iothread', number: at }
  const known = iothreads.map((thread) => `iothread:${thread.id}`).join(', ') || 'it has none'
  throw new InputError('THREAD', `an I/O thread of ${name.value} (${known})`, show(text))
}

const COLUMNS: readonly Column[] = [
  { head: 'THREAD' },
  { head: 'TID', align: 'right' },
  { head: 'CPUS', wraps: true },
  { head: 'LAST', align: 'right' },
]

function showPins(vm: FoundVm, chosen: Role | null, { json, color }: CarryOutOptions): void {
  const line = (thread: FoundThread, label: string, role: Role) => ({ label, thread, role })
  const all = [
    ...vm.vcpus.map((thread) => line(thread, `vCPU ${thread.vcpu}`, { role: 'vcpu', number: thread.vcpu })),
    ...vm.iothreads.map((thread, at) => line(thread, `iothread:${thread.id}`, { role: 'iothread', number: at })),
    ...vm.emulator.map((thread) => line(thread, 'emulator', { role: 'emulator' })),
  ]
  const shown = chosen === null ? all : all.filter(({ role }) => JSON.stringify(role) === JSON.stringify(chosen))
  if (json) {
    const threads = shown.map(({ role, thread: { tid, cpus, lastCpu } }) => ({ ...role, tid, cpus, lastCpu }))
    printJson({ schemaVersion: 1, kind: 'Pins', vm: vm.name.value, pid: vm.pid, threads })
    return
  }
  const rows = shown.map(({ label, thread: { tid, cpus, lastCpu } }) => [label, String(tid), cpus, String(lastCpu)])
  print(table(styleOf(process.stdout, color), COLUMNS, rows))
}
