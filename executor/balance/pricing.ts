/** What is lost now, and what would be if some VMs went to where a plan has them: by the verifier, of all VMs together. */

import { formatCpulist, parseCpulist } from '../../src/cpulist.js'
import { COST_TERMS, type CostTerms, type PlanVm, type RequestVm } from '../../src/types.js'
import { type AsIsCost, costAsIs, type Resident, residentsAfter } from '../../src/verify.js'
import type { Price, Situation } from './types.js'

/** A VM that a plan has elsewhere. */
export interface Candidate {
  /** As in the request. */
  readonly name: string
  /** Nodes of its CPUs, as cpulists. */
  readonly from: string
  readonly to: string
  /** Copied. */
  readonly bytes: number
  /** vCPUs that get other CPUs. */
  readonly pinned: number
  /** vCPU seconds. */
  readonly price: number
}

/** In the model a vCPU that gets other CPUs costs so much for the horizon. Source: docs/model.md, `migration` */
const LOST_PER_PIN = 0.001

/** Those that a plan has elsewhere, in its order. Who has no memory yet is not among them: where it is is not known. */
export function candidatesOf({ host, request, residents }: Situation, planned: readonly PlanVm[]): Candidate[] {
  const nodeOf = new Map(host.cpus.map(({ id, node }) => [id, node]))
  const nodesOf = (lists: readonly string[]) => {
    const cpus = [...new Set(lists)].flatMap((list) => parseCpulist(list, { allowEmpty: true }))
    return formatCpulist([...new Set(cpus.flatMap((cpu) => nodeOf.get(cpu) ?? []))].sort((a, b) => a - b))
  }
  const asked = new Map(request.vms.map((vm) => [vm.name, vm]))
  const here = new Map(residents.map((resident) => [resident.name, resident]))
  return planned.flatMap((vm): Candidate[] => {
    const [wanted, resident] = [asked.get(vm.name), here.get(vm.name)]
    if (wanted === undefined || wanted.current === null || resident === undefined) return []
    const bytes = bytesTo(wanted, vm)
    const pinned = vm.vcpus.filter(({ cpus }, vcpu) => cpus !== resident.vcpus[vcpu]?.cpus).length
    if (bytes === 0 && pinned === 0) return []
    const { copyBytesPerSecond, horizonSeconds } = request.model
    return [
      {
        name: vm.name,
        from: nodesOf(resident.vcpus.map(({ cpus }) => cpus)),
        to: nodesOf(vm.vcpus.map(({ cpus }) => cpus)),
        bytes,
        pinned,
        price: (bytes / copyBytesPerSecond) * wanted.vcpus + LOST_PER_PIN * pinned * horizonSeconds,
      },
    ]
  })
}

/** What each of its cells has on a node beyond what it has there now. */
function bytesTo({ current }: RequestVm, { cells }: PlanVm): number {
  const parts = cells.flatMap(({ cell, memory }) => {
    const before = new Map(current!.cells[cell]?.memory.map(({ node, bytes }) => [node, bytes]))
    return memory.map(({ node, bytes }) => Math.max(0, bytes - (before.get(node) ?? 0)))
  })
  return parts.reduce((sum, bytes) => sum + bytes, 0)
}

/** Prices placements of one situation. */
export class Pricing {
  readonly now: AsIsCost
  readonly #situation: Situation
  readonly #known = new Map<string, AsIsCost>()

  constructor(situation: Situation) {
    this.#situation = situation
    this.now = this.#price(situation.residents)
  }

  /** After these VMs have gone to where `planned` has them. */
  after(planned: readonly PlanVm[]): AsIsCost {
    const key = JSON.stringify(planned.map(({ name, vcpus }) => [name, vcpus.map(({ cpus }) => cpus)]))
    const known = this.#known.get(key) ?? this.#price(residentsAfter(this.#situation.residents, planned))
    this.#known.set(key, known)
    return known
  }

  #price(residents: readonly Resident[]): AsIsCost {
    return costAsIs(this.#situation.host, this.#situation.request, residents)
  }
}

/** For the log. */
export function priceOf({ lostVcpus, terms }: { readonly lostVcpus: number; readonly terms: CostTerms }): Price {
  const kept = COST_TERMS.filter((term) => term !== 'migration' && terms[term] !== 0)
  return {
    lostVcpus: round(lostVcpus - terms.migration),
    terms: Object.fromEntries(kept.map((term) => [term, round(terms[term])])),
  }
}

/** Millionths: further digits are not the model's. */
export function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
