/** Rules and a request file together, as the content of one request file for what runs. */

import { formatCpulist } from '../../src/cpulist.js'
import { InputError } from '../../src/errors.js'
import { parseRequest } from '../../src/request.js'
import type { Host, NodeId, Request } from '../../src/types.js'
import { formatBytes, parseBytes } from '../../src/units.js'
import { nameIn, type RunningRequest, type RunningVm, requestOf } from '../found/as-request.js'
import { withoutBusy } from '../found/beside.js'
import type { FoundVm } from '../found/types.js'
import { subjectNamed, subjectOf } from './match.js'
import { type Ruling, rulingsFor } from './rulings.js'
import type { Policy } from './types.js'

/** What holds for a plan. */
export interface Circumstances {
  /** The rules. */
  readonly policy: Policy
  /** The time that counts for the rules' times. */
  readonly at: Date
  /** The content of a request file, as `requestOf` takes it. What it says of a VM counts more than the rules. */
  readonly wishes?: unknown
}

/** A VM that stays as it is. */
export interface Kept {
  /** As `requestOf` has it. */
  readonly name: string
  /** As a sentence. */
  readonly why: string
}

type Fields = Readonly<Record<string, unknown>>

const RELATIONS = ['near', 'separateFrom'] as const

export class Wishes {
  /** Of the VMs that run, in their order. */
  readonly rulings: readonly Ruling[]
  readonly #vms: readonly FoundVm[]
  readonly #host: Host
  /** The file alone, with all that runs. */
  readonly #parsed: Request | null
  readonly #file: { readonly vms: readonly Fields[]; readonly rest: Fields }
  readonly #running: ReadonlyMap<string, RunningVm>
  readonly #rulings: ReadonlyMap<string, Ruling>
  readonly #staying: Set<string>
  readonly #kept = new Map<string, string>()

