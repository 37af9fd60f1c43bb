/** A process with a VM of two vCPUs and their statistics open, as QEMU has them. Each line that it reads is 100 exits. */

import { createInterface } from 'node:readline'
import { portLoop } from '../../../bench/guests/port-loop.js'
import { enterGuest } from '../../../executor/kvm/kvm-vcpu.js'
import { VmMemory } from '../../../executor/memory/memory.js'
import { KvmStats } from '../../../executor/observe/stats.js'
import { layoutVm } from '../../../executor/plan/layout.js'
import { machineWith } from '../machines.js'
import { MiB, planOf } from '../plans.js'

using memory = VmMemory.map(layoutVm(planOf({ vcpus: ['0', '0'], cells: [MiB] }).vms[0]!))
using machine = await machineWith(memory, portLoop)
const held = machine.vcpus.map(({ fd }) => KvmStats.open(fd))
console.log('ready')
for await (const _ of createInterface(process.stdin)) {
  for (let exit = 0; exit < 100; exit++) enterGuest(machine.vcpus[0]!.fd)
  console.log('done')
}
for (const stats of held) stats.close()
