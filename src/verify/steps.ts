/** Whether the moves of one step fit the state before it, go together, and say what they do. */

import { formatCpulist } from '../cpulist.js'
import type { Finding } from '../errors.js'
import type { CurrentPlacement, Move, Request, RequestVm } from '../types.js'
import { groupBy, type Machine } from './machine.js'
import type { Occupancy } from './occupancy.js'
import { copiedBytes, isDividedAlike, isSameMemory, isSameSeat, type State } from './states.js'

type Problem = Omit<Finding, 'constraint'>

export function checkStep(
  machine: Machine,
  request: Request,
  state: State,
  end: State,
  step: readonly Move[],
): Problem[] {
  const problems: Problem[] = []
  const groups = groupBy(step, (move) => move.vm)
  for (const [vm, moves] of groups) {
    const [from, to] = [state.get(vm), end.get(vm)]
    const say = (text: string, cell?: number) =>
      problems.push({ vm, ...(cell === undefined ? {} : { cell }), text: `${vm}: ${text}` })
    if (from === undefined || to === undefined) {
      say('it moves, though it is not both in the plan and somewhere now')
      continue
    }
    checkDivision(from, to, moves, say)
    if (problems.length > 0) continue
    for (const move of moves) checkMove(machine, from, to, move, (text) => say(`cell ${move.cell} ${text}`, move.cell))
  }
  return problems.length > 0 ? problems : checkTogether(request, state, groups)
}

type Say = (text: string, cell?: number) => void

/** The cells that move are those of the VM, each once; a step that divides it anew has all of the plan's. */
function checkDivision(from: CurrentPlacement, to: CurrentPlacement, moves: readonly Move[], say: Say): void {
  const cells = moves.map(({ cell }) => cell)
  const redivides = moves.some((move) => move.redivides)
  const known = (redivides ? to : from).cells.length
  const strange = cells.find((cell) => cell >= known)
  if (strange !== undefined) say(`cell ${strange} moves, it has ${known} cells`)
  else if (new Set(cells).size < cells.length) say('a cell moves twice in one step')
  else if (!redivides) return
  else if (isDividedAlike(from, to)) say('it is divided anew, though it has the cells of the plan')
  else if (cells.length < known || !moves.every((move) => move.redivides))
    say('it is divided anew in a part of its cells')
}

function checkMove(machine: Machine, from: CurrentPlacement, to: CurrentPlacement, move: Move, say: Say): void {
  const division = move.redivides ? to : from
  const before = from.cells[move.cell]
  if (move.vcpus.length === 0 && move.memory.length === 0 && !move.redivides) say('goes nowhere')
  if (new Set(move.vcpus.map(({ vcpu }) => vcpu)).size < move.vcpus.length) say('moves a vCPU twice')
  for (const vcpu of move.vcpus) {
    const was = from.vcpus[vcpu.vcpu]
    if (was === undefined || division.vcpus[vcpu.vcpu]!.cell !== move.cell)
      say(`moves vCPU ${vcpu.vcpu}, which it has not`)
    else if (isSameSeat(was, vcpu)) say(`moves vCPU ${vcpu.vcpu} to where it is`)
    if (!machine.nodes.has(vcpu.node)) say(`moves vCPU ${vcpu.vcpu} to node ${vcpu.node}, which does not exist`)
  }
  if (move.memory.length === 0) {
    if (before === undefined) say('is new and has no memory')
    else if (move.pageSize !== before.pageSize) say(`keeps its memory, yet its pages become ${move.pageSize} bytes`)
    if (move.bytes !== 0) say(`keeps its memory, yet ${move.bytes} bytes are copied`)
    return
  }
  const nodes = move.memory.map(({ node }) => node)
  const strange = nodes.find((node) => !machine.nodes.has(node))
  if (strange !== undefined) say(`has memory on node ${strange}, which does not exist`)
  if (new Set(nodes).size < nodes.length) say('lists a node twice')
  if (isSameMemory(before, move)) say('moves its memory to where it is')
  const copied = copiedBytes(before, move)
  if (move.bytes !== copied) say(`is said to copy ${move.bytes} bytes, it copies ${copied}`)
}

/**
 * One cell a step, but for VMs that are divided anew or interleaved over the nodes that they use, and for VMs that have to stay near
 * each other.
 */
function checkTogether(request: Request, state: State, groups: ReadonlyMap<string, readonly Move[]>): Problem[] {
  const asked = new Map(request.vms.map((vm) => [vm.name, vm]))
  const problems: Problem[] = []
  for (const [vm, moves] of groups) {
    const isWhole = moves[0]!.redivides || asked.get(vm)!.memoryPolicy === 'interleave'
    if (moves.length === 1 || isWhole) continue
    const cells = formatCpulist(moves.map(({ cell }) => cell))
    problems.push({ vm, text: `${vm}: cells ${cells} move together, though each could move alone` })
  }
  if (groups.size === 1) return problems
  const vms = [...groups.keys()].map((name) => asked.get(name)!)
  for (const { name } of vms) {
    if (groups.get(name)!.some((move) => movesFirstNode(state.get(name)!, move))) continue
    problems.push({ vm: name, text: `${name}: it moves together with others, though its first node stays` })
  }
  const reached = near(vms)
  for (const { name } of vms.filter((vm) => !reached.has(vm))) {
    problems.push({ vm: name, text: `${name}: it moves together with VMs that it is not near to` })
  }
  return problems
}

function movesFirstNode({ vcpus }: CurrentPlacement, move: Move): boolean {
  const first = vcpus.find(({ cell }) => cell === 0) ?? vcpus[0]!
  return move.cell === 0 && move.vcpus.some(({ node }) => node !== first.node)
}

/** The first VM, and those that are near to it, and so on. */
function near(vms: readonly RequestVm[]): Set<RequestVm> {
  const reached = new Set(vms.slice(0, 1))
  for (const vm of reached) {
    for (const other of vms) if (vm.near.includes(other.name) || other.near.includes(vm.name)) reached.add(other)
  }
  return reached
}

/** Shared vCPUs of a step that are said to float over other CPUs than their node has to share after it. */
export function checkFloating(occupancy: Occupancy, step: readonly Move[]): Problem[] {
  return step.flatMap(({ vm, cell, vcpus }) =>
    vcpus.flatMap(({ vcpu, node, cpus, dedicated }) => {
      const wanted = occupancy.shared(node).cpulist
      if (dedicated || cpus === wanted) return []
      const text = `${vm}: vCPU ${vcpu} floats over CPUs ${cpus || 'none'}, the shared CPUs of node ${node} are ${wanted || 'none'}`
      return [{ vm, cell, vcpu, text }]
    }),
  )
}