  /** @throws {InputError} with the place in the file */
  constructor(vms: readonly FoundVm[], host: Host, { policy, at, wishes }: Circumstances) {
    // What is wrong with the file is said with its own places.
    const { request, running } = requestOf(vms, host, wishes)
    const names = vms.map((vm) => nameIn(vms, vm))
    const asked = (request as { readonly vms: readonly unknown[] }).vms
    this.#parsed = asked.length === 0 ? null : parseRequest(request)
    const further = (this.#parsed?.vms ?? []).filter(({ name }) => !names.includes(name))
    const subjects = [
      ...vms.map((vm, place) => subjectOf(names[place]!, vm)),
      ...further.map(({ name, vcpus, memory }) => ({ ...subjectNamed(name), vcpus, memory })),
    ]
    const rulings = rulingsFor(policy, subjects, at)
    const { vms: inFile = [], ...rest } = (wishes ?? {}) as { readonly vms?: readonly Fields[] }
    this.rulings = rulings.slice(0, vms.length)
    this.#vms = vms
    this.#host = host
    this.#file = { vms: inFile, rest }
    this.#running = new Map(running.map((one) => [one.name, one]))
    this.#rulings = new Map(rulings.map((ruling) => [ruling.name, ruling]))
    this.#staying = new Set(this.rulings.flatMap(({ name, memoryStays }) => (memoryStays ? [name] : [])))
    for (const { name, why } of this.rulings) if (why !== null) this.#kept.set(name, why)
    for (const name of this.#staying) this.#keepUnbound(name)
  }

  /** VMs that are left out. */
  get kept(): Kept[] {
    return [...this.#kept].map(([name, why]) => ({ name, why }))
  }

  /** A VM for which too much would be copied: its memory is bound to where it is, or it is left out. */
  hold(name: string): void {
    if (this.#staying.has(name))
      this.#kept.set(name, 'no plan was found that copies as little for it as the rules allow')
    this.#staying.add(name)
    this.#keepUnbound(name)
  }

  /** Leaves it out where its memory may not be bound to where it is. */
  #keepUnbound(name: string): void {
    const nodes = this.#nodesOf(name)
    const vm = this.#parsed?.vms.find((one) => one.name === name)
    if (vm === undefined || nodes.length === 0 || this.#kept.has(name)) return
    const { reserve, deviceNodes } = this.#parsed!
    const barred = [...reserve.nodes, ...(vm.avoidDeviceNodes ? deviceNodes : [])]
    const on = nodes.filter((node) => barred.includes(node))
    if (on.length === 0) return
    this.#kept.set(name, `its memory stays where it is, and VMs may have none on nodes ${formatCpulist(on)}`)
  }

  #nodesOf(name: string): NodeId[] {
    const parts = this.#running.get(name)?.cells.flatMap(({ memory }) => memory) ?? []
    return [...new Set(parts.map(({ node }) => node))].sort((a, b) => a - b)
  }

  /** @throws {InputError} with the VM and the field for which rules ask what cannot be */
  ask(): { readonly asked: RunningRequest; readonly notes: string[] } {
    const { content, notes } = this.content()
    const isMeant = (name: string) => !this.#kept.has(name)
    const others = this.#vms.filter((vm) => {
      const name = nameIn(this.#vms, vm)
      return !isMeant(name) || !this.#running.has(name)
    })
    try {
      return { asked: requestOf(this.#vms, withoutBusy(this.#host, others), content, isMeant), notes }
    } catch (error) {
      throw error instanceof InputError ? atRules(error, content.vms) : error
    }
  }

  /** The content of a request file, without the VMs that are left out, and what of the rules is not in it. */
  content(): { readonly content: { readonly vms: readonly Fields[] }; readonly notes: string[] } {
    const notes: string[] = []
    const isMeant = (name: string) => !this.#kept.has(name)
    const inFile = this.#file.vms.filter(({ name }) => isMeant(String(name)))
    const named = new Set(inFile.map(({ name }) => name))
    const others = [...this.#running.keys()].filter((name) => isMeant(name) && !named.has(name))
    const vms = [...inFile, ...others.map((name) => ({ name }))].map((fields) => this.#together(fields, notes))
    return { content: { ...this.#file.rest, vms }, notes }
  }

  /** The file's fields over those of the rules; memory that stays over both. */
  #together(given: Fields, notes: string[]): Fields {
    const name = String(given.name)
    const note = (text: string) => notes.push(`${name}: ${text}`)
    const ruled = this.#possible(this.#rulings.get(name)?.fields ?? {}, name, note)
    const fields: Record<string, unknown> = { ...ruled, ...given }
    for (const relation of RELATIONS) {
      const others = fields[relation]
      if (!Array.isArray(others)) continue
      const left = others.filter((other) => this.#kept.has(other))
      fields[relation] = others.filter((other) => !this.#kept.has(other))
      if (left.length > 0) note(`${relation} does not hold for what is left as it is: ${left.join(', ')}`)
    }
    const nodes = this.#staying.has(name) ? this.#nodesOf(name) : []
    return nodes.length === 0 ? fields : { ...fields, memoryNodes: formatCpulist(nodes) }
  }

  /** A guest that runs keeps its pages. */
  #possible(fields: Fields, name: string, note: (text: string) => void): Fields {
    const { pageSize, ...rest } = fields
    const real = this.#running.get(name)?.cells[0]?.pageSize
    if (pageSize === undefined || real === undefined) return fields
    if (pageSize !== 'any' && parseBytes(pageSize, '') !== real) {
      note(`pageSize ${pageSize}: it runs with pages of ${formatBytes(real)}, until it is started anew`)
    }
    return rest
  }
}

/** An error in the content that rules and file make together, where the file alone has none. */
function atRules(error: InputError, vms: readonly Fields[]): InputError {
  const [, at, field] = /^vms\[(\d+)\]\.(.*)$/.exec(error.where) ?? []
  const where = at === undefined ? error.where : `rules for ${vms[Number(at)]!.name}: ${field}`
  return new InputError(where, error.expected, error.got)
}
