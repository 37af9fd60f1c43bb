/** A plan as a scene: where the VMs are afterwards, and how they get there. */

import { parseCpulist } from '../cpulist.js'
import type { CpuId, Host, Move, NodeId, Plan, PlanCell, PlanVcpu, PlanVm, Request } from '../types.js'
import type { Scene, SceneMove, SceneVm } from './scene.js'
import { hostText, moveText, planText, termsText } from './words.js'

/** A host alone. */
export function sceneOfHost(host: Host): Scene {
  return {
    title: hostText(host),
    facts: [],
    host,
    reserve: { cpus: new Set(), memory: 0, nodes: new Set() },
    vms: [],
    refused: [],
    moves: [],
  }
}

/** @param plan well-formed for this host and request; it need not hold */
export function sceneOfPlan(host: Host, request: Request, plan: Plan): Scene {
  const terms = termsText(plan.cost.terms)
  return {
    ...sceneOfHost(host),
    title: planText(plan),
    facts: [hostText(host), ...(terms === '' ? [] : [`lost to ${terms}`])],
    reserve: reserveOf(host, request),
    vms: plan.vms.map(sceneVm),
    refused: plan.refused.map(({ name, because: [first] }) => ({
      name,
      reason: first === undefined ? 'no reason is given' : `${first.constraint}: ${first.text}`,
    })),
    moves: movesOf(request, plan),
  }
}

export function reserveOf({ cpus }: Host, { reserve }: Request): Scene['reserve'] {
  const kept =
    'allBut' in reserve.cpus
      ? cpus.map(({ id }) => id).filter((id) => !(reserve.cpus as { allBut: readonly CpuId[] }).allBut.includes(id))
      : reserve.cpus
  return { cpus: new Set(kept), memory: reserve.memory, nodes: new Set(reserve.nodes) }
}

function sceneVm({ name, cost, cells, vcpus, emulator, iothreads }: PlanVm): SceneVm {
  return {
    name,
    lost: cost.lostVcpus,
    terms: cost.terms,
    vcpus: vcpus.map(({ vcpu, cpus, dedicated }) => ({ vcpu, cpus: parseCpulist(cpus), pinned: dedicated })),
    memory: cells.flatMap(({ pageSize, memory }) => memory.map(({ node, bytes }) => ({ node, pageSize, bytes }))),
    emulator: parseCpulist(emulator, { allowEmpty: true }),
    iothreads: iothreads.map((cpus) => parseCpulist(cpus, { allowEmpty: true })),
  }
}

/** Where a VM is between two steps. */
interface Place {
  readonly cpus: Map<number, string>
  readonly memory: Map<number, PlanCell['memory']>
}

function movesOf({ vms }: Request, { moves = [] }: Plan): SceneMove[] {
  const places = new Map(vms.map(({ name, current }) => [name, placeOf(current?.vcpus ?? [], current?.cells ?? [])]))
  return moves.map((move) => {
    const place = places.get(move.vm) ?? placeOf([], [])
    const shown = { step: move.step, vm: move.vm, text: moveText(move), ...fromTo(place, move) }
    for (const { vcpu, cpus } of move.vcpus) place.cpus.set(vcpu, cpus)
    if (move.memory.length > 0) place.memory.set(move.cell, move.memory)
    return shown
  })
}

function placeOf(vcpus: readonly Pick<PlanVcpu, 'vcpu' | 'cpus'>[], cells: readonly PlanCell[]): Place {
  return {
    cpus: new Map(vcpus.map(({ vcpu, cpus }) => [vcpu, cpus])),
    memory: new Map(cells.map(({ cell, memory }) => [cell, memory])),
  }
}

function fromTo(place: Place, move: Move): Pick<SceneMove, 'cpus' | 'memory'> {
  const first = move.vcpus.find(({ vcpu, cpus }) => place.cpus.has(vcpu) && place.cpus.get(vcpu) !== cpus)
  const before = place.memory.get(move.cell)
  const [from, to] = [largest(before ?? []), largest(move.memory)]
  return {
    cpus:
      first === undefined ? null : { from: parseCpulist(place.cpus.get(first.vcpu)!), to: parseCpulist(first.cpus) },
    memory: from === null || to === null || from === to ? null : { from, to },
  }
}

function largest(memory: PlanCell['memory']): NodeId | null {
  return (
    memory.reduce<PlanCell['memory'][number] | null>(
      (most, part) => (most === null || part.bytes > most.bytes ? part : most),
      null,
    )?.node ?? null
  )
}
