/** Plans made by hand for the CPUs and nodes of the machine that the tests run on. */

import { readFileSync } from 'node:fs'
import { parseCpulist } from '../../src/cpulist.js'
import { COST_TERMS, type CostTerms, type Plan, type PlanVm } from '../../src/types.js'

const status = readFileSync('/proc/self/status', 'utf8')

function allowed(field: string): number[] {
  return parseCpulist(new RegExp(`^${field}_allowed_list:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0')
}

/** CPUs and nodes that this process may use, ascending. */
export const cpus = allowed('Cpus')
export const nodes = allowed('Mems')

export const MiB = 1024 ** 2

export interface VmSketch {
  readonly name?: string
  /** cpulist of each vCPU. */
  readonly vcpus: readonly string[]
  /** Bytes of each cell. */
  readonly cells?: readonly number[]
  readonly node?: number
  readonly pageSize?: number
}

/** vCPUs are dealt out to the cells in turn: the first to cell 0, the second to cell 1, ... */
export function planOf(...vms: readonly VmSketch[]): Plan {
  const terms = Object.fromEntries(COST_TERMS.map((term) => [term, 0])) as CostTerms
  return {
    schemaVersion: 1,
    kind: 'Plan',
    status: 'optimal',
    cost: { lostVcpus: 0, lowerBound: 0, gap: 0, terms },
    vms: vms.map(sketchVm),
    refused: [],
    solver: { planner: 'by hand', seed: 0, steps: 0 },
  }
}

function sketchVm(sketch: VmSketch): PlanVm {
  const { name = 'demo', vcpus, cells = [64 * MiB], node = nodes[0]!, pageSize = 4096 } = sketch
  return {
    name,
    cost: { lostVcpus: 0, terms: {} },
    cells: cells.map((bytes, cell) => ({ cell, pageSize, memory: [{ node, bytes }] })),
    vcpus: vcpus.map((list, vcpu) => ({
      vcpu,
      cell: vcpu % cells.length,
      node,
      cpus: list,
      dedicated: !/[-,]/.test(list),
    })),
    emulator: String(cpus[0]),
    iothreads: [],
  }
}
