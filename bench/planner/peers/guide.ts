/**
 * The integration guide's rule: vCPU i to node i mod n, CPU i mod CPUs of the node. It knows of no other VM, so i goes on
 * from one VM of the request to the next; nodes and CPUs are those that are usable.
 */

import { groupBy, machineOf } from '../../../src/verify/machine.js'
import { type Peer, placementOf, timed } from './peer.js'

export const guide: Peer = {
  name: "the guide's rule",
  missing: undefined,
  solve: (cases) =>
    cases.map(({ host, request }) =>
      timed(() => {
        const machine = machineOf(host, request)
        const usable = [...machine.cpus.values()].filter((cpu) => cpu.usable)
        const nodes = [...groupBy(usable, ({ node }) => node)].sort(([a], [b]) => a - b).map(([, cpus]) => cpus)
        let next = 0
        return request.vms.map((vm) => {
          const cpus = Array.from({ length: vm.vcpus }, () => {
            const own = nodes[next % nodes.length]!
            return own[next++ % own.length]!.id
          })
          return placementOf(machine, vm, cpus)
        })
      }),
    ),
}
