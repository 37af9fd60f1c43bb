/** The moves from `current` to a plan: every state between two steps holds, the last is the plan, none is for nothing. */

import type { Finding } from '../errors.js'
import type { Move, Plan, Request, Spare } from '../types.js'
import { checkState } from './constraints.js'
import { groupBy, type Machine } from './machine.js'
import {
  applied,
  changedCells,
  ends,
  isDividedAlike,
  type Placed,
  type State,
  stateReader,
  withCells,
} from './states.js'
import { checkFloating, checkStep } from './steps.js'
import { isLeftOf, type Violation } from './violation.js'

/** Cells that are tried where a plan says that none can move. */
const MOST_TRIED = 256

/** @param plan one for the request, as to its shape */
export function checkMoves(machine: Machine, request: Request, plan: Plan): Finding[] {
  const { moves, spare } = plan
  if (request.vms.every(({ current }) => current === null)) {
    return moves === undefined && spare === undefined ? [] : [found('moves, though no VM has `current`')]
  }
  if (moves === undefined) return [found('no moves, though VMs have `current`')]
  const steps = [...groupBy(moves, ({ step }) => step).values()]
  if (moves.some(({ step }, at) => step !== (moves[at - 1]?.step ?? 0) && step !== (moves[at - 1]?.step ?? 0) + 1)) {
    return [found('the steps are not numbered from 1, one after the other')]
  }
  const { start, end } = ends(request, plan)
  const read = stateReader(machine, request)
  const violationsIn = ({ placed, occupancy }: Placed) => checkState(machine, occupancy, request, placed)
  const drift = violationsIn(read(start))
  const isNew = (violation: Violation) => !drift.some((known) => isLeftOf(violation, known))
  const findings: Finding[] = []
  let state = start
  for (const [at, step] of steps.entries()) {
    const problems = checkStep(machine, request, state, end, step)
    findings.push(...problems.map(({ text, ...place }) => found(`step ${at + 1}: ${text}`, place)))
    // A step that does not fit leads to no state.
    if (problems.length > 0) return findings
    state = applied(state, end, step)
    const placed = read(state)
    const inState = [...checkFloating(placed.occupancy, step), ...violationsIn(placed).filter(isNew)]
    findings.push(...inState.map(({ text, ...place }) => found(`after step ${at + 1}: ${text}`, place)))
  }
  const left = [...end].filter(([name, to]) => changedCells(state.get(name)!, to).length > 0)
  findings.push(...checkInARow(steps))
  if (spare !== undefined) {
    const holds = (next: State) => !violationsIn(read(next)).some(isNew)
    return [...findings, ...checkSpare(machine, request, spare, state, new Map(left), holds)]
  }
  return [...findings, ...left.map(([vm]) => found(`${vm}: the moves do not end where the plan has it`, { vm }))]
}

function found(text: string, place: Pick<Finding, 'vm' | 'cell' | 'vcpu'> = {}): Finding {
  const { vm, cell, vcpu } = place
  return {
    constraint: 'moves',
    ...(vm === undefined ? {} : { vm }),
    ...(cell === undefined ? {} : { cell }),
    ...(vcpu === undefined ? {} : { vcpu }),
    text,
  }
}

/** Cells that go to a place and on from there, with nothing else happening while they are there. */
function checkInARow(steps: readonly (readonly Move[])[]): Finding[] {
  const cellsOf = (step: readonly Move[] = []) =>
    step
      .map(({ vm, cell }) => JSON.stringify([vm, cell]))
      .sort()
      .join()
  return steps.flatMap((step, at) => {
    if (cellsOf(step) !== cellsOf(steps[at + 1])) return []
    const { vm, cell } = step[0]!
    return [found(`steps ${at + 1} and ${at + 2}: cell ${cell} of ${vm} moves twice in a row`, { vm, cell })]
  })
}

/** Something has to be missing, and no cell can go to its place without it. */
function checkSpare(
  machine: Machine,
  request: Request,
  spare: readonly Spare[],
  state: State,
  left: State,
  holds: (state: State) => boolean,
): Finding[] {
  if (left.size === 0) return [found('room is said to be missing, though the moves end where the plan has the VMs')]
  const empty = spare.filter(({ node, cpus, bytes }) => {
    return (cpus === 0 && bytes === 0) || (node !== null && !machine.nodes.has(node))
  })
  const findings = empty.map(({ node, cpus, bytes }) =>
    found(`${cpus} CPUs and ${bytes} bytes are said to be missing on node ${node}`),
  )
  const policies = new Map(request.vms.map((vm) => [vm.name, vm.memoryPolicy]))
  let tried = 0
  for (const [vm, to] of left) {
    const from = state.get(vm)!
    const changed = changedCells(from, to)
    const isWhole = !isDividedAlike(from, to) || policies.get(vm) === 'interleave'
    for (const cells of isWhole ? [changed] : changed.map((cell) => [cell])) {
      if (tried++ === MOST_TRIED) return findings
      if (!holds(new Map([...state, [vm, isWhole ? to : withCells(from, to, cells)]]))) continue
      findings.push(found(`room is said to be missing, yet cell ${cells} of ${vm} can move`, { vm, cell: cells[0]! }))
    }
  }
  return findings
}
