/** Machines that tests run by hand, one exit at a time. */

import type { Guest } from '../../executor/guests/guest.js'
import type { VmMemory } from '../../executor/memory/memory.js'
import { bootGuest } from '../../executor/program/boot.js'
import { Machine } from '../../executor/vm/machine.js'

/** A machine whose vCPUs are about to run the guest. */
export async function machineWith(memory: VmMemory, guest: Guest): Promise<Machine> {
  const machine = await Machine.build(memory)
  try {
    bootGuest(memory, machine.vcpus, guest)
    return machine
  } catch (error) {
    machine.close()
    throw error
  }
}
