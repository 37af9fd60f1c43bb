/**
 * OpenStack Nova's fitter, as a compute node runs it for one instance after the other (nova_fit.py). A flavor says how many
 * cells a guest has; where the request leaves that open, Nova is asked with 1, 2, ... up to MOST_CELLS until it fits.
 * Its time is that of building the host, fitting and booking, without starting Python.
 */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Request, RequestVm } from '../../../src/types.js'
import { groupBy, type Machine, machineOf } from '../../../src/verify/machine.js'
import type { Case } from '../cases.js'
import { type CellShare, cellCounts, cellShares } from '../cells.js'
import type { Placement } from '../placement.js'
import type { Peer } from './peer.js'

const MIB = 2 ** 20
const MOST_CELLS = 4
const SECONDS_A_CASE = 10
const SCRIPT = fileURLToPath(new URL('nova_fit.py', import.meta.url))

/** One answer of nova_fit.py. */
interface Fitted {
  readonly seconds: number
  readonly outOfTime: boolean
  /** By VM: its cells; null: refused. */
  readonly vms: readonly (
    | readonly { readonly node: number; readonly cpus: Readonly<Record<string, number>> }[]
    | null
  )[]
}

/** Debian's packages belong to Debian's interpreter, which need not be the first of the path. */
const python = ['/usr/bin/python3', 'python3'].find(
  (candidate) => spawnSync(candidate, ['-c', 'import nova.virt.hardware'], { stdio: 'ignore' }).status === 0,
)

export const nova: Peer = {
  name: 'Nova',
  missing: python === undefined ? 'Nova is not installed (Debian: python3-nova)' : undefined,
  solve(cases) {
    return fitAll(cases, SECONDS_A_CASE).map(({ seconds, vms }, at) => {
      const { host, request } = cases[at]!
      const machine = machineOf(host, request)
      const placements = request.vms.flatMap((vm, index) => {
        const cells = vms[index]
        return cells ? [placementOf(machine, vm, cells)] : []
      })
      return { placements, milliseconds: seconds * 1000 }
    })
  },
}

/** Nova's own words on each case; at most `limitSeconds` each. */
export function fitAll(cases: readonly Pick<Case, 'host' | 'request'>[], limitSeconds: number): Fitted[] {
  const job = { limitSeconds, cases: cases.map(({ host, request }) => caseOf(machineOf(host, request), request)) }
  const { status, stdout, stderr } = spawnSync(python!, [SCRIPT], {
    input: JSON.stringify(job),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(`nova_fit.py failed: ${stderr.trim().slice(-2000)}`)
  return JSON.parse(stdout)
}

/** The divisions into cells that Nova is asked with. */
function waysOf(machine: Machine, vm: RequestVm): CellShare[][] {
  return cellCounts(vm)
    .slice(0, MOST_CELLS)
    .map((count) => cellShares(vm, count, machine.pageSizes[0]!))
}

function caseOf(machine: Machine, { vms }: Request) {
  const cores = [...machine.usableOfCore.values()]
  const nodes = groupBy(cores, (cpus) => cpus[0]!.node)
  const bytesFree = (node: number) => machine.freePages(node, machine.pageSizes[0]!) * machine.pageSizes[0]!
  return {
    cells: [...nodes]
      .sort(([a], [b]) => a - b)
      .map(([id, siblings]) => ({
        id,
        cpus: siblings.flat().map((cpu) => cpu.id),
        siblings: siblings.map((cpus) => cpus.map((cpu) => cpu.id)),
        memoryMiB: Math.floor(bytesFree(id) / MIB),
      })),
    vms: vms.map((vm) => ({
      threadPolicy: vm.threadPolicy,
      ways: waysOf(machine, vm).map((cells) =>
        cells.map(({ vcpus, bytes }) => ({ vcpus, memoryMiB: Math.ceil(bytes / MIB) })),
      ),
    })),
  }
}

function placementOf(machine: Machine, vm: RequestVm, fitted: NonNullable<Fitted['vms'][number]>): Placement {
  const shares = waysOf(machine, vm).find((cells) => cells.length === fitted.length)!
  return {
    name: vm.name,
    cells: fitted.map(({ node, cpus }, at) => ({
      vcpus: shares[at]!.vcpus.map((vcpu) => ({ vcpu, node, cpu: cpus[vcpu] ?? null })),
      memoryNode: machine.memoryNodes(vm, node)[0]!,
      bytes: shares[at]!.bytes,
    })),
  }
}
