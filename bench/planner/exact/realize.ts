/** Columns -> CPUs: cores of a class are given out in order, to the first column that asks. */

import type { CpuId, RequestVm } from '../../../src/types.js'
import type { PlacedCell, Placement } from '../placement.js'
import type { ExactHost } from './classes.js'
import type { Column } from './columns.js'
import type { NodeSeats } from './seats.js'

export function realize(
  host: ExactHost,
  chosen: readonly { readonly vm: RequestVm; readonly column: Column }[],
): Placement[] {
  const given = host.classes.map(() => 0)
  return chosen.map(({ vm, column }) => {
    /** By cell: the CPUs of its vCPUs. */
    const cpus: CpuId[][] = column.cells.map(() => [])
    for (const [node, seats] of column.seats) {
      const cells = column.nodes.flatMap((at, cell) => (at === node ? [cell] : []))
      for (const [position, index] of host.nodes[node]!.classes.entries()) {
        const cores = host.classes[index]!.cores.slice(given[index]!, given[index]! + seats.cores[position]!)
        given[index] = given[index]! + cores.length
        for (const [at, own] of seatsInClass(vm, seats, position, cores).entries()) cpus[cells[at]!]!.push(...own)
      }
    }
    return {
      name: vm.name,
      cells: column.cells.map((cell, at): PlacedCell => {
        const node = host.nodes[column.nodes[at]!]!.id
        const vcpus = cell.vcpus.map((vcpu, index) => ({ vcpu, node, cpu: cpus[at]![index] ?? null }))
        return { vcpus, memoryNode: host.machine.memoryNodes(vm, node)[0]!, bytes: cell.bytes }
      }),
    }
  })
}

/** By cell of the node: its CPUs in one class. */
function seatsInClass(
  { threadPolicy }: RequestVm,
  { cells }: NodeSeats,
  position: number,
  cores: readonly (readonly CpuId[])[],
): CpuId[][] {
  const counts = cells.map(({ vcpus }) => vcpus[position]!)
  if (threadPolicy === 'isolate' || threadPolicy === 'spread') {
    const oneByOne = [...cores.map((core) => core[0]!), ...cores.map((core) => core[1])]
    return counts.map((count) => oneByOne.splice(0, count) as CpuId[])
  }
  // Whole cores first; then what is left of the cells shares cores in pairs, and the one that may stay alone comes last.
  const free = [...cores]
  const width = cores[0]?.length ?? 1
  const alone = cells.map(({ idle }) => (idle === position ? 1 : 0))
  const own = counts.map((count, at) => free.splice(0, Math.floor((count - alone[at]!) / width)).flat())
  const halves = counts.flatMap((count, at) => Array<number>(count - alone[at]! - own[at]!.length).fill(at))
  const last = alone.flatMap((count, at) => Array<number>(count).fill(at))
  const singles = free.flat()
  for (const [index, at] of [...halves, ...last].entries()) own[at]!.push(singles[index]!)
  return own
}
